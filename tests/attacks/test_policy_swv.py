"""The adversary is a school partnership that wants data of a pupil, by any way it or a helper can think of."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from policies.decision import Permit
from policies.engine import Engine
from policies.errors import BadPolicy
from policies.parties import Caller, Kind, Role
from policies.purpose import DataCategory, load_purposes
from policies.question import Action, Request
from policies.things import Consent, ConsentedRecord, Delivery, Slice
from tests.policies.cases import CASES
from tests.policies.strategies import DAYS
from tests.policies.strategies import requests as questions
from tests.policies.world import (
    CALLERS,
    CONSENT,
    DELIVERY,
    DEPLOYMENT,
    MANDATE,
    RECORD,
    ROWS,
    SITE,
    SLICE,
    SWV,
    law,
    noon,
)

NOW = noon("2026-11-02")
PERSONAL = sorted(category for category in DataCategory if category.personal)


def gets(
    engine: Engine, caller: Caller, action: Action, thing: Delivery | Slice | Consent | ConsentedRecord
) -> set[str]:
    """Purposes and collections under which the act is permitted: all of them are tried."""
    return {
        purpose
        for purpose in engine.purposes
        for collection in ("", "absence-counts", "absence-records", "consented-records")
        if isinstance(engine.decide(Request(caller, action, thing, (purpose,), collection), at=NOW), Permit)
    }


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("category", PERSONAL)
def test_no_role_and_no_purpose_opens_a_download_of_personal_data(role: Role, category: DataCategory) -> None:
    """Whatever the swv claims to be, and whatever it says it is for."""
    piece = replace(SLICE, data=frozenset({category}))
    assert gets(law(), Caller(SWV, role), Action.DOWNLOAD_RELEASE, piece) == set()


def test_a_schools_mandate_does_not_make_an_swv_a_supplier() -> None:
    """It holds a mandate for everything, and still reads no rows."""
    mandate = replace(
        MANDATE, holder=SWV.code, actions=frozenset(Action), collections=frozenset({"", "absence-records"})
    )
    caller = Caller(SWV, Role.MACHINE, on_behalf_of=SITE, mandate=mandate)
    rows = replace(DELIVERY, data=ROWS, agreement=True)
    assert gets(law(), caller, Action.READ_SUBMISSION, rows) == set()
    assert gets(law(), caller, Action.READ_SUBMISSION, DELIVERY) == set()


def test_a_supplier_cannot_fetch_for_an_swv() -> None:
    """Speaking through somebody else changes nothing."""
    mandate = replace(
        MANDATE, giver=SWV.code, actions=frozenset(Action), collections=frozenset({"", "consented-records"})
    )
    caller = Caller(CALLERS["supplier"].party, Role.MACHINE, on_behalf_of=SWV, mandate=mandate)
    record = replace(RECORD, recipient=SWV.code, recipient_is=Kind.SWV, consent_recipient=SWV.code)
    assert gets(law(), caller, Action.READ_CONSENTED_RECORD, record) == set()


def test_a_consent_that_names_an_swv_is_never_registered_or_used() -> None:
    """Not even when parents and pupil want it: this gateway has no such way."""
    named = replace(CONSENT, recipient=SWV.code, recipient_is=Kind.SWV)
    record = replace(RECORD, recipient=SWV.code, recipient_is=Kind.SWV, consent_recipient=SWV.code)
    assert gets(law(), CALLERS["school"], Action.REGISTER_CONSENT, named) == set()
    assert gets(law(), CALLERS["school"], Action.SUBMIT_CONSENTED_RECORD, record) == set()
    assert gets(law(), CALLERS["swv"], Action.READ_CONSENTED_RECORD, record) == set()


def test_a_record_that_lies_about_its_recipient_does_not_reach_an_swv() -> None:
    """The record says youth health care, the code is the swv's."""
    record = replace(RECORD, recipient=SWV.code, consent_recipient=SWV.code)
    assert gets(law(), CALLERS["swv"], Action.READ_CONSENTED_RECORD, record) == set()


def test_a_purpose_file_that_gives_an_swv_personal_data_does_not_load(tmp_path: Path) -> None:
    """The operator cannot do it by configuration."""
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    text = (DEPLOYMENT / "test-bare-tables.toml").read_text(encoding="utf-8")
    (tmp_path / "test-bare-tables.toml").write_text(text.replace("protected_tables", "absence_rows"), encoding="utf-8")
    with pytest.raises(BadPolicy, match="a school partnership gets no personal data"):
        load_purposes([tmp_path])


OTHER_FORBIDS = [key for key, rule in law().rules.items() if rule.effect == "forbid" and key != "swv-no-personal-data"]


@pytest.mark.parametrize("rule", OTHER_FORBIDS)
def test_losing_any_other_forbid_does_not_open_the_way(rule: str) -> None:
    """With any one other forbid gone, no named case about personal data lets an swv through."""
    rest = {key: value for key, value in law().rules.items() if key != rule}
    weaker = Engine(replace(law().law, rules=rest), law()._schema)
    for case in CASES:
        hands = {case.request.caller.party.kind, case.request.caller.acting.kind, case.thing.recipient_kind}
        if case.thing.personal and Kind.SWV in hands:
            assert not isinstance(weaker.decide(case.request, at=noon(case.day)), Permit)


@settings(max_examples=600)
@given(
    request=questions([
        Action.DOWNLOAD_RELEASE, Action.READ_SUBMISSION, Action.READ_CONSENTED_RECORD, Action.SUBMIT_CONSENTED_RECORD,
        Action.READ_CONSENT, Action.REGISTER_CONSENT, Action.REQUEST_DATA, Action.SEND_DATA,
    ]),
    day=DAYS,
)  # fmt: skip
def test_no_permit_ever_joins_an_swv_and_personal_data(request: Request, day: object) -> None:
    """Random parties, mandates, consents and purposes: a permit about personal data has no swv in it."""
    decision = law().decide(request, at=noon(str(day)))
    if isinstance(decision, Permit) and request.thing.personal:
        caller = request.caller
        assert Kind.SWV not in {caller.party.kind, caller.acting.kind, request.thing.recipient_kind}
