"""From confidential counts to a table that may leave: suppression that proves itself."""

from disclosure.attacker import attack
from disclosure.errors import DisclosureError
from disclosure.hierarchy import Hierarchy
from disclosure.protect import Build, build, protect
from disclosure.rules import Inequality, ThresholdRule
from disclosure.table import ProtectedTable

__all__ = [
    "Build",
    "DisclosureError",
    "Hierarchy",
    "Inequality",
    "ProtectedTable",
    "ThresholdRule",
    "attack",
    "build",
    "protect",
]
