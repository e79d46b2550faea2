"""The log as officers read it: proofs in steps, and a verdict that notices."""

import zipfile
from collections.abc import Callable

import pytest
from sqlalchemy import insert, text

from audit import verify
from audit.checkpoint import Checkpoint, Cosigner
from audit.entry import Actor, Entry, Object
from audit.errors import EntryError
from audit.events import Event, Role
from audit.merkle import leaf_hash, node_hash
from audit.note import Signer, parse_note
from audit.proofs import checkpoint, signed_size
from audit.schema import COSIGNATURE, INDEX, PENDING
from audit.tiles import Tile
from audit.timeline import Filter
from gateway import exports, trail
from gateway.accountability import measured
from gateway.demo.people import MINISTER, must
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.web.officer import timeline
from tests.gateway.conftest import World
from tests.web.asking import said
from tests.web.conftest import entry_page, register_people

OFFICER = Identity(MINISTER, "controller-officer")


@pytest.fixture
def logged(small_world: World) -> World:
    """A deployment whose log has been sequenced and signed."""
    small_world.sequence()
    return small_world


def leaves(world: World, wanted: Filter = Filter()) -> list[str]:  # noqa: B008  a frozen value
    """Leaf hashes of the newest entries that fit."""
    found = must(trail.timeline(world.gateway, OFFICER, wanted))
    return [leaf_hash(each.data).hex() for each in found.found]


def verdict_on(world: World) -> trail.Verdict:
    """What the check of everything says, where there is one log."""
    (verdict,) = must(trail.check_log(world.gateway, OFFICER))
    return verdict


def test_a_proof_leads_from_the_entry_to_what_was_signed(logged: World) -> None:
    """Each step joins the neighbour on the right side, and the last result is the signed root."""
    for leaf in leaves(logged)[:5]:
        proven = must(trail.entry(logged.gateway, OFFICER, leaf))
        have = bytes.fromhex(leaf)
        for step in proven.steps:
            neighbour = bytes.fromhex(step.neighbour)
            have = node_hash(neighbour, have) if step.left else node_hash(have, neighbour)
            assert have.hex() == step.result
        covered = {proven.found.place.index}.union(*(range(s.first, s.last + 1) for s in proven.steps))
        assert covered == set(range(proven.size))


@pytest.mark.parametrize(("schools", "listed"), [(200, True), (201, False)])
def test_a_filter_of_hundreds_of_recipients_is_typed(logged: World, schools: int, listed: bool) -> None:
    """Once every school looked at its own figures nobody picks from a list of them, which would be most of the page."""
    lines = [
        {"log": 1, "idx": 1_000_000 + at, "ts": at, "event": "own-table.downloaded", "decision": "permit"}
        | {"period": "2026-2027-1", "recipient": f"{at:02}AB00"}
        for at in range(schools)
    ]
    with logged.gateway.database.begin() as connection:
        connection.execute(insert(INDEX), lines)
    page = said(logged.gateway, timeline, OFFICER, query="recipient=07AB00")
    typed = '<input id="recipient" name="recipient" value="07AB00" size="9">'
    assert (typed in page, '<option value="07AB00" selected' in page) == (not listed, listed)


def test_looking_is_itself_an_entry(logged: World) -> None:
    """Whoever reads the timeline finds the own looks in it the next time."""
    leaves(logged)
    logged.sequence()
    assert leaves(logged, Filter(event="audit.viewed"))


def test_an_export_that_was_not_handed_out_is_not_entered_as_one(logged: World) -> None:
    """Entries of everybody for an officer of one organisation, a log that is not there: permitted, and not done."""
    own = Identity(logged.region.sites[0].code, "privacy-officer")
    assert exports.bundle_of_entries(logged.gateway, own, 1, Tile.parse("entries/000.p/1")) == Refused("not-found")
    assert exports.take_out(logged.gateway, OFFICER, name="2019-2020") == Refused("not-found")
    logged.sequence()
    assert len(leaves(logged, Filter(event="audit.exported", decision="deny"))) == 2
    assert leaves(logged, Filter(event="audit.exported", decision="permit")) == []
    assert must(exports.bundle_of_entries(logged.gateway, OFFICER, 1, Tile.parse("entries/000.p/1")))
    logged.sequence()
    assert len(leaves(logged, Filter(event="audit.exported", decision="permit"))) == 1


def test_a_school_may_not_look(logged: World) -> None:
    """Somebody without the role is refused, and that is logged too."""
    school = Identity(logged.region.sites[0].code, "school")
    assert isinstance(trail.timeline(logged.gateway, school, Filter()), Refused)
    assert isinstance(exports.take_out(logged.gateway, school), Refused)
    logged.sequence()
    assert leaves(logged, Filter(decision="deny"))


def test_an_officer_is_held_to_its_own_organisation(logged: World) -> None:
    """A filter on somebody else shows nothing more; the count of values is of the own scope too."""
    site = logged.region.sites[0].code
    officer = Identity(site, "privacy-officer")
    mine = must(trail.timeline(logged.gateway, officer, Filter()))
    other = must(trail.timeline(logged.gateway, officer, Filter(viewer=None, organisation=logged.region.sites[1].code)))
    assert mine.found
    assert not other.found
    assert sum(mine.values["event"].values()) == len(mine.found)


def test_a_correction_is_a_new_entry_that_points_back(logged: World) -> None:
    """What was wrong stays as it is; who may not see an entry cannot correct it, nor is a code guessed."""
    wrong = leaves(logged, Filter(event="period.opened"))[0]
    made = must(trail.correct(logged.gateway, OFFICER, wrong, period="2027-2028-1"))
    logged.sequence()
    proven = must(trail.entry(logged.gateway, OFFICER, made))
    assert (proven.fields["event"], proven.fields["cause"], proven.fields["period"]) == (
        "entry.corrected", wrong, "2027-2028-1",
    )  # fmt: skip
    assert wrong in leaves(logged, Filter(event="period.opened"))
    other = Identity(logged.region.sites[0].code, "privacy-officer")
    assert trail.correct(logged.gateway, other, wrong) == Refused("not-found")
    for nothing in ("ab" * 32, "no hash"):
        assert trail.correct(logged.gateway, OFFICER, nothing) == Refused("not-found")
    with pytest.raises(EntryError):
        trail.correct(logged.gateway, OFFICER, wrong, period="next year")


def test_who_reads_a_wrong_entry_is_led_to_what_corrects_it(logged: World) -> None:
    """The site that it named by mistake finds the correction, which names another; a third site finds neither."""
    people = register_people(logged)
    wronged, other, third = (Identity(site.code, "privacy-officer") for site in logged.region.sites[:3])
    wrong = leaves(logged, Filter(organisation=wronged.party))[0]
    made = must(trail.correct(logged.gateway, OFFICER, wrong, party=other.party))
    logged.sequence()
    for officer in (OFFICER, wronged):
        assert must(trail.entry(logged.gateway, officer, wrong)).corrected_by == [made]
    assert must(trail.entry(logged.gateway, wronged, made)).corrected_by == []
    assert trail.entry(logged.gateway, third, made) == Refused("not-found")
    page = entry_page(logged, people["controller-officer"], wrong)
    assert ("klopt niet" in page, f'href="/audit/entries/{made}"' in page) == (True, True)


def test_a_correction_names_only_who_is_in_the_register(logged: World) -> None:
    """The form of a code is not enough: a name and a number of a person can be put in it."""
    wrong, site = leaves(logged, Filter(event="period.opened"))[0], logged.region.sites[0].code
    for code in ("Jan", "ORG-JAN-JANSEN-123456782", ""):
        assert trail.correct(logged.gateway, OFFICER, wrong, party=code) == Refused("unknown-party")
        assert trail.correct(logged.gateway, OFFICER, wrong, party=site, recipient=code) == Refused("unknown-party")
    assert must(trail.correct(logged.gateway, OFFICER, wrong, party=site, recipient=MINISTER))


def test_a_correction_of_a_consent_names_no_site(logged: World) -> None:
    """Nor does a correction of that correction: what leads to the consent never stands beside a school."""
    actor = Actor(Role.GATEWAY, logged.gateway.settings.operator)
    given = Entry(event=Event.CONSENT_GIVEN, actor=actor, object=Object(f"consent:{1:032x}"))
    leaf, site = logged.gateway.log_act(given).entry_id, logged.region.sites[0].code
    for _ in range(3):
        logged.sequence()
        for about in ({"party": site}, {"recipient": site}, {"period": "2026-2027-1"}):
            assert trail.correct(logged.gateway, OFFICER, leaf, **about) == Refused("unlinkable")
        leaf = must(trail.correct(logged.gateway, OFFICER, leaf))


def test_what_cannot_be_read_any_more_is_corrected_without_names(logged: World) -> None:
    """Bytes that are no entry may have been of a consent, and so may what a correction points to and is gone."""
    with logged.gateway.writing() as session:
        session.connection().execute(insert(PENDING).values(data=b"no entry"))
    actor = Actor(Role.CONTROLLER_OFFICER, MINISTER)
    lost = logged.gateway.log_act(Entry(event=Event.ENTRY_CORRECTED, actor=actor, cause=bytes(32))).entry_id
    logged.sequence()
    for leaf in (lost, leaf_hash(b"no entry").hex()):
        assert trail.correct(logged.gateway, OFFICER, leaf, party=MINISTER) == Refused("unlinkable")


def test_pages_of_the_timeline_follow_each_other(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry is on exactly one page."""
    monkeypatch.setattr(trail, "PAGE", 3)
    places, before = [], None
    while True:
        page = must(trail.timeline(logged.gateway, OFFICER, Filter(until=logged.gateway.log.clock() + 1), before))
        places += [each.place.index for each in page.found]
        if page.more is None:
            break
        before = page.more
    assert places == sorted(set(places), reverse=True)
    assert places[-1] == 0


def test_a_log_in_order_is_said_to_be_so(logged: World) -> None:
    """Entry and whole log pass, and the check is logged."""
    assert must(trail.check_entry(logged.gateway, OFFICER, leaves(logged)[0]))[1].fault == ""
    verdict = verdict_on(logged)
    assert (verdict.fault, verdict.signed_by) == ("", "127.0.0.1/audit/2026-2027")
    logged.sequence()
    assert len(leaves(logged, Filter(event="audit.verified"))) == 2


@pytest.mark.parametrize("spelled", [str.upper, lambda leaf: f"{leaf[:2]} {leaf[2:]}"])
def test_the_check_of_an_entry_is_about_the_entry_however_it_is_spelled(
    logged: World, spelled: Callable[[str], str]
) -> None:
    """Capitals and spaces of who copied the hash are not logged."""
    leaf = leaves(logged)[0]
    assert must(trail.check_entry(logged.gateway, OFFICER, spelled(leaf)))[1].fault == ""
    logged.sequence()
    assert leaves(logged, Filter(event="audit.verified", object=f"entry:{leaf}"))


def test_a_log_signed_by_somebody_else_is_noticed(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other keys than the ones kept, neither an entry nor the log passes."""
    stranger = Signer("127.0.0.1/audit/2026-2027", bytes(32)).key
    policy = f"log {stranger}\nreceipt {logged.gateway.receipts.key}\nquorum none\n"
    monkeypatch.setattr(trail, "policy_text", lambda _: policy)
    assert must(trail.check_entry(logged.gateway, OFFICER, leaves(logged)[0]))[1].fault == "key"
    assert verdict_on(logged).fault == "key"


def test_the_register_tells_of_checks_of_the_whole_log_only(logged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of one entry is no check of the whole log, and hides none that found a fault."""

    def told() -> list[str]:
        logged.sequence()
        return [each.value for each in measured(logged.gateway) if each.measure == "trail"]

    leaf = leaves(logged)[0]
    must(trail.check_entry(logged.gateway, OFFICER, leaf))
    assert told() == []
    with monkeypatch.context() as lost:
        lost.setattr(trail, "policy_text", lambda _: "quorum none\n")
        assert verdict_on(logged).fault
    must(trail.check_entry(logged.gateway, OFFICER, leaf))
    assert told() == ["error"]


def test_the_review_of_one_organisation_is_not_that_of_the_whole_log(logged: World) -> None:
    """A school's officer sees its own; only who sees everything has reviewed everything."""
    own = Identity(logged.region.sites[0].code, "privacy-officer")

    def told() -> tuple[bool, bool, list[str]]:
        logged.sequence()
        seen = [must(trail.timeline(logged.gateway, each, Filter())).reviewed is not None for each in (own, OFFICER)]
        return *seen, [each.value for each in measured(logged.gateway) if each.measure == "refusals-reviewed"]

    assert told() == (False, False, [])
    trail.sign_off(logged.gateway, own)
    assert told() == (True, False, [])
    trail.sign_off(logged.gateway, OFFICER)
    assert told() == (True, True, ["permit"])


def test_a_changed_entry_is_named(logged: World) -> None:
    """Somebody with the database's own power changes one entry: the check says which."""
    with logged.gateway.database.begin() as connection:
        disarm(connection)
        connection.execute(
            text("UPDATE audit_entry SET data = (SELECT data FROM audit_entry WHERE idx = 1) WHERE idx = 3")
        )
    verdict = verdict_on(logged)
    assert (verdict.fault, verdict.entry) == ("repeated", 3)


def test_an_entry_that_was_taken_away_is_named_and_the_finding_logged(logged: World) -> None:
    """No "try again": it is missing, the check is an entry that says error, and the export says what is wrong."""
    with logged.gateway.database.begin() as connection:
        disarm(connection)
        connection.execute(text("DELETE FROM audit_entry WHERE idx = 5"))
    assert verdict_on(logged) == trail.Verdict("missing", 5, signed_by="127.0.0.1/audit/2026-2027")
    assert exports.take_out(logged.gateway, OFFICER) == Refused("log-broken", facts={"entry": "5"})
    logged.sequence()
    assert leaves(logged, Filter(event="audit.verified", decision="error"))


def test_before_anything_is_signed_the_log_is_behind(small_world: World) -> None:
    """Without a checkpoint there is nothing to check yet."""
    assert trail.check_log(small_world.gateway, OFFICER) == Refused("log-behind", retry_after=1)


def test_the_check_counts_up_to_what_was_signed_last(logged: World) -> None:
    """Witnesses that count no more, or that have not seen the latest yet, do not end it; with too few it is told."""
    file, cosigner = logged.gateway.home.folder / "witnesses.txt", Cosigner("w.example/1", bytes([4]) * 32)
    _cosign(logged, cosigner)
    for _ in range(3):
        leaves(logged)
        logged.sequence()
    for lines in ("quorum none\n", f"witness w {cosigner.key}\nquorum w\n"):
        file.write_text(lines, "utf-8")
        with logged.gateway.reading() as session:
            size = signed_size(session.connection(), 1)
        assert verdict_on(logged).entries == size
        logged.sequence()
    other = Cosigner("w.example/2", bytes([5]) * 32).key
    for lines, fault in ((f"witness w {other}\nquorum w\n", "quorum"), ("quorum nobody\n", "policy")):
        file.write_text(lines, "utf-8")
        assert verdict_on(logged).fault == fault


def test_a_bundle_taken_out_does_not_end_with_a_witness_that_was_removed(logged: World) -> None:
    """Its lines stay under an old checkpoint; nobody asks for them, so the bundle goes on to the latest."""
    _cosign(logged, Cosigner("w.example/1", bytes([4]) * 32))
    leaves(logged)
    logged.sequence()
    policy = verify.Policy(policy_text(logged.gateway))
    with must(exports.take_out(logged.gateway, OFFICER)) as file, zipfile.ZipFile(file) as bundle:
        checked = verify.check_bundle(bundle, policy, [])
    with logged.gateway.reading() as session:
        assert checked.entries == signed_size(session.connection(), 1)


def _cosign(world: World, cosigner: Cosigner) -> None:
    """The line of a witness under the latest checkpoint."""
    with world.gateway.writing() as session:
        connection = session.connection()
        size, note = checkpoint(connection, 1)
        line = cosigner.cosign(Checkpoint.parse(parse_note(note).text), 1)
        row = {"log": 1, "size": size, "witness": str(cosigner.key), "line": str(line)}
        connection.execute(insert(COSIGNATURE).values(row))


def disarm(connection: object) -> None:
    """Take the guards away, as only the owner of the database can."""
    execute = connection.execute  # type: ignore[attr-defined]  # a SQLAlchemy connection of either database
    if connection.dialect.name == "sqlite":  # type: ignore[attr-defined]  # likewise
        for (name,) in execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            execute(text(f'DROP TRIGGER "{name}"'))
    else:
        execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
