"""When a count is small, and what else an outsider knows: frozen values, no code that acts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from disclosure.errors import DisclosureError

Cell = Mapping[str, str]
Pattern = Mapping[str, str | Sequence[str]]
SMALLEST_MINIMUM = 2


@dataclass(frozen=True)
class ThresholdRule:
    """A count is small when it is below `minimum`; small counts are neither shown nor derivable.

    Args:
        minimum: the least count that may be shown, 2 or more; 3 or more where zeros may be shown.
        zeros_are_small: whether 0 (and, with `complements`, everybody) is small too. If not, a hidden small cell is
            known to be 1 or more, so two of them in one sum exclude that this is 1. The promise is not shrunk by what
            follows so from the rule itself: a table where two small cells make a small sum or rest is mostly refused.
        complements: whether the rest of a known total is held to the same rule.
        min_denominator: rows with a known total below this are withheld whole; as that follows from public figures, an
            outsider is not told which of their cells are small. 4 bands x 4 + 1 = 17 leaves room for any four bands.

    Raises:
        DisclosureError: a minimum that leaves one small count only, a negative denominator, or one that is no whole
            number.
    """

    minimum: int = 5
    zeros_are_small: bool = True
    complements: bool = True
    min_denominator: int = 0

    def __post_init__(self) -> None:
        for name, value in (("minimum", self.minimum), ("min_denominator", self.min_denominator)):
            if not hasattr(value, "__index__"):
                raise DisclosureError(f"{name} is {value!r}; give a whole number")
        if self.minimum < SMALLEST_MINIMUM:
            raise DisclosureError(f"minimum is {self.minimum}; a threshold below {SMALLEST_MINIMUM} protects nobody")
        if self.highest <= self.lowest:
            raise DisclosureError(f"minimum is {self.minimum} and zeros may be shown: give a minimum of 3 or more")
        if self.min_denominator < 0:
            raise DisclosureError("min_denominator is negative")

    @property
    def highest(self) -> int:
        """The highest small count."""
        return self.minimum - 1

    @property
    def lowest(self) -> int:
        """The lowest small count: 0, or 1 where zeros may be shown."""
        return 0 if self.zeros_are_small else 1

    @property
    def floor(self) -> int:
        """Rows with a known total below this are withheld whole.

        With complements the floor is at least 2 x minimum - 1: below it a count and its rest can both be small,
        and telling an outsider both would narrow them by itself.
        """
        return max(self.min_denominator, 2 * self.minimum - 1 if self.complements else 0)


@dataclass(frozen=True, init=False)
class Inequality:
    """For every leaf of the other dimensions: the sum over `smaller` is at most the sum over `larger`.

    Each side is one cell or several, a cell naming one code (of any level) for some of the dimensions; dimensions
    left out are free. A cell may be repeated to count it twice.

    Raises:
        DisclosureError: a side without a cell.
    """

    smaller: tuple[Cell, ...]
    larger: tuple[Cell, ...]

    def __init__(self, smaller: Cell | Iterable[Cell], larger: Cell | Iterable[Cell]) -> None:
        object.__setattr__(self, "smaller", _cells(smaller))
        object.__setattr__(self, "larger", _cells(larger))
        if not self.smaller or not self.larger:
            raise DisclosureError("inequality: name a cell on each side; what cannot exist is a structural zero")


def _cells(side: Cell | Iterable[Cell]) -> tuple[Cell, ...]:
    return (dict(side),) if isinstance(side, Mapping) else tuple(dict(cell) for cell in side)
