"""Purposes as typed files: for what, on which ground, from whom, to whom, what may leave, and how long it is kept."""

import datetime as dt
import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from policies.errors import BadPolicy, Fault, PolicyError, sentence
from policies.parties import Kind
from policies.release import Conflict, Method, Release, ReleasePlan, Sector, Served, merge
from policies.sources import Citation, Filled, Key, Source, Sources, Strict, Text

PACKAGED = Path(__file__).parent
NEVER = dt.date(9999, 12, 31)
_CONSENTS = "care-with-consent"


class Status(StrEnum):
    """Where the law stands: the engine obeys it."""

    IN_FORCE = "in_force"
    PROPOSED = "proposed"
    UNDECIDED = "undecided"
    REFUSED = "refused"

    @property
    def off(self) -> bool:
        """True where nothing may ever flow: undecided and refused are forbids."""
        return self in {Status.UNDECIDED, Status.REFUSED}


class DataCategory(StrEnum):
    """What can flow at all. Whether a category is personal or about health is fixed here, not in a file."""

    ABSENCE_COUNTS = "absence_counts"
    ILLNESS_COUNTS = "illness_counts"
    ARTICLE_11_COUNTS = "article_11_counts"
    SUSPENSION_COUNTS = "suspension_counts"
    ABSENCE_ROWS = "absence_rows"
    PROTECTED_TABLES = "protected_tables"
    NAMED_ABSENCE = "named_absence"
    NAMED_AUTHORISED_ABSENCE = "named_authorised_absence"
    ILLNESS_HOURS = "illness_hours"
    MEDICAL_FACTS = "medical_facts"
    CASE_REFERENCE = "case_reference"
    CONSENT_EVENTS = "consent_events"
    AUDIT_ENTRIES = "audit_entries"
    CONTACTS = "contacts"

    @property
    def health(self) -> bool:
        """About the health of one pupil (AVG art. 4(15)); why a named pupil was absent with leave is mostly illness."""
        return self in _HEALTH

    @property
    def personal(self) -> bool:
        """About one pupil, under a name or a pseudonym (AVG art. 4(1) and 4(5))."""
        return self in _PERSONAL


_HEALTH = frozenset({DataCategory.NAMED_AUTHORISED_ABSENCE, DataCategory.ILLNESS_HOURS, DataCategory.MEDICAL_FACTS})
_COUNTS = frozenset(
    {
        DataCategory.ABSENCE_COUNTS,
        DataCategory.ILLNESS_COUNTS,
        DataCategory.ARTICLE_11_COUNTS,
        DataCategory.SUSPENSION_COUNTS,
    }
)
_PERSONAL = _HEALTH | {
    DataCategory.ABSENCE_ROWS,
    DataCategory.NAMED_ABSENCE,
    DataCategory.CASE_REFERENCE,
    DataCategory.CONSENT_EVENTS,
}


class Retention(Strict):
    """How long, counted from which moment, and who decided that."""

    days: Annotated[int, Field(ge=0)]
    after: Literal["receipt", "period", "school_year", "publication", "consent_end"]
    decided_by: Text


class FourEyes(Strict):
    """How many persons other than the builder must approve, and whether the purpose asks that they judge apart.

    The gateway hides each verdict from all others until the decision, so nothing reads `blind`; it stays because the
    purpose files of deployments say it, and a file with an unknown key is refused.
    """

    approvals: Annotated[int, Field(ge=1)] = 1
    blind: bool = False


class Purpose(Strict):
    """One purpose file; `README.md` shows one in full.

    Attributes:
        status: in_force, proposed (works only once the operator sets it in force), undecided or refused.
        valid_from: first day; `valid_until` the first day no more.
        senders: kinds of party that may deliver for it.
        recipients: kinds of party that may receive for it.
        flows: numbers of the flows it covers in the map of data flows.
        reason: why it is switched off; compulsory for undecided and refused, and for nothing else.
        outside: why a flow that is lawful does not run through this gateway.
    """

    id: Key
    title: Text
    plain: Text
    status: Status
    valid_from: dt.date
    valid_until: dt.date = NEVER
    flows: tuple[int, ...] = ()
    legal_basis: Annotated[tuple[Citation, ...], Field(min_length=1)]
    controller: Text
    processor: Text | None = None
    data_subjects: Text
    data: frozenset[DataCategory]
    senders: frozenset[Kind] = frozenset()
    recipients: frozenset[Kind] = frozenset()
    collections: frozenset[Key] = frozenset()
    retention: Retention | None = None
    four_eyes: FourEyes = FourEyes()
    release: Release | None = None
    reason: Text | None = None
    outside: Text | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.valid_until <= self.valid_from:
            raise ValueError("valid_until must be after valid_from (the end is the first day no longer valid)")
        if self.status.off and self.reason is None:
            raise ValueError(f"a purpose that is {self.status.value} says why: add reason.nl and reason.en")
        if not self.status.off and self.reason is not None:
            raise ValueError("a reason belongs to a purpose that is switched off: remove it or change status")
        if self.release is not None and self.data != {DataCategory.PROTECTED_TABLES}:
            raise ValueError('a release lets out protected tables only: write data = ["protected_tables"]')
        if not self.status.off and Kind.SWV in self.recipients and any(category.personal for category in self.data):
            raise ValueError(
                "a school partnership gets no personal data: remove swv from recipients or those categories"
            )
        if self.status.off or self.outside is not None:
            return self
        if self.retention is None:
            raise ValueError("no retention: add [retention] with days, after and decided_by")
        if self.release is not None and self.retention.after != "publication":
            raise ValueError('a table is kept from its publication on: write after = "publication"')
        if DataCategory.ABSENCE_ROWS in self.data and self.data & _COUNTS - {DataCategory.ILLNESS_COUNTS}:
            raise ValueError("rows of pupils and counts have each their own term: make a purpose for each")
        return self

    @property
    def levels(self) -> frozenset[str]:
        """Levels of area whose tables may leave; empty without a release."""
        return frozenset(self.release.levels) if self.release else frozenset()


class InForce(Strict):
    """The operator's word that a proposed purpose is law from a day on, with the publication that made it so."""

    purpose: Key
    from_date: dt.date
    citation: Filled


class UnknownPurpose(PolicyError, KeyError):  # noqa: N818  the outcome's name
    """No purpose has this id."""


@dataclass(frozen=True, slots=True)
class Purposes(Mapping[str, Purpose]):
    """All purposes by id, with the documents they and the rules cite."""

    by_id: Mapping[str, Purpose]
    sources: Sources

    def __getitem__(self, key: str) -> Purpose:
        try:
            return self.by_id[key]
        except KeyError:
            raise UnknownPurpose("no such purpose: GET /v1/purposes lists them") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_id)

    def __len__(self) -> int:
        return len(self.by_id)

    def __contains__(self, key: object) -> bool:
        return key in self.by_id

    def accepting(self, collection: str, sender: Kind, data: Iterable[DataCategory]) -> tuple[str, ...]:
        """Purposes for which this kind of party may deliver these data in this collection, status aside."""
        wanted = frozenset(data)
        return tuple(
            purpose.id
            for purpose in self.by_id.values()
            if collection in purpose.collections and sender in purpose.senders and wanted <= purpose.data
        )

    def releasing(self, collection: str) -> tuple[str, ...]:
        """Purposes, neither undecided nor refused, that let tables of a collection out."""
        return tuple(
            purpose.id
            for purpose in self.by_id.values()
            if purpose.release is not None and not purpose.status.off and collection in purpose.collections
        )

    def contract_faults(self, contracts: Mapping[str, Collection[str]], halved: Collection[str]) -> Iterator[Fault]:
        """What purposes ask of collections that do not exist, or of kinds and margins that a collection does not have.

        Args:
            contracts: id of each collection the gateway knows, and the kinds of its table (none where it has no table).
            halved: ids of those whose table has margins over its bands.
        """
        for purpose in self.by_id.values():
            for name in sorted(purpose.collections - set(contracts)):
                fix = f"Use one of {', '.join(sorted(contracts))}"
                yield Fault(f"{purpose.id}.toml", "collections", f"no collection {name}", fix)
            shown = {kind for line in (purpose.release.show if purpose.release else ()) for kind in line.kinds}
            tables = [contracts[name] for name in purpose.collections if contracts.get(name)]
            for kind in sorted(shown) if tables else ():
                if not any(kind in kinds for kinds in tables):
                    what = f"no collection of this purpose has kind {kind}"
                    yield Fault(f"{purpose.id}.toml", "release.show", what, "Correct the kind or leave it out")
            bands = {line.band for line in (purpose.release.show if purpose.release else ())}
            if tables and "half" in bands and not purpose.collections & set(halved):
                what = "no collection of this purpose has margins over its bands"
                yield Fault(f"{purpose.id}.toml", "release.show", what, "Show band or total instead of half")

    def plan(self, purposes: Iterable[str]) -> ReleasePlan:
        """The terms of one release that serves these purposes.

        Raises:
            UnknownPurpose: one of them does not exist.
            Conflict: one of them lets no table out, or they contradict each other.
        """
        chosen = [self[key] for key in purposes]
        return merge(Served(p.id, _release_of(p), p.four_eyes.approvals) for p in chosen)


def _release_of(purpose: Purpose) -> Release:
    if purpose.release is None:
        raise Conflict(f"{purpose.id} lets no table out: leave it out of the release")
    return purpose.release


def load_purposes(folders: Iterable[Path] = (), methods: Mapping[Sector, Method] | None = None) -> Purposes:
    """Read the packaged purposes and those of further folders; a folder may bring its own `sources.toml`.

    Every `*.toml` of a folder is one purpose, named after its id; all faults of all files are reported at once.

    Args:
        folders: a deployment's own folders. A purpose id may not occur twice.
        methods: the operator's choice of method for sectors, for every purpose alike.

    Raises:
        BadPolicy: with file, key and fix of every fault.
    """
    places = [PACKAGED / "purposes", *folders]
    faults = [
        Fault(str(place), "folder", "does not exist", "Correct the path") for place in places if not place.is_dir()
    ]
    sources: dict[str, Source] = {}
    purposes: dict[str, Purpose] = {}
    for path in [PACKAGED / "sources.toml", *(place / "sources.toml" for place in places)]:
        if path.is_file():
            found = _read(path, _SOURCES, faults)
            faults += _twice(path, set(found or {}) & set(sources))
            sources.update(found or {})
    for path in sorted(path for place in places for path in place.glob("[!.]*.toml") if path.name != "sources.toml"):
        purpose = _read(path, _PURPOSE, faults)
        if purpose is not None:
            faults += _twice(path, {purpose.id} & set(purposes))
            faults += _faults_of(path, purpose, sources)
            purposes[purpose.id] = _using(path, purpose, methods or {}, faults)
    faults += _conflicts(purposes.values())
    faults += _uneven(purposes.values())
    if faults:
        raise BadPolicy(faults)
    return Purposes(dict(sorted(purposes.items())), sources)


_T = TypeVar("_T")
_SOURCES: TypeAdapter[dict[Key, Source]] = TypeAdapter(dict[Key, Source])
_PURPOSE: TypeAdapter[Purpose] = TypeAdapter(Purpose)


def _read(path: Path, shape: TypeAdapter[_T], faults: list[Fault]) -> _T | None:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return shape.validate_json(json.dumps(raw, default=str))  # days, and times where a day belongs
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(Fault(path.name, "file", f"not a TOML file in UTF-8: {error}", "Correct the text at that place"))
    except ValidationError as error:
        faults += (_explained(path.name, dict(detail)) for detail in error.errors(include_url=False))
    return None


def _explained(file: str, detail: dict[str, object]) -> Fault:
    """A pydantic error as key, what and fix."""
    loc = detail["loc"]
    key = ".".join(map(str, loc)) if isinstance(loc, tuple) and loc else "file"
    what = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "value_error":
        what, _, fix = what.partition(": ")
        return Fault(file, key, what, sentence(fix) or "See the README of this room")
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key.split(".")[-1], _KEYS, n=1)
        return Fault(file, key, "unknown key", f"Did you mean {near[0]}?" if near else "Remove it")
    if detail["type"] == "missing":
        return Fault(file, key, "this key is missing", "Add it; README.md shows a whole file")
    return Fault(file, key, what, "Correct this value")


def _keys(model: type[Strict]) -> Iterator[str]:
    yield from model.model_fields


_KEYS = [key for model in (Purpose, Release, Retention, FourEyes, Citation, Text) for key in _keys(model)]


def _twice(path: Path, keys: Iterable[str]) -> list[Fault]:
    return [Fault(path.name, key, "defined twice", "Give one of the two another key") for key in sorted(keys)]


def _faults_of(path: Path, purpose: Purpose, sources: Sources) -> list[Fault]:
    """What only shows beside the file's name and the list of sources."""
    faults = [
        Fault(path.name, "legal_basis", f"unknown source {cited.source}", "Add it to sources.toml or correct the key")
        for cited in purpose.legal_basis
        if cited.source not in sources
    ]
    health = any(category.health for category in purpose.data)
    if health and path.parent != PACKAGED / "purposes" and not purpose.status.off and purpose.outside is None:
        what = f"nothing about a pupil's health can pass under it: consents are for {_CONSENTS} alone"
        faults.append(Fault(path.name, "data", what, "Leave the category out, or say in outside where this flow runs"))
    if purpose.id != path.stem:
        faults.append(Fault(path.name, "id", "differs from the name of the file", f"Call the file {purpose.id}.toml"))
    return faults


def _using(path: Path, purpose: Purpose, methods: Mapping[Sector, Method], faults: list[Fault]) -> Purpose:
    if purpose.release is None or not methods:
        return purpose
    try:
        return purpose.model_copy(update={"release": purpose.release.using(methods)})
    except ValidationError as error:
        faults += (_explained(path.name, dict(detail)) for detail in error.errors(include_url=False))
        return purpose


def _conflicts(purposes: Iterable[Purpose]) -> list[Fault]:
    """Purposes of one collection end up in one release, so they must not contradict each other."""
    faults = []
    open_ones = [purpose for purpose in purposes if purpose.release is not None and not purpose.status.off]
    for collection in sorted({name for purpose in open_ones for name in purpose.collections}):
        try:
            merge(Served(p.id, _release_of(p), p.four_eyes.approvals) for p in open_ones if collection in p.collections)
        except Conflict as error:
            what, _, fix = str(error).partition(": ")
            faults.append(Fault(f"collection {collection}", "release", what, sentence(fix)))
    return faults


def _uneven(purposes: Iterable[Purpose]) -> Iterator[Fault]:
    """Rows stand under one key of their school year and counts go with their period, whatever they came for.

    So no file may say another term than is kept.
    """
    terms: dict[str, dict[str, str]] = {}
    for purpose in purposes:
        rows, works = DataCategory.ABSENCE_ROWS in purpose.data, purpose.outside is None and not purpose.status.off
        if purpose.senders and purpose.collections and purpose.retention and works and (rows or purpose.data & _COUNTS):
            term = f"{purpose.retention.days} days after {purpose.retention.after}"
            terms.setdefault("rows of pupils" if rows else "counts", {})[purpose.id] = term
    for what, kept in terms.items():
        if len(set(kept.values())) > 1:
            told = ", ".join(f"{key} {term}" for key, term in sorted(kept.items()))
            fix = "Give your own purposes the term of the product's"
            yield Fault("purposes", "retention", f"{what} are kept for more than one term: {told}", fix)
