"""Consents that end without anybody withdrawing them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from gateway.consent_ends import empty, end_keyless, expire
from gateway.consented import Sent, read_all, send
from gateway.consents import CHANGED, PURPOSE, append, ask, load
from gateway.context import Gateway
from gateway.demo.people import must
from gateway.grants import end_agreement, register_agreements
from gateway.notices import answer_notice, notices_of
from gateway.outcome import Refused
from gateway.retention import run
from gateway.standing import Standing
from gateway.store import ConsentedHealth
from policies.consent import Confirmed, Given, Giver, Signature, Stage, Withdrawn
from policies.consent import Refused as SaidNo
from policies.decision import Decision
from policies.engine import Engine
from policies.purpose import Purposes
from policies.withdrawal import Answer
from pseudonymisation.keyring import Keyring, KeyState

from .conftest import NOW, World
from .test_consents import EVIDENCE, HOURS, KEY, care, entries, given, sealed, signed, terms
from .test_deciding import grounds, grounds_of


def over(gateway: Gateway) -> Gateway:
    """The same gateway, whose law ended the purpose the day before."""
    law, engine = gateway.law, gateway.engine
    known = law.purposes.by_id
    ended = known[PURPOSE].model_copy(update={"valid_until": gateway.today})
    purposes = Purposes({**known, PURPOSE: ended}, law.purposes.sources)
    return replace(gateway, engine=Engine(replace(law, purposes=purposes), engine._schema))


def test_a_consent_is_withdrawn_after_its_purpose_ended(world: World) -> None:
    """Nothing is passed on under it any more, and whoever gave it can still take it back."""
    care(world)
    standing, later = given(world), over(world.gateway)
    assert isinstance(send(later, world.site(0), standing.id, sealed(), HOURS), Refused)
    ended = append(later, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert isinstance(ended, Standing)
    assert ended.state.closed


def test_what_ends_by_itself_stands_under_its_purpose(world: World) -> None:
    """Nobody asked for it, so that no decision brings the article and the line of the register of processing."""
    care(world)
    given(world)
    later = world.at(NOW + timedelta(days=400))
    assert expire(later.gateway) == 1
    told = {entry["event"]: grounds(entry) for entry in entries(later)[-2:]}
    assert set(told) == {"consent.expired", "consent.notice-sent"}
    assert set(told.values()) == {grounds_of(later, PURPOSE)}


@pytest.mark.parametrize("again", [False, True], ids=["ended", "another begins later"])
def test_what_is_under_a_consent_goes_with_the_agreement_of_its_school(world: World, again: bool) -> None:
    """At once nothing is passed on, and with the next run records and key are gone; nobody withdrew the consent."""
    recipient, standing, school = care(world), given(world), world.site(0)
    must(send(world.gateway, school, standing.id, sealed(), HOURS))
    assert must(end_agreement(world.desk, school.party)) == 1
    if again:
        must(register_agreements(world.desk, [school.party], (NOW + timedelta(days=9)).date()))
    refused = [
        send(world.gateway, school, standing.id, sealed(), HOURS),
        ask(world.gateway, school, terms(), signed(Giver.PARENT)),
    ]
    assert [article_of(outcome) for outcome in refused] == [
        ("record-needs-processor-agreement",), ("consent-needs-processor-agreement",)
    ]  # fmt: skip
    assert read_all(world.gateway, recipient) == []
    must(run(world.gateway, world.desk.identity))
    assert (records(world), len(alive(world))) == ((1, 1) if again else (0, 0))
    assert (load(world.gateway, standing.id).events, notices_of(world.gateway, recipient)) == (standing.events, [])


def records(world: World) -> int:
    with world.gateway.reading() as session:
        return len(session.exec(select(ConsentedHealth)).all())


def alive(world: World) -> list[str]:
    """Keys of consents that still open something."""
    keys = world.gateway.consent_keys.records()
    return [key.key_id for key in keys if key.state is not KeyState.DESTROYED]


def test_the_end_of_an_agreement_tells_of_no_consent_in_the_log(world: World) -> None:
    """Its entry names the school: entries of consents after it would say which are its pupils', and how many.

    Nor do refusals say so to who reads in between; on the last day it ends like any other.
    """
    recipient = care(world)
    for standing in (given(world), given(world)):
        must(send(world.gateway, world.site(0), standing.id, sealed(), HOURS))
    before = len(entries(world))
    must(end_agreement(world.desk, world.site(0).party))
    assert read_all(world.gateway, recipient) == []
    must(run(world.gateway, world.desk.identity))
    assert read_all(world.gateway, recipient) == []
    assert [entry["event"] for entry in entries(world)[before:]] == ["agreement.ended", "retention.run"]
    later = world.at(NOW + timedelta(days=400))
    assert expire(later.gateway) == len(notices_of(later.gateway, recipient)) == 2


def test_under_another_agreement_a_consent_holds_with_a_key_of_its_own(world: World) -> None:
    """What was sent before stays gone, also in a copy; what is sent now is read, until it is withdrawn."""
    recipient, standing, school = care(world), given(world), world.site(0)
    must(send(world.gateway, school, standing.id, sealed(), HOURS))
    first = alive(world)
    must(end_agreement(world.desk, school.party))
    must(run(world.gateway, world.desk.identity))
    must(register_agreements(world.desk, [school.party], NOW.date()))
    must(send(world.gateway, school, standing.id, sealed(), HOURS))
    assert (len(read_all(world.gateway, recipient)), len(alive(world))) == (1, 1)
    assert alive(world) != first
    must(append(world.gateway, school, standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT)))
    assert (records(world), alive(world)) == (0, [])


def test_keys_that_a_run_could_not_destroy_are_destroyed_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps a key of a school without an agreement for a day, with nothing left under it."""
    care(world)
    must(send(world.gateway, world.site(0), given(world).id, sealed(), HOURS))
    must(end_agreement(world.desk, world.site(0).party))
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "destroy", lambda *_: (_ for _ in ()).throw(OSError("full")))
        with pytest.raises(OSError, match="full"):
            empty(world.gateway)
    assert (records(world), len(alive(world))) == (0, 1)
    empty(world.gateway)
    assert alive(world) == []


def once_decided(patch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Let something happen once, between the law's next answer and the transaction of the act it is about."""
    real, left = Gateway.decide, [meanwhile]

    def decide(*given: Any, **named: Any) -> Decision:  # noqa: ANN401  whatever the law is asked
        found = real(*given, **named)
        while left:
            left.pop()()
        return found

    patch.setattr(Gateway, "decide", decide)


@pytest.mark.parametrize("what", ["sent", "read", "given"])
def test_nothing_passes_for_a_school_whose_agreement_just_ended(
    world: World, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the law's answer and the transaction it ended: no record comes in or goes out, none is given."""
    recipient, standing, school = care(world), given(world), world.site(0)
    must(send(world.gateway, school, standing.id, sealed(), HOURS))
    once_decided(monkeypatch, lambda: must(end_agreement(world.desk, school.party)))
    passed = {
        "sent": lambda: send(world.gateway, school, standing.id, sealed(), HOURS),
        "read": lambda: read_all(world.gateway, recipient) or CHANGED,
        "given": lambda: ask(world.gateway, school, terms(), signed(Giver.PARENT)),
    }[what]()
    assert (passed, records(world)) == (CHANGED, 1)
    assert [entry["event"] for entry in entries(world)[-2:]] == ["agreement.ended", "record.refused"]


def test_a_question_that_was_erased_a_moment_ago_is_not_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given in the second in which the retention run ends it: refused as what changed meanwhile, with an entry."""
    care(world)
    asked = must(ask(world.gateway, world.site(0), terms(last_day=NOW.date())))
    after = world.at(NOW + timedelta(days=1))
    once_decided(monkeypatch, lambda: must(run(after.gateway, after.desk.identity)))
    said_yes = append(world.gateway, world.site(0), asked.id, lambda at: Given(at=at, signatures=signed(Giver.PARENT)))
    assert said_yes == CHANGED
    assert [entry["event"] for entry in entries(world)[-2:]] == ["retention.run", "record.refused"]


def emptied(world: World) -> Standing:
    """A consent whose school had no agreement for a while, so that what was sent under it went with its key."""
    care(world)
    standing, school = given(world), world.site(0).party
    must(end_agreement(world.desk, school))
    must(run(world.gateway, world.desk.identity))
    must(register_agreements(world.desk, [school], NOW.date()))
    return standing


def test_the_first_record_under_another_agreement_is_sent_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice at once under one idempotency key: stored once, under the key that the first of them made."""
    standing, reference, told = emptied(world), sealed(), []

    def sent() -> object:
        return must(send(world.gateway, world.site(0), standing.id, reference, HOURS, "k")).receipt

    once_decided(monkeypatch, lambda: told.append(sent()))
    assert (sent(), bool(told[0]), records(world)) == (None, True, 1)


def test_no_consent_takes_a_key_that_a_run_destroys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another agreement its pupil confirms it, before the run that emptied it ends: what is sent can be read."""
    later, destroy = world.at(NOW + timedelta(days=1)), Keyring.destroy
    recipient, standing, school = care(world), given(world, older_on=later.gateway.today), world.site(0)
    must(end_agreement(world.desk, school.party))
    own = Signature(giver=Giver.PUPIL, date=later.gateway.today, evidence=EVIDENCE)

    def late(ring: Keyring, *key_ids: str) -> None:
        monkeypatch.undo()
        must(register_agreements(world.desk, [school.party], NOW.date()))
        event = "confirmed-12"
        must(append(later.gateway, school, standing.id, lambda at: Confirmed(at=at, event=event, signature=own)))
        destroy(ring, *key_ids)

    monkeypatch.setattr(Keyring, "destroy", late)
    empty(world.gateway)
    must(send(later.gateway, school, standing.id, sealed(), HOURS))
    assert [one.hours for one in read_all(later.gateway, recipient)] == [HOURS]


def test_a_restore_ends_no_consent_that_had_no_key(world: World) -> None:
    """Of its school the agreement ended once: nothing was lost, and entries of its end would tell whose it is."""
    standing, other = emptied(world), given(world)
    before = len(entries(world))
    world.gateway.consent_keys.destroy(other.key_id)
    assert end_keyless(world.gateway) == 1
    assert [load(world.gateway, one.id).state.closed for one in (standing, other)] == [False, True]
    assert {entry["object"]["id"] for entry in entries(world)[before:]} == {f"consent:{other.id}"}


def test_nothing_is_sealed_to_a_key_that_was_just_withdrawn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost, and withdrawn between the law's answer and the transaction of a record: the record comes to nothing."""
    recipient, standing = care(world), given(world)
    once_decided(monkeypatch, lambda: must(world.desk.withdraw_key(recipient.party, str(KEY.kid))))
    assert (send(world.gateway, world.site(0), standing.id, sealed(), HOURS), records(world)) == (CHANGED, 0)


def article_of(outcome: object) -> tuple[str, ...]:
    """By which rules it was refused."""
    assert isinstance(outcome, Refused)
    assert outcome.decision is not None
    return outcome.decision.rules


def test_without_an_agreement_one_can_still_say_no(world: World) -> None:
    """A question is answered with no, and what was given is taken back, also where the agreement has ended."""
    care(world)
    school, standing = world.site(0), given(world)
    asked = must(ask(world.gateway, school, terms()))
    must(end_agreement(world.desk, school.party))
    no = must(append(world.gateway, school, asked.id, lambda at: SaidNo(at=at)))
    ended = must(append(world.gateway, school, standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT)))
    assert (no.state.stage, ended.state.stage) == (Stage.REFUSED, Stage.WITHDRAWN)


def test_a_consent_ends_with_its_purpose(world: World) -> None:
    """Once, with its records and key and a notice that can be answered; a question waits for its own last day."""
    recipient, standing = care(world), given(world)
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Sent)
    asked, later = ask(world.gateway, world.site(0), terms()), over(world.gateway)
    assert isinstance(asked, Standing)
    assert (expire(later), expire(later)) == (1, 0)
    assert [event.event for event in load(later, standing.id).events] == ["asked", "given", "narrowed", "expired"]
    assert len(notices_of(later, recipient)) == 1
    assert isinstance(answer_notice(later, recipient, standing.id, Answer(at=NOW, outcome="erased")), Standing)
    assert (read_all(world.gateway, recipient), load(later, asked.id).state.closed) == ([], False)
