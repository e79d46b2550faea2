"""One entry of the log as a value that cannot hold personal data: codes, identifiers, commitments and closed lists."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from audit import leaf
from audit.errors import EntryError
from audit.events import SHAPES, Decision, Event, Role

HASH_BYTES: Final = 32

_ORGANISATION: Final = re.compile(
    r"[0-9]{2}[A-Z]{2}(?:[0-9]{2})?|GM[0-9]{4}|(?:PO|VO)[0-9]{4}|ORG-[A-Z0-9](?:[A-Z0-9-]{0,30}[A-Z0-9])?"
)
_PERIOD: Final = re.compile(r"(20[0-9]{2})-(20[0-9]{2})(?:-[1-4])?")
# A random identifier: 16 bytes in lower-case hexadecimal (nearly all are), a UUID, up to 32 bytes, or a ULID.
_OPAQUE: Final = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:[0-9a-f]{2}){17,32}|[0-7][0-9A-HJKMNP-TV-Z]{25}"
)
_SERIAL: Final = re.compile(r"[0-9]{1,4}")

KINDS: Final = frozenset({
    "submission", "release", "party", "period", "mandate", "agreement", "token", "link", "session", "consent",
    "notice", "record", "access", "table", "certificate", "purpose", "policy", "register", "key", "quota", "batch",
    "account", "backup", "run", "review", "export", "request", "setting", "witness", "log", "entry", "service",
    "exercise",
})  # fmt: skip
"""What an entry may be about: the first part of an object's id."""

_OF_ORGANISATIONS: Final = frozenset({"recipient"})
"""What the public, who is nobody in particular, has not."""

_NOTHING: Final = frozenset[str]()

_NUMBERED_BY: Final = {"key": "key", "policy": "policy", "purpose": "purpose", "log": "log", "budget": "account"}
OWN_NAMES: Final = frozenset({"audit"})
"""Names that every vocabulary has: the log's own."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: an organisation in a role, never a person. The public has no organisation."""

    role: Role
    organisation: str | None = None

    def __post_init__(self) -> None:
        _demand(self.role, _is_role, "actor", "must have a role of the closed list")
        if (self.organisation is None) is not (self.role is Role.PUBLIC):
            raise EntryError("actor", "names an organisation, unless it is the public")
        if self.organisation is not None:
            _demand(self.organisation, _is_organisation, "actor", _ORGANISATION_RULE)


@dataclass(frozen=True, slots=True)
class Object:
    """What was acted upon: `kind:identifier`, and a commitment to its bytes made with a nonce (`receipt.commit`).

    The identifier is a random one, an organisation, a period, or a name of the vocabulary with an optional period
    and a serial number of at most four digits: `submission:<32 hex>`, `key:statutory-counts/2026-2027/1`.
    """

    id: str
    commitment: bytes | None = None

    def __post_init__(self) -> None:
        _demand(self.id, _is_text, "object", "must be text")
        kind, _, identifier = self.id.partition(":")
        if kind not in KINDS or not identifier:
            raise EntryError("object", "must be `kind:identifier` with a kind of the closed list")
        if self.commitment is not None:
            _demand(self.commitment, _is_hash, "object", "has a commitment of 32 bytes")

    def is_opaque(self) -> bool:
        """Whether the identifier is a random one, which says nothing by itself."""
        return _OPAQUE.fullmatch(self.id.partition(":")[2]) is not None

    def name(self) -> str | None:
        """The part of the identifier that must stand in the vocabulary; None for a random one, a party or period."""
        identifier = self.id.partition(":")[2]
        if self.is_opaque() or _is_organisation(identifier) or _is_period(identifier):
            return None
        name, *rest = identifier.split("/")
        if rest and _is_period(rest[0]):
            del rest[0]
        if len(rest) > 1 or any(not _SERIAL.fullmatch(part) for part in rest):
            raise EntryError("object", "has a random identifier, a party, a period, or `name/period/serial`")
        return name

    def demand_allowed(self, event: Event) -> None:
        """Refuse a telling identifier with this event, or a serial number that is not that of a key, account, ….

        Raises:
            EntryError: The event asks for a random identifier, or its objects have no number.
        """
        kind, _, identifier = self.id.partition(":")
        if SHAPES[event].unlinkable:
            raise EntryError("object", f"of event {event} must have a random identifier")
        if _SERIAL.fullmatch(identifier.rpartition("/")[2]) and kind != _NUMBERED_BY.get(event.partition(".")[0]):
            raise EntryError("object", f"may not carry a number with event {event}")


@dataclass(frozen=True, slots=True)
class Policy:
    """The version of the rules that decided: its id and the SHA-256 of its text (public, so a plain hash)."""

    id: str
    sha256: bytes

    def __post_init__(self) -> None:
        _demand(self.id, _is_text, "policy", "has an id of printable ASCII")
        _demand(self.sha256, _is_hash, "policy", "has a SHA-256 of 32 bytes")


@dataclass(frozen=True, slots=True)
class Activity:
    """The activity in the register of processing (AVG article 30): its URI and the version of the register."""

    uri: str
    version: str

    def __post_init__(self) -> None:
        for part in (self.uri, self.version):
            _demand(part, _is_text, "activity", "has a URI and a version of printable ASCII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What happened, decided before it is logged; the log adds time, salt and trace ids.

    Attributes:
        event: What was done, of the closed list; it fixes which other fields may be there.
        actor: Organisation and role that acted.
        decision: Outcome.
        rules: Ids of the rules that decided or were broken, e.g. `COUNT-TOTAL`.
        policy: Version of the policy that decided.
        purpose: Purpose the data serve.
        basis: Article of law.
        activity: Line in the register of processing.
        party: Organisation the act is about, where that is not the actor.
        recipient: Organisation that receives.
        period: `2026-2027-1`, or a school year.
        object: What was acted upon.
        subjects_root: Salted, padded root over the data subjects concerned (`subjects.Subjects`).
        cause: Leaf hash of the entry that led to this one, or that this one corrects.
        amount: Millionths of rho; for the privacy budget only.
    """

    event: Event
    actor: Actor
    decision: Decision = Decision.PERMIT
    rules: tuple[str, ...] = ()
    policy: Policy | None = None
    purpose: str | None = None
    basis: str | None = None
    activity: Activity | None = None
    party: str | None = None
    recipient: str | None = None
    period: str | None = None
    object: Object | None = None
    subjects_root: bytes | None = None
    cause: bytes | None = None
    amount: int | None = None

    def __post_init__(self) -> None:
        for name, kind in _KINDS_OF_VALUES:
            if not isinstance(getattr(self, name), kind):
                raise EntryError(name, _TYPE_RULE)
        shape, about = SHAPES[self.event], self.object
        nameless = _OF_ORGANISATIONS if self.actor.role is Role.PUBLIC else _NOTHING
        for (name, holds, rule), value in zip(_FORMS, (self.rules or None, *_carried(self)), strict=True):
            if value is None:
                if name in shape.required and name not in nameless:
                    raise EntryError(name, f"is required for event {self.event}")
            elif name not in shape.fields:
                raise EntryError(name, f"may not be logged with event {self.event}")
            elif name in nameless:
                raise EntryError(name, "is not known of the public")
            elif not holds(value):
                raise EntryError(name, rule)
        if about and not about.is_opaque():
            about.demand_allowed(self.event)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The closed lists that words in an entry must come from: read from the policies and contracts in force.

    Attributes:
        operator: Organisation that runs this log; it stands as actor in entries that may not name the site.
        purposes: Purpose ids.
        bases: Legal bases as the purpose files spell them.
        activities: Lines of the register of processing in force.
        policies: Ids of policy sets.
        rules: Ids of rules that can decide or be broken.
        names: Names an object's id may use: purposes, collections, key families, jobs, tables.
    """

    operator: str
    purposes: frozenset[str] = frozenset()
    bases: frozenset[str] = frozenset()
    activities: frozenset[Activity] = frozenset()
    policies: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def demand(self, entry: Entry) -> None:
        """Refuse an entry with a word that is not in the closed lists."""
        words: tuple[tuple[str, object, frozenset[object]], ...] = (
            ("purpose", entry.purpose, self.purposes),
            ("basis", entry.basis, self.bases),
            ("policy", entry.policy and entry.policy.id, self.policies),
            ("activity", entry.activity, self.activities),
            ("object", entry.object and entry.object.name(), self.names),
        )
        for name, word, known in words:
            if word is not None and word not in known and not (name == "object" and word in OWN_NAMES):
                raise EntryError(name, _UNKNOWN)
        if not self.rules.issuperset(entry.rules):
            raise EntryError("rules", _UNKNOWN)
        if SHAPES[entry.event].unlinkable and entry.actor.organisation != self.operator:
            raise EntryError("actor", f"of event {entry.event} must be the operator: it may not name a site")


_UNKNOWN: Final = "must be a word of the log's vocabulary: add it to the purpose, policy or contract file it comes from"


def _demand(value: object, holds: Callable[[object], bool], name: str, rule: str) -> None:
    if not holds(value):
        raise EntryError(name, rule)


def _is_role(value: object) -> bool:
    return isinstance(value, Role)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_organisation(value: object) -> bool:
    return isinstance(value, str) and _ORGANISATION.fullmatch(value) is not None


def _is_period(value: object) -> bool:
    match = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    return match is not None and int(match[2]) == int(match[1]) + 1


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == HASH_BYTES


def _is_amount(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= leaf.MAX_INTEGER


def _are_texts(values: Any) -> bool:  # noqa: ANN401  a tuple of anything
    return all(map(_is_text, values))


def _is(kind: type) -> Callable[[object], bool]:
    return lambda value: isinstance(value, kind)


_KINDS_OF_VALUES: Final[tuple[tuple[str, type], ...]] = (
    ("event", Event),
    ("decision", Decision),
    ("actor", Actor),
    ("rules", tuple),
)
_TYPE_RULE: Final = "must be a value of its own type, from the closed list where there is one"
_ORGANISATION_RULE: Final = "must be the code of a party: 00AB00, 00AB, GM0344, PO2505, VO2505 or ORG-…"
_FORMS: Final[tuple[tuple[str, Callable[[object], bool], str], ...]] = (
    ("rules", _are_texts, "must be a tuple of rule ids"),
    ("purpose", _is_text, "must be text"),
    ("basis", _is_text, "must be text"),
    ("party", _is_organisation, _ORGANISATION_RULE),
    ("recipient", _is_organisation, _ORGANISATION_RULE),
    ("period", _is_period, "must be a period such as 2026-2027-1, or a school year"),
    ("subjects_root", _is_hash, "must be a root hash of 32 bytes"),
    ("cause", _is_hash, "must be the leaf hash of an entry, 32 bytes"),
    ("amount", _is_amount, "must be a whole number of millionths of rho, 0 or more"),
    ("policy", _is(Policy), _TYPE_RULE),
    ("activity", _is(Activity), _TYPE_RULE),
    ("object", _is(Object), _TYPE_RULE),
)
_carried: Final = attrgetter(*(name for name, _, _ in _FORMS[1:]))  # all but the rules
