"""One submission: who may send what, what is kept, and what the log says of it."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from audit.quorum import parse_policy
from audit.receipt import Verdict, verify_receipt
from audit.schema import PENDING
from gateway.delivered import counted, delivered_sectors
from gateway.deliveries import Seen, confirm, own_submissions, read, receipt_of, withdraw
from gateway.demo.people import IN_FORCE, must
from gateway.grants import grant_mandate
from gateway.http.problems import decision_body
from gateway.identity import Identity
from gateway.matter import Matter, decide_on, look_up
from gateway.outcome import Refused
from gateway.oversight import policy_text
from gateway.overview import progress
from gateway.periods import find_period
from gateway.prepared import prepare
from gateway.receive import Checked, Received, Upload, receive
from gateway.register import SiteEntry
from gateway.retention import run
from gateway.settings import Settings
from gateway.store import Count, Enrolment, Idempotency, Submission
from gateway.synthetic.pupils import draw_pupils
from policies.decision import Deny
from policies.question import Action
from tests.gateway.documents import records_document
from tests.policies.world import DEPLOYMENT

from .conftest import NOW, PERIOD, TABLE, World


def upload(world: World, index: int = 0, body: bytes | None = None, **changes: str) -> Upload:
    about = {"collection": TABLE, "site": world.region.sites[index].code, "period": PERIOD} | changes
    return Upload(
        about["collection"], about["site"], about["period"], body or world.counts(index), about.get("key", "")
    )


def received(world: World, index: int = 0, **options: object) -> Received:
    outcome = receive(world.gateway, world.site(index), upload(world, index, **options))  # type: ignore[arg-type]
    assert isinstance(outcome, Received)
    return outcome


def entries(world: World) -> list[dict[str, object]]:
    """What waits for the sequencer, as dicts."""
    with world.gateway.reading() as session:
        return [json.loads(row.data) for row in session.connection().execute(select(PENDING)).all()]


def records(world: World, index: int) -> bytes:
    """A document of records with local pseudonyms, as an exercise may have."""
    site = world.region.sites[index]
    pupils = draw_pupils(site, index=index, period=1, seed=1)
    return records_document(pupils, world.gateway.contracts["absence-records"], site=site.code, period=PERIOD)


def test_counts_entry_and_receipt_stand_in_one_transaction(world: World) -> None:
    """A delivery leaves its counts, one entry with the site and period, and a receipt that fits the file."""
    made = received(world)
    with world.gateway.reading() as session:
        assert len(session.exec(select(Count)).all()) == len(made.counts)
    entry = entries(world)[-1]
    assert (entry["event"], entry["party"], entry["period"]) == ("submission.received", made.submission.site, PERIOD)
    world.sequence()
    checked = verify_receipt(made.receipt, parse_policy(policy_text(world.gateway)), world.counts(0))
    assert checked.verdict is Verdict.PROMISED


def test_the_receipt_is_proven_once_the_log_holds_it(world: World) -> None:
    """Before the sequencer ran the receipt is promised with a retry; after it, proven, and for no other file."""
    made = received(world)
    early = receipt_of(world.gateway, world.site(0), made.submission.id)
    assert isinstance(early, Refused)
    assert early.retry_after == 1
    world.sequence()
    receipt = receipt_of(world.gateway, world.site(0), made.submission.id)
    policy = parse_policy(policy_text(world.gateway))
    assert verify_receipt(str(receipt), policy, world.counts(0)).verdict is Verdict.PROVEN
    assert verify_receipt(str(receipt), policy, world.counts(1)).verdict is Verdict.OTHER_FILE


def test_the_same_bytes_again_give_the_same_receipt(world: World) -> None:
    """A repeated file is recognised by a keyed tag and makes no new version."""
    first, second = received(world), received(world)
    assert (second.created, second.receipt) == (False, first.receipt)


def test_other_bytes_make_a_new_version(world: World) -> None:
    """A changed file is version 2 and leaves version 1 in place until it is confirmed."""
    received(world)
    assert received(world, body=world.counts(0, period=2)).submission.version == 2


def test_an_idempotency_key_belongs_to_its_bytes(world: World) -> None:
    """The same key with the same bytes answers the same; with other bytes it is a conflict and nothing changes."""
    first = received(world, key="k")
    assert received(world, key="k").submission.id == first.submission.id
    changed = receive(world.gateway, world.site(0), upload(world, body=world.counts(0, period=2), key="k"))
    assert isinstance(changed, Refused)
    assert changed.code == "idempotency-conflict"
    with world.gateway.reading() as session:
        assert len(session.exec(select(Submission)).all()) == 1


def test_a_key_that_came_with_bytes_that_were_there_is_kept_too(world: World) -> None:
    """It answered with the version that was there; it goes on to, and takes no other bytes."""
    first, other = received(world).submission.id, world.counts(0, period=2)
    assert received(world, key="k").submission.id == first
    assert receive(world.gateway, world.site(0), upload(world, body=other, key="k")) == Refused("idempotency-conflict")
    assert received(world, body=other).created
    assert received(world, key="k").submission.id == first


def test_idempotency_keys_of_two_parties_do_not_meet(world: World) -> None:
    """Each party has keys of its own, kept as a keyed tag."""
    received(world, 0, key="k")
    assert received(world, 1, key="k").created
    with world.gateway.reading() as session:
        assert {len(row.key_tag) for row in session.exec(select(Idempotency))} == {32}


def test_a_file_with_a_fault_leaves_only_its_refusal(world: World) -> None:
    """Nothing of a wrong file is kept; the log names the broken rule and no number of faults."""
    outcome = receive(world.gateway, world.site(0), upload(world, body=world.counts(0) + b"x;y;z;1\n"))
    assert isinstance(outcome, Refused)
    assert outcome.code == "faults-in-file"
    with world.gateway.reading() as session:
        assert session.exec(select(Submission)).all() == []
    entry = entries(world)[-1]
    assert (entry["event"], entry["decision"]) == ("submission.refused", "deny")
    assert "CODE-SUBDIVISION" in entry["rules"]


def test_a_dry_run_stores_nothing_and_is_logged(world: World) -> None:
    """Checking leaves an entry and no submission."""
    outcome = receive(world.gateway, world.site(0), upload(world), dry_run=True)
    assert isinstance(outcome, Checked)
    with world.gateway.reading() as session:
        assert session.exec(select(Submission)).all() == []
    assert entries(world)[-1]["event"] == "submission.checked"


@pytest.mark.parametrize("site", ["00AA00", None])
def test_an_unknown_site_and_somebody_elses_look_the_same(world: World, site: str | None) -> None:
    """Delivering for another site or for none gives one and the same refusal."""
    other = site or world.region.sites[1].code
    outcome = receive(world.gateway, world.site(0), upload(world, site=other))
    assert outcome == Refused("not-found")


@pytest.mark.parametrize(
    ("change", "code"),
    [({"collection": "x"}, "unknown-collection"), ({"period": "2026-2027-4"}, "unknown-period")],
)
def test_unknown_names_are_said(world: World, change: dict[str, str], code: str) -> None:
    """Collections and periods are public: a wrong name is called wrong."""
    assert receive(world.gateway, world.site(0), upload(world, **change)) == Refused(code)


def test_a_refusal_by_law_names_rule_and_article(world: World) -> None:
    """A closed period refuses by the rule `period-open`, with its citation, and is logged as a denial."""
    world.desk.close_period(TABLE, PERIOD)
    outcome = receive(world.gateway, world.site(0), upload(world))
    assert isinstance(outcome, Refused)
    assert outcome.code == "period-closed"
    assert isinstance(outcome.decision, Deny)
    assert all(ground.source for ground in outcome.decision.grounds)
    assert (entries(world)[-1]["decision"], entries(world)[-1]["rules"]) == ("deny", ["period-open"])
    told = decision_body(outcome.decision, "en")["rules"]
    assert told[0]["legalBasis"] == "Order in council under bill 36663: four deliveries a year at fixed moments"


def test_a_recipient_delivers_nothing(world: World) -> None:
    """An SWV that tries to deliver for a site is told there is no such thing."""
    swv = Identity(next(iter(world.region.swvs)), "machine")
    assert receive(world.gateway, swv, upload(world)) == Refused("not-found")


def test_a_supplier_delivers_under_a_mandate_only(world: World) -> None:
    """Without a mandate the site does not exist for a supplier; with one, within scope and dates, it delivers."""
    world.desk.add_party("ORG-LAS", "supplier", "Leverancier")
    supplier = Identity("ORG-LAS", "machine")
    assert receive(world.gateway, supplier, upload(world)) == Refused("not-found")
    today = world.gateway.today
    grant_mandate(
        world.desk,
        "ORG-LAS",
        world.region.sites[0].code,
        actions=["submit"],
        collections=[TABLE],
        valid_from=today,
        valid_to=today.replace(year=2027),
    )
    made = receive(world.gateway, supplier, upload(world))
    assert isinstance(made, Received)
    assert made.submission.sender == "ORG-LAS"
    assert isinstance(confirm(world.gateway, supplier, made.submission.id), Refused)


def test_records_become_pids_and_counts(world: World) -> None:
    """Of a document of records the counts and one pid per pupil are kept, and no pseudonym."""
    made = received(world, body=records(world, 0), collection="absence-records")
    site = world.region.sites[0]
    with world.gateway.reading() as session:
        rows = session.exec(select(Enrolment)).all()
    assert len({row.pid for row in rows}) == len(rows) == site.pupils
    assert {len(row.pid) for row in rows} == {16}
    assert made.counts == received(world, body=world.counts(0)).counts


def test_confirming_makes_the_delivery_and_replaces_the_one_before(world: World) -> None:
    """The confirmed version counts; the earlier one is replaced and its pseudonymous rows are gone."""
    first = received(world, body=records(world, 0), collection="absence-records")
    assert isinstance(confirm(world.gateway, world.site(0), first.submission.id), Seen)
    second = received(world, body=world.counts(0, period=2))
    assert isinstance(confirm(world.gateway, world.site(0), second.submission.id), Seen)
    states = {row.version: row.state for row, _ in own_submissions(world.gateway, world.site(0))}
    assert states == {1: "replaced", 2: "confirmed"}
    with world.gateway.reading() as session:
        assert session.exec(select(Enrolment)).all() == []


def test_rows_are_counted_for_the_school_and_delivered_only_where_the_law_is_in_force(
    new_world: Callable[..., World],
) -> None:
    """Where the operator set nothing in force a site has its rows counted, and its counts go to nobody."""
    proposed = new_world(settings=Settings())
    made = received(proposed, body=records(proposed, 0), collection="absence-records")
    assert entries(proposed)[-1]["purpose"] == "counting-for-school"
    outcome = confirm(proposed.gateway, proposed.site(0), made.submission.id)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Deny)
    assert outcome.decision.rules == ("purpose-only-proposed",)
    assert isinstance(withdraw(proposed.gateway, proposed.site(0), made.submission.id), Seen)


def _with_pilot(new_world: Callable[..., World], tmp_path: Path, change: Callable[[str], str] = str) -> World:
    """A deployment whose own purpose takes the same counts until 1 November, under a name that comes last."""
    folder = tmp_path / "purposes"
    folder.mkdir()
    for name in ("sources.toml", "test-limited.toml"):
        (folder / name).write_text(change((DEPLOYMENT / name).read_text(encoding="utf-8")), encoding="utf-8")
    return new_world(settings=Settings(in_force=IN_FORCE, purposes=(folder,)))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("", ""),
        ("valid_from = 2026-09-01\nvalid_until = 2026-11-02", "valid_from = 2026-11-03"),
        ('status = "in_force"', 'status = "proposed"'),
        ('status = "in_force"', 'status = "undecided"\nreason = { nl = "proef", en = "test" }'),
        ('status = "in_force"', 'status = "refused"\nreason = { nl = "proef", en = "test" }'),
    ],
)
def test_a_purpose_that_does_not_work_shuts_no_school_out(
    new_world: Callable[..., World], tmp_path: Path, was: str, becomes: str
) -> None:
    """A pilot ended yesterday, begins tomorrow or is no law: the statutory delivery of the same counts goes on."""
    world = _with_pilot(new_world, tmp_path, lambda text: text.replace(was, becomes) if was else text)
    received(world)
    assert entries(world)[-1]["purpose"] == "statutory-counts"


def test_every_purpose_that_works_is_asked(new_world: Callable[..., World], tmp_path: Path) -> None:
    """On the pilot's last day the delivery is for both purposes."""
    world = _with_pilot(new_world, tmp_path).at(NOW - timedelta(days=1))
    site = world.site(0)
    with world.gateway.reading() as session:
        matter = look_up(world.gateway, session, site, collection=TABLE, site=site.party, period=PERIOD)
    assert isinstance(matter, Matter)
    assert decide_on(world.gateway, matter, Action.SUBMIT).purposes == ("statutory-counts", "test-limited")


def test_confirmed_rows_stand_in_the_log_as_the_statutory_delivery(world: World) -> None:
    """The rows came for the school's own counting; what their confirmation delivers rests on the bill."""
    made = received(world, body=records(world, 0), collection="absence-records")
    confirm(world.gateway, world.site(0), made.submission.id)
    entry = entries(world)[-1]
    assert (entry["event"], entry["purpose"]) == ("submission.confirmed", "statutory-counts")


def test_only_the_newest_version_is_confirmed(world: World) -> None:
    """Confirming an older version is refused; confirming twice changes nothing and logs nothing more."""
    old, new = received(world), received(world, body=world.counts(0, period=2))
    assert confirm(world.gateway, world.site(0), old.submission.id) == Refused("not-current")
    confirm(world.gateway, world.site(0), new.submission.id)
    before = len(entries(world))
    assert isinstance(confirm(world.gateway, world.site(0), new.submission.id), Seen)
    assert len(entries(world)) == before


def test_withdrawing_leaves_no_delivery(world: World) -> None:
    """A withdrawn submission counts no more and cannot be withdrawn again; a new one can be delivered."""
    made = received(world)
    confirm(world.gateway, world.site(0), made.submission.id)
    assert isinstance(withdraw(world.gateway, world.site(0), made.submission.id), Seen)
    assert withdraw(world.gateway, world.site(0), made.submission.id) == Refused("not-current")
    assert received(world).submission.version == 2


def test_a_submission_exists_for_its_own_site_only(world: World) -> None:
    """Somebody else's submission and an unknown one read alike."""
    made = received(world)
    assert read(world.gateway, world.site(1), made.submission.id) == Refused("not-found")
    assert read(world.gateway, world.site(1), "0" * 32) == Refused("not-found")
    assert isinstance(read(world.gateway, world.site(0), made.submission.id), Seen)


def test_a_reopened_period_takes_one_site(world: World) -> None:
    """After closing, only the site the period was reopened for can deliver."""
    world.desk.close_period(TABLE, PERIOD)
    world.desk.reopen_for(TABLE, PERIOD, world.region.sites[0].code)
    assert isinstance(receive(world.gateway, world.site(0), upload(world, 0)), Received)
    refused = receive(world.gateway, world.site(1), upload(world, 1))
    assert isinstance(refused, Refused)
    assert refused.code == "period-closed"


def test_after_a_mistake_was_withdrawn_the_version_before_can_be_confirmed(world: World) -> None:
    """The newest version that was not withdrawn is the one to confirm."""
    first = received(world).submission.id
    second = received(world, body=world.counts(0, period=2)).submission.id
    must(withdraw(world.gateway, world.site(0), second))
    assert must(confirm(world.gateway, world.site(0), first)).submission.state == "confirmed"


def test_rows_need_a_processor_agreement(world: World) -> None:
    """Records of a site without a registered agreement are refused with article 28; counts are not."""
    from gateway.store import Agreement  # noqa: PLC0415  beside its only use

    with world.gateway.writing() as session:
        for row in session.exec(select(Agreement).where(Agreement.site == world.region.sites[0].code)):
            session.delete(row)
    outcome = receive(world.gateway, world.site(0), upload(world, body=records(world, 0), collection="absence-records"))
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Deny)
    assert "rows-need-processor-agreement" in outcome.decision.rules
    assert received(world).created


def test_a_site_hears_that_it_was_not_registered_yet(world: World) -> None:
    """On a reference date before its registration: its own site is told so, another is told there is no such thing."""
    old, code = date(2026, 7, 1), "2026-2027-2"
    world.desk.open_period(TABLE, code, reference_date=old, deadline=date(2026, 12, 1), exercise=True)
    sent = upload(world, 0, period=code)
    assert receive(world.gateway, world.site(0), sent) == Refused("site-not-registered")
    assert receive(world.gateway, world.site(1), sent) == Refused("not-found")


@pytest.mark.parametrize("is_erased", [False, True], ids=["before the run", "after it"])
def test_counts_past_their_term_are_refused_and_the_same_file_is_no_error(world: World, is_erased: bool) -> None:
    """A period left open takes counts to their last day; then it takes, confirms and withdraws nothing, run or not."""
    kept = received(world).submission.id
    confirm(world.gateway, world.site(0), kept)
    waiting = received(world, 1).submission.id
    late = world.at(NOW + timedelta(days=429))
    received(world.at(NOW + timedelta(days=428)), 2)
    if is_erased:
        must(run(late.gateway, Identity(world.gateway.settings.operator, "machine")))
    for body in (world.counts(0), world.counts(0, period=2)):
        for dry_run in (True, False):
            outcome = receive(late.gateway, world.site(0), upload(world, body=body), dry_run=dry_run)
            assert outcome == Refused("counts-erased")
    assert confirm(late.gateway, world.site(1), waiting) == Refused("counts-erased")
    assert withdraw(late.gateway, world.site(0), kept) == Refused("counts-erased")


def test_a_term_that_ends_while_a_file_is_read_has_ended_when_it_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent in the last moment of the last day and read after it: nothing is kept."""
    moments = [NOW + timedelta(days=428)]

    def slowly(*given: object, **named: object) -> object:
        moments.append(NOW + timedelta(days=429))
        return prepare(*given, **named)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr("gateway.receive.prepare", slowly)
    late = world.by(lambda: moments[-1])
    assert receive(late.gateway, world.site(0), upload(world)) == Refused("counts-erased")


def facts(world: World, index: int, since: date, *, funded: bool) -> None:
    """Since a day a site is funded, or is not."""
    s = world.region.sites[index]
    entry = SiteEntry(s.code, s.name, s.sector, s.subdivisions, s.board, s.gemeente, s.swv, s.pupils, funded=funded)
    must(world.desk.register([entry], [], since))


@pytest.mark.parametrize("then", [True, False], ids=["funded then, not now", "funded now, not then"])
def test_who_delivers_is_who_is_counted(world: World, then: bool) -> None:
    """The register of the reference date holds for the whole period: for who is expected, who delivers, who counts."""
    facts(world, 0, date(2026, 8, 1), funded=then)
    facts(world, 0, date(2026, 10, 15), funded=not then)
    sent = receive(world.gateway, world.site(0), upload(world))
    if isinstance(sent, Received):
        must(confirm(world.gateway, world.site(0), sent.submission.id))
    else:
        assert isinstance(sent.decision, Deny)
        assert sent.decision.rules == ("funded-schools-only",)
    with world.gateway.reading() as session:
        period = find_period(session, TABLE, PERIOD)
        assert period is not None
        expected = progress(session, world.gateway.contracts, period).expected
        assert (isinstance(sent, Received), expected) == (then, 9 + then)
        assert (len(counted(session, period)), len(delivered_sectors(session, period))) == (then, then)


def test_what_the_register_no_longer_asks_for_counts_no_more(world: World) -> None:
    """A list says afterwards that a site was not funded on the reference date: its delivery stands in no table."""
    confirm(world.gateway, world.site(0), received(world).submission.id)
    facts(world, 0, date(2026, 8, 1), funded=False)
    with world.gateway.reading() as session:
        period = find_period(session, TABLE, PERIOD)
        assert period is not None
        assert counted(session, period) == []


def test_a_site_that_merged_confirms_its_last_period(world: World) -> None:
    """It was in the register on the reference date, so that it is expected: it may finish what it sent, and correct."""
    sent = received(world).submission.id
    must(world.desk.end_site(world.region.sites[0].code, world.gateway.today))
    assert must(confirm(world.gateway, world.site(0), sent)).submission.state == "confirmed"
    assert received(world, body=world.counts(0, period=2)).submission.version == 2
    assert must(withdraw(world.gateway, world.site(0), sent)).submission.state == "withdrawn"


def test_a_site_that_merged_delivers_for_no_later_period(world: World) -> None:
    """On the reference date of the next period it is not there any more, and hears so."""
    code, later = "2026-2027-2", date(2026, 12, 1)
    must(world.desk.open_period(TABLE, code, reference_date=later, deadline=later, exercise=True))
    must(world.desk.end_site(world.region.sites[0].code, world.gateway.today))
    assert receive(world.gateway, world.site(0), upload(world, period=code)) == Refused("site-not-registered")
