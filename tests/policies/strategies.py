"""Random questions: parties, mandates and things drawn from small pools, so that rules meet in unforeseen ways."""

import datetime as dt
from collections.abc import Iterable

from hypothesis import strategies as st

from policies.parties import Caller, Kind, Mandate, Party, Role
from policies.purpose import DataCategory
from policies.question import ABOUT, Action, Request, Setup
from policies.things import Area, CaseData, Consent, ConsentedRecord, Delivery, Installation, Release, Slice, Thing
from tests.policies.world import law

CODES = st.sampled_from(["00AB00", "00CD00", "PO2505", "GM0344", "ORG-JGZ", "ORG-LAS"])
MAYBE_NOBODY = st.one_of(CODES, st.just(""))
COLLECTIONS = st.sampled_from(["absence-counts", "absence-records", "consented-records", "other"])
DATA = st.frozensets(st.sampled_from(DataCategory), max_size=3)
DAYS = st.sampled_from([dt.date.fromisoformat(day) for day in (
    "2025-07-31", "2026-07-31", "2026-08-01", "2026-09-01", "2026-11-01", "2026-11-02", "2027-03-01", "2027-08-01",
)])  # fmt: skip

PARTIES = st.builds(
    Party,
    code=CODES,
    kind=st.sampled_from(Kind),
    registered=st.sampled_from([True, True, True, False]),
    sectors=st.frozensets(st.sampled_from(["po", "vo", "mbo"])),
    funded=st.sampled_from([True, True, False]),
    caribbean=st.sampled_from([False, False, True]),
)
MANDATES = st.builds(
    Mandate,
    giver=CODES,
    holder=CODES,
    valid_from=DAYS,
    valid_until=DAYS,
    actions=st.frozensets(st.sampled_from([action.value for action in Action])),
    collections=st.frozensets(COLLECTIONS),
)
CALLERS = st.one_of(
    st.builds(Caller, PARTIES, st.sampled_from(Role)),
    st.builds(Caller, PARTIES, st.sampled_from(Role), PARTIES, st.one_of(st.none(), MANDATES)),
)
THINGS: dict[type[Thing], st.SearchStrategy[Thing]] = {
    Delivery: st.builds(Delivery, party=MAYBE_NOBODY, sector=st.sampled_from(["po", "vo", "mbo"]), data=DATA),
    Release: st.builds(Release, approvals=st.integers(0, 3), minimum=st.integers(0, 12)),
    Slice: st.builds(
        Slice,
        level=st.sampled_from(["site", "gemeente", "swv", "country", "province"]),
        area=st.sampled_from(Area),
        form=st.sampled_from(["table", "rows"]),
        data=st.one_of(st.just(frozenset({DataCategory.PROTECTED_TABLES})), DATA),
    ),
    CaseData: st.builds(CaseData, DATA, st.sampled_from(Kind)),
    Consent: st.builds(
        Consent, party=MAYBE_NOBODY, recipient=MAYBE_NOBODY, recipient_is=st.sampled_from(Kind), until=DAYS, latest=DAYS
    ),
    ConsentedRecord: st.builds(
        ConsentedRecord,
        party=MAYBE_NOBODY,
        recipient=MAYBE_NOBODY,
        recipient_is=st.sampled_from([Kind.YOUTH_HEALTH_CARE, Kind.YOUTH_HEALTH_CARE, *Kind]),
        data=st.one_of(st.just(frozenset({DataCategory.ILLNESS_HOURS})), DATA),
        consent_state=st.sampled_from(["given", "given", "withdrawn", "unconfirmed", "none"]),
        consent_party=MAYBE_NOBODY,
        consent_recipient=MAYBE_NOBODY,
        consent_scope=st.one_of(st.just(frozenset(DataCategory)), DATA),
        consent_from=DAYS,
        consent_until=DAYS,
    ),
    Installation: st.builds(Installation),
}


def things(action: Action) -> st.SearchStrategy[Thing]:
    """A thing that this action is about."""
    kind = ABOUT[action]
    return THINGS[kind] if kind in THINGS else st.builds(kind, party=MAYBE_NOBODY)


@st.composite
def requests(draw: st.DrawFn, actions: Iterable[Action] = tuple(Action)) -> Request:
    """Any question at all."""
    action = draw(st.sampled_from(list(actions)))
    purpose = draw(st.sampled_from(sorted(law().purposes)))
    setup = draw(st.builds(Setup, st.booleans(), st.booleans()))
    return Request(draw(CALLERS), action, draw(things(action)), (purpose,), draw(COLLECTIONS), setup)
