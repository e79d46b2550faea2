"""Who takes part: kinds of party, the role in which somebody speaks, and the mandate to speak for another."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from policies.errors import PolicyError


class Kind(StrEnum):
    """What a registered party is."""

    SITE = "site"
    BOARD = "board"
    GEMEENTE = "gemeente"
    SWV = "swv"
    MINISTER = "minister"
    SUPPLIER = "supplier"
    YOUTH_HEALTH_CARE = "youth_health_care"
    ATTENDANCE_OFFICER = "attendance_officer"
    INSPECTORATE = "inspectorate"
    RESEARCHER = "researcher"
    DOCTOR = "doctor"
    PROVINCE = "province"
    OPERATOR = "operator"
    PUBLIC = "public"
    OTHER = "other"


class Role(StrEnum):
    """In which capacity a caller speaks; a machine is a registered program of its party."""

    SCHOOL = "school"
    RECIPIENT = "recipient"
    OPERATOR = "operator"
    PRIVACY_OFFICER = "privacy-officer"
    CONTROLLER_OFFICER = "controller-officer"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True)
class Party:
    """A party as the register knows it at the moment of asking; whose delivery it is about, on its reference date.

    Attributes:
        code: its code, `00AB00`, `GM0344`, `PO2505`, `ORG-…`.
        registered: its entry in the register is valid on that day.
        sectors: sectors it offers; a site has one, an SO-VSO school two.
        funded: paid by the state; an unfunded school keeps a register but delivers nothing.
        caribbean: in the Caribbean Netherlands; the register takes no such site yet.
    """

    code: str
    kind: Kind
    registered: bool = True
    sectors: frozenset[str] = frozenset()
    funded: bool = True
    caribbean: bool = False

    def __post_init__(self) -> None:
        if not self.code:
            raise PolicyError("a party has a code: an empty one would match things that do not exist")


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a party registered about who may act for it: a supplier of school software, or its board.

    Attributes:
        giver: code of the party that gave it.
        holder: code of the party that may act.
        valid_from: first day; `valid_until` the first day no more.
        actions: names of actions it covers.
        collections: collections it covers.
    """

    giver: str
    holder: str
    valid_from: dt.date
    valid_until: dt.date
    actions: frozenset[str]
    collections: frozenset[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        party: the party whose credential was shown.
        role: in which capacity.
        on_behalf_of: the party it acts for, where that is another one; needs a mandate.
        mandate: the registered mandate, or none.
    """

    party: Party
    role: Role
    on_behalf_of: Party | None = None
    mandate: Mandate | None = None

    @property
    def acting(self) -> Party:
        """The party whose rights count: the one acted for."""
        return self.on_behalf_of or self.party


ANYBODY = Caller(Party("public", Kind.PUBLIC), Role.RECIPIENT)
