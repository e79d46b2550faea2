"""Integer privacy-budget arithmetic: how a budget is divided, and whether accounts can bear it.

Amounts are whole millionths of rho (Gaussian noise, zCDP) or of epsilon (Laplace noise). Whole numbers, because a
ledger that adds floats loses track of small amounts. What is booked is the amount asked for, never the smaller one
that a rounded scale of noise really costs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from disclosure.errors import DisclosureError

MILLIONTHS = 1_000_000


@dataclass(frozen=True, slots=True)
class Account:
    """What was spent of a budget, and what may be spent at most; both in millionths."""

    name: str
    cap: int
    spent: int

    @property
    def left(self) -> int:
        """What can still be asked; 0 where a cap was lowered below what was spent."""
        return max(0, self.cap - self.spent)


@dataclass(frozen=True, slots=True)
class Overdrawn:
    """The answer to a request that an account cannot bear: nothing was booked anywhere."""

    account: Account
    asked: int


def first_overdrawn(asked: int, accounts: Iterable[Account]) -> Overdrawn | None:
    """The first account that cannot bear what is asked; None where all can.

    Raises:
        DisclosureError: the amount is not positive.
    """
    if asked <= 0:
        raise DisclosureError("a request for privacy budget must ask for something: give a positive whole number")
    return next((Overdrawn(account, asked) for account in accounts if asked > account.left), None)


def divide(total: int, shares: Mapping[str, int]) -> dict[str, int]:
    """Divide a budget by shares, rounded down: together never above the total.

    Args:
        total: millionths to divide.
        shares: name → share, 1 or more; they need not add up to anything.

    Raises:
        DisclosureError: no shares, or a share that gets nothing.
    """
    whole = sum(shares.values())
    divided = {name: total * share // whole for name, share in shares.items()} if whole else {}
    if not divided or min(divided.values()) <= 0:
        raise DisclosureError("a level of the table gets no budget: raise the budget or leave the level out")
    return divided
