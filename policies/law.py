"""The whole law as one value: what the engine compiles and what register, pages and explanations are made from."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from policies.decision import Version
from policies.dpia import Assessment
from policies.purpose import InForce, Purposes
from policies.rule import Rule
from policies.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Law:
    """Everything that was loaded and found sound.

    Attributes:
        rules: all rules by id, in the order of the files.
        purposes: all purposes, with the documents cited.
        in_force: what the operator set in force, by purpose.
        vocabulary: words for facts, values and acts.
        assessment: risks and the measures against them.
        version: name and hash of everything that decides.
    """

    rules: Mapping[str, Rule]
    purposes: Purposes
    in_force: Mapping[str, InForce]
    vocabulary: Vocabulary
    assessment: Assessment
    version: Version

    @property
    def dates(self) -> frozenset[dt.date]:
        """The days on which a purpose can start or end by its date; from one to the next nothing does."""
        of_files = {day for purpose in self.purposes.values() for day in (purpose.valid_from, purpose.valid_until)}
        return frozenset(of_files | {word.from_date for word in self.in_force.values()})
