"""The enumerated world: every caller, act, purpose and day, each thing in good order and with each fault in turn."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from policies.parties import Kind
from policies.purpose import DataCategory as Data
from policies.question import ABOUT, Action, Request, Setup
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
from tests.policies.world import (
    CALLERS,
    CONSENT,
    DELIVERY,
    PUBLISHED,
    READY,
    RECORD,
    ROWS_DELIVERY,
    SITE,
    SLICE,
    TWO,
    law,
)

DAYS = tuple(
    dt.date.fromisoformat(day)
    for day in (
        "2025-07-31",
        "2026-07-31",
        "2026-08-01",
        "2026-09-01",
        "2026-11-02",
        "2027-03-01",
        "2027-03-02",
        "2027-08-01",
    )
)
ORDINARY = dt.date(2026, 11, 2)

THINGS: dict[type[Thing], tuple[Thing, ...]] = {
    Delivery: (
        DELIVERY,
        ROWS_DELIVERY,
        replace(DELIVERY, party=""),
        replace(DELIVERY, party="00EF00"),
        replace(DELIVERY, party="00GH00"),
        replace(DELIVERY, party="00IJ00", sector="mbo"),
        replace(DELIVERY, sector="vo"),
        replace(DELIVERY, period_open=False),
        replace(DELIVERY, exercise=False),
        replace(ROWS_DELIVERY, agreement=False),
        replace(ROWS_DELIVERY, exercise=False),
        *(replace(DELIVERY, data=DELIVERY.data | {extra}) for extra in Data if extra not in DELIVERY.data),
    ),
    OwnTable: (OwnTable(SITE.code), OwnTable("00CD00"), OwnTable("")),
    Release: (
        READY,
        PUBLISHED,
        Release(),
        *(
            replace(base, **{name: not getattr(base, name)})  # type: ignore[arg-type]  # one yes-or-no fact turned round
            for base in (READY, replace(READY, published=True))
            for name in (
                "withdrawn",
                "exercise",
                "built_by_caller",
                "approved_by_caller",
                "attacker_failed",
                "zeros_are_small",
                "complements",
                "reasoned",
            )
        ),
        *(replace(READY, approvals=number) for number in (0, 2)),
        *(replace(READY, minimum=number) for number in (0, 4, 6)),
    ),
    Slice: tuple(
        [
            Slice(published=published, withdrawn=withdrawn, level=level, area=area)
            for published in (True, False)
            for withdrawn in (True, False)
            for level in ("site", "gemeente", "swv", "country", "province")
            for area in Area
        ]
        + [replace(SLICE, form="rows")]
        + [replace(SLICE, data=frozenset({data})) for data in Data]
    ),
    CaseData: tuple(
        CaseData(frozenset({data}), recipient)
        for data in (Data.NAMED_ABSENCE, Data.NAMED_AUTHORISED_ABSENCE, Data.MEDICAL_FACTS, Data.PROTECTED_TABLES)
        for recipient in (Kind.SWV, Kind.GEMEENTE, Kind.ATTENDANCE_OFFICER, Kind.INSPECTORATE)
    ),
    Consent: (
        CONSENT,
        Consent(""),
        replace(CONSENT, complete=False),
        replace(CONSENT, given=False),
        replace(CONSENT, agreement=False),
        replace(CONSENT, given=False, agreement=False),
        replace(CONSENT, recipient="PO2505", recipient_is=Kind.SWV),
        replace(CONSENT, recipient="GM0344", recipient_is=Kind.GEMEENTE),
        replace(CONSENT, until=ORDINARY),
        replace(CONSENT, until=ORDINARY - dt.timedelta(days=1)),
        replace(CONSENT, until=CONSENT.latest),
        replace(CONSENT, until=CONSENT.latest + dt.timedelta(days=1)),
    ),
    ConsentedRecord: (
        RECORD,
        replace(RECORD, party=""),
        replace(RECORD, party="00CD00"),
        replace(RECORD, consent_party="00CD00"),
        replace(RECORD, consent_recipient="ORG-JGZ2"),
        replace(RECORD, recipient="ORG-JGZ2"),
        replace(RECORD, recipient="PO2505", recipient_is=Kind.SWV, consent_recipient="PO2505"),
        replace(RECORD, recipient="GM0344", recipient_is=Kind.GEMEENTE, consent_recipient="GM0344"),
        replace(RECORD, consent_scope=frozenset({Data.CASE_REFERENCE})),
        replace(RECORD, data=RECORD.data | {Data.MEDICAL_FACTS}, consent_scope=RECORD.data | {Data.MEDICAL_FACTS}),
        replace(RECORD, sealed=False),
        replace(RECORD, agreement=False),
        *(replace(RECORD, consent_state=state) for state in ("asked", "unconfirmed", "withdrawn", "expired", "none")),
    ),
    Records: (Records(SITE.code), Records("PO2505"), Records("")),
    Installation: (Installation(), Installation(exercise=True)),
    Hypothesis: (Hypothesis(""), Hypothesis(SITE.code), Hypothesis("PO2505")),
}
COLLECTION = {
    **dict.fromkeys((Delivery, Release, Slice), "absence-counts"),
    **dict.fromkeys((Consent, ConsentedRecord), "consented-records"),
}
USUAL = {
    Delivery: ("statutory-counts", "counting-for-school"),
    OwnTable: ("own-school",),
    Release: ("absence-insight-swv", "national-picture"),
    Slice: ("absence-insight-swv", "absence-insight-gemeente", "national-picture", "region-for-school"),
    CaseData: ("absence-insight-gemeente",),
    Consent: ("care-with-consent",),
    ConsentedRecord: ("care-with-consent",),
    Records: ("accountability",),
    Installation: ("operation",),
    Hypothesis: ("accountability",),
}
SETUPS = (TWO, Setup(), Setup(unsafe_single_operator=True))


def requests(actions: frozenset[Action] = frozenset(Action)) -> Iterator[tuple[Request, dt.date]]:
    """Every caller × act × thing for the usual purposes; with the first things every purpose, day and set-up too."""
    for action in sorted(actions):
        kind = ABOUT[action]
        things, collection = THINGS[kind], COLLECTION.get(kind, "")
        for caller in CALLERS.values():
            for purpose in USUAL[kind]:
                for thing in things:
                    rows = isinstance(thing, Delivery) and Data.ABSENCE_ROWS in thing.data
                    yield (
                        Request(caller, action, thing, (purpose,), "absence-records" if rows else collection, TWO),
                        ORDINARY,
                    )
            for thing in things[:2]:
                yield from (
                    (Request(caller, action, thing, (purpose,), collection, TWO), ORDINARY)
                    for purpose in law().purposes
                )
                yield from (
                    (Request(caller, action, thing, (purpose,), collection, TWO), day)
                    for purpose in USUAL[kind]
                    for day in DAYS
                )
            for thing in (*things[:1], *(thing for thing in things if getattr(thing, "exercise", None) is False)):
                yield from (
                    (Request(caller, action, thing, (USUAL[kind][0],), collection, setup), ORDINARY) for setup in SETUPS
                )
            yield Request(caller, action, things[0], (USUAL[kind][0],), "another-collection", TWO), ORDINARY
