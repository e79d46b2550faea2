"""Two who act at the same moment: both are past the law before either acts, and still only what can be true happens.

Exactly one entry for each act, a refusal for whoever came too late, and never an error nobody expected.
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete, func, text
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.event import listen, remove
from sqlmodel import select

from gateway.changes import Changed, change_numbers
from gateway.deliveries import Seen, confirm, withdraw
from gateway.demo.people import must
from gateway.grants import grant_mandate
from gateway.identity import add_person, issue_link
from gateway.keys import Rotated, rotate
from gateway.outcome import Refused
from gateway.receive import Received
from gateway.store import Approval, Person, Release, ReleaseState, Submission, Token, WebSession, table_of
from pseudonymisation.domain import Domain
from pseudonymisation.pseudonym import pids
from tests.gateway.conftest import NOW, PERIOD, TABLE, World
from tests.gateway.records import delivered, sent
from tests.gateway.test_changes import PURPOSE, YEAR, document

from .house import MANDATED, OPEN, House
from .moment import at_once, counting, events, statuses
from .test_gateway_too_late import consent_of

Race = tuple[ReleaseState, tuple[str, str], tuple[str, str], set[str]]
NUMBERS = itertools.count(10)


def verdict(house: House, who: str, act: str) -> Callable[[], httpx.Response]:
    """An act of a person on the release."""
    path = f"/v1/releases/{house.ids['release']}/"
    body: dict[str, object] = {"reason": "nagekeken"}
    if act in ("approve", "reject"):
        body["approved"] = act == "approve"
    path += {"publish": "publication", "withdraw": "withdrawal"}.get(act, "approvals")
    return lambda: house.callers[who].post(path, json=body)


def put_back(house: House, state: ReleaseState) -> None:
    """The release as it was in an earlier state."""
    with house.site.world.gateway.writing() as session:
        release = session.get_one(Release, house.ids["release"])
        release.state = state
        session.execute(delete(table_of(Approval)))
        if state is not ReleaseState.BUILT:
            approver = session.exec(select(Person.id).where(Person.label == "approver")).one()
            session.add(Approval(release_id=release.id, person_id=approver, approved=True, reason="x", at=NOW))


RELEASE_RACES: list[Race] = [
    (ReleaseState.BUILT, ("approver", "approve"), ("approver", "approve"), {"release.approved"}),
    (ReleaseState.BUILT, ("approver", "approve"), ("builder", "withdraw"), {"release.approved"}),
    (ReleaseState.APPROVED, ("builder", "publish"), ("approver", "publish"), {"release.published"}),
    (ReleaseState.APPROVED, ("builder", "publish"), ("approver", "reject"), {"release.published", "release.rejected"}),
    (ReleaseState.PUBLISHED, ("approver", "approve"), ("builder", "withdraw"), {"release.withdrawn"}),
    (ReleaseState.PUBLISHED, ("approver", "withdraw"), ("builder", "withdraw"), {"release.withdrawn"}),
]


@pytest.mark.parametrize("race", RELEASE_RACES)
def test_a_release_goes_one_way(house: House, monkeypatch: pytest.MonkeyPatch, race: Race) -> None:
    """Two acts on a release at once: one is done and logged, the other refused and logged, and the state is one's."""
    state, one, other, winners = race
    put_back(house, state)
    with counting(house) as added:
        answers = at_once(monkeypatch, verdict(house, *one), verdict(house, *other))
    good = [answer for answer in answers if answer.status_code == 201]
    assert len(good) == 1
    assert set(statuses(answers)) <= {201, 403, 409}
    done = {event: many for event, many in added.items() if event.startswith("release.")}
    assert list(done.values()) == [1]
    assert done.keys() <= winners
    assert added["request.refused"] == 1
    with house.site.world.gateway.reading() as session:
        assert session.get_one(Release, house.ids["release"]).state == good[0].json()["state"]


def test_a_release_is_withdrawn_after_it_is_published_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published and withdrawn at once: the withdrawal came after, or it is refused."""
    put_back(house, ReleaseState.APPROVED)
    with counting(house) as added:
        out, back = at_once(monkeypatch, verdict(house, "builder", "publish"), verdict(house, "approver", "withdraw"))
    after = back.status_code == 201
    assert (out.status_code, back.status_code) in ((201, 201), (201, 409))
    assert [added[event] for event in ("release.published", "release.withdrawn", "request.refused")] == [
        1, int(after), int(not after),
    ]  # fmt: skip


def test_an_approval_is_taken_back_after_it_was_given_or_never_given(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Approved and rejected at once by one person: the rejection holds; the approval came before it, or never."""
    put_back(house, ReleaseState.BUILT)
    with counting(house) as added:
        yes, no = at_once(monkeypatch, verdict(house, "approver", "approve"), verdict(house, "approver", "reject"))
    before = yes.status_code == 201
    assert (yes.status_code, no.status_code) in ((201, 201), (409, 201))
    assert [added[event] for event in ("release.rejected", "release.approved", "request.refused")] == [
        1, int(before), int(not before),
    ]  # fmt: skip


def test_nothing_is_downloaded_after_a_withdrawal(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn while somebody's file is written: it went out before, or not at all, and either has its entry."""
    path = f"/v1/releases/{house.ids['release']}/table"
    for _ in range(5):
        put_back(house, ReleaseState.PUBLISHED)
        with counting(house) as added:
            got, back = at_once(
                monkeypatch, lambda: house.callers["swv"].get(path), verdict(house, "approver", "withdraw")
            )
        assert back.status_code == 201
        last = [event for event in events(house) if event in ("release.downloaded", "release.withdrawn")][-1]
        assert last == "release.withdrawn"
        assert (got.status_code, added["release.downloaded"], added["request.refused"]) in {(200, 1, 0), (409, 0, 1)}


def test_a_release_is_asked_for_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two persons ask for a build of one period at once: one release is made, the other hears that there is one."""
    put_back(house, ReleaseState.WITHDRAWN)
    body = {"collection": TABLE, "period": PERIOD}
    answers = at_once(
        monkeypatch,
        *(lambda who=who: house.callers[who].post("/v1/releases", json=body) for who in ("builder", "approver")),
    )
    assert sorted(statuses(answers)) == [202, 409]


def upload(house: House, who: str = "school", index: int = 0, *, body: bytes = b"", key: str = "") -> httpx.Response:
    """A new version for the open period."""
    world = house.site.world
    params = {"collection": TABLE, "party": world.region.sites[index].code, "period": OPEN}
    headers = {"Idempotency-Key": key} if key else {}
    content = body or world.counts(index, next(NUMBERS))
    return house.callers[who].post("/v1/submissions", params=params, content=content, headers=headers)


def submit_act(house: House, submission: str, act: str) -> Callable[[], httpx.Response]:
    return lambda: house.callers["school"].post(f"/v1/submissions/{submission}/{act}")


def state_of(house: House, submission: str) -> str:
    with house.site.world.gateway.reading() as session:
        return session.get_one(Submission, submission).state


def test_a_version_is_confirmed_or_overtaken(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirmed while a newer version comes in: confirmed before it, or refused as no longer the newest."""
    first = upload(house).json()["id"]
    with counting(house) as added:
        confirmed, sent = at_once(monkeypatch, submit_act(house, first, "confirmation"), lambda: upload(house))
    assert (sent.status_code, added["submission.received"]) == (201, 1)
    done = confirmed.status_code == 200
    assert confirmed.status_code in (200, 409)
    assert (added["submission.confirmed"], added["submission.refused"]) == ((1, 0) if done else (0, 1))
    assert state_of(house, first) == ("confirmed" if done else "received")


def test_a_version_is_confirmed_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confirmed twice at once: both hear that it is, and it is logged once."""
    submission = upload(house).json()["id"]
    with counting(house) as added:
        answers = at_once(monkeypatch, *[submit_act(house, submission, "confirmation")] * 2)
    assert statuses(answers) == [200, 200]
    assert added["submission.confirmed"] == 1


@pytest.mark.parametrize("against", ["confirmation", "withdrawal"])
def test_a_withdrawn_version_stays_withdrawn(house: House, monkeypatch: pytest.MonkeyPatch, against: str) -> None:
    """Withdrawn while it is confirmed or withdrawn: in the end it is withdrawn, logged once, with no second way out."""
    submission = upload(house).json()["id"]
    with counting(house) as added:
        other, mine = at_once(
            monkeypatch, submit_act(house, submission, against), submit_act(house, submission, "withdrawal")
        )
    assert {other.status_code, mine.status_code} <= {200, 409}
    assert 200 in (other.status_code, mine.status_code)
    assert state_of(house, submission) == "withdrawn"
    assert added["submission.withdrawn"] == 1
    refused = statuses([other, mine]).count(409)
    assert (added["submission.confirmed"], added["submission.refused"]) == (
        (int(other.status_code == 200), refused) if against == "confirmation" else (0, 1)
    )


def test_the_same_file_twice_is_one_submission(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes twice at once, with a key or without: one new version, one entry, one receipt."""
    for key in ("", "twice"):
        body = house.site.world.counts(0, next(NUMBERS))
        with counting(house) as added:
            answers = at_once(monkeypatch, *[lambda b=body, k=key: upload(house, body=b, key=k)] * 2)
        assert sorted(statuses(answers)) == [200, 201]
        assert answers[0].json()["receipt"] == answers[1].json()["receipt"]
        assert added["submission.received"] == 1


def test_one_key_is_for_one_request(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supplier uses one key for two of its sites at once: one is taken, the other hears of the conflict."""
    day, desk = NOW.date(), house.site.world.desk
    scope = {"actions": ["submit"], "collections": [TABLE]}
    second = house.site.world.region.sites[1].code
    must(grant_mandate(desk, MANDATED, second, **scope, valid_from=day, valid_to=day + timedelta(days=30)))
    for number in range(5):
        with counting(house) as added:
            answers = at_once(
                monkeypatch, *(lambda i=i, n=number: upload(house, "mandated", i, key=f"both {n}") for i in (0, 1))
            )
        assert sorted(statuses(answers)) == [201, 409]
        assert (added["submission.received"], added["submission.refused"]) == (1, 1)


def test_a_period_closes_before_or_after_a_delivery(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed while a file comes in: it is in before, or refused; nothing comes in after the entry of the close."""
    world, period = house.site.world, "2026-2027-3"
    must(world.desk.open_period(TABLE, period, reference_date=NOW.date(), deadline=NOW.date(), exercise=True))
    params = {"collection": TABLE, "party": world.region.sites[0].code, "period": period}

    def send() -> httpx.Response:
        return house.callers["school"].post("/v1/submissions", params=params, content=world.counts(0))

    def close() -> object:
        return must(world.desk.close_period(TABLE, period))

    answer, _ = at_once(monkeypatch, send, close)  # type: ignore[arg-type]  # an answer and a period
    assert isinstance(answer, httpx.Response)
    assert answer.status_code in (201, 409)
    logged = [event for event in events(house) if event in ("submission.received", "period.closed")]
    assert logged[-1] == "period.closed"


def test_a_login_link_is_used_up_by_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One link pressed twice at once: one session, one entry, and 410 for the other."""
    world = house.site.world
    with world.gateway.writing() as session:
        person = add_person(session, world.region.sites[0].code, "school", "secretaris")
        link = f"{house.site.url}/login/{issue_link(session, person, world.gateway.clock())}"
    with counting(house) as added:
        answers = at_once(monkeypatch, *[lambda: httpx.post(link, timeout=60)] * 2, law=False)
    assert sorted(statuses(answers)) == [303, 410]
    assert added["session.opened"] == 1
    with world.gateway.reading() as session:
        query = select(func.count()).select_from(WebSession).where(WebSession.person_id == person.id)
        assert session.exec(query).one() == 1


def test_the_desk_does_one_thing_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two operators do at once is done and logged once: a party, a period, a revocation, a number of two."""
    world = house.site.world
    desk, day, region = world.desk, NOW.date(), world.region
    expires = NOW + timedelta(days=3650)
    must(desk.issue_token(region.sites[2].code, scopes=["submit"], expires_at=expires))
    with world.gateway.reading() as session:
        token = session.exec(select(Token.id).where(Token.party == region.sites[2].code)).one()
    days = {"reference_date": day, "deadline": day, "exercise": True}
    first, second = region.sites[0].code, region.sites[1].code
    twice: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("party.added", *[lambda: desk.add_party("ORG-TWICE", "supplier", "x")] * 2),
        ("period.opened", *[lambda: desk.open_period(TABLE, "2026-2027-4", **days)] * 2),
        ("token.revoked", *[lambda: desk.revoke_token(token)] * 2),
        (
            "token.issued",
            lambda: desk.register_oin(first, "0" * 20, scopes=["submit"]),
            lambda: desk.register_oin(second, "0" * 20, scopes=["submit"]),
        ),
    ]
    for event, one, other in twice:
        with counting(house) as added:
            at_once(monkeypatch, one, other)
        assert added[event] == 1, event


def test_one_key_for_two_consents_at_once_is_a_conflict(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site uses one key for records under two consents at once: one is stored, the other hears of the conflict."""
    consents, body = [consent_of(house) for _ in range(2)], house.doors["sendConsentedRecord"].body or b""

    def send(consent: str, number: int) -> httpx.Response:
        about = body.replace(house.ids["consent"].encode(), consent.encode())
        headers = {"Idempotency-Key": f"records {number}"}
        return house.callers["school"].post("/v1/consented-records", content=about, headers=headers)

    for number in range(5):
        with counting(house) as added:
            answers = at_once(monkeypatch, *(lambda c=one, n=number: send(c, n) for one in consents))
        assert sorted(statuses(answers)) == [201, 409]
        assert (added["record.stored"], added["record.refused"]) == (1, 1)


def test_numbers_change_before_or_after_a_confirmation(house: House) -> None:
    """Numbers change while a newer version is confirmed, which erases the older rows: each waits for the other."""
    world, index = house.site.world, 2
    key = world.gateway.keyring.active(PURPOSE, YEAR)
    assert key is not None
    pupils, newer = delivered(world, index, OPEN), sent(world, index, OPEN, drawn=2)
    assert isinstance(newer, Received)
    secret = world.gateway.keyring.secret(key.key_id)
    _, last_first = zip(*sorted(zip(pids(secret, Domain(PURPOSE, YEAR), pupils), pupils, strict=True)), strict=True)
    pairs = [(old, bytes(63) + bytes([number])) for number, old in enumerate(last_first[:-3:-1], start=1)]
    changes = document(world, *pairs, index=index, period=OPEN)
    with ThreadPoolExecutor(2) as pool, half_done(world, "UPDATE enrolment") as begun:
        changed = pool.submit(change_numbers, world.gateway, world.site(index), changes)
        assert begun.wait(60)
        confirmed = pool.submit(confirm, world.gateway, world.site(index), newer.submission.id)
        assert isinstance(changed.result(), Changed)
        assert must(confirmed.result()).submission.state == "confirmed"


@pytest.mark.parametrize("act", [confirm, withdraw])
def test_a_key_is_followed_before_or_after_a_version_ends(house: House, act: Callable[..., Seen | Refused]) -> None:
    """Pids are re-keyed while a version is confirmed or withdrawn, which erases rows: each waits for the other."""
    world, index = house.site.world, 3
    delivered(world, index, OPEN)
    newer = sent(world, index, OPEN, drawn=next(NUMBERS))
    assert isinstance(newer, Received)
    with ThreadPoolExecutor(2) as pool, half_done(world, "UPDATE enrolment") as begun:
        rotated = pool.submit(rotate, world.desk, PURPOSE, YEAR)
        assert begun.wait(60)
        ended = pool.submit(act, world.gateway, world.site(index), newer.submission.id)
        moved = rotated.result()
        assert isinstance(moved, Rotated)
        assert moved.rows > 0
        assert must(ended.result()).submission.state != "received"


@contextmanager
def half_done(world: World, statement: str) -> Iterator[threading.Event]:
    """Let who does this to a row first go on once somebody else has to wait for it; says when it is done."""
    database, begun = world.gateway.database, threading.Event()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def others_wait() -> bool:
        with database.connect() as connection:
            return bool(connection.scalar(waiting))

    def pause(_connection: object, cursor: DBAPICursor, done: str, *_: object) -> None:
        if done.startswith(statement) and cursor.rowcount > 0 and not begun.is_set():
            begun.set()
            until = time.monotonic() + 60
            while database.dialect.name == "postgresql" and not others_wait() and time.monotonic() < until:
                time.sleep(0.01)

    listen(database, "after_cursor_execute", pause)
    yield begun
    remove(database, "after_cursor_execute", pause)
