"""What an action is about: typed values with every fact the rules may read, and no others."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from policies.errors import PolicyError
from policies.parties import Kind
from policies.purpose import NEVER, DataCategory

Fact = str | bool | int | list[str]


class Area(StrEnum):
    """How the area of a table relates to the caller, by the register of that day."""

    OWN = "own"
    OWN_SITE = "own_site"
    COUNTRY = "country"
    FOREIGN = "foreign"


class WrongQuestion(PolicyError):  # noqa: N818  the outcome's name
    """The action does not go with this kind of thing: a fault in the calling program."""


@dataclass(frozen=True, slots=True)
class Thing:
    """What an action is about. Four facts stand on every thing, so that one rule can forbid for all of them."""

    TYPE: ClassVar[str]
    __match_args__: ClassVar[tuple[str, ...]]  # set by `dataclass`: the names of the fields
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    @property
    def personal(self) -> bool:
        """Data of one pupil, under a name or a pseudonym."""
        return any(category.personal for category in self.categories)

    @property
    def health(self) -> bool:
        """Data about the health of one pupil."""
        return any(category.health for category in self.categories)

    @property
    def categories(self) -> frozenset[DataCategory]:
        """Categories of data this thing consists of."""
        return frozenset()

    @property
    def recipient_kind(self) -> str:
        """Kind of party it would go to, where that is not the caller."""
        return ""

    @property
    def consented(self) -> bool:
        """True for the one kind of thing that enters under a consent."""
        return False

    def facts(self) -> dict[str, Fact]:
        """What rules may read of it; every attribute is always there."""
        own = {name: plain(getattr(self, name)) for name in self.__match_args__}
        return own | {
            "personal": self.personal,
            "health": self.health,
            "recipient_kind": self.recipient_kind,
            "consented": self.consented,
        }


def plain(value: object) -> Fact:
    """A fact in the words of the rules: a day as the number yyyymmdd, a set as a sorted list."""
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, dt.date):
        return value.year * 10_000 + value.month * 100 + value.day
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    raise WrongQuestion(f"a fact of type {type(value).__name__} cannot be put to the rules")


@dataclass(frozen=True, slots=True)
class Delivery(Thing):
    """What a site delivers, or has delivered.

    Attributes:
        party: the site it belongs to; empty where there is none, which looks like somebody else's.
        sector: sector of the figures.
        data: categories it holds.
        period_open: the period accepts deliveries of this party today.
        exercise: an exercise period, nothing of which is real.
        agreement: the site's processor agreement is registered and valid today.
    """

    TYPE: ClassVar[str] = "Delivery"

    party: str
    sector: str
    data: frozenset[DataCategory]
    period_open: bool = False
    exercise: bool = False
    agreement: bool = False

    @property
    def categories(self) -> frozenset[DataCategory]:
        """What it holds."""
        return self.data


@dataclass(frozen=True, slots=True)
class OwnTable(Thing):
    """A site's own table, small counts included."""

    TYPE: ClassVar[str] = "OwnTable"

    party: str


@dataclass(frozen=True, slots=True)
class Release(Thing):
    """A release on its way to publication, or published.

    Attributes:
        published: it is published; a withdrawn release stays published as a fact.
        withdrawn: it was withdrawn.
        exercise: it is about an exercise period.
        built_by_caller: the same person built it.
        approved_by_caller: the same person approved it.
        approvals: persons other than the builder who approved.
        attacker_failed: the judge found 0 exact and 0 narrowed cells in exactly these bytes.
        minimum: smallest count its rule shows.
        zeros_are_small: its rule treats nought as small.
        complements: its rule protects complements.
        reasoned: the person gave a reason.
    """

    TYPE: ClassVar[str] = "Release"

    published: bool = False
    withdrawn: bool = False
    exercise: bool = False
    built_by_caller: bool = False
    approved_by_caller: bool = False
    approvals: int = 0
    attacker_failed: bool = False
    minimum: int = 0
    zeros_are_small: bool = False
    complements: bool = False
    reasoned: bool = False

    @property
    def categories(self) -> frozenset[DataCategory]:
        """Protected tables, nothing else."""
        return frozenset({DataCategory.PROTECTED_TABLES})


@dataclass(frozen=True, slots=True)
class Slice(Thing):
    """The part of a release that somebody wants to download.

    Attributes:
        published: the release is published.
        withdrawn: the release was withdrawn.
        level: level of area, `site`, `gemeente`, `swv`, `country`.
        area: how that area relates to the caller.
        form: `table`, or anything else, which is refused.
        data: categories it holds: protected tables.
    """

    TYPE: ClassVar[str] = "Slice"

    published: bool
    level: str
    area: Area
    withdrawn: bool = False
    form: str = "table"
    data: frozenset[DataCategory] = frozenset({DataCategory.PROTECTED_TABLES})

    @property
    def categories(self) -> frozenset[DataCategory]:
        """What it holds."""
        return self.data


@dataclass(frozen=True, slots=True)
class CaseData(Thing):
    """Data that would go from one party to another outside releases and consents.

    Attributes:
        data: categories asked for or sent.
        recipient: kind of party that would receive them.
    """

    TYPE: ClassVar[str] = "CaseData"

    data: frozenset[DataCategory]
    recipient: Kind

    @property
    def categories(self) -> frozenset[DataCategory]:
        """What would go."""
        return self.data

    @property
    def recipient_kind(self) -> str:
        """Who would get it."""
        return self.recipient.value


@dataclass(frozen=True, slots=True)
class Consent(Thing):
    """A consent that is registered, read or withdrawn, or the withdrawal notice about it.

    Attributes:
        party: the site that holds the evidence; empty where there is none.
        recipient: code of the one party it names.
        recipient_is: kind of that party.
        given: it was given at some time; before that, and after a refusal, only the site knows of it.
        complete: givers, scope, evidence and notice are in order (`problems_of` found none).
        until: last day.
        latest: last day the law of this gateway allows, 31 July of the school year.
        agreement: the site's processor agreement is registered and valid today.
    """

    TYPE: ClassVar[str] = "Consent"

    party: str
    recipient: str = ""
    recipient_is: Kind = Kind.OTHER
    given: bool = False
    complete: bool = False
    until: dt.date = NEVER
    latest: dt.date = dt.date.min
    agreement: bool = False

    @property
    def categories(self) -> frozenset[DataCategory]:
        """Events about a consent."""
        return frozenset({DataCategory.CONSENT_EVENTS})

    @property
    def recipient_kind(self) -> str:
        """The kind of party the consent names."""
        return self.recipient_is.value


@dataclass(frozen=True, slots=True)
class ConsentedRecord(Thing):
    """Health data of one pupil that stands under a consent.

    Attributes:
        party: the site that sends it; empty where there is none.
        recipient: code of the party the *record* is for.
        recipient_is: kind of that party.
        data: categories in the record.
        consent_state: state of the consent now, `given` or anything else.
        consent_party: the site the consent belongs to.
        consent_recipient: the party the *consent* names.
        consent_scope: categories the consent allows.
        consent_from: first day of the consent.
        consent_until: last day of the consent.
        sealed: the case reference is sealed to the recipient's key.
        agreement: the site's processor agreement is registered and valid today.
    """

    TYPE: ClassVar[str] = "ConsentedRecord"

    party: str
    recipient: str
    recipient_is: Kind
    data: frozenset[DataCategory]
    consent_state: str
    consent_party: str
    consent_recipient: str
    consent_scope: frozenset[DataCategory]
    consent_from: dt.date
    consent_until: dt.date
    sealed: bool
    agreement: bool = False

    @property
    def categories(self) -> frozenset[DataCategory]:
        """What it holds."""
        return self.data

    @property
    def recipient_kind(self) -> str:
        """Who would get it."""
        return self.recipient_is.value

    @property
    def consented(self) -> bool:
        """It enters under a consent; whether that holds is for the rules."""
        return True


@dataclass(frozen=True, slots=True)
class Records(Thing):
    """What is held and logged about a party: the audit trail, or the answer to an access request.

    Attributes:
        party: whose; empty means of everybody.
    """

    TYPE: ClassVar[str] = "Records"

    party: str


@dataclass(frozen=True, slots=True)
class Installation(Thing):
    """The gateway itself, its register, periods, keys and accesses.

    Attributes:
        exercise: the act is about an exercise period; false for anything else.
    """

    TYPE: ClassVar[str] = "Installation"

    exercise: bool = False


@dataclass(frozen=True, slots=True)
class Hypothesis(Thing):
    """A question about what would be decided.

    Attributes:
        party: the party it is about; empty for a made-up one.
    """

    TYPE: ClassVar[str] = "Hypothesis"

    party: str
