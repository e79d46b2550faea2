"""Data contracts: what a collection asks for, read from the files in `contracts/` and from a deployment's own folders.

A collection is data. Its kinds, bands, subdivisions and order rules come from its file; no code knows their names.
"""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.messages import MendableError, places_of
from gateway.outcome import GatewayError
from policies.purpose import DataCategory

TOTAL = "total"
CONTRACTS = Path(__file__).parent / "contracts"


class CollectionError(MendableError):
    """A contract file is wrong: names the file and the key."""


Cumulative = tuple[str, tuple[str, ...]]
PAIR = 2


@dataclass(frozen=True, slots=True)
class Order:
    """One valid inequality between cumulative counts: Σ N(smaller) ≤ Σ N(larger).

    A cumulative count is a kind and the set of bands above one threshold, in the order of the contract.
    """

    smaller: tuple[Cumulative, ...]
    larger: tuple[Cumulative, ...]


# A code stands in every file a recipient gets: nothing in it can be a formula, a separator or the end of a line.
_Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Kinds(_Strict):
    """Members of the kind dimension and how their hours hang together."""

    members: tuple[_Code, ...]
    part_of: Mapping[str, str] = Field(default_factory=dict)
    sum_of: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)


class Bands(_Strict):
    """Leaf bands in rising order with their inclusive upper bound in per cent, and the margins over them."""

    upper: Mapping[_Code, int]
    margins: Mapping[_Code, tuple[str, ...]] = Field(default_factory=dict)

    def above(self, threshold: int) -> tuple[str, ...]:
        """The leaf bands that lie wholly above a threshold in per cent."""
        leaves = list(self.upper)
        return tuple(band for before, band in pairwise(leaves) if self.upper[before] >= threshold)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The bounds between two bands, in per cent."""
        return tuple(self.upper.values())[:-1]


class Records(_Strict):
    """How rows of pupils become counts: the columns of hours by kind, and the kinds that arrive counted."""

    scheduled: str
    hours: Mapping[str, str]
    sent_as_counts: Mapping[str, str] = Field(default_factory=dict)


class Collection(_Strict):
    """One data contract.

    Attributes:
        data: Categories of data a delivery holds, in the words of the policies.
        counted_as: The collection whose table it fills; a site delivers to a table once per period, in either form.
        subdivisions: Sector → subdivisions a site of that sector can offer.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    form: Literal["counts", "records"]
    counted_as: str
    title: Mapping[Literal["nl", "en"], str]
    cadence: Literal["quarter", "year"] = "quarter"
    data: frozenset[DataCategory] = Field(min_length=1)
    subdivisions: Mapping[_Code, tuple[_Code, ...]] = Field(default_factory=dict)
    kinds: Kinds | None = None
    bands: Bands | None = None
    records: Records | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Collection":
        if self.form == "records":
            if self.records is None:
                raise ValueError("a collection of records needs [records]")
        elif self.kinds is None or self.bands is None or not self.subdivisions or self.counted_as != self.id:
            raise ValueError("a collection of counts needs [kinds], [bands], [subdivisions] and is counted as itself")
        return self


@dataclass(frozen=True)
class Contract:
    """A collection together with the table it fills, ready to check files with."""

    collection: Collection
    kinds: Kinds
    bands: Bands
    subdivisions: Mapping[str, tuple[str, ...]]

    @property
    def table(self) -> str:
        """Id of the collection whose table this one fills."""
        return self.collection.counted_as

    def offerable(self, sector: str | None) -> tuple[str, ...]:
        """Subdivisions of a sector, or of all sectors when the sector is not known."""
        if sector is not None:
            return self.subdivisions.get(sector, ())
        return tuple(dict.fromkeys(code for codes in self.subdivisions.values() for code in codes))

    def cells(self, subdivisions: Iterable[str]) -> Iterable[tuple[str, str, str]]:
        """Every leaf cell (subdivision, kind, band) a complete file has for these subdivisions."""
        return (
            (subdivision, kind, band)
            for subdivision in subdivisions
            for kind in self.kinds.members
            for band in self.bands.upper
        )

    @cached_property
    def orders(self) -> tuple[Order, ...]:
        """The order rules between kinds that follow from `part_of` and `sum_of`.

        1. Hours of a part never exceed the whole: above any threshold the whole has at least as many pupils.
        2. Whoever misses more than 2t in sum misses more than t in one of two summands;
        3. whoever misses more than t in both misses more than 2t in sum;
        4. and whoever is above 2t in sum without being above 4t is above t in a summand that is not above 4t.

        For the statutory contract these are all there are: every facet of the cone of possible counts, as the test that
        enumerates what a pupil can be shows.
        """
        bands, kinds = self.bands, self.kinds
        pairs = [(part, whole) for part, whole in kinds.part_of.items()]
        pairs += [(part, whole) for whole, parts in kinds.sum_of.items() for part in parts]
        orders = [  # 1
            Order(((part, bands.above(t)),), ((whole, bands.above(t)),))
            for part, whole in pairs
            for t in bands.thresholds
        ]
        for whole, parts in kinds.sum_of.items():
            for t in bands.thresholds:
                orders += self._sums(whole, parts, t)
        return tuple(orders)

    def _sums(self, whole: str, parts: Sequence[str], t: int) -> Iterator[Order]:
        bands, size = self.bands, len(parts)
        if t * size not in bands.thresholds:
            return
        low = tuple((part, bands.above(t)) for part in parts)
        sums = (whole, bands.above(t * size))
        yield Order((sums,), low)  # 2
        if size != PAIR:
            return
        yield Order(low, ((whole, bands.above(t)), sums))  # 3
        if 4 * t in bands.thresholds:
            high = tuple((part, bands.above(4 * t)) for part in parts)
            yield Order((sums, *high), (*low, (whole, bands.above(4 * t))))  # 4

    def band_of(self, missed: int, scheduled: int) -> str:
        """The band of `missed` out of `scheduled` hours, both in 1/100 hour; compared as integers, no division."""
        for band, upper in self.bands.upper.items():
            if 100 * missed <= upper * scheduled:
                return band
        raise GatewayError("more hours missed than scheduled")


Contracts = Mapping[str, Contract]


def load_contracts(*folders: Path) -> Contracts:
    """Read every contract of the product and of a deployment's own folders.

    Raises:
        CollectionError: a file that is not a contract, an id used twice, or a table that does not exist.
    """
    collections: dict[str, Collection] = {}
    for file in sorted(file for folder in (CONTRACTS, *folders) for file in folder.glob("*.toml")):
        collection = _read(file)
        if collection.id in collections:
            raise CollectionError("collection-twice", file=file.name, id=collection.id)
        collections[collection.id] = collection
    return {collection.id: _contract(collection, collections) for collection in collections.values()}


def _read(file: Path) -> Collection:
    try:
        return Collection.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise CollectionError("collection-wrong", file=file.name, places=error) from error
    except ValidationError as error:
        raise CollectionError("collection-wrong", file=file.name, places=places_of(error)) from error


def _contract(collection: Collection, collections: Mapping[str, Collection]) -> Contract:
    table = collections.get(collection.counted_as)
    if table is None or table.kinds is None or table.bands is None:
        raise CollectionError("collection-uncounted", id=collection.id, table=collection.counted_as)
    return Contract(collection, table.kinds, table.bands, table.subdivisions)
