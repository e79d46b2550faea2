"""No decision without an entry: every act that asks the law leaves its trace, permitted or refused."""

import dataclasses
import json
from collections.abc import Callable
from datetime import date

import pytest
from sqlmodel import select

from audit.entry import Entry
from audit.events import Event
from audit.schema import ENTRY, PENDING
from gateway import access, accountability, changes, consents, deliveries, keys, notices, retention, trail, witnesses
from gateway.consented import read_all, send
from gateway.context import Gateway, actor_of
from gateway.http.decisions import _decide as what_if
from gateway.identity import Credential, Identity
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.publish import asking, downloading, handing
from gateway.receive import Received, Upload, receive
from gateway.store import Token
from policies.consent import Giver, Withdrawn
from policies.decision import Deny
from policies.parties import ANYBODY
from policies.question import Action
from policies.things import Installation
from policies.withdrawal import Answer

from .conftest import NOW, PERIOD, TABLE, World
from .noisy_release import deliver
from .records import delivered
from .test_consents import HOURS, care, given, sealed, signed, terms

Act = Callable[[World, Identity], object]
NOBODY = "0" * 32
QUESTION = {
    "action": {"name": "read-own-table"},
    "resource": {"type": "OwnTable", "properties": {"party": ""}},
    "context": {"purposes": ["own-school"]},
}


def school(world: World) -> Identity:
    return world.site(0)


def secretary(world: World) -> Identity:
    return Identity(world.region.sites[0].code, "school")


def operator(world: World) -> Identity:
    return Identity(world.gateway.settings.operator, "operator", 1, proven=True)


def officer(world: World) -> Identity:
    return Identity(world.gateway.settings.operator, "controller-officer")


def swv(world: World) -> Identity:
    return Identity(next(iter(world.region.swvs)), "recipient")


def submission(world: World) -> str:
    made = receive(world.gateway, world.site(0), Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0)))
    assert isinstance(made, Received)
    return made.submission.id


def consent(world: World) -> str:
    care(world)
    return given(world).id


def _counts(world: World, who: Identity, **more: bool) -> object:
    return receive(world.gateway, who, Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0)), **more)


def _own_table(world: World, who: Identity, form: downloading.Format = downloading.Format.CSV) -> object:
    deliver(world, 0, world.counts(0))
    return downloading.own_table(world.gateway, who, TABLE, PERIOD, form)


def _days(world: World, who: Identity) -> object:
    days = {"reference_date": date(2026, 10, 1), "deadline": date(2026, 11, 30)}
    return Desk(world.gateway, who).open_period(TABLE, "2026-2027-2", exercise=False, **days)


ACTS: list[tuple[str, Callable[[World], Identity], Act]] = [
    ("submit", school, _counts),
    ("submit for another", swv, _counts),
    ("check", school, lambda w, who: _counts(w, who, dry_run=True)),
    ("confirm", school, lambda w, who: deliveries.confirm(w.gateway, who, submission(w))),
    ("confirm nothing", school, lambda w, who: deliveries.confirm(w.gateway, who, NOBODY)),
    ("withdraw", school, lambda w, who: deliveries.withdraw(w.gateway, who, submission(w))),
    ("read", school, lambda w, who: deliveries.read(w.gateway, who, submission(w))),
    ("read another's", swv, lambda w, who: deliveries.read(w.gateway, who, submission(w))),
    (
        "a receipt there is not",
        school,
        lambda w, who: deliveries.receipt_of(w.gateway, who, submission(w), confirmation=True),
    ),
    ("open a real period", operator, _days),
    ("manage as a school", school, lambda w, who: Desk(w.gateway, who).close_period(TABLE, PERIOD)),
    ("close", operator, lambda w, who: Desk(w.gateway, who).close_period(TABLE, PERIOD)),
    ("rotate", operator, lambda w, who: keys.rotate(Desk(w.gateway, who), "counting-for-school", "2026-2027")),
    ("remove no witness", operator, lambda w, who: witnesses.remove(w.gateway, who, "w9", None)),
    ("retention", operator, lambda w, who: retention.run(w.gateway, who)),
    ("retention as a school", school, lambda w, who: retention.run(w.gateway, who)),
    ("build", operator, lambda w, who: asking.request_build(w.gateway, who, TABLE, PERIOD)),
    ("own table", school, _own_table),
    ("another's table", swv, _own_table),
    ("a picture there is not", school, lambda w, who: _own_table(w, who, downloading.Format.SVG)),
    ("change numbers", school, lambda w, who: changes.change_numbers(w.gateway, who, _change(w))),
    ("ask consent", school, lambda w, who: consents.ask(w.gateway, who, terms(), signed(Giver.PARENT))),
    ("ask too little", school, lambda w, who: consents.ask(w.gateway, who, terms(), signed(Giver.PUPIL))),
    ("ask too long", school, lambda w, who: consents.ask(w.gateway, who, terms(last_day=date(2027, 8, 1)))),
    ("withdraw twice", school, lambda w, who: [_withdraw(w, who, each) for each in [consent(w)] * 2]),
    ("answer twice", lambda _: Identity("ORG-JGZ", "machine"), lambda w, who: _answer_twice(w, who, consent(w))),
    ("consent as swv", swv, lambda w, who: consents.ask(w.gateway, who, terms(), signed(Giver.PARENT))),
    ("read consent", school, lambda w, who: consents.read(w.gateway, who, consent(w))),
    ("read another's consent", swv, lambda w, who: consents.read(w.gateway, who, consent(w))),
    ("withdraw consent", school, lambda w, who: consents.append(
        w.gateway, who, consent(w), lambda at: Withdrawn(at=at, by=Giver.PARENT))),
    ("answer no notice", swv, lambda w, who: notices.answer_notice(
        w.gateway, who, consent(w), Answer(at=NOW, outcome="erased"))),
    ("send a record", school, lambda w, who: send(w.gateway, who, consent(w), sealed(), HOURS)),
    ("send without consent", school, lambda w, who: send(w.gateway, who, NOBODY, sealed(), HOURS)),
    ("read records", lambda _: Identity("ORG-JGZ", "machine"), lambda w, who: _record(w) and read_all(w.gateway, who)),
    ("access", secretary, lambda w, who: access.answer(w.gateway, who, year="2026-2027", pseudonym=delivered(w)[0])),
    ("access as swv", swv, lambda w, who: access.answer(w.gateway, who, year="2026-2027", pseudonym=bytes(64))),
    ("what if", school, lambda w, who: what_if(w.gateway, who, json.dumps(QUESTION).encode())),
    ("look at the log", officer, lambda w, who: trail.sign_off(w.gateway, who)),
    ("look as a school", school, lambda w, who: trail.sign_off(w.gateway, who)),
    ("register of processing", school, lambda w, who: accountability.register(w.gateway, who)),
    ("look at consents", officer, lambda w, _: accountability.consents_by_id(w.gateway)),
    ("look at late notices", officer, lambda w, _: accountability.late_notices(w.gateway)),
]  # fmt: skip


def _withdraw(world: World, who: Identity, consent_id: str) -> object:
    return consents.append(world.gateway, who, consent_id, lambda at: Withdrawn(at=at, by=Giver.PARENT))


def _answer_twice(world: World, who: Identity, consent_id: str) -> None:
    _withdraw(world, school(world), consent_id)
    for answer in (Answer(at=NOW, outcome="erased"), Answer(at=NOW, outcome="kept", basis="17(3)(b)")):
        notices.answer_notice(world.gateway, who, consent_id, answer)


def _change(world: World) -> bytes:
    from .test_changes import NEW, document  # noqa: PLC0415  beside its only use

    return document(world, (delivered(world)[0], NEW))


def _record(world: World) -> object:
    return send(world.gateway, world.site(0), consent(world), sealed(), HOURS)


def logged(world: World) -> list[str]:
    """Leaf data of every entry, sequenced or waiting."""
    with world.gateway.reading() as session:
        connection = session.connection()
        waiting = connection.scalars(select(PENDING.c.data)).all()
        return [bytes(data).decode() for data in (*connection.scalars(select(ENTRY.c.data)).all(), *waiting)]


@pytest.mark.parametrize(("name", "who", "act"), ACTS, ids=[name for name, _, _ in ACTS])
def test_every_decision_has_its_entry(
    new_world: Callable[..., World],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    who: Callable[[World], Identity],
    act: Act,
) -> None:
    """The last decision of an act stands in an entry that the act added, with verdict, rules and policy version."""
    world = new_world()
    world.desk.invite(world.gateway.settings.operator, "operator", "beheerder")
    told = []
    ask = Gateway.decide
    monkeypatch.setattr(Gateway, "decide", lambda *given, **named: told.append(ask(*given, **named)) or told[-1])
    monkeypatch.setattr(handing, "PROOF_SECONDS", 0.0)
    before = set(logged(world))
    act(world, who(world))
    added = [json.loads(data) for data in set(logged(world)) - before]
    assert told, "the law was not asked"
    last = told[-1]
    assert [
        entry
        for entry in added
        if entry.get("policy", {}).get("sha256") == last.policy.sha256
        and set(last.rules) <= set(entry.get("rules", ()))
        and entry["decision"] in {last.verdict, "deny"}
    ], name


def test_a_refusal_stands_under_the_purpose_that_refused(new_world: Callable[..., World]) -> None:
    """Asked for two purposes of which the second does not work: the entry has its name, article and activity."""
    world = new_world()
    gateway, asked = world.gateway, ("accountability", "research")
    refused = gateway.decide(ANYBODY, Action.READ_REGISTER_OF_PROCESSING, Installation(), asked)
    assert isinstance(refused, Deny)
    gateway.refuse(Entry(event=Event.AUDIT_VIEWED, actor=actor_of(ANYBODY)), refused)
    entry = json.loads(logged(world)[-1])
    basis = gateway.law.purposes["research"].legal_basis[0].reference
    assert (entry["purpose"], entry["basis"]) == ("research", basis)
    assert "#research" in str(entry["activity"])


SHUT_OUT = (
    "submit", "confirm", "withdraw", "close", "build", "own table", "change numbers", "withdraw consent",
    "send a record", "read records", "access",
)  # fmt: skip


@pytest.mark.parametrize("name", SHUT_OUT)
def test_who_was_shut_out_after_the_law_was_asked_does_nothing(new_world: Callable[..., World], name: str) -> None:
    """A credential that is ended while its act waits for its turn: refused as unknown, which has its entry."""
    world = new_world()
    who, act = next((who, act) for other, who, act in ACTS if other == name)
    gone = dataclasses.replace(who(world), credential=Credential(Token, NOBODY))
    assert act(world, gone) in (Refused("unauthenticated"), [])
    last = json.loads(logged(world)[-1])
    assert (last["event"].rpartition(".")[2], last["decision"]) == ("refused", "deny")
