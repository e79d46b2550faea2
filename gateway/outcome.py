"""What an act can end in besides success: faults in a file and refusals, as values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policies.decision import Deny

REPORTED_PER_RULE = 100


class GatewayError(Exception):
    """A broken invariant of the gateway: aborts the transaction it happens in."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault in a file: where it is and which rule it breaks, never what the cell holds.

    Attributes:
        rule: Code of the rule; `gateway.messages` has its text and mend in both languages.
        row: Row in the file as a person sees it, header = 1; 0 when the fault is of the file.
        column: A column name of the contract, or the column's letter where the header is not ours to repeat.
        where: Codes of the contract (subdivision, kind, band) that place the fault, joined by ` · `; or `#2`, the
            second sheet of a workbook, where another one is read.
    """

    rule: str
    row: int = 0
    column: str = ""
    where: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All faults of a file at once: the first hundred per rule, and how many there are of each."""

    faults: tuple[Fault, ...]
    totals: Mapping[str, int]

    @classmethod
    def of(cls, faults: Iterable[Fault]) -> "Report":
        """Sort the faults by place, keep the first hundred of each rule and count them all."""
        kept: list[Fault] = []
        totals: Counter[str] = Counter()
        for fault in sorted(faults, key=lambda fault: (fault.row, fault.column, fault.rule, fault.where)):
            totals[fault.rule] += 1
            if totals[fault.rule] <= REPORTED_PER_RULE:
                kept.append(fault)
        return cls(tuple(kept), dict(totals))


@dataclass(frozen=True, slots=True)
class Refused:
    """An act that did not happen, and why.

    Attributes:
        code: Stable problem code, the last part of `/problems/{code}`.
        report: Faults of the file, when that is the reason.
        decision: The policy's refusal, when that is the reason.
        facts: Public facts for the text of the problem (a period, a limit), never a value from a file.
        retry_after: Seconds after which the same call can succeed, when waiting helps.
    """

    code: str
    report: Report | None = None
    decision: "Deny | None" = None
    facts: Mapping[str, str] = field(default_factory=dict)
    retry_after: int | None = None


CHANGED = Refused("busy", retry_after=1)
"""What an act goes by changed while it was under way: nothing was done; the same call can succeed, or hears why not."""


def malformed(faults: Iterable[tuple[str, str]]) -> Refused:
    """A request that does not fit its form: key and code of each fault, never a value that was sent."""
    return Refused("invalid-request", facts={"fields": "; ".join(f"{key}: {code}" for key, code in faults)})
