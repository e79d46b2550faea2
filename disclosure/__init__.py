"""From confidential counts to a table that may leave: suppression that proves itself."""

from disclosure.attacker import attack
from disclosure.correction import Proof, correct
from disclosure.errors import DisclosureError
from disclosure.hierarchy import Hierarchy
from disclosure.protect import Build, build, protect
from disclosure.rules import Inequality, ThresholdRule
from disclosure.table import ProtectedTable
from disclosure.terms import Terms
from disclosure.witness import Witnesses

__all__ = [
    "Build",
    "DisclosureError",
    "Hierarchy",
    "Inequality",
    "Proof",
    "ProtectedTable",
    "Terms",
    "ThresholdRule",
    "Witnesses",
    "attack",
    "build",
    "correct",
    "protect",
]
