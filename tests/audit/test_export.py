"""What leaves the log: bundles that verify, selections that say what they are, LDV records, CSV."""

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from audit.checkpoint import Cosigner
from audit.entry import Actor, Entry, Object
from audit.errors import LogBrokenError, NotLoggedError
from audit.events import Decision, Event, Role
from audit.export import (
    CSV_COLUMNS,
    CSV_STATEMENT,
    NOT_COMPLETE,
    ldv_records,
    select_all,
    verifier_archive,
    write_bundle,
    write_csv,
    write_selection,
)
from audit.note import Signer
from audit.schema import PENDING
from audit.timeline import Filter, find
from audit.verify import Policy, Verdict, check_bundle
from tests.audit.world import ACTIVITY, DAY, MORNING, OPERATOR, SITE, World, entry, signer

RECEIPTS = Signer("verzuimpoort.example/receipts", bytes([9]) * 32)
WITNESS = Cosigner("witness.example/w1", bytes([8]) * 32)
POLICY = f"log {signer().key}\nreceipt {RECEIPTS.key}\nwitness w {WITNESS.key}\nquorum none\n"


def _bundle(world: World, **options: object) -> zipfile.ZipFile:
    out = io.BytesIO()
    world.read(lambda c: write_bundle(c, 1, out, policy=POLICY, **options))  # type: ignore[arg-type]  # mixed values
    return zipfile.ZipFile(out)


@pytest.mark.parametrize("compress", [True, False])
def test_a_bundle_of_the_whole_log_verifies(world: World, compress: bool) -> None:
    """Months of checkpoints, every entry: the stand-alone verifier counts all of it again."""
    for _ in range(3):
        world.now += 31 * DAY
        world.grow(5)
    bundle = _bundle(world, compress=compress)
    verdict = check_bundle(bundle, Policy(POLICY), [])
    assert (verdict.entries, verdict.whole, verdict.tree.size) == (18, True, 18)
    assert len([name for name in bundle.namelist() if name.startswith("checkpoints/")]) == 3


def test_a_bundle_does_not_end_where_a_witness_that_counts_no_more_left_off(world: World) -> None:
    """A witness cosigned early and was removed, no quorum since: the bundle and a selection go on to the end."""
    world.grow(3)
    assert world.cosign(WITNESS) == 4
    world.grow(15)
    assert check_bundle(_bundle(world), Policy(POLICY), []).entries == 19
    out = io.BytesIO()
    assert world.read(lambda c: write_selection(c, 1, Filter(), out, policy=POLICY)) == 19


def test_a_bundle_ends_at_the_latest_checkpoint_that_meets_the_quorum(world: World) -> None:
    """An older one with more lines does not meet it, a newer one has too few: the one between is in order."""
    witnesses = [Cosigner(f"witness.example/w{number}", bytes([number + 1]) * 32) for number in range(4)]
    names = "".join(f"witness w{number} {each.key}\n" for number, each in enumerate(witnesses))
    policy = f"log {signer().key}\n{names}group three any w0 w1 w2\ngroup q all three w3\nquorum q\n"
    for many, these in ((3, witnesses[:3]), (4, [witnesses[0], witnesses[3]]), (5, witnesses[1:3])):
        world.grow(many)
        world.cosign(*these)
    out = io.BytesIO()
    world.read(lambda c: write_bundle(c, 1, out, policy=policy))
    verdict = check_bundle(zipfile.ZipFile(out), Policy(policy), [])
    assert (verdict.tree.size, set(verdict.tree.cosigned)) == (8, {"w0", "w3"})


def test_an_entry_that_was_taken_away_is_no_end_of_retention(world: World) -> None:
    """Of an open log, and of a closed one whose time is not over, the first missing entry is named."""
    made = world.grow(9)
    _take_away(world, made[4].leaf)
    with pytest.raises(LogBrokenError, match="entry 5") as broken:
        _bundle(world)
    assert broken.value.index == 5
    world.sequencer.close(MORNING, MORNING + 6 * 365 * DAY)
    with pytest.raises(LogBrokenError, match="entry 5"):
        _bundle(world)
    _alter(world, "audit_closing", "UPDATE audit_closing SET keep_until = 1")
    with pytest.raises(NotLoggedError, match="retention"):
        _bundle(world)


def _take_away(world: World, leaf: bytes) -> None:
    literal = f"'\\x{leaf.hex()}'" if world.engine.dialect.name == "postgresql" else f"x'{leaf.hex()}'"
    _alter(world, "audit_entry", f"DELETE FROM audit_entry WHERE hash = {literal}")  # noqa: S608  a forger's SQL


def _alter(world: World, table: str, statement: str) -> None:
    """Do what the guards of a table refuse, as only its owner can."""
    if world.engine.dialect.name == "postgresql":
        guards = [f"ALTER TABLE {table} DISABLE TRIGGER ALL"]
    else:
        guards = [f"DROP TRIGGER {table}_{moment}_guard" for moment in ("update", "delete")]
    world.sql(*guards, statement)


def test_equal_content_gives_equal_bytes(world: World) -> None:
    """Two bundles of one log are the same file."""
    world.grow(5)
    first, second = io.BytesIO(), io.BytesIO()
    for out in (first, second):
        world.read(lambda c, out=out: write_bundle(c, 1, out, policy=POLICY))
    assert first.getvalue() == second.getvalue()


def test_a_selection_proves_each_entry_and_says_that_it_is_not_complete(world: World) -> None:
    """Only the refused ones, each with its proof; the sentence stands in the file and in the verdict."""
    world.grow(9)
    world.append(entry(decision=Decision.DENY), entry(), entry(decision=Decision.DENY))
    world.step()
    out = io.BytesIO()
    assert world.read(lambda c: write_selection(c, 1, Filter(decision="deny"), out, policy=POLICY)) == 2
    bundle = zipfile.ZipFile(out)
    verdict = check_bundle(bundle, Policy(POLICY), [])
    assert (verdict.entries, verdict.whole) == (2, False)
    assert bundle.read("LEESMIJ.txt").decode() == NOT_COMPLETE


def test_nothing_is_exported_before_something_is_signed(world: World) -> None:
    """Without a checkpoint there is no bundle and no selection."""
    world.append(entry())
    for write in (write_bundle, lambda c, log, out, policy: write_selection(c, log, Filter(), out, policy=policy)):
        with pytest.raises(NotLoggedError):
            world.read(lambda c, write=write: write(c, 1, io.BytesIO(), policy=POLICY))


def test_an_ldv_record_has_every_mandatory_field(small_world: World) -> None:
    """Trace, span, status, name, times, attributes with the activity in the register; a refusal is no error."""
    small_world.append(
        entry(subjects_root=bytes(32)), entry(decision=Decision.DENY, activity=None), entry(decision=Decision.ERROR)
    )
    small_world.step()
    found = small_world.read(lambda c: list(select_all(c, Filter(organisation=SITE))))
    error, refused, good = ldv_records(found, resource={"name": "verzuimpoort", "version": "1"})
    assert [each["status"] for each in (good, refused, error)] == ["Ok", "Unset", "Error"]
    for record in (good, refused, error):
        assert {"trace_id", "span_id", "status", "name", "start_time", "end_time", "resource", "attributes"} <= set(
            record
        )
        assert (len(record["trace_id"]), len(record["span_id"]), record["start_time"]) == (
            32,
            16,
            "2026-11-23T08:00:00.000Z",
        )
        assert {
            f"dpl.core.{name}" for name in ("processing_activity_id", "data_subject_id", "data_subject_id_type")
        } <= set(record["attributes"])
    assert good["attributes"]["dpl.core.processing_activity_id"] == ACTIVITY.uri
    assert good["attributes"]["dpl.core.data_subject_id_type"] == "subjects_root"
    assert good["attributes"]["verzuimpoort.policy.id"] == "flows"
    assert good["attributes"]["verzuimpoort.actor.organisation"] == SITE


def test_csv_has_a_line_per_entry_and_no_formula(small_world: World) -> None:
    """Headings, the last of which says what it does not prove; no value starts with what a spreadsheet would run."""
    small_world.append(entry(rules=("COUNT-TOTAL", "COUNT-ORDER"), cause=bytes(32)))
    small_world.step()
    out = io.StringIO()
    small_world.read(lambda c: write_csv(select_all(c, Filter()), out))
    rows = list(csv.DictReader(io.StringIO(out.getvalue()), delimiter=";"))
    assert [row["event"] for row in rows] == ["submission.received", "log.opened"]
    assert rows[0]["rules"] == "COUNT-TOTAL COUNT-ORDER"
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert list(rows[0].items())[-1] == (CSV_STATEMENT, "")
    assert "Proves nothing by itself" in CSV_STATEMENT
    assert not [value for row in rows for value in row.values() if value and value[0] in "=+-@\t\r"]


def test_every_form_says_what_an_entry_points_to_and_how_much_it_is(small_world: World) -> None:
    """A correction without what it corrects, or a budget without its amount, could not be read."""
    account, actor = Object("account:statutory-counts/2026-2027"), Actor(Role.GATEWAY, OPERATOR)
    spent = Entry(event=Event.BUDGET_SPENT, actor=actor, object=account, amount=125_000, cause=bytes(32))
    small_world.append(spent)
    small_world.step()
    found = small_world.read(lambda c: find(c, Filter(event="budget.spent")))
    out = io.StringIO()
    write_csv(found, out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()), delimiter=";")
    (record,) = ldv_records(found, resource={})
    assert (row["cause"], row["amount"]) == (bytes(32).hex(), "125000")
    said = record["attributes"]
    assert (said["verzuimpoort.cause"], said["verzuimpoort.amount"]) == (bytes(32).hex(), 125_000)


def test_a_formula_in_forged_bytes_is_defused(small_world: World) -> None:
    """Somebody writes past the log's writer; in the table his words do nothing."""
    forged = '{"actor":{"role":"x"},"basis":"=1+1","decision":"=2","event":"@sum","span_id":"","trace_id":"","ts":1}'
    with small_world.engine.begin() as connection:
        connection.execute(insert(PENDING).values(data=forged.encode()))
    small_world.step()
    out = io.StringIO()
    small_world.read(lambda c: write_csv(select_all(c, Filter()), out))
    assert "'=1+1" in out.getvalue()
    assert not [cell for line in out.getvalue().splitlines() for cell in line.split(";") if cell[:1] in {"=", "@"}]


def test_the_verifier_runs_where_nothing_of_this_product_is_installed(small_world: World, tmp_path: Path) -> None:
    """One file, the bare interpreter, no site packages: it verifies a bundle and finds a changed one."""
    small_world.grow(20)
    archive, good, bad, policy = (tmp_path / name for name in ("verify.pyz", "good.zip", "bad.zip", "policy.txt"))
    archive.write_bytes(verifier_archive())
    policy.write_text(POLICY)
    with good.open("wb") as out:
        small_world.read(lambda c: write_bundle(c, 1, out, policy=POLICY, compress=False))
    _rewrite(good, bad, lambda lines: [*lines[:7], lines[7].replace(b"permit", b"denied"), *lines[8:]])
    run = [sys.executable, "-I", "-S", str(archive), "--policy", str(policy)]
    fine = subprocess.run([*run, str(good)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (fine.returncode, fine.stderr) == (0, "")
    assert "Gecontroleerd t/m regel 20, ondertekend door verzuimpoort.example/audit/2026-2027" in fine.stdout
    wrong = subprocess.run([*run, str(bad), "--lang", "en"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (1, "NOT IN ORDER: entry 7 was changed [changed]\n")


def _rewrite(source: Path, target: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            lines = data.splitlines(keepends=True)
            new.writestr(name, b"".join(change(lines)) if name == "entries.jsonl" else data)


def test_a_verdict_is_a_value(small_world: World) -> None:
    """The product reads the verdict, not its text."""
    small_world.grow(1)
    assert isinstance(check_bundle(_bundle(small_world), Policy(POLICY), []), Verdict)
