"""What is held of a pupil, asked by the school; and what would be decided, asked by anybody."""

import json
import threading
from collections.abc import Callable
from datetime import date

import pytest

from audit.timeline import Filter, find
from gateway.access import Held, HeldConsent, answer
from gateway.changes import change_numbers
from gateway.consented import read_all, send
from gateway.consents import append
from gateway.deliveries import confirm, own_submissions, receipt_of
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.keys import Rotated, destroy, renounce, rotate
from gateway.notices import Notified
from gateway.outcome import Refused
from gateway.prepared import SUBJECTS
from gateway.receive import Received, Upload, receive
from gateway.synthetic.pupils import draw_pupils
from policies.consent import Giver, Withdrawn
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState
from pseudonymisation.pseudonym import read_pseudonym

from .conftest import PERIOD, Site, World
from .documents import local_pseudonym, records_document
from .records import rows
from .test_changes import NEW, document
from .test_consents import HOURS, care, given, sealed


def delivered(world: World, index: int = 0) -> bytes:
    """Let a site deliver records that get their place in the log; returns the pseudonym of its first pupil."""
    pseudonym = received(world, index)
    world.sequence()
    return pseudonym


def received(world: World, index: int = 0) -> bytes:
    """Let a site deliver records; returns the pseudonym of its first pupil."""
    site = world.region.sites[index]
    pupils = draw_pupils(site, index=index, period=1, seed=1)
    body = records_document(pupils, world.gateway.contracts["absence-records"], site=site.code, period=PERIOD)
    outcome = receive(world.gateway, world.site(index), Upload("absence-records", site.code, PERIOD, body))
    assert isinstance(outcome, Received)
    return read_pseudonym(local_pseudonym(int(pupils.numbers[0]), site.code.encode()))


def secretary(world: World, index: int) -> Identity:
    """A person of a school: a machine may not ask what is held of a pupil."""
    return Identity(world.region.sites[index].code, "school")


def test_a_parent_learns_what_is_held_and_logged(world: World) -> None:
    """The pupil's own row, and the log's entry about it with a proof that leads to the root in that entry."""
    pseudonym = delivered(world)
    held = answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=pseudonym)
    assert isinstance(held, Held)
    assert [row.period for row in held.rows] == [PERIOD]
    assert len(held.uses) == 1
    logged = json.loads(held.uses[0].entry)
    assert logged["event"] == "submission.received"
    assert logged["subjects_root"] == held.uses[0].subject.root.hex()
    held.uses[0].subject.verify()


def test_what_has_no_place_in_the_log_yet_is_not_left_out(new_world: Callable[..., World]) -> None:
    """The school sends the file and asks in one second: it is to ask again, and that is logged."""
    world = new_world()
    pseudonym, school = received(world), secretary(world, 0)
    asked = answer(world.gateway, school, year="2026-2027", pseudonym=pseudonym)
    assert asked == Refused("log-behind", retry_after=1)
    world.sequence()
    held = answer(world.gateway, school, year="2026-2027", pseudonym=pseudonym)
    assert isinstance(held, Held)
    assert len(held.uses) == 1
    with world.gateway.reading() as session:
        assert find(session.connection(), Filter(event="access.refused", organisation=school.party, decision="deny"))


def test_a_school_that_closed_still_answers_a_parent(world: World) -> None:
    """Out of the register it learns what is held of its pupil, reads what it delivered, and finishes that period."""
    pseudonym, school = delivered(world), secretary(world, 0)
    assert world.desk.end_site(school.party, world.gateway.today) is True
    assert isinstance(answer(world.gateway, school, year="2026-2027", pseudonym=pseudonym), Held)
    sent = own_submissions(world.gateway, school)[0][0].id
    assert isinstance(receipt_of(world.gateway, school, sent), str)
    assert not isinstance(confirm(world.gateway, school, sent), Refused)


@pytest.mark.parametrize("kind", ["board", "swv"])
def test_a_board_is_not_told_that_nothing_is_held_of_a_pupil_of_its_site(world: World, kind: str) -> None:
    """Rows are a site's: its board and its SWV are sent to the site, and that they were not answered is logged."""
    pseudonym, site = delivered(world), world.region.sites[0]
    asker = Identity(getattr(site, kind), "privacy-officer")
    refused = answer(world.gateway, asker, year="2026-2027", pseudonym=pseudonym)
    assert isinstance(refused, Refused)
    assert refused.code == "access-by-site"
    world.sequence()
    with world.gateway.reading() as session:
        assert find(session.connection(), Filter(event="access.refused", organisation=asker.party, decision="deny"))


def test_an_answer_says_of_which_other_years_rows_are_kept(world: World) -> None:
    """In August a school asks about the year that began: it alone reads that it has rows of the year before."""
    pseudonym = delivered(world)
    for index, others in ((0, ("2026-2027",)), (1, ())):
        held = must(answer(world.gateway, secretary(world, index), year="2027-2028", pseudonym=pseudonym))
        assert (held.rows, held.other_years) == ((), others)


def test_nothing_is_held_of_a_pupil_who_is_not_there(world: World) -> None:
    """A pseudonym nobody delivered leads to nothing."""
    delivered(world)
    held = answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=bytes(64))
    assert held == Held((), (), ())


def test_rows_that_can_no_longer_be_found_are_not_kept_silent(world: World) -> None:
    """Once the leaked key is gone their school is told that there are such rows; another has none, and is told that."""
    pseudonym = delivered(world)
    assert isinstance(rotate(world.desk, "counting-for-school", "2026-2027"), Rotated)
    assert isinstance(
        renounce(world.desk, "counting-for-school", "2026-2027"),
        Rotated,
    )
    told = [answer(world.gateway, secretary(world, i), year="2026-2027", pseudonym=pseudonym) for i in (0, 1)]
    assert [(held.rows, held.beyond_reach) for held in told if isinstance(held, Held)] == [((), True), ((), False)]


def overtaken(patch: pytest.MonkeyPatch, opens: str, key: str, act: Callable[[], object]) -> None:
    """When the answer asks what a key opens to, this is done first, by somebody else."""
    real, left = getattr(Keyring, opens), [act]

    def late(ring: Keyring, key_id: str) -> object:
        while left and key_id == key:
            other = threading.Thread(target=left.pop())
            other.start()
            other.join()
        return real(ring, key_id)

    patch.setattr("gateway.keys.forget_log", lambda _: None)  # on SQLite it would wait for the answer's reading to end
    patch.setattr(Keyring, opens, late)


def told(world: World, pseudonym: bytes) -> tuple[int, bool, int, bool]:
    """How many rows and uses the first school is told of, and whether others may be beyond reach."""
    held = must(answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=pseudonym))
    return len(held.rows), held.beyond_reach, len(held.uses), held.uses_beyond_reach


def test_no_row_is_missed_while_the_leaked_key_is_followed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two keys, cut off there, and across a rotation from its first step to its last."""
    pseudonym, store, leaked = delivered(world), Keyring._store, rows(world)[0].key_id

    def ends(ring: Keyring, record: KeyRecord, *, shredding: bool = False) -> KeyRecord:
        made = store(ring, record, shredding=shredding)
        if record.state is KeyState.DECRYPT_ONLY:
            raise InterruptedError
        return made

    with monkeypatch.context() as patch:
        patch.setattr(Keyring, "_store", ends)
        with pytest.raises(InterruptedError):
            rotate(world.desk, "counting-for-school", "2026-2027")
    assert told(world, pseudonym) == (1, False, 1, False)
    overtaken(monkeypatch, "chain", leaked, lambda: must(rotate(world.desk, "counting-for-school", "2026-2027")))
    assert told(world, pseudonym) == (1, False, 1, False)
    assert told(world, pseudonym) == (1, False, 1, False)


@pytest.mark.parametrize(
    ("purpose", "opens", "then"),
    [("counting-for-school", "chain", (0, False, 1, False)), (SUBJECTS, "secret", (1, False, 0, True))],
)
def test_what_is_destroyed_while_a_parent_asks_is_held_no_more(
    world: World, monkeypatch: pytest.MonkeyPatch, purpose: str, opens: str, then: tuple[int, bool, int, bool]
) -> None:
    """Key and rows, or tags, go between the look at them and their opening: no error, and nothing is told of them."""
    pseudonym, key = delivered(world), world.gateway.keyring.active(purpose, "2026-2027")
    assert key is not None
    overtaken(monkeypatch, opens, key.key_id, lambda: must(destroy(world.desk, key.key_id)))
    assert told(world, pseudonym) == then


def test_renouncing_the_key_of_tags_hides_no_use(world: World) -> None:
    """What was delivered between rotation and renouncing is found still: the key of those tags opens."""
    assert isinstance(rotate(world.desk, SUBJECTS, "2026-2027"), Rotated)
    pseudonym = delivered(world)
    assert isinstance(renounce(world.desk, SUBJECTS, "2026-2027"), Rotated)
    held = answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=pseudonym)
    assert isinstance(held, Held)
    assert len(held.uses) == 1


def test_after_a_number_change_the_answer_asks_for_the_old_number_too(world: World) -> None:
    """By either number a part is found, which the school is told; one that changed none is not."""
    old = delivered(world)
    must(change_numbers(world.gateway, world.site(0), document(world, (old, NEW))))
    world.sequence()
    told = [
        answer(world.gateway, secretary(world, index), year="2026-2027", pseudonym=pseudonym)
        for index, pseudonym in ((0, NEW), (0, old), (1, NEW))
    ]
    found = [(len(held.rows), len(held.uses), held.numbers_changed) for held in told if isinstance(held, Held)]
    assert found == [(1, 0, True), (0, 1, True), (0, 0, False)]


@pytest.mark.parametrize("ends", ["rotated", "destroyed"])
def test_uses_that_can_no_longer_be_found_are_not_kept_silent(world: World, ends: str) -> None:
    """Once the log's key leaked or ended no use of before is found, and the answer says so; until then it is whole."""
    pseudonym, key = delivered(world), world.gateway.keyring.active(SUBJECTS, "2026-2027")
    assert key is not None
    told = [answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=pseudonym)]
    must(rotate(world.desk, SUBJECTS, "2026-2027") if ends == "rotated" else destroy(world.desk, key.key_id))
    told += [
        answer(world.gateway, secretary(world, 0), year=year, pseudonym=pseudonym)
        for year in ("2026-2027", "2027-2028")
    ]
    found = [(len(held.uses), held.uses_beyond_reach) for held in told if isinstance(held, Held)]
    assert found == [(1, False), (0, True), (0, False)]


def test_a_school_asks_about_its_own_pupils_only(world: World) -> None:
    """Neither rows nor uses at another site are shown, although the pseudonym is right: not even where it was."""
    pseudonym = delivered(world)
    officer = Identity(world.region.sites[1].code, "privacy-officer")
    for stranger in (secretary(world, 1), officer):
        assert answer(world.gateway, stranger, year="2026-2027", pseudonym=pseudonym) == Held((), (), ())


def test_the_controller_s_officer_sees_every_use(world: World) -> None:
    """Whoever oversees all parties gets the entries about a pupil wherever they are, and no row."""
    pseudonym = delivered(world)
    officer = Identity("ORG-MINISTER", "controller-officer")
    held = answer(world.gateway, officer, year="2026-2027", pseudonym=pseudonym)
    assert isinstance(held, Held)
    assert (held.rows, len(held.uses)) == ((), 1)


def test_a_slip_in_the_school_year_is_no_answer(lite: Site) -> None:
    """What is no school year is refused, over HTTP too: it would read as if nothing were held, and be logged so."""
    world = lite.world
    for year in ("2026-2031", "2026-2026", "2026"):
        refused = answer(world.gateway, secretary(world, 0), year=year, pseudonym=bytes(64))
        assert isinstance(refused, Refused)
        with lite.client(world.region.sites[0].code) as http:
            asked = {"schoolYear": year, "pseudonym": local_pseudonym(1, b"x")}
            told = http.post("/v1/access-requests", json=asked)
        assert (told.status_code, "schoolYear" in told.json()["fields"]) == (400, True)


def test_a_consent_that_is_not_the_school_s_is_told_of_like_one_that_is_not_there(world: World) -> None:
    """Its own is answered; of another school's and of nobody's it reads the same: that it is not found."""
    care(world)
    own, nobody = given(world).id, "0" * 32
    answers = [
        answer(world.gateway, secretary(world, i), year="2026-2027", pseudonym=bytes(64), consents=(own, nobody))
        for i in (0, 1)
    ]
    told = [([one.standing.id for one in held.consents], held.not_found) for held in answers if isinstance(held, Held)]
    assert told == [([own], (nobody,)), ([], (own, nobody))]


@pytest.mark.parametrize("reads", [0, 3])
def test_a_parent_learns_what_passed_under_a_consent(world: World, reads: int) -> None:
    """The hours while they are kept; after the withdrawal still that they were stored, and whether they were read."""
    recipient, standing = care(world), given(world)
    must(send(world.gateway, world.site(0), standing.id, sealed(), HOURS))
    for _ in range(reads):
        read_all(world.gateway, recipient)
    before = consented_of(world, standing.id)
    append(world.gateway, world.site(0), standing.id, lambda at: Withdrawn(at=at, by=Giver.PARENT))
    after = consented_of(world, standing.id)
    assert [[record.hours for record in held.records] for held in (before, after)] == [[HOURS], []]
    assert [event.event for event in after.standing.events] == ["asked", "given", "withdrawn"]
    assert [held.notified for held in (before, after)] == [None, Notified(date(2026, 11, 16), None)]
    logged = [act.event for act in after.log]
    assert logged[:3] == ["consent.asked", "consent.given", "record.stored"]
    assert [logged.count(event) for event in ("record.read", "consent.withdrawn")] == [reads, 1]


def consented_of(world: World, number: str) -> HeldConsent:
    """What the first school is answered about a consent."""
    world.sequence()
    held = answer(world.gateway, secretary(world, 0), year="2026-2027", pseudonym=bytes(64), consents=(number,))
    assert isinstance(held, Held)
    return held.consents[0]


def test_every_use_under_a_consent_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries there are, none is left out and none is there twice."""
    monkeypatch.setattr("audit.export.PAGE", 2)
    recipient, standing = care(world), given(world)
    must(send(world.gateway, world.site(0), standing.id, sealed(), HOURS))
    for _ in range(2):
        read_all(world.gateway, recipient)
    logged = [act.event for act in consented_of(world, standing.id).log]
    assert logged == ["consent.asked", "consent.given", "record.stored", "record.read", "record.read"]


def test_a_shortened_consent_number_is_a_fault_over_http(lite: Site) -> None:
    """What cannot be a consent's number is refused at its place, so that no answer is given without it."""
    with lite.client(lite.world.region.sites[0].code) as http:
        asked = {"schoolYear": "2026-2027", "pseudonym": local_pseudonym(1, b"x"), "consents": ["0" * 32, "0" * 8]}
        told = http.post("/v1/access-requests", json=asked)
    assert (told.status_code, "consents.1" in told.json()["fields"]) == (400, True)


def test_a_recipient_may_not_ask(world: World) -> None:
    """An SWV that asks what is held of a pupil is refused."""
    swv = Identity(next(iter(world.region.swvs)), "recipient")
    assert isinstance(answer(world.gateway, swv, year="2026-2027", pseudonym=bytes(64)), Refused)


@pytest.mark.parametrize(
    ("action", "kind", "facts", "allowed"),
    [
        ("submit", "Delivery", {"party": "own", "sector": "own", "data": ["absence_counts"], "period_open": True,
                                "exercise": True}, True),
        ("submit", "Delivery", {"party": "own", "sector": "own", "data": ["absence_counts"], "exercise": True}, False),
    ],
)  # fmt: skip
def test_a_school_can_ask_what_would_be_decided(
    site: Site, action: str, kind: str, facts: dict[str, object], allowed: bool
) -> None:
    """An AuthZEN question about itself is answered with the rules and their articles; nothing is looked up."""
    own = site.world.region.sites[0]
    real = {name: {"party": own.code, "sector": own.sector}.get(name, value) for name, value in facts.items()}
    question = {
        "action": {"name": action},
        "resource": {"type": kind, "properties": real},
        "context": {"purposes": ["statutory-counts"], "collection": "absence-counts"},
    }
    with site.client(own.code) as http:
        told = http.post("/v1/decisions", json=question).json()
    assert told["decision"] is allowed
    assert all(ground["legal_basis"] for ground in told["context"]["grounds"])


def test_a_question_about_a_party_without_a_code_is_no_question(lite: Site) -> None:
    """An empty code would match things that do not exist: refused at its place, like every other fault."""
    question = {
        "subject": {"type": "site", "id": "", "properties": {"role": "school"}},
        "action": {"name": "read-own-table"},
        "resource": {"type": "OwnTable", "properties": {"party": ""}},
        "context": {"purposes": ["own-school"]},
    }
    with lite.client(lite.world.region.sites[0].code) as http:
        answer = http.post("/v1/decisions", json=question)
    assert (answer.status_code, "subject.id" in answer.text) == (400, True)


def test_nobody_asks_about_another_party(site: Site) -> None:
    """A question that names another party is answered like one about nobody."""
    other = site.world.region.sites[1].code
    question = {
        "action": {"name": "read-own-table"},
        "resource": {"type": "OwnTable", "properties": {"party": other}},
        "context": {"purposes": ["own-school"]},
    }
    with site.client(site.world.region.sites[0].code) as http:
        assert http.post("/v1/decisions", json=question).status_code == 404
        assert http.post("/v1/decisions", content=b"{").status_code == 400
