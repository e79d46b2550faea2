"""Data contracts: what a collection asks for, read from the files in `contracts/` and from a deployment's own folders.

A collection is data. Its kinds, bands, subdivisions and order rules come from its file; no code knows their names. One
whose table is not known to be protected in full is refused here, and nowhere else.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.messages import MendableError, places_of
from gateway.outcome import GatewayError
from policies.purpose import DataCategory
from policies.release import Sector

TOTAL, HALF = "total", "half"
CONTRACTS = Path(__file__).parent / "contracts"
# Names that say what is about a pupil's health.
HEALTH = re.compile(
    r"illness|(?<![a-z])ill(?![a-z])|sick|ziek|disease|health|gezond|medic|medisch|diagnos|handicap|disab|psych|therap"
    r"|verzuimreden|reason",
    re.IGNORECASE,
)
MAX_CELLS = 400  # of one site: they are typed into one form
_COUNTED = frozenset(
    {
        DataCategory.ABSENCE_COUNTS,
        DataCategory.ILLNESS_COUNTS,
        DataCategory.ARTICLE_11_COUNTS,
        DataCategory.SUSPENSION_COUNTS,
    }
)
_EVERYTHING = 100  # per cent of the scheduled hours
_DOUBLES = 3  # bounds of a table with a sum for which the order rules were enumerated


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
    """Members of the kind dimension and how their hours hang together.

    Attributes:
        apart: The author's word that nothing is known between kinds that `part_of` and `sum_of` do not join.
    """

    members: Annotated[tuple[_Code, ...], Field(min_length=1)]
    part_of: Mapping[str, str] = Field(default_factory=dict)
    sum_of: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    apart: bool = False

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each part with its whole."""
        summands = ((part, whole) for whole, parts in self.sum_of.items() for part in parts)
        return (*self.part_of.items(), *summands)

    @property
    def smallest(self) -> frozenset[str]:
        """Kinds of which no other is a part."""
        return frozenset(self.members) - {whole for _, whole in self.pairs}

    def wholes(self, kind: str) -> tuple[str, ...]:
        """The whole of a kind, the whole of that, and so on; a circle ends where it began."""
        above, found = dict(self.pairs), list[str]()
        while kind in above and above[kind] not in found:
            found.append(kind := above[kind])
        return tuple(found)

    @model_validator(mode="after")
    def _known(self) -> Self:
        _demand_once((*self.members, TOTAL, "kind"))
        _demand_among({name for pair in self.pairs for name in pair}, self.members)
        wholes = Counter(part for part, _ in self.pairs)
        for kind in self.members:
            sum_of, parts = self.sum_of.get(kind), [part for part, whole in self.pairs if whole == kind]
            if wholes[kind] > 1 or len(parts) > (PAIR if sum_of else 1) or (sum_of is not None and len(sum_of) != PAIR):
                raise ValueError(
                    f"the order rules around {kind} are not known: a kind is part of one whole, and a whole has one "
                    "part (part_of) or is the sum of two (sum_of); leave kinds out"
                )
            if kind in self.wholes(kind):
                raise ValueError(f"{kind} is a part of itself: take one relation out")
            if any(whole in self.sum_of for whole in self.wholes(kind)) and kind in self.sum_of:
                raise ValueError(f"the order rules of {kind} are not known: a sum is part of no sum; keep one of them")
        if not self.apart and len(self.members) - len(wholes) > 1:
            raise ValueError(
                "between some kinds nothing is said: add what readers know of them to part_of or sum_of, or, if they "
                "know nothing, write apart = true"
            )
        return self


class Bands(_Strict):
    """Leaf bands in rising order with their inclusive upper bound in per cent, and the margins over them."""

    upper: Annotated[Mapping[_Code, int], Field(min_length=2)]
    margins: Mapping[_Code, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)

    def above(self, threshold: int) -> tuple[str, ...]:
        """The leaf bands that lie wholly above a threshold in per cent."""
        leaves = list(self.upper)
        return tuple(band for before, band in pairwise(leaves) if self.upper[before] >= threshold)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The bounds between two bands, in per cent."""
        return tuple(self.upper.values())[:-1]

    @model_validator(mode="after")
    def _known(self) -> Self:
        _demand_once((*self.upper, *self.margins, TOTAL, HALF, "band"))
        bounds = list(self.upper.values())
        if bounds[0] < 0 or bounds[-1] != _EVERYTHING or any(lower >= upper for lower, upper in pairwise(bounds)):
            raise ValueError("the bounds of upper rise, and the last is 100: put them in order")
        if self.margins and sorted(band for bands in self.margins.values() for band in bands) != sorted(self.upper):
            raise ValueError("each band stands in one margin, and in one only: complete margins or leave them out")
        return self


class Records(_Strict):
    """How rows of pupils become counts: the columns of hours by kind, and the kinds that arrive counted."""

    scheduled: str
    hours: Annotated[Mapping[str, str], Field(min_length=1)]
    sent_as_counts: Mapping[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> Self:
        _demand_once(("pseudonym", "subdivision", self.scheduled, *self.hours.values()))
        _demand_once(("collection", "site", "period", "key_id", "records", *self.sent_as_counts.values()))
        _demand_once((*self.hours, *self.sent_as_counts))
        for name in (self.scheduled, *self.hours, *self.hours.values()):
            if HEALTH.search(name):
                raise ValueError(
                    f"{name} would be the health of one pupil, which passes under a consent only: let the school "
                    "count it (sent_as_counts)"
                )
        return self

    def fault(self, kinds: Kinds) -> str:
        """What is wrong beside the kinds of the table; empty where every kind is counted, and once."""
        sums = [whole for whole, parts in kinds.sum_of.items() if set(parts) <= set(self.hours)]
        counted = [*self.hours, *self.sent_as_counts, *sums]
        if sorted(counted) != sorted(kinds.members):
            return (
                "records: each kind of the table has hours, is sent as counts or is the sum of two that have hours; "
                "correct hours or sent_as_counts"
            )
        if any(whole in self.hours for kind in self.hours for whole in kinds.wholes(kind)):
            return "records.hours: hours stand beside one another, none is a part of another; take the part out"
        return ""


class Collection(_Strict):
    """One data contract.

    Attributes:
        data: Categories of data a delivery holds, in the words of the policies.
        counted_as: The collection whose table it fills; a site delivers to a table once per period, in either form.
        totals: The author's word that everybody may know how many a site counts in each subdivision: all enrolments,
            not those of whom something is the case. They are published as they are.
        subdivisions: Sector → subdivisions a site of that sector can offer.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    form: Literal["counts", "records"]
    counted_as: str
    title: Mapping[Literal["nl", "en"], str]
    cadence: Literal["quarter", "year"] = "quarter"
    data: frozenset[DataCategory] = Field(min_length=1)
    totals: Literal["public"] | None = None
    subdivisions: Mapping[_Code, tuple[_Code, ...]] = Field(default_factory=dict)
    kinds: Kinds | None = None
    bands: Bands | None = None
    records: Records | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if set(self.title) != {"nl", "en"}:
            raise ValueError("title needs nl and en: add the other language")
        _demand_among(self.data, _COUNTED | ({DataCategory.ABSENCE_ROWS} if self.form == "records" else frozenset()))
        table = (self.kinds, self.bands, self.subdivisions or None, self.totals)
        if self.form == "records":
            if self.records is None or self.counted_as == self.id or any(part is not None for part in table):
                raise ValueError("a collection of records has [records] and is counted as another, which has the rest")
            if DataCategory.ABSENCE_ROWS not in self.data:
                raise ValueError('rows are of pupils, whatever is counted of them: add "absence_rows" to data')
            self._demand_illness(self.records.sent_as_counts)
        elif self.kinds is None or self.bands is None or not self.subdivisions or self.counted_as != self.id:
            raise ValueError("a collection of counts needs [kinds], [bands], [subdivisions] and is counted as itself")
        elif self.records is not None:
            raise ValueError("a collection of counts has no [records]: take it out")
        else:
            self._demand_protectable(self.kinds, self.bands)
            self._demand_illness(self.kinds.members)
        return self

    def _demand_illness(self, kinds: Iterable[str]) -> None:
        if DataCategory.ILLNESS_COUNTS not in self.data and any(HEALTH.search(kind) for kind in kinds):
            raise ValueError('a kind may count who was ill: add "illness_counts" to data')

    def _demand_protectable(self, kinds: Kinds, bands: Bands) -> None:
        if self.totals is None:
            raise ValueError(
                "the total of every row is published as it is: if all enrolments are counted, as everybody may know, "
                'write totals = "public"; a collection of only those of whom something is so cannot be protected'
            )
        _demand_among(self.subdivisions, get_args(Sector))
        for codes in self.subdivisions.values():
            _demand_once((*codes, TOTAL, "subdivision"))
            if not 0 < len(codes) * len(kinds.members) * len(bands.upper) <= MAX_CELLS:
                raise ValueError(f"subdivisions, kinds and bands make 1 to {MAX_CELLS} cells in each sector: ask less")
        first, last = bands.thresholds[0], bands.thresholds[-1]
        doubling = tuple(first * 2**place for place in range(_DOUBLES))
        if kinds.sum_of and (first == 0 or bands.thresholds != doubling[: len(bands.thresholds)]):
            raise ValueError(
                "the order rules of a sum are known for one to three bounds that double, such as 5, 10 and 20: change "
                "bands.upper or leave the sum out, with its kinds"
            )
        if len(kinds.smallest) > 1 and len(kinds.smallest) * last >= _EVERYTHING:
            raise ValueError(
                f"nobody misses more than {last} per cent in each of {len(kinds.smallest)} kinds, which the order "
                "rules do not know: lower the last bound or ask fewer kinds"
            )


def _demand_once(names: Sequence[str]) -> None:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"{', '.join(twice)} stands twice, or means something else already: rename it")


def _demand_among(names: Iterable[str], known: Iterable[str]) -> None:
    if strange := sorted(set(names) - set(known)):
        raise ValueError(f"{', '.join(strange)}: none of {', '.join(sorted(known))}; correct the name")


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

    def asked_of(self, sector: str, offers: str) -> tuple[str, ...]:
        """Of the subdivisions a site offers by the register, those that this contract knows: others are for another."""
        return tuple(code for code in offers.split() if code in self.offerable(sector))

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
        2. Whoever misses more than 2t in sum misses more than t in one of the two summands;
        3. whoever misses more than t in both misses more than 2t in sum;
        4. and whoever is above 2t in sum without being above 4t is above t in a summand that is not above 4t.

        For every contract that loads these are all there are, every facet of the cone of possible counts: the test
        enumerates what a pupil can be for a sum, and a kind that hangs on one other kind can be in any band up to that
        one's, whatever else is so.
        """
        bands, kinds = self.bands, self.kinds
        orders = [  # 1
            Order(((part, bands.above(t)),), ((whole, bands.above(t)),))
            for part, whole in kinds.pairs
            for t in bands.thresholds
        ]
        for whole, parts in kinds.sum_of.items():
            for t in bands.thresholds:
                orders += self._sums(whole, parts, t)
        return tuple(orders)

    def _sums(self, whole: str, parts: Sequence[str], t: int) -> Iterator[Order]:
        bands = self.bands
        if 2 * t not in bands.thresholds:
            return
        low = tuple((part, bands.above(t)) for part in parts)
        sums = (whole, bands.above(2 * t))
        yield Order((sums,), low)  # 2
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
    """Read every contract of the product and of a deployment's own folders; files of editors, `.name`, are none.

    Raises:
        CollectionError: a folder that is not there, a file that is not a contract, an id used twice, or a table that
            does not exist.
    """
    collections: dict[str, Collection] = {}
    for folder in (CONTRACTS, *folders):
        if not folder.is_dir():
            raise CollectionError("collection-folder", folder=folder)
        for file in sorted(folder.glob("[!.]*.toml")):
            collection = _read(file)
            if collection.id in collections:
                raise CollectionError("collection-twice", file=file.name, id=collection.id)
            collections[collection.id] = collection
    return {collection.id: _contract(collection, collections) for collection in collections.values()}


def _read(file: Path) -> Collection:
    try:
        return Collection.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise CollectionError("file-encoding", file=file.name) from error
    except tomllib.TOMLDecodeError as error:
        raise CollectionError("collection-wrong", file=file.name, places=error) from error
    except ValidationError as error:
        raise CollectionError("collection-wrong", file=file.name, places=places_of(error)) from error


def _contract(collection: Collection, collections: Mapping[str, Collection]) -> Contract:
    table = collections.get(collection.counted_as)
    if table is None or table.kinds is None or table.bands is None:
        raise CollectionError("collection-uncounted", id=collection.id, table=collection.counted_as)
    if collection.records is not None and (fault := collection.records.fault(table.kinds)):
        raise CollectionError("collection-wrong", file=collection.id, places=fault)
    return Contract(collection, table.kinds, table.bands, table.subdivisions)
