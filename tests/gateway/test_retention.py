"""The retention run: what goes, when, that nothing goes a day early, and that backups die with the keys."""

import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update
from sqlmodel import Session, select

from audit.schema import SUBJECT
from gateway import consent_ends, identity, openid, retention
from gateway import receive as receiving
from gateway.context import Gateway
from gateway.database import UNAVAILABLE
from gateway.deliveries import Seen, confirm, read, receipt_of
from gateway.demo.people import must
from gateway.formats.write import Format
from gateway.grants import end_agreement, register_agreements
from gateway.http.models import SubmissionBody
from gateway.identity import Identity, add_person, find_person, issue_link, open_session
from gateway.jobs import ATTEMPTS, run_one
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.periods import COUNTS
from gateway.prepared import Prepared
from gateway.publish import handing
from gateway.publish.asking import request_build
from gateway.publish.building import build
from gateway.publish.deciding import publish, review, withdraw_release
from gateway.publish.downloading import Held, hold, hold_own
from gateway.receive import Checked, Received, Upload, receive
from gateway.retention import Erased, overdue, run
from gateway.settings import OpenId
from gateway.shelf import SavedView
from gateway.store import (
    Approval,
    Count,
    Enrolment,
    Job,
    JobState,
    LoginLink,
    Period,
    Person,
    Receipt,
    Release,
    ReleaseChart,
    ReleaseSlice,
    ReleaseState,
    Submission,
    table_of,
)
from gateway.working import WORK
from policies.engine import Engine
from pseudonymisation.domain import Domain
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek
from pseudonymisation.keyring import Keyring
from pseudonymisation.pseudonym import pids

from . import noisy_release
from .conftest import NOW, PERIOD, TABLE, World
from .noisy_release import person
from .records import delivered, elsewhere, events, rows, sent

YEAR, PURPOSE = "2026-2027", "counting-for-school"
LAST_DAY = datetime(2027, 8, 30, 10, tzinfo=UTC)  # 31 July and 30 days
OVER = LAST_DAY + timedelta(days=1)
COUNTS_OVER = datetime(2028, 1, 5, tzinfo=UTC)  # 400 days after 30 November 2026, and one
TABLES_OVER = timedelta(days=1827)


def machine(world: World) -> Identity:
    return Identity(world.gateway.settings.operator, "machine")


def erased(world: World) -> dict[str, int]:
    outcome = run(world.gateway, machine(world))
    assert isinstance(outcome, Erased), outcome
    return dict(outcome.of)


def test_rows_stay_until_their_last_day(world: World) -> None:
    """On the thirtieth day after the school year every row is there; on the next day none, and no key opens."""
    delivered(world)
    many = len(rows(world))
    assert "rows" not in erased(world.at(LAST_DAY))
    assert len(rows(world)) == many
    assert erased(world.at(OVER))["rows"] == many
    assert rows(world) == []
    assert world.gateway.keyring.active(PURPOSE, YEAR) is None


def test_confirmed_counts_outlive_the_rows(world: World) -> None:
    """Erasing rows leaves the confirmed counts, which are the delivery, for their own term."""
    delivered(world)
    with world.gateway.reading() as session:
        submission = session.exec(select(Submission)).one()
    assert isinstance(confirm(world.gateway, world.site(0), submission.id), Seen)
    erased(world.at(OVER))
    with world.gateway.reading() as session:
        assert session.exec(select(Count)).all()
    gone = erased(world.at(datetime(2028, 1, 5, tzinfo=UTC)))  # 400 days after 30 November 2026
    assert gone["counts"] > 0
    with world.gateway.reading() as session:
        assert session.exec(select(Count)).all() == []
        assert session.exec(select(Receipt)).all() == []


@pytest.mark.parametrize("again", [False, True], ids=["ended", "another begins later"])
def test_rows_of_a_school_go_once_its_agreement_ended(world: World, again: bool) -> None:
    """Nobody may keep them for it any more; what was counted of them stays, and with a new agreement all of it."""
    delivered(world)
    many, site = len(rows(world)), world.region.sites[0].code
    assert must(end_agreement(world.desk, site)) == 1
    if again:
        must(register_agreements(world.desk, [site], (NOW + timedelta(days=9)).date()))
    assert overdue(world.gateway) == (0 if again else many)
    erased(world)
    assert len(rows(world)) == (many if again else 0)
    with world.gateway.reading() as session:
        assert session.exec(select(Count)).all()


def test_a_far_off_deadline_stops_no_run_and_keeps_no_counts(world: World) -> None:
    """A period stored with a deadline beyond every calendar goes with the last one its school year can have."""
    delivered(world)
    with world.gateway.writing() as session:
        session.exec(select(Period)).one().deadline = date.max
    erased(world.at(COUNTS_OVER))
    with world.gateway.reading() as session:
        assert session.exec(select(Count)).all()
    assert erased(world.at(datetime(2029, 9, 5, tzinfo=UTC)))["counts"] > 0  # 400 days after 31 July 2028


def test_the_tags_of_the_log_go_with_the_rows(world: World) -> None:
    """Nothing of a pupil is left in the log's side table; the log itself stays verifiable."""
    delivered(world)
    assert erased(world.at(OVER))["subjects"] > 0
    with world.gateway.reading() as session:
        assert session.connection().execute(select(SUBJECT.c.root)).all() == []


def test_a_second_run_finds_nothing(world: World) -> None:
    """The run is idempotent."""
    delivered(world)
    erased(world.at(OVER))
    assert erased(world.at(OVER)) == {}


def test_a_run_that_broke_off_is_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the rows and the keys: the next run destroys the keys."""
    delivered(world)
    later = world.at(OVER)
    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "destroy", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(later.gateway, machine(world))
    assert erased(later) == {"keys": 2}
    assert world.gateway.keyring.active(PURPOSE, YEAR) is None


def test_every_run_is_an_entry_and_so_is_every_key(world: World) -> None:
    """The log says that a run was done and which keys it ended."""
    erased(world.at(OVER))
    assert events(world)[-3:] == ["retention.run", "key.destroyed", "key.destroyed"]


def test_a_school_runs_no_retention(world: World) -> None:
    """Only the operator and its program erase."""
    delivered(world)
    assert isinstance(run(world.at(OVER).gateway, world.site(0)), Refused)
    assert rows(world)


def test_an_old_backup_with_every_surviving_key_links_nothing(world: World, tmp_path: Path) -> None:
    """The rows of an old backup come back, with the old keyring and the keys of today: no pseudonym finds its row."""
    pseudonyms = delivered(world)
    old = rows(world)
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    assert pids(world.gateway.keyring.secret(key.key_id), Domain(PURPOSE, YEAR), pseudonyms[:1])[0] in {
        row.pid for row in old
    }
    backup = tmp_path / "old-ring"
    shutil.copytree(world.gateway.home.keys / "ring", backup)
    erased(world.at(OVER))
    restored = Keyring(backup, FileKek(world.gateway.home.keys / "kek.json"))
    with pytest.raises(KeyringError):
        restored.secret(key.key_id)
    with world.gateway.writing() as session:  # the old rows are back
        columns = table_of(Enrolment).columns.keys()
        session.execute(insert(table_of(Enrolment)), [{name: getattr(row, name) for name in columns} for row in old])
    surviving = [record for record in world.gateway.keyring.records() if record.wrapped]
    linked = {
        pid
        for record in surviving
        for pid in pids(world.gateway.keyring.secret(record.key_id), Domain(PURPOSE, YEAR), pseudonyms)
    }
    assert not linked & {row.pid for row in old}
    assert overdue(world.gateway) == len(old)
    assert erased(world.at(OVER))["rows"] == len(old)
    assert overdue(world.gateway) == 0


def test_a_year_that_was_erased_gets_no_keys_again(world: World) -> None:
    """After its end a school year takes no rows: a key made then would outlive every term."""
    later = world.at(OVER)
    erased(later)
    assert later.desk.create_keys(PERIOD) == Refused("school-year-over")
    assert world.gateway.keyring.active(PURPOSE, YEAR) is None


@pytest.mark.parametrize("is_erased", [False, True], ids=["before the run", "after it"])
def test_late_rows_are_refused_and_late_counts_are_not(world: World, is_erased: bool) -> None:
    """From the day after their term rows are not even checked, and no key is to be waited for; counts are taken."""
    later = world.at(OVER)
    if is_erased:
        erased(later)
    site = world.region.sites[0]
    from gateway.synthetic.pupils import draw_pupils  # noqa: PLC0415  likewise

    from .documents import records_document  # noqa: PLC0415  beside its only use

    pupils = draw_pupils(site, index=0, period=1, seed=1)
    body = records_document(pupils, world.gateway.contracts["absence-records"], site=site.code, period=PERIOD)
    upload = Upload("absence-records", site.code, PERIOD, body)
    assert isinstance(receive(world.at(LAST_DAY).gateway, world.site(0), upload, dry_run=True), Checked)
    for dry_run in (True, False):
        assert receive(later.gateway, world.site(0), upload, dry_run=dry_run) == Refused("rows-erased")
        assert events(world)[-1] == "submission.refused"
    counts = Upload(TABLE, site.code, PERIOD, world.counts(0))
    assert isinstance(receive(later.gateway, world.site(0), counts), Received)


@pytest.mark.parametrize("moment", ["being kept", "after the run"])
def test_a_delivery_across_the_end_of_a_term_is_erased_or_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Checked on the last day: the run waits for one that is being kept, and none comes before the end of the keys."""
    eve, over, keep, end = world.at(LAST_DAY), world.at(OVER), Prepared.store, Keyring.destroy
    told: list[object] = []

    def erasing(made: Prepared, connection: Connection) -> None:
        with pytest.raises(UNAVAILABLE):
            run(other.gateway, machine(over))
        keep(made, connection)

    def ending(keyring: Keyring, *key_ids: str) -> None:
        told.append(sent(eve))
        end(keyring, *key_ids)

    if moment == "being kept":
        with monkeypatch.context() as patch, elsewhere(over) as other:
            patch.setattr("gateway.database.BUSY_SECONDS", 0)
            patch.setattr(Prepared, "store", erasing)
            assert isinstance(sent(eve), Received)
    else:
        monkeypatch.setattr(Keyring, "destroy", ending)
    erased(over)
    assert told == ([Refused("key-missing")] if moment == "after the run" else [])
    assert (rows(world), overdue(over.gateway)) == ([], 0)


@pytest.mark.parametrize("moment", ["being kept", "after the run"])
def test_a_delivery_across_the_end_of_its_counts_is_erased_or_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Checked on the last day: the run waits for one that is being kept, and erases its receipt; none comes after."""
    eve, over = world.at(COUNTS_OVER - timedelta(days=1)), world.at(COUNTS_OVER)
    erased(eve)  # keys and rows of the year go long before its counts
    upload, tried = Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0)), list[object]()
    keep, hold = Prepared.store, receiving.keep_open

    def erasing(made: Prepared, connection: Connection) -> None:
        with pytest.raises(UNAVAILABLE):
            run(other.gateway, machine(over))
        keep(made, connection)

    def waited(session: Session, period: Period, site: str) -> bool:
        moments.append(COUNTS_OVER)
        return hold(session, period, site)

    moments = [eve.gateway.clock()]
    slow = eve.by(lambda: moments[-1])
    with monkeypatch.context() as patch, elsewhere(over) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        if moment == "being kept":
            patch.setattr(Prepared, "store", erasing)
        else:
            patch.setattr(receiving, "keep_open", waited)
        tried.append(receive(slow.gateway, world.site(0), upload))
    erased(over)
    with world.gateway.reading() as session:
        left = [session.exec(select(table)).all() for table in (Count, Receipt)]
    assert isinstance(tried[0], Received) if moment == "being kept" else tried == [Refused("counts-erased")]
    assert (left, tags(world)) == ([[], []], [b""] if moment == "being kept" else [])


def test_own_figures_go_out_within_their_term_and_their_receipt_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run waits for figures that are being handed out, and erases their receipt; later ones are refused."""
    noisy_release.deliver(world, 0, world.counts(0))
    eve, over, issue = world.at(COUNTS_OVER - timedelta(days=1)), world.at(COUNTS_OVER), handing.issue

    def erasing(*given: Any, **named: Any) -> str:  # noqa: ANN401  passed on as it came
        with pytest.raises(UNAVAILABLE):
            run(other.gateway, machine(over))
        return issue(*given, **named)

    with monkeypatch.context() as patch, elsewhere(over) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(handing, "issue", erasing)
        assert isinstance(hold_own(eve.gateway, world.site(0), TABLE, PERIOD, Format.CSV), Held)
    assert hold_own(over.gateway, world.site(0), TABLE, PERIOD, Format.CSV) == Refused("no-own-figures")
    erased(over)
    with world.gateway.reading() as session:
        assert session.exec(select(Receipt)).all() == []


def due(world: World) -> Collection[datetime]:
    """When the runs that wait are due."""
    with world.gateway.reading() as session:
        waiting = select(Job.due_at).where(Job.kind == retention.JOB, Job.state == JobState.WAITING)
        return session.exec(waiting).all()


def test_the_worker_erases_by_itself_every_day(world: World) -> None:
    """A run stands ready once, is done by the worker, and the next one stands ready."""
    delivered(world)
    later = world.at(OVER)
    for _ in range(2):
        retention.schedule(later.gateway)
    assert run_one(later.gateway, WORK)
    assert rows(world) == []
    assert len(due(world)) == 1
    with world.gateway.reading() as session:
        assert len(session.exec(select(Job).where(Job.kind == retention.JOB)).all()) == 2


@pytest.mark.parametrize(
    ("ran", "next_one"),
    [
        (datetime(2027, 8, 30, 20, tzinfo=UTC), datetime(2027, 8, 30, 22, tzinfo=UTC)),
        (datetime(2027, 8, 30, 22, tzinfo=UTC), datetime(2027, 8, 31, 22, tzinfo=UTC)),
        (datetime(2027, 10, 30, 22, 30, tzinfo=UTC), datetime(2027, 10, 31, 23, tzinfo=UTC)),  # a day of 25 hours
    ],
)
def test_the_run_of_the_day_is_at_its_beginning(world: World, ran: datetime, next_one: datetime) -> None:
    """Terms end at midnight in Amsterdam, and then the next run is due, whenever the one before it was."""
    at = world.at(ran)
    retention.schedule(at.gateway)
    assert run_one(at.gateway, WORK)
    assert due(world) == [next_one]


@pytest.mark.parametrize("attempts", [1, ATTEMPTS])
def test_a_run_that_midnight_overtakes_is_followed_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    """It erased by the day it began on, or failed for good on the next: what ends with that day goes on the next."""
    delivered(world)
    clock = [datetime(2027, 8, 30, 21, 59, 59, tzinfo=UTC)]
    gateway, real = world.by(lambda: clock[0]).gateway, retention.run

    def overtaken(by: Gateway, who: Identity) -> Erased | Refused:
        outcome = real(by, who)
        clock[0] += timedelta(seconds=30)
        if attempts == ATTEMPTS:
            raise TimeoutError
        return outcome

    retention.schedule(gateway)
    with world.gateway.writing() as session:
        session.exec(select(Job).where(Job.kind == retention.JOB)).one().attempts = attempts - 1
    with monkeypatch.context() as night:
        night.setattr(retention, "run", overtaken)
        assert run_one(gateway, WORK)
    assert rows(world)
    assert run_one(gateway, WORK)
    assert rows(world) == []
    assert due(world) == [datetime(2027, 8, 31, 22, tzinfo=UTC)]


AHEAD = timedelta(days=3 * 365)


def test_a_clock_that_ran_ahead_erases_nothing(world: World) -> None:
    """By a clock by which the log would sign nothing no row and no key ends; the attempt is an entry, not a failure."""
    delivered(world)
    world.sequence()
    many, ahead = len(rows(world)), world.at(NOW + AHEAD)
    assert run(ahead.gateway, machine(ahead)) == Refused("clock")
    assert events(world)[-1] == "request.refused"
    retention.schedule(ahead.gateway)
    assert run_one(ahead.gateway, WORK)
    assert len(due(world)) == 1
    assert len(rows(world)) == many
    assert world.gateway.keyring.active(PURPOSE, YEAR) is not None


def test_a_worker_that_was_away_all_summer_erases_when_it_is_back(world: World) -> None:
    """The log is of the year before, for nobody turned it: that is no reason to keep anything."""
    delivered(world)
    world.sequence()
    assert erased(world.at(datetime(2027, 10, 1, tzinfo=UTC)))["keys"] == 2


def test_after_a_clock_ran_ahead_the_run_is_of_tomorrow(world: World) -> None:
    """A run that such a clock put off to next year is done at once, and the one after it on the next day."""
    retention.schedule(world.gateway)
    for clock in (NOW + AHEAD, NOW):
        assert run_one(world.at(clock).gateway, WORK)
    assert not run_one(world.gateway, WORK)
    assert due(world) == [datetime(2026, 11, 2, 23, tzinfo=UTC)]


def test_a_worker_that_starts_beside_a_run_begins_no_other(world: World) -> None:
    """A run that is under way sees to the next one itself."""
    retention.schedule(world.gateway)
    with world.gateway.writing() as session:
        session.exec(select(Job).where(Job.kind == retention.JOB)).one().state = JobState.LEASED
    retention.schedule(world.gateway)
    with world.gateway.reading() as session:
        assert len(session.exec(select(Job).where(Job.kind == retention.JOB)).all()) == 1


def test_of_two_runs_at_once_one_destroys_the_keys(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is overtaken between its steps logs no destruction of what is gone."""
    delivered(world)
    later, real, runs = world.at(OVER), consent_ends.expire, [1]

    def overtaken(gateway: Gateway) -> int:
        ended = real(gateway)
        if runs:
            runs.pop()
            must(run(later.gateway, machine(later)))
        return ended

    monkeypatch.setattr(consent_ends, "expire", overtaken)
    must(run(later.gateway, machine(later)))
    assert events(world).count("retention.run") == 2
    assert events(world).count("key.destroyed") == 2  # of the pids, and of the log's tags


def built(world: World) -> str:
    """A release of the period, made and waiting for its verdict."""
    asked = must(request_build(world.gateway, person(world, "builder"), TABLE, PERIOD))
    build(world.gateway, asked.id)
    return str(asked.id)


def published(world: World) -> str:
    """A release of the period that went out."""
    release, other = built(world), person(world, "other")
    must(review(world.gateway, other, release, approved=True, reason="checked"))
    must(publish(world.gateway, other, release, reason="due"))
    return release


def releases(world: World) -> dict[str, Release]:
    with world.gateway.reading() as session:
        return {release.id: release for release in session.exec(select(Release))}


def tables(world: World) -> set[str]:
    """The releases of which bytes are left."""
    with world.gateway.reading() as session:
        return {*session.exec(select(ReleaseSlice.release_id)), *session.exec(select(ReleaseChart.release_id))}


UNSEEN = timedelta(days=400)


def seen(world: World, label: str) -> int:
    """Somebody of the operator who logs in now and keeps a view."""
    with world.gateway.writing() as session:
        who = add_person(session, world.gateway.settings.operator, "operator", label)
        session.flush()
        now, lasts = world.gateway.clock(), world.gateway.settings.proven_for
        opened = open_session(session, issue_link(session, who, now), now, proven_for=lasts)
        assert opened is not None
        session.add(SavedView(person_id=who.id or 0, name=label, query=""))
        return who.id or 0


def named(world: World) -> dict[int | None, str]:
    """The label of everybody."""
    with world.gateway.reading() as session:
        return dict(session.exec(select(Person.id, Person.label)).all())


def test_who_was_not_seen_for_so_long_has_no_name(world: World) -> None:
    """On day 400 after the last login all is there, a day later the row alone; who logged in since is not touched."""
    gone, other = seen(world, "gone"), seen(world.at(NOW + timedelta(days=1)), "other")
    with world.gateway.writing() as session:
        session.get_one(Person, gone).subject = b"tag"
    assert "contacts" not in erased(world.at(NOW + UNSEEN))
    later = world.at(NOW + UNSEEN + timedelta(days=1))
    assert erased(later)["contacts"] == 1
    assert named(world) == {gone: "", other: "other"}
    with world.gateway.reading() as session:
        assert session.get_one(Person, gone).subject == b""
        assert session.exec(select(SavedView.name)).all() == ["other"]
        assert find_person(session, world.gateway.settings.operator, "operator", "") is None
    assert "contacts" not in erased(later)


def reasons(world: World) -> list[str]:
    """What people wrote about releases."""
    with world.gateway.reading() as session:
        return [*session.exec(select(Approval.reason))]


def test_the_reason_of_a_verdict_goes_with_the_name_of_who_gave_it(world: World) -> None:
    """Somebody who judged a release and was not seen since: whom the reason may name is forgotten too."""
    noisy_release.delivered(world)
    published(world)
    assert reasons(world) == ["checked"]
    for days in (timedelta(), UNSEEN + timedelta(days=1)):
        erased(world.at(NOW + days))
    assert reasons(world) == [""]


def test_an_invitation_that_is_open_keeps_a_name(world: World) -> None:
    """Invited again on the last day: the link still leads to the same person."""
    again = seen(world, "again")
    later = world.at(NOW + UNSEEN + timedelta(days=1))
    assert isinstance(later.desk.invite(world.gateway.settings.operator, "operator", "again"), str)
    assert "contacts" not in erased(later)
    assert named(world) == {again: "again"}


def logged_in(desk: Desk) -> int:
    """Who it is that the provider sends back as `gone`."""
    gateway, operator = desk.gateway, desk.gateway.settings.operator
    provider = OpenId(issuer="https://idp.example", client_id="x", secret=Path("x"), roles={"beheer": "operator"})
    claims = {"sub": "gone", "organisation": operator, "roles": ["beheer"], "name": "gone"}
    with gateway.writing() as session:
        person, now = openid._person_of(gateway, session, provider, claims), gateway.clock()
        identity.start_session(session, person, now, proven_at=now, proven_for=gateway.settings.proven_for)
        return person.id or 0


def invited(desk: Desk) -> int:
    """Whom a new link is of that is made for `gone`."""
    must(desk.invite(desk.gateway.settings.operator, "operator", "gone"))
    with desk.gateway.reading() as session:
        return session.exec(select(LoginLink.person_id)).one()


@pytest.mark.parametrize("comes", [invited, logged_in])
def test_who_comes_back_while_the_name_is_erased_waits_and_is_new(
    world: World, monkeypatch: pytest.MonkeyPatch, comes: Callable[[Desk], int]
) -> None:
    """Nobody is let in as somebody whose name is gone a moment later, who could come again as another."""
    gone, later = logged_in(world.desk), world.at(NOW + UNSEEN + timedelta(days=1))
    erase = retention._KINDS["contacts"]

    def meanwhile(gateway: Gateway, session: Session) -> int:
        many = erase(gateway, session)
        with pytest.raises(UNAVAILABLE):
            comes(away)
        return many

    with monkeypatch.context() as patch, elsewhere(later) as away:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setitem(retention._KINDS, "contacts", meanwhile)  # type: ignore[arg-type]  # it is a dictionary
        assert erased(later)["contacts"] == 1
    fresh = comes(later.desk)
    assert named(world) == {gone: "", fresh: "gone"}


@pytest.mark.parametrize(
    ("comes", "step"), [(invited, "gateway.operate.issue_link"), (logged_in, "gateway.identity.start_session")]
)
def test_who_comes_back_before_the_name_is_erased_keeps_it(
    world: World, monkeypatch: pytest.MonkeyPatch, comes: Callable[[Desk], int], step: str
) -> None:
    """The run waits for an invitation or a login that is under way, and sees it."""
    gone, later = logged_in(world.desk), world.at(NOW + UNSEEN + timedelta(days=1))
    real = {"issue_link": issue_link, "start_session": identity.start_session}[step.rpartition(".")[2]]

    def meanwhile(*given: Any, **named: Any) -> object:  # noqa: ANN401  passed on as it came
        with pytest.raises(UNAVAILABLE):
            run(away.gateway, machine(later))
        return real(*given, **named)

    with monkeypatch.context() as patch, elsewhere(later) as away:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(step, meanwhile)
        assert comes(later.desk) == gone
    assert "contacts" not in erased(later)
    assert named(world) == {gone: "gone"}


def test_who_never_logged_in_is_counted_from_the_first_run(world: World) -> None:
    """An invitation that nobody used: the name goes with the term after the first run that found it."""
    never = person(world, "never").person
    for days, label in ((UNSEEN * 2, "never"), (UNSEEN * 3, "never"), (UNSEEN * 3 + timedelta(days=1), "")):
        erased(world.at(NOW + days))
        assert named(world) == {never: label}


def test_who_built_what_can_still_go_out_is_known_by_name(world: World) -> None:
    """A builder who came back under a fresh name could approve the own build; after it went out the name goes."""
    noisy_release.delivered(world)
    built(world)
    late = world.at(NOW + UNSEEN * 3)
    for _ in range(2):
        erased(late)
    assert "builder" in named(world).values()
    with world.gateway.writing() as session:
        session.exec(select(Release)).one().state = ReleaseState.PUBLISHED
    erased(world.at(NOW + UNSEEN * 4 + timedelta(days=1)))
    assert "builder" not in named(world).values()


def test_nothing_exact_outlives_the_counts(world: World) -> None:
    """With the counts go what the judge saw, tables that were turned down, and the receipts of a site's own figures."""
    noisy_release.delivered(world)
    rejected = built(world)
    must(review(world.gateway, person(world, "other"), rejected, approved=False, reason="wrong"))
    out = published(world)
    assert isinstance(hold_own(world.gateway, world.site(0), TABLE, PERIOD, Format.CSV), Held)
    erased(world.at(COUNTS_OVER - timedelta(days=1)))
    assert all(release.witnesses for release in releases(world).values())
    assert tables(world) == {rejected, out}
    erased(world.at(COUNTS_OVER))
    assert {release.witnesses for release in releases(world).values()} == {b""}
    assert tables(world) == {out}
    with world.gateway.reading() as session:
        assert session.exec(select(Receipt)).all() == []
    assert erased(world.at(COUNTS_OVER)) == {}


def test_a_table_goes_with_the_receipts_of_its_downloads(world: World) -> None:
    """Five years after publication the bytes are gone, what commits to them, and why those still here approved it."""
    noisy_release.delivered(world)
    out = published(world)
    swv = Identity(str(world.region.sites[0].swv), "machine", scopes=frozenset({"all"}))
    assert isinstance(hold(world.gateway, swv, out, Format.CSV), Held)
    erased(world.at(COUNTS_OVER))
    with world.gateway.reading() as session:
        assert [receipt.subject for receipt in session.exec(select(Receipt))] == [f"release:{out}"]
    later = world.at(world.gateway.clock() + TABLES_OVER)
    with world.gateway.writing() as session:
        session.connection().execute(update(Person).values(seen_on=later.gateway.today))
    assert reasons(world) == ["checked"]
    erased(later)
    assert (releases(world)[out].state, releases(world)[out].failure) == ("withdrawn", "expired")
    assert reasons(world) == [""]
    with world.gateway.reading() as session:
        assert session.exec(select(Receipt)).all() == []


def test_a_table_that_nobody_published_goes_too(world: World) -> None:
    """It stays as long as one that was published, and then it cannot be published any more."""
    noisy_release.delivered(world)
    waiting = built(world)
    erased(world.at(COUNTS_OVER))
    assert tables(world) == {waiting}
    erased(world.at(world.gateway.clock() + TABLES_OVER))
    assert tables(world) == set()
    assert (releases(world)[waiting].state, releases(world)[waiting].failure) == ("failed", "expired")


def test_nothing_is_built_of_counts_that_are_gone(world: World) -> None:
    """What would correct a release could not be protected together with it: refused, and a build under way stops."""
    noisy_release.delivered(world)
    out = published(world)
    must(withdraw_release(world.gateway, person(world, "third"), out, reason="wrong"))
    late = must(request_build(world.gateway, person(world, "again"), TABLE, PERIOD))
    later = world.at(COUNTS_OVER)
    erased(later)
    build(later.gateway, late.id)
    assert (releases(world)[late.id].state, releases(world)[late.id].failure) == ("failed", "expired")
    assert request_build(later.gateway, person(world, "again"), TABLE, PERIOD) == Refused("counts-erased")


def test_no_tag_recognises_counts_that_were_erased(world: World) -> None:
    """The keyed tag of a file goes with its counts: whoever holds the key can try no candidate tables against it."""
    site = world.region.sites[0].code
    must(receive(world.gateway, world.site(0), Upload(TABLE, site, PERIOD, world.counts(0))))
    later = world.at(COUNTS_OVER)
    assert tags(world) == [world.gateway.tag(b"content", TABLE.encode(), world.counts(0))]
    erased(later)
    assert tags(world) == [b""]


def test_a_longer_term_brings_no_period_back_whose_counts_are_gone(world: World) -> None:
    """Erased by the term of then: by a law that keeps counts longer nothing of it is taken, confirmed or built."""
    site, code = world.site(0), world.region.sites[0].code
    waiting = must(receive(world.gateway, site, Upload(TABLE, code, PERIOD, world.counts(0)))).submission.id
    erased(world.at(COUNTS_OVER))
    later = keeping_counts(world.at(COUNTS_OVER + timedelta(days=2)), days=800)
    over = Refused("counts-erased")
    assert receive(later.gateway, site, Upload(TABLE, code, PERIOD, world.counts(0, 2))) == over
    assert confirm(later.gateway, site, waiting) == over
    must(later.desk.close_period(TABLE, PERIOD))
    assert later.desk.reopen_for(TABLE, PERIOD, code) == over
    assert request_build(later.gateway, person(world, "builder"), TABLE, PERIOD) == over


def test_a_period_of_which_nothing_was_erased_is_as_long_as_its_law(world: World) -> None:
    """Nobody sent anything before the term of then ended: by a law that keeps counts longer it takes them."""
    erased(world.at(COUNTS_OVER))
    later = keeping_counts(world.at(COUNTS_OVER + timedelta(days=2)), days=800)
    upload = Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0))
    assert isinstance(receive(later.gateway, world.site(0), upload), Received)


def test_a_delivery_whose_counts_are_gone_says_so(world: World) -> None:
    """A school's program tells it from one without counts; a receipt that there was is erased, another never was."""
    site, code = world.site(0), world.region.sites[0].code
    sent = must(receive(world.gateway, site, Upload(TABLE, code, PERIOD, world.counts(0)))).submission.id
    bodies = []
    for each in (world, world.at(COUNTS_OVER)):
        erased(each)
        seen = must(read(each.gateway, site, sent))
        bodies.append(SubmissionBody.of(seen.submission, PERIOD, seen))
    assert [(body.erased, bool(body.counts)) for body in bodies] == [(False, True), (True, False)]
    late = world.at(COUNTS_OVER).gateway
    assert receipt_of(late, site, sent) == Refused("receipt-expired")
    assert receipt_of(late, site, sent, confirmation=True) == Refused("not-found")


def keeping_counts(world: World, *, days: int) -> World:
    """The same deployment under a law that keeps counts for so many days."""
    engine = world.gateway.engine
    known = engine.law.purposes
    purpose = known[COUNTS]
    assert purpose.retention is not None
    longer = purpose.model_copy(update={"retention": purpose.retention.model_copy(update={"days": days})})
    law = replace(engine.law, purposes=replace(known, by_id={**known.by_id, COUNTS: longer}))
    return World(replace(world.gateway, engine=Engine(law, engine._schema)), world.region)


def tags(world: World) -> list[bytes]:
    """The tags by which files are recognised."""
    with world.gateway.reading() as session:
        return list(session.exec(select(Submission.tag)))
