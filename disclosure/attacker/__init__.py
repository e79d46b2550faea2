"""The independent judge: what an outsider or an insider can still compute. Shares no code with the suppressor."""

from disclosure.attacker.bounds import attack
from disclosure.attacker.judge import Verdicts, judge

__all__ = ["Verdicts", "attack", "judge"]
