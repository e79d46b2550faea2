"""What a file is checked against, and what it turns out to say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gateway.collections import Contract

Cell = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """The contract and what is known of the sender.

    Attributes:
        contract: The collection the file is for.
        site: Code of the site the file must be about; None when not known (offline).
        period: Code of the period the file must be about; None when not known.
        sector: The site's sector; None when not known: then the subdivisions of all sectors are accepted.
        offered: The site's subdivisions; None when not known: then completeness is checked for those in the file.
        keys: Ids of the pseudonym service's keys that the file may use; None when not known.
    """

    contract: Contract
    site: str | None = None
    period: str | None = None
    sector: str | None = None
    offered: tuple[str, ...] | None = None
    keys: frozenset[str] | None = None

    def unchecked(self, *, document: bool) -> tuple[str, ...]:
        """Codes of the rules that could not be checked for want of knowledge; a table does not say of whom it is."""
        rules: dict[str, object] = {"SUBDIVISION-OFFERED": self.offered}
        if document:
            rules |= {"JSON-SITE": self.site, "JSON-PERIOD": self.period}
        if self.contract.collection.form == "records":
            rules["KEY-UNKNOWN"] = self.keys
        return tuple(rule for rule, known in rules.items() if known is None)


class Row(NamedTuple):
    """One enrolment in transit: the 64-byte pseudonym y is dropped at receipt, where the pid takes its place.

    Attributes:
        hours: Hours missed by kind, in the order of the contract's record columns, in 1/100 hour.
        scheduled: Scheduled hours in 1/100 hour, above 0.
    """

    pseudonym: bytes
    subdivision: str
    scheduled: int
    hours: tuple[int, ...]

    def __repr__(self) -> str:
        """Nothing of the pupil."""
        return "Row(…)"


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file without faults.

    Attributes:
        counts: Leaf cell (subdivision, kind, band) → pupils; complete for every subdivision in the file.
        rows: The enrolments behind the counts, for a collection of records.
        key_id: Key of the pseudonym service the rows were made with; empty for a collection of counts.
        notes: What was tolerated and should be said.
        unchecked: Rules that could not be checked.
    """

    counts: Mapping[Cell, int]
    rows: tuple[Row, ...] = ()
    key_id: str = ""
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
