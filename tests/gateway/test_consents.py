"""Consent: who must give it, who sees it, what passes under it, and that its end is the end."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from pydantic import ValidationError
from sqlalchemy.event import listen
from sqlmodel import select

from audit.quorum import parse_policy
from audit.receipt import Verdict as ReceiptVerdict
from audit.receipt import verify_receipt
from audit.schema import PENDING
from gateway import consent_ends
from gateway.app import open_gateway
from gateway.backup import backup, restore
from gateway.consent_ends import expire
from gateway.consented import IllnessHours, Opened, Sent, proven, read_all, send
from gateway.consents import append, ask, own, read, receipt_for
from gateway.context import Gateway
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.notices import Notified, answer_notice, notices_of, notified, overdue_notices
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.retention import Erased, run
from gateway.settings import Home
from gateway.standing import Standing
from gateway.store import ConsentedHealth, ConsentEvent, ConsentRecord, Receipt
from policies.consent import EVENTS, AgeGroup, Confirmed, Event, Given, Giver, Narrowed, Signature, Terms, Withdrawn
from policies.consent import Refused as SaidNo
from policies.decision import Deny
from policies.parties import Kind
from policies.purpose import DataCategory
from policies.withdrawal import Answer
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import Keyring, KeyState

from .conftest import NOW, Site, World

CARE = "ORG-JGZ"
KEY = ECKey.generate_key("P-256", {"kid": "care-key-2026"}, private=True)
HOURS = IllnessHours.model_validate({"period": "2026-2027-1", "hours_illness": "31.5", "hours_scheduled": "235"})
EVIDENCE = sha256(b"nonce and form").hexdigest()


def care(world: World) -> Identity:
    """The youth health service, registered with its public key."""
    world.desk.add_party(CARE, "youth_health_care", "Jeugdgezondheidszorg")
    world.desk.register_key(CARE, {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    return Identity(CARE, "machine")


def terms(**changes: object) -> Terms:
    base: dict[str, object] = {
        "purpose": "care-with-consent",
        "recipient": CARE,
        "recipient_is": Kind.YOUTH_HEALTH_CARE,
        "scope": frozenset({DataCategory.ILLNESS_HOURS, DataCategory.CASE_REFERENCE}),
        "first_day": date(2026, 11, 2),
        "last_day": date(2027, 7, 31),
        "notice": "v1",
        "language": "nl",
        "age_group": AgeGroup.UNDER_12,
    }
    return Terms.model_validate(base | changes)


def signed(*givers: Giver) -> tuple[Signature, ...]:
    return tuple(Signature(giver=giver, date=date(2026, 11, 1), evidence=EVIDENCE) for giver in givers)


def given(world: World, **changes: object) -> Standing:
    standing = ask(world.gateway, world.site(0), terms(**changes), signed(Giver.PARENT))
    assert isinstance(standing, Standing), standing
    return standing


def sealed(case: str = "dossier 7") -> str:
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "care-key-2026"}
    return jwe.encrypt_compact(header, case.encode(), KEY)


def entries(world: World) -> list[dict[str, object]]:
    with world.gateway.reading() as session:
        rows = session.connection().execute(select(PENDING).order_by(PENDING.c.id)).all()
    return [json.loads(row.data) for row in rows]


def events(world: World) -> list[object]:
    return [entry["event"] for entry in entries(world)]


def test_a_record_reaches_the_one_recipient_it_was_meant_for(world: World) -> None:
    """The recipient reads the hours and opens the case reference; the database holds neither in the clear."""
    recipient, standing = care(world), given(world)
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Sent)
    opened = read_all(world.gateway, recipient)
    assert [(one.hours, jwe.decrypt_compact(one.reference, KEY).plaintext) for one in opened] == [(HOURS, b"dossier 7")]
    with world.gateway.reading() as session:
        stored = session.exec(select(ConsentedHealth)).one()
    assert b"31.5" not in stored.ciphertext
    assert "dossier" not in stored.reference


def test_the_length_of_what_is_stored_tells_nothing_of_the_hours(world: World) -> None:
    """Nought or hundreds of hours, whole or not: as many bytes, also for who has a copy after the key is gone."""
    care(world)
    standing = given(world)
    for hours in ("0", "7.25", "120", "10000.00"):
        of_these = HOURS.model_validate(HOURS.model_dump() | {"hours_illness": hours, "hours_scheduled": "10000"})
        must(send(world.gateway, world.site(0), standing.id, sealed(), of_these))
    with world.gateway.reading() as session:
        lengths = {len(row.ciphertext) for row in session.exec(select(ConsentedHealth))}
    assert len(lengths) == 1


def test_sending_and_reading_are_proven_by_receipts_that_are_not_kept_here(world: World) -> None:
    """Each names the hours by a commitment; a reading is handed out once a signed checkpoint holds it."""
    recipient, standing = care(world), given(world)
    sent = send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    assert isinstance(sent, Sent)
    opened = read_all(world.gateway, recipient)
    world.sequence()
    handed_out = proven(world.gateway, opened)
    assert isinstance(handed_out, list)
    policy, hours = parse_policy(policy_text(world.gateway)), HOURS.model_dump_json().encode()
    checks = [verify_receipt(text, policy, hours) for text in (sent.receipt, handed_out[0].receipt)]
    assert [check.verdict for check in checks] == [ReceiptVerdict.PROMISED, ReceiptVerdict.PROVEN]
    with world.gateway.reading() as session:
        assert session.exec(select(Receipt).where(Receipt.entry_id == opened[0].entry_id)).first() is None


def test_a_reading_waits_for_the_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hours are handed out while no signed checkpoint holds that they were read."""
    monkeypatch.setattr("gateway.publish.handing.PROOF_SECONDS", 0)
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    assert proven(world.gateway, read_all(world.gateway, recipient)) == Refused("log-behind", retry_after=5)


def test_entries_about_consent_name_nobody(world: World) -> None:
    """The log says that something was asked, given, stored and read: no site, no recipient, an id that says nothing."""
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    read_all(world.gateway, recipient)
    about = [entry for entry in entries(world) if str(entry["event"]).startswith(("consent.", "record."))]
    assert [entry["event"] for entry in about] == ["consent.asked", "consent.given", "record.stored", "record.read"]
    told = json.dumps(about)
    assert world.region.sites[0].code not in told
    assert CARE not in told


def test_a_school_that_closed_still_withdraws(world: World) -> None:
    """Out of the register it registers no consent; what it has is read and withdrawn as before."""
    care(world)
    standing, school = given(world), world.site(0)
    assert world.desk.end_site(school.party, world.gateway.today) is True
    assert isinstance(ask(world.gateway, school, terms(), signed(Giver.PARENT)), Refused)
    assert [one.id for one in own(world.gateway, school)] == [standing.id]
    ended = append(world.gateway, school, standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert isinstance(ended, Standing)
    assert ended.state.closed


def test_withdrawing_is_the_end(world: World) -> None:
    """After withdrawal nothing can be read or sent, the recipient is told, and its answer is awaited."""
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    ended = append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert isinstance(ended, Standing)
    assert read_all(world.gateway, recipient) == []
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Refused)
    assert [row.consent_id for row in notices_of(world.gateway, recipient)] == [standing.id]
    late = world.at(NOW + timedelta(days=15))
    assert [notice.consent for notice in overdue_notices(late.gateway)] == [standing.id]
    answer_notice(world.gateway, recipient, standing.id, Answer(at=NOW, outcome="erased"))
    assert overdue_notices(late.gateway) == ()


def test_an_answer_to_a_notice_stands(world: World) -> None:
    """The same answer again is no second act; after erasing no other is taken, and none without a notice."""
    recipient, standing = care(world), given(world)
    erased, kept = Answer(at=NOW, outcome="erased"), Answer(at=NOW, outcome="kept", basis="17(3)(b)")
    assert answer_notice(world.gateway, recipient, standing.id, erased) == Refused("not-found")
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    for answer in (erased, erased):
        assert isinstance(answer_notice(world.gateway, recipient, standing.id, answer), Standing)
    assert answer_notice(world.gateway, recipient, standing.id, kept) == Refused("answered-already")
    assert events(world).count("consent.notice-answered") == 1


def test_what_was_kept_can_be_erased_later(world: World) -> None:
    """The school reads by when an answer is due, that something was kept and why, and at last that it is gone."""
    recipient, standing = care(world), given(world)
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    answers = [Answer(at=NOW, outcome="kept", basis="17(3)(c)"), Answer(at=NOW, outcome="erased")]
    seen = [notified(world.gateway, standing.id)]
    for answer in answers:
        assert isinstance(answer_notice(world.gateway, recipient, standing.id, answer), Standing)
        seen.append(notified(world.gateway, standing.id))
    assert seen == [Notified(date(2026, 11, 16), answer) for answer in (None, *answers)]
    assert events(world).count("consent.notice-answered") == 2


def test_programs_of_both_read_the_answer(lite: Site) -> None:
    """`readConsent` has no notice while it holds; afterwards the last day to answer, and the answer."""
    world, seen = lite.world, list[Mapping[str, object] | None]()
    recipient, standing = care(world), given(world)
    with lite.client(standing.site) as school, lite.client(recipient.party) as other:
        seen.append(school.get(f"/v1/consents/{standing.id}").json()["notice"])
        school.post(f"/v1/consents/{standing.id}/withdrawals", json={"by": "parent"})
        seen.append(school.get(f"/v1/consents/{standing.id}").json()["notice"])
        given_answer = {"outcome": "kept", "basis": "17(3)(e)"}
        other.post(f"/v1/consent-notices/{standing.id}/answer", json=given_answer)
        answered = school.get(f"/v1/consents/{standing.id}").json()["notice"]
    assert seen == [None, {"answerBy": "2026-11-16", "answer": None}]
    assert {name: answered["answer"][name] for name in given_answer} == given_answer


def test_a_consent_that_holds_has_no_notice(world: World) -> None:
    """Nothing has to be erased while it holds, nor of a question that was answered with no."""
    care(world)
    refused = ask(world.gateway, world.site(0), terms())
    assert isinstance(refused, Standing)
    append(world.gateway, world.site(0), refused.id, lambda at: SaidNo(at=at))
    assert [notified(world.gateway, number) for number in (given(world).id, refused.id)] == [None, None]


def test_a_backup_from_before_the_withdrawal_opens_nothing(world: World, tmp_path: Path) -> None:
    """With the old database, the old keyring and every key that survives, the hours stay unreadable."""
    care(world)
    standing = given(world)
    sent = send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    assert isinstance(sent, Sent)
    with world.gateway.reading() as session:
        key_id = session.get_one(ConsentEvent, (standing.id, 1)) and read_key(world, standing.id)
    backup = tmp_path / "backup"
    shutil.copytree(world.gateway.home.keys / "consents", backup)
    assert len(world.gateway.consent_keys.secret(key_id)) == 32
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    restored = Keyring(backup, FileKek(world.gateway.home.keys / "consent-kek.json"))
    with pytest.raises(KeyringError):
        restored.secret(key_id)


def read_key(world: World, consent_id: str) -> str:
    standing = read(world.gateway, world.site(0), consent_id)
    assert isinstance(standing, Standing)
    return standing.key_id


def test_a_consent_exists_for_its_site_and_its_recipient_only(world: World) -> None:
    """Another school, and the recipient before it was given, are told there is no such thing."""
    recipient = care(world)
    asked = ask(world.gateway, world.site(0), terms())
    assert isinstance(asked, Standing)
    assert read(world.gateway, recipient, asked.id) == Refused("not-found")
    assert read(world.gateway, world.site(1), asked.id) == Refused("not-found")
    assert read(world.gateway, world.site(1), "0" * 32) == Refused("not-found")
    assert isinstance(read(world.gateway, recipient, given(world).id), Standing)


def test_everybody_lists_the_own_consents_only(world: World) -> None:
    """A site lists what it registered, what waits first; its recipient what was given; another site nothing."""
    recipient, first = care(world), given(world)
    waiting = ask(world.gateway, world.site(0), terms())
    assert isinstance(waiting, Standing)
    assert [one.id for one in own(world.gateway, world.site(0))] == [waiting.id, first.id]
    assert [one.id for one in own(world.gateway, recipient)] == [first.id]
    assert own(world.gateway, world.site(1)) == []


def test_a_long_list_of_consents_asks_no_more_than_a_short_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many statements and questions to the law for five alike as for one: a recipient has those of many schools."""
    recipient, first = care(world), given(world)
    asked: Counter[str] = Counter()
    decide = Gateway.decide
    listen(world.gateway.database, "before_cursor_execute", lambda *_: asked.update(["statements"]))
    monkeypatch.setattr(Gateway, "decide", lambda *given: asked.update(["law"]) or decide(*given))
    assert own(world.gateway, recipient) == [first]
    of_one, more = Counter(asked), [given(world) for _ in range(4)]
    asked.clear()
    assert len(own(world.gateway, recipient)) == len([first, *more])
    assert (asked, asked["law"]) == (of_one, 1)


@pytest.mark.parametrize(
    ("change", "givers", "told"),
    [
        ({"age_group": AgeGroup.FROM_12}, (Giver.PUPIL,), ["CONSENT-GIVER-PARENT"]),
        ({"age_group": AgeGroup.FROM_12}, (Giver.PARENT,), ["CONSENT-GIVER-PUPIL"]),
        ({"age_group": AgeGroup.FROM_16}, (Giver.PARENT,), ["CONSENT-GIVER-EXTRA", "CONSENT-GIVER-PUPIL"]),
        ({"first_day": date(2027, 7, 31), "last_day": date(2027, 7, 1)}, (Giver.PARENT,), ["CONSENT-FIRST-DAY"]),
        ({"scope": frozenset({DataCategory.MEDICAL_FACTS})}, (Giver.PARENT,), ["CONSENT-SCOPE"]),
        ({"scope": frozenset()}, (Giver.PARENT,), ["CONSENT-SCOPE"]),
    ],
)
def test_a_consent_that_is_not_in_order_is_refused(
    world: World, change: dict[str, object], givers: tuple[Giver, ...], told: list[str]
) -> None:
    """A child of thirteen alone, a parent for a pupil of sixteen, days in the wrong order, data of another purpose."""
    care(world)
    outcome = ask(world.gateway, world.site(0), terms(**change), signed(*givers))
    assert isinstance(outcome, Refused)
    assert outcome.report is not None
    assert [fault.rule for fault in outcome.report.faults] == told


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"last_day": date(2027, 8, 1)}, ("consent-ends-with-the-school-year",)),
        ({"last_day": NOW.date() - timedelta(days=1)}, ("consent-ends-with-the-school-year",)),
        ({"recipient": "ORG-NIEMAND"}, ("consent-names-a-recipient-of-the-purpose",)),
        ({"recipient": "SWV"}, ("swv-no-personal-data", "consent-names-a-recipient-of-the-purpose")),
    ],
    ids=["after 31 July", "already over", "nobody we know", "an swv"],
)
def test_what_the_law_itself_refuses_is_refused_by_its_own_article(
    world: World, change: dict[str, object], rules: tuple[str, ...]
) -> None:
    """The reasons are those of the terms that were proposed, and no others: whatever parents sign.

    A sender that calls a school partnership youth health care gets the kind that the register knows.
    """
    care(world)
    named = {"SWV": next(iter(world.region.swvs))}
    proposed = terms(**change | {"recipient": named.get(str(change.get("recipient")), change.get("recipient", CARE))})
    outcome = ask(world.gateway, world.site(0), proposed, signed(Giver.PARENT))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Deny)
    assert outcome.decision.rules == rules


@pytest.mark.parametrize("reference", ["dossier 7", "a.b.c.d.e", ""])
def test_a_reference_that_is_not_sealed_is_refused(world: World, reference: str) -> None:
    """A case reference in the clear, or sealed to no registered key of the recipient, does not pass."""
    care(world)
    assert isinstance(send(world.gateway, world.site(0), given(world).id, reference, HOURS), Refused)


def test_a_name_beside_what_is_sealed_is_refused(world: World) -> None:
    """A reference with one member more in its header is not sealed, though its key is: nothing of it is stored."""
    care(world)
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "care-key-2026", "apu": "SmFuIGRlIFZyaWVz"}
    told = jwe.encrypt_compact(header, b"7", KEY)
    outcome = send(world.gateway, world.site(0), given(world).id, told, HOURS)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Deny)
    assert outcome.decision.rules == ("case-reference-sealed",)
    with world.gateway.reading() as session:
        assert session.exec(select(ConsentedHealth)).all() == []


@pytest.mark.parametrize("period", ["2099-2001-4", "2025-2026-4", "2027-2028-1"])
def test_hours_of_another_school_year_are_not_passed_on(world: World, period: str) -> None:
    """A consent is for its own school year: before and after it, and what is no school year, nothing is stored."""
    care(world)
    other = HOURS.model_copy(update={"period": period})
    outcome = send(world.gateway, world.site(0), given(world).id, sealed(), other)
    assert isinstance(outcome, Refused)
    assert outcome.report is not None
    assert [(fault.rule, fault.column) for fault in outcome.report.faults] == [("RECORD-PERIOD", "period")]
    with world.gateway.reading() as session:
        assert session.exec(select(ConsentedHealth)).all() == []


def test_narrowing_takes_effect_at_once(world: World) -> None:
    """A consent narrowed to an earlier last day lets nothing pass after it."""
    care(world)
    standing = given(world)
    scope = frozenset({DataCategory.ILLNESS_HOURS, DataCategory.CASE_REFERENCE})
    narrowed = append(
        world.gateway, world.site(0), standing.id, lambda at: Narrowed(at=at, scope=scope, last_day=date(2026, 11, 5))
    )
    assert isinstance(narrowed, Standing)
    later = world.at(NOW + timedelta(days=4))
    assert isinstance(send(later.gateway, world.site(0), standing.id, sealed(), HOURS), Refused)


def test_a_withdrawal_counts_where_another_clock_was_ahead(world: World) -> None:
    """Narrowed at a server three seconds ahead and withdrawn at this one in the same second: it is over, and told."""
    recipient, standing = care(world), given(world)
    ahead = world.at(NOW + timedelta(seconds=3)).gateway
    sooner = {"scope": terms().scope, "last_day": date(2027, 6, 1)}
    append(ahead, world.site(0), standing.id, lambda at: Narrowed(at=at, **sooner))
    send(ahead, world.site(0), standing.id, sealed(), HOURS)
    ended = append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert isinstance(ended, Standing)
    assert ended.state.closed
    later = world.at(NOW + timedelta(hours=1)).gateway
    assert read_all(later, recipient) == []
    assert len(notices_of(later, recipient)) == 1
    assert expire(later) == 0


def test_an_event_over_http_counts_where_another_clock_was_ahead(lite: Site) -> None:
    """Narrowed at a server a minute ahead, withdrawn over HTTP at this one: an answer, and it is over."""
    world = lite.world
    care(world)
    standing = given(world)
    ahead = world.by(lambda: world.gateway.clock() + timedelta(minutes=1)).gateway
    sooner = {"scope": terms().scope, "last_day": date(2027, 6, 1)}
    must(append(ahead, world.site(0), standing.id, lambda at: Narrowed(at=at, **sooner)))
    with lite.client(standing.site) as school:
        answer = school.post(f"/v1/consents/{standing.id}/events", json={"event": "withdrawn", "by": "parent"})
    assert (answer.status_code, answer.json().get("state")) == (201, "withdrawn")


def test_a_broken_history_stops_no_other_consent(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A consent whose events contradict each other is reported; the others are read, listed, and end on their day."""
    recipient, broken, good = care(world), given(world), given(world, last_day=date(2026, 11, 10))
    for each in (broken, good):
        assert isinstance(send(world.gateway, world.site(0), each.id, sealed(), HOURS), Sent)
    before = EVENTS.dump_json((Withdrawn(at=NOW - timedelta(seconds=3), by=Giver.PARENT),)).decode()[1:-1]
    with world.gateway.writing() as session:
        session.add(ConsentEvent(consent_id=broken.id, number=3, event=before))
    assert [one.consent for one in read_all(world.gateway, recipient)] == [good.id]
    assert [one.id for one in own(world.gateway, world.site(0))] == [good.id]
    later = world.at(NOW + timedelta(days=10)).gateway
    erased = run(later, Identity(later.settings.operator, "machine"))
    assert isinstance(erased, Erased)
    assert erased.of["consents-ended"] == 1
    assert broken.id in caplog.text


def test_a_key_that_could_not_be_destroyed_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a full disk the withdrawal stands all the same; when there is room again the retention run takes its key."""
    care(world)
    withdrawn, narrowed = given(world), given(world)
    sooner = {"scope": terms().scope, "last_day": date(2027, 6, 1)}
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "destroy", lambda *_: (_ for _ in ()).throw(OSError))
        ended = append(world.gateway, world.site(0), withdrawn.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
        less = append(world.gateway, world.site(0), narrowed.id, lambda at: Narrowed(at=at, **sooner))
    assert isinstance(ended, Standing)
    assert isinstance(less, Standing)
    assert ended.state.closed
    expire(world.gateway)
    alive = {key.key_id for key in world.gateway.consent_keys.records() if key.state is not KeyState.DESTROYED}
    assert alive == {less.key_id}


def test_a_consent_ends_with_its_last_day(world: World) -> None:
    """The retention run ends what has run out, once, with key and notice."""
    recipient, standing = care(world), given(world, last_day=date(2026, 11, 10))
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    later = world.at(NOW + timedelta(days=10))
    assert (expire(later.gateway), expire(later.gateway)) == (1, 0)
    assert len(notices_of(later.gateway, recipient)) == 1
    assert read_all(later.gateway, recipient) == []


@pytest.mark.parametrize("answered", [True, False], ids=["refused", "not answered"])
def test_of_what_was_never_given_the_log_alone_keeps_the_moment(world: World, answered: bool) -> None:
    """After the next retention run nothing tells whom the data were to go to, nor when the pupil turns twelve."""
    care(world)
    asked = ask(world.gateway, world.site(0), terms(last_day=date(2026, 11, 20), older_on=date(2026, 11, 17)))
    assert isinstance(asked, Standing)
    if answered:
        append(world.gateway, world.site(0), asked.id, lambda at: SaidNo(at=at))
    later = world.at(NOW + timedelta(days=1 if answered else 19)).gateway
    assert isinstance(run(later, Identity(later.settings.operator, "machine")), Erased)
    with later.reading() as session:
        left = [*session.exec(select(ConsentRecord)), *session.exec(select(ConsentEvent))]
    assert left == []
    assert ("consent.refused" if answered else "consent.expired") in events(world)


def test_of_two_runs_at_once_neither_fails_on_an_unanswered_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one run was about to end the other ended and erased meanwhile."""
    care(world)
    for _ in range(2):
        assert isinstance(ask(world.gateway, world.site(0), terms(last_day=date(2026, 11, 20))), Standing)
    later, real, runs = world.at(NOW + timedelta(days=19)).gateway, consent_ends.to_expire, [1]
    operator = Identity(later.settings.operator, "machine")

    def overtaken(histories: Mapping[str, Sequence[Event]], at: datetime) -> list[str]:
        found = real(histories, at)
        if runs:
            runs.pop()
            assert isinstance(run(later, operator), Erased)
        return found

    monkeypatch.setattr(consent_ends, "to_expire", overtaken)
    assert isinstance(run(later, operator), Erased)
    assert events(world).count("consent.expired") == 2


def test_a_pupil_who_confirms_stands_on_the_receipt(world: World) -> None:
    """The receipt names the parent who consented and the pupil who confirmed, each with the day."""
    care(world)
    standing = given(world, older_on=date(2026, 11, 20))
    later = world.at(NOW + timedelta(days=20))
    own = Signature(giver=Giver.PUPIL, date=date(2026, 11, 21), evidence=EVIDENCE)
    confirmed = append(
        later.gateway, later.site(0), standing.id, lambda at: Confirmed(at=at, event="confirmed-12", signature=own)
    )
    assert isinstance(confirmed, Standing)
    assert confirmed.signatures() == (*signed(Giver.PARENT), own)


def test_less_data_is_a_withdrawal(world: World) -> None:
    """A consent is not narrowed to a part of what each record holds, under which the rest would stay."""
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    left = {"scope": frozenset({DataCategory.CASE_REFERENCE}), "last_day": date(2026, 12, 31)}
    less = append(world.gateway, world.site(0), standing.id, lambda at: Narrowed(at=at, **left))
    assert isinstance(less, Refused)
    assert less.report is not None
    assert [fault.rule for fault in less.report.faults] == ["CONSENT-WITHDRAW-INSTEAD"]
    assert [one.hours for one in read_all(world.gateway, recipient)] == [HOURS]


def test_the_receipt_speaks_the_terms_of_the_standard(world: World) -> None:
    """The giver's receipt names recipient, scope, days and the one address to withdraw, and no pupil."""
    care(world)
    made = json.dumps(receipt_for(world.gateway, given(world)))
    assert "ConsentGiven" in made
    assert "2027-07-31" in made
    assert "/withdrawals" in made


def test_a_private_key_is_not_taken(world: World) -> None:
    """Only a public key can be registered for a recipient."""
    world.desk.add_party(CARE, "youth_health_care", "Jeugdgezondheidszorg")
    private = {name: str(value) for name, value in KEY.as_dict(private=True).items()}
    assert world.desk.register_key(CARE, private) == Refused("recipient-key")


def test_nothing_is_sealed_to_a_key_that_was_withdrawn(world: World) -> None:
    """Only its own recipient's key goes, with an entry; what is sealed to it is refused until one is registered."""
    care(world)
    standing, before = given(world), events(world)
    assert world.desk.withdraw_key(world.region.sites[0].code, "care-key-2026") == Refused("not-found")
    assert world.desk.withdraw_key(CARE, "care-key-2026") == "care-key-2026"
    assert world.desk.withdraw_key(CARE, "care-key-2026") == Refused("not-found")
    assert events(world)[len(before) :] == ["request.refused", "key.retired", "request.refused"]
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Refused)
    care(world)
    assert isinstance(send(world.gateway, world.site(0), standing.id, sealed(), HOURS), Sent)


@pytest.mark.parametrize(
    "jwk",
    [
        {},
        {"kty": "oct", "kid": "care-key-2026"},
        {"kty": "EC", "kid": "care-key-2026"},
        {"kty": "EC", "kid": "care-key-2026", "crv": "P-256", "x": "a", "y": "b"},
        {"kty": "EC", "kid": "care-key-2026", "crv": "P-999", "x": "AAAA", "y": "AAAA"},
        {"kty": "RSA", "kid": "care-key-2026", "n": "", "e": "AQAB"},
        {"kty": "OKP", "kid": "care-key-2026", "crv": "X25519", "x": 7},
    ],
)
def test_what_nothing_can_be_sealed_to_is_no_key(world: World, jwk: dict[str, object]) -> None:
    """A key that is not whole would be found out only at a school, when a case is to be sent."""
    world.desk.add_party(CARE, "youth_health_care", "Jeugdgezondheidszorg")
    assert world.desk.register_key(CARE, jwk) == Refused("recipient-key")


def test_more_hours_of_illness_than_were_scheduled_are_refused() -> None:
    """As in a delivery: nobody is ill in hours that were not there."""
    base = {"period": "2026-2027-1", "hours_scheduled": "235"}
    assert IllnessHours.model_validate(base | {"hours_illness": "235"})
    with pytest.raises(ValidationError):
        IllnessHours.model_validate(base | {"hours_illness": "235.01"})


def test_two_withdrawals_at_once_end_it_once(world: World) -> None:
    """A second withdrawal finds the consent ended and changes nothing."""
    recipient, standing = care(world), given(world)
    for _ in range(2):
        append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert len(notices_of(world.gateway, recipient)) == 1
    clock = replace(world.gateway, clock=lambda: NOW + timedelta(hours=1))
    assert isinstance(read(clock, recipient, standing.id), Standing)


def test_what_was_opened_shows_no_hours_in_its_repr(world: World) -> None:
    """A record in a log line or traceback would say nothing but that it is there."""
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    opened = read_all(world.gateway, recipient)[0]
    assert isinstance(opened, Opened)
    assert "31.5" not in repr(opened)


def elsewhere(world: World, tmp_path: Path, *more: str) -> Home:
    """A new machine, to which the copy in the safe came back, and more of the keys."""
    home = Home(tmp_path / "new", f"sqlite:///{tmp_path}/new/gateway.sqlite")
    home.keys.mkdir(mode=0o700, parents=True)
    home.folder.chmod(0o700)
    for name in ("kek.json", *more):
        shutil.copy(world.gateway.home.keys / name, home.keys / name)
    return home


@pytest.mark.parametrize("newest", [False, True])
def test_a_restored_backup_revives_no_consent(world: World, tmp_path: Path, newest: bool) -> None:
    """What was withdrawn after the backup is over; another lives on only where the newest keys were kept.

    The copy in the safe, from before the withdrawal, opens every key of the school year all the same.
    """
    recipient, standing, other = care(world), given(world), given(world)
    assert backup(world.desk, data=tmp_path / "data.zip", keys=None if newest else tmp_path / "keys.zip") is None
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    assert not newest or backup(world.desk, data=None, keys=tmp_path / "keys.zip") is None
    home = elsewhere(world, tmp_path, *(["consent-kek.json"] if newest else []))
    outcome = restore(home, tmp_path / "data.zip", tmp_path / "keys.zip")
    assert (outcome.refused, outcome.ended) == ((0, 1) if newest else (2, 2))
    gateway = open_gateway(home)
    assert all(len(gateway.keyring.secret(record.key_id)) == 32 for record in gateway.keyring.records())
    assert isinstance(send(gateway, world.site(0), other.id, sealed(), HOURS), Sent if newest else Refused)
    again = read(gateway, world.site(0), standing.id)
    assert isinstance(again, Standing)
    assert again.state.closed
    assert isinstance(send(gateway, world.site(0), standing.id, sealed(), HOURS), Refused)
    assert len(notices_of(gateway, recipient)) == outcome.ended
    gateway.database.dispose()


def test_a_backup_from_before_a_narrowing_brings_nothing_back(world: World, tmp_path: Path) -> None:
    """What stays is read on under a key of its own; the consent of the backup is over, for it allowed more."""
    recipient, standing = care(world), given(world)
    send(world.gateway, world.site(0), standing.id, sealed(), HOURS)
    assert backup(world.desk, data=tmp_path / "data.zip", keys=tmp_path / "keys.zip") is None
    sooner = {"scope": terms().scope, "last_day": date(2026, 11, 5)}
    append(world.gateway, world.site(0), standing.id, lambda at: Narrowed(at=at, **sooner))
    assert [one.hours for one in read_all(world.gateway, recipient)] == [HOURS]
    home = elsewhere(world, tmp_path, "consent-kek.json")
    outcome = restore(home, tmp_path / "data.zip", tmp_path / "keys.zip")
    assert (outcome.refused, outcome.ended) == (1, 1)
    later = World(open_gateway(home), world.region).at(NOW).gateway
    assert read_all(later, recipient) == []
    later.database.dispose()


def test_a_consent_asked_again_under_its_key_is_the_one_there_is(world: World) -> None:
    """A caller who lost the answer asks again; other terms under the same key are refused, another site has its own."""
    care(world)

    def asked(site: int, **changes: object) -> Standing | Refused:
        return ask(world.gateway, world.site(site), terms(**changes), signed(Giver.PARENT), key="k1")

    first, second, other, conflict = asked(0), asked(0), asked(1), asked(0, last_day=date(2027, 6, 30))
    assert isinstance(first, Standing)
    assert isinstance(second, Standing)
    assert isinstance(other, Standing)
    assert (first.id, first.asked_again, second.asked_again) == (second.id, False, True)
    assert other.id != first.id
    assert isinstance(conflict, Refused)
    assert conflict.code == "idempotency-conflict"


def test_the_number_of_an_erased_refusal_is_not_used_again(world: World) -> None:
    """Under its key something new can be asked, of which the log does not tell the former pupil's refusal."""
    care(world)
    first = must(ask(world.gateway, world.site(0), terms(), key="k"))
    must(append(world.gateway, world.site(0), first.id, lambda at: SaidNo(at=at)))
    world.sequence()
    must(run(world.gateway, world.desk.identity))
    new = [must(ask(world.gateway, world.site(0), terms(), signed(Giver.PARENT), key="k")) for _ in range(2)]
    assert [one.asked_again for one in new] == [False, True]
    assert {one.id for one in new}.isdisjoint({first.id})


def test_a_consent_asked_twice_at_once_is_one(world: World) -> None:
    """Two requests under one key at the same moment: both get the same consent, and there is one."""
    care(world)
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(ask, world.gateway, world.site(0), terms(), signed(Giver.PARENT), key="k1") for _ in range(2)
        ]
        made = [job.result() for job in jobs]
    assert all(isinstance(one, Standing) for one in made)
    assert len(own(world.gateway, world.site(0))) == 1


def test_a_record_sent_again_under_its_key_is_stored_once(world: World) -> None:
    """The second time without a receipt, which is not kept; other hours under the same key are refused."""
    recipient, standing, reference = care(world), given(world), sealed()
    more = HOURS.model_copy(update={"hours_illness": HOURS.hours_illness + 1})
    first, second, conflict = (
        send(world.gateway, world.site(0), standing.id, reference, hours, "k1") for hours in (HOURS, HOURS, more)
    )
    assert isinstance(first, Sent)
    assert isinstance(second, Sent)
    assert (second.record.id, second.receipt) == (first.record.id, None)
    assert isinstance(conflict, Refused)
    assert conflict.code == "idempotency-conflict"
    assert len(read_all(world.gateway, recipient)) == 1


def test_a_key_of_a_given_consent_is_not_for_a_question(world: World) -> None:
    """Under the key of a consent that was given, the same terms without signatures are another request."""
    care(world)
    must(ask(world.gateway, world.site(0), terms(), signed(Giver.PARENT), key="k"))
    assert ask(world.gateway, world.site(0), terms(), (), key="k") == Refused("idempotency-conflict")


def test_a_key_of_a_question_answers_for_it_after_it_was_answered(world: World) -> None:
    """Asked again under its key, a question that was answered meanwhile is the consent there is."""
    care(world)
    asked = must(ask(world.gateway, world.site(0), terms(), key="k"))
    later = world.at(NOW + timedelta(hours=1)).gateway
    must(append(later, world.site(0), asked.id, lambda at: Given(at=at, signatures=signed(Giver.PARENT))))
    again = must(ask(later, world.site(0), terms(), key="k"))
    assert (again.id, again.asked_again, again.state.given) == (asked.id, True, True)
