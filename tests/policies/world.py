"""A small world to ask in: named parties, things in good order, days, and the law as the demo sets it in force."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from policies.engine import Engine
from policies.parties import ANYBODY, Caller, Kind, Mandate, Party, Role
from policies.purpose import DataCategory, InForce
from policies.question import Action, Request, Setup
from policies.things import (
    Area,
    CaseData,
    Consent,
    ConsentedRecord,
    Delivery,
    Hypothesis,
    Installation,
    OwnTable,
    Records,
    Release,
    Slice,
    Thing,
)

DEPLOYMENT = Path(__file__).parent / "deployment"
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
START = dt.date(2026, 8, 1)
PROPOSED = (
    "statutory-counts", "absence-insight-swv", "absence-insight-gemeente", "national-picture", "region-for-school",
)  # fmt: skip
DEMO = tuple(InForce(purpose=key, from_date=START, citation="oefening, geen wet") for key in PROPOSED)

COUNTS = frozenset({DataCategory.ABSENCE_COUNTS, DataCategory.ILLNESS_COUNTS})
ROWS = frozenset({DataCategory.ABSENCE_ROWS, DataCategory.ILLNESS_COUNTS})
ILLNESS = frozenset({DataCategory.ILLNESS_HOURS, DataCategory.CASE_REFERENCE})


@cache
def law() -> Engine:
    """The packaged law with the demo's purposes in force from 1 August 2026, and three purposes of a deployment."""
    return Engine.load(purposes=[DEPLOYMENT], in_force=DEMO)


def noon(day: str) -> dt.datetime:
    """Twelve o'clock in Amsterdam on a day such as `2026-11-02`."""
    return dt.datetime.fromisoformat(day).replace(hour=12, tzinfo=AMSTERDAM)


SITE = Party("00AB00", Kind.SITE, sectors=frozenset({"po"}))
OTHER_SITE = Party("00CD00", Kind.SITE, sectors=frozenset({"po"}))
UNFUNDED = Party("00EF00", Kind.SITE, sectors=frozenset({"po"}), funded=False)
SABA = Party("00GH00", Kind.SITE, sectors=frozenset({"po"}), caribbean=True)
MBO = Party("00IJ00", Kind.SITE, sectors=frozenset({"mbo"}))
SUPPLIER = Party("ORG-LAS", Kind.SUPPLIER)
JGZ = Party("ORG-JGZ", Kind.YOUTH_HEALTH_CARE)
SWV = Party("PO2505", Kind.SWV)

MANDATE = Mandate(
    giver=SITE.code,
    holder=SUPPLIER.code,
    valid_from=dt.date(2026, 8, 1),
    valid_until=dt.date(2027, 8, 1),
    actions=frozenset({"submit", "check"}),
    collections=frozenset({"absence-counts"}),
)

CALLERS = {
    "school": Caller(SITE, Role.SCHOOL),
    "school's program": Caller(SITE, Role.MACHINE),
    "other school": Caller(OTHER_SITE, Role.SCHOOL),
    "unfunded school": Caller(UNFUNDED, Role.SCHOOL),
    "school on Saba": Caller(SABA, Role.SCHOOL),
    "mbo school": Caller(MBO, Role.SCHOOL),
    "closed school": Caller(Party(SITE.code, Kind.SITE, registered=False, sectors=SITE.sectors), Role.SCHOOL),
    "supplier": Caller(SUPPLIER, Role.MACHINE, on_behalf_of=SITE, mandate=MANDATE),
    "supplier without mandate": Caller(SUPPLIER, Role.MACHINE, on_behalf_of=SITE),
    "swv with a mandate": Caller(
        SWV,
        Role.MACHINE,
        on_behalf_of=SITE,
        mandate=replace(
            MANDATE, holder=SWV.code, actions=frozenset(Action), collections=frozenset({"absence-records"})
        ),
    ),
    "board with a mandate": Caller(
        Party("41234", Kind.BOARD), Role.SCHOOL, on_behalf_of=SITE, mandate=replace(MANDATE, holder="41234")
    ),
    "supplier of an swv": Caller(
        SUPPLIER,
        Role.MACHINE,
        on_behalf_of=SWV,
        mandate=replace(
            MANDATE, giver=SWV.code, actions=frozenset(Action), collections=frozenset({"", "absence-counts"})
        ),
    ),
    "supplier for itself": Caller(SUPPLIER, Role.MACHINE),
    "supplier with another's mandate": Caller(
        SUPPLIER, Role.MACHINE, on_behalf_of=SITE, mandate=replace(MANDATE, giver=OTHER_SITE.code)
    ),
    "supplier with a competitor's mandate": Caller(
        SUPPLIER, Role.MACHINE, on_behalf_of=SITE, mandate=replace(MANDATE, holder="ORG-ANDER")
    ),
    "board": Caller(Party("41234", Kind.BOARD), Role.SCHOOL),
    "swv": Caller(SWV, Role.RECIPIENT),
    "swv's program": Caller(SWV, Role.MACHINE),
    "swv posing as school": Caller(SWV, Role.SCHOOL),
    "gemeente's program": Caller(Party("GM0344", Kind.GEMEENTE), Role.MACHINE),
    "gemeente": Caller(Party("GM0344", Kind.GEMEENTE), Role.RECIPIENT),
    "minister": Caller(Party("ORG-OCW", Kind.MINISTER), Role.RECIPIENT),
    "public": ANYBODY,
    "inspectorate": Caller(Party("ORG-IVHO", Kind.INSPECTORATE), Role.RECIPIENT),
    "researcher": Caller(Party("ORG-UNI", Kind.RESEARCHER), Role.RECIPIENT),
    "province": Caller(Party("ORG-PROV", Kind.PROVINCE), Role.RECIPIENT),
    "attendance officer": Caller(Party("ORG-LPA", Kind.ATTENDANCE_OFFICER), Role.RECIPIENT),
    "doctor": Caller(Party("ORG-ARTS", Kind.DOCTOR), Role.RECIPIENT),
    "youth health care": Caller(JGZ, Role.RECIPIENT),
    "youth health care's program": Caller(JGZ, Role.MACHINE),
    "youth health care's privacy officer": Caller(JGZ, Role.PRIVACY_OFFICER),
    "other youth health care": Caller(Party("ORG-JGZ2", Kind.YOUTH_HEALTH_CARE), Role.RECIPIENT),
    "operator": Caller(Party("ORG-BEHEER", Kind.OPERATOR), Role.OPERATOR),
    "operator's program": Caller(Party("ORG-BEHEER", Kind.OPERATOR), Role.MACHINE),
    "operator's privacy officer": Caller(Party("ORG-BEHEER", Kind.OPERATOR), Role.PRIVACY_OFFICER),
    "school's privacy officer": Caller(SITE, Role.PRIVACY_OFFICER),
    "swv's privacy officer": Caller(SWV, Role.PRIVACY_OFFICER),
    "minister's privacy officer": Caller(Party("ORG-OCW", Kind.MINISTER), Role.CONTROLLER_OFFICER),
    "operator's controller officer": Caller(Party("ORG-BEHEER", Kind.OPERATOR), Role.CONTROLLER_OFFICER),
    "school posing as controller's officer": Caller(SITE, Role.CONTROLLER_OFFICER),
    "school posing as operator": Caller(SITE, Role.OPERATOR),
}

# Things in good order, belonging to SITE where they belong to anybody; a case changes what it is about.
DELIVERY = Delivery(SITE.code, "po", COUNTS, period_open=True, exercise=True)
ROWS_DELIVERY = Delivery(SITE.code, "po", ROWS, period_open=True, exercise=True, agreement=True)
READY = Release(
    exercise=True, approvals=1, attacker_failed=True, minimum=5, zeros_are_small=True, complements=True, reasoned=True
)
PUBLISHED = Release(published=True)
SLICE = Slice(published=True, level="swv", area=Area.OWN)
CONSENT = Consent(
    SITE.code,
    JGZ.code,
    Kind.YOUTH_HEALTH_CARE,
    given=True,
    complete=True,
    until=dt.date(2027, 3, 1),
    latest=dt.date(2027, 7, 31),
    agreement=True,
)
RECORD = ConsentedRecord(
    party=SITE.code,
    recipient=JGZ.code,
    recipient_is=Kind.YOUTH_HEALTH_CARE,
    data=ILLNESS,
    consent_state="given",
    consent_party=SITE.code,
    consent_recipient=JGZ.code,
    consent_scope=ILLNESS,
    consent_from=dt.date(2026, 9, 1),
    consent_until=dt.date(2027, 3, 1),
    sealed=True,
    agreement=True,
)
OWN_TABLE = OwnTable(SITE.code)
RECORDS = Records(SITE.code)
EVERYBODY = Records("")
INSTALLATION = Installation()
EXERCISE = Installation(exercise=True)
MADE_UP = Hypothesis("")
TWO = Setup(two_operators=True)


@dataclass(frozen=True)
class Case:
    """One question and its answer.

    Attributes:
        name: what it is about, with the number of the flow where it has one.
        decision: `permit`, or the reason of the refusal.
        rules: ids of the deciding rules, as the caller is told them.
    """

    name: str
    who: str
    action: Action
    thing: Thing
    purpose: str
    decision: str
    rules: tuple[str, ...]
    day: str = "2026-11-02"
    collection: str = ""
    setup: Setup = TWO

    @property
    def request(self) -> Request:
        """The question as the engine takes it."""
        return Request(CALLERS[self.who], self.action, self.thing, (self.purpose,), self.collection, self.setup)


def case_data(recipient: Kind, *data: DataCategory) -> CaseData:
    """Data of a case on their way to a kind of party."""
    return CaseData(frozenset(data), recipient)
