"""What the operator types: each command does its act, says what it did, and refuses with exit 1 or 2."""

import io
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import select
from typer.testing import CliRunner

from audit.note import ED25519_COSIGNATURE, Key
from audit.schema import PENDING
from audit.timeline import Filter
from gateway import unsettled
from gateway.app import open_gateway
from gateway.cli import app
from gateway.cli.common import secret_token
from gateway.collections import CONTRACTS
from gateway.context import wall_clock
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.periods import first_day, last_day, school_year_on
from gateway.pseudonyms import open_service
from gateway.running import free_port
from gateway.settings import DATA_VARIABLE, DATABASE_VARIABLE, home
from gateway.synthetic.region import codes, make_region
from policies.purpose import PACKAGED
from pseudonymisation.private_file import write_private

Run = Callable[..., str]
YEAR = school_year_on(wall_clock().date())  # what is typed goes by the real clock


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command against a fresh deployment and gives what was said; another exit code than expected fails."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    runner = CliRunner()

    def typed(*words: object, exits: int = 0) -> str:
        outcome = runner.invoke(app, [str(word) for word in words])
        assert outcome.exit_code == exits, (words, outcome.output, outcome.exception)
        assert outcome.output.strip(), (words, "says nothing")
        return outcome.output

    typed("init")
    return typed


def test_keys_are_made_followed_and_destroyed(run: Run) -> None:
    """Create, rotate, renounce, destroy: a key that is gone is refused, and nothing is destroyed without `--yes`."""
    run("key", "create", YEAR)
    run("key", "rotate", YEAR)
    run("key", "renounce", YEAR, "--yes")
    keys = json.loads(run("key", "list", "--json"))
    states = sorted(key["state"] for key in keys if key["purpose"] == "counting-for-school")
    assert states == ["active", "decrypt-only", "destroyed"]
    assert "wrapped" not in keys[0]
    followed = next(key["key_id"] for key in keys if key["state"] == "decrypt-only")
    for words in (("key", "destroy", followed), ("key", "renounce", YEAR), ("key", "renew-log"), ("key", "renew-kek")):
        assert "--yes" in run(*words, exits=2)
    run("key", "destroy", followed, "--yes")
    run("key", "destroy", followed, "--yes", exits=1)
    assert "keys/kek.json" in run("key", "renew-kek", "--yes")
    assert "kek.json" not in run("key", "renew-kek", "--consents", "--yes")
    again = json.loads(run("key", "list", "--json"))
    assert not {key["kek_id"] for key in keys if key["kek_id"]} & {key["kek_id"] for key in again}
    run("key", "rotate", "2031-2032", exits=1)


def test_a_leaked_key_of_the_log_is_told_of_in_words_of_its_own(run: Run) -> None:
    """Nothing gets a new pid and nothing is counted: what the log finds pupils by is erased, and that is said."""
    run("key", "create", YEAR)
    ours = (YEAR, "--purpose", "audit-subjects")
    said = run("key", "rotate", *ours)
    assert "gewist" in said
    assert "erased" in run("key", "rotate", *ours, "--lang", "en")
    gone = json.loads(run("key", "list", "--json"))
    said += run("key", "renounce", *ours, "--yes")
    last = next(key["key_id"] for key in gone if (key["purpose"], key["state"]) == ("audit-subjects", "active"))
    run("key", "rotate", *ours)
    said += run("key", "destroy", last, "--yes")
    assert not {"pid", "rijen"} & set(said.lower().replace(";", " ").split())


def test_renouncing_takes_no_day(run: Run) -> None:
    """It holds at once: a command that names a later day is refused, and the leaked key opens still."""
    run("key", "create", YEAR)
    run("key", "rotate", YEAR)
    run("key", "renounce", YEAR, "--yes", "--from", last_day(YEAR), exits=2)
    states = [key["state"] for key in json.loads(run("key", "list", "--json"))]
    assert "destroyed" not in states


def test_the_law_is_explained_linted_and_written(run: Run, tmp_path: Path) -> None:
    """A day is explained, a decision replayed, a wrong purpose named by its file, the register written and compared."""
    assert "2026-09-01" in run("policy", "explain", "--at", "2026-09-01")
    facts = {"sector": "po", "data": ["absence_counts", "illness_counts"], "period_open": True, "exercise": True}
    question = {
        "subject": {"type": "site", "id": "hypothetical", "properties": {"role": "school", "sectors": ["po"]}},
        "action": {"name": "submit"},
        "resource": {"type": "Delivery", "properties": {"party": "hypothetical", "agreement": True, **facts}},
        "context": {"purposes": ["statutory-counts"], "collection": "absence-counts"},
    }
    (tmp_path / "question.json").write_text(json.dumps(question))
    assert "purpose-only-proposed" in run("policy", "explain", tmp_path / "question.json", exits=1)
    (tmp_path / "question.json").write_text('{"naam 123456782": 1}')
    said = run("policy", "explain", tmp_path / "question.json", exits=1)
    assert "de vraag klopt niet" in said
    assert "123456782" not in said
    run("policy", "lint")
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "x.toml").write_text('id = "x"\n')
    assert "x.toml" in run("policy", "lint", tmp_path / "wrong", exits=1)
    (tmp_path / "own").mkdir()
    statutory = (PACKAGED / "purposes" / "statutory-counts.toml").read_text(encoding="utf-8")
    pilot = statutory.replace("statutory-counts", "pilot").replace('["absence-counts", "absence-records"]', '["pilot"]')
    (tmp_path / "own" / "pilot.toml").write_text(pilot, encoding="utf-8")
    assert "no collection pilot" in run("policy", "lint", tmp_path / "own", exits=1)
    (tmp_path / "contracts").mkdir()
    contract = (CONTRACTS / "absence-counts.toml").read_text(encoding="utf-8").replace("absence-counts", "pilot")
    (tmp_path / "contracts" / "pilot.toml").write_text(contract, encoding="utf-8")
    run("policy", "lint", tmp_path / "own", "--collections", tmp_path / "contracts")
    before, after = tmp_path / "before.json", tmp_path / "register.json"
    run("policy", "register", "-o", before)
    run("retention", "run")
    assert json.loads(before.read_text())["sha256"] in run("policy", "register", "-o", after) or after.exists()
    measured = {one["id"]: one["measured"] for one in json.loads(after.read_text())["assessment"]["measures"]}
    assert measured["rows-erased"][0]["value"] == "0"
    assert measured["two-operators"][0]["value"].startswith("1 ")
    for torn in ('{"on":', "[1]", "{}"):
        (tmp_path / "torn.json").write_text(torn)
        refused = run("policy", "register", "-o", tmp_path / "x.html", "--before", tmp_path / "torn.json", exits=2)
        assert "register" in refused
    for page, words in (("register.html", ()), ("parents.html", ("--parents",)), ("diff.html", ("--before", before))):
        run("policy", "register", "-o", tmp_path / page, *words)
        assert "<html" in (tmp_path / page).read_text()
    for page, words in (("x.json", ("--parents",)), ("x.json", ("--before", before)),
                        ("x.html", ("--parents", "--before", before))):  # fmt: skip
        run("policy", "register", "-o", tmp_path / page, *words, exits=2)
        assert not (tmp_path / page).exists()


def test_a_backup_is_made_and_brought_back(run: Run, tmp_path: Path) -> None:
    """Two files, never overwritten nor taken for one another; the key-encryption key comes first, then everything."""
    run("key", "create", YEAR)
    data, keys = tmp_path / "data.zip", tmp_path / "keys.zip"
    run("backup", exits=2)
    run("backup", "-o", data, "--keys", keys)
    new = tmp_path / "new"
    (new / "keys").mkdir(parents=True, mode=0o700)
    new.chmod(0o700)
    shutil.copy(tmp_path / "data" / "keys" / "kek.json", new / "keys" / "kek.json")
    assert "gegevensbestand" in run("restore", keys, "--keys", keys, "--data", new, exits=1)
    assert "sleutelbestand" in run("restore", data, "--keys", data, "--data", new, exits=1)
    told = json.loads(run("restore", data, "--keys", keys, "--data", new, "--json"))
    assert (told["refused"], told["ended"]) == (0, 0)
    assert run("key", "list", "--data", new) == run("key", "list")
    tell = ("release", "since-backup", YEAR, "--data", new)
    assert "--yes" in run(*tell, "--published", f"{YEAR}-1", exits=1)
    assert run(*tell).rstrip().endswith("-")
    assert f"{YEAR}-1" in run(*tell, "--published", f"{YEAR}-1", "--yes")
    before = school_year_on(first_day(YEAR) - timedelta(days=1))
    run(*tell, "--published", f"{before}-1", "--yes", exits=1)


def logged_of_key(folder: Path, year: str) -> list[str]:
    """What the service's log says became of the key of a school year."""
    service = open_service(folder)
    with service.engine.connect() as connection:
        waiting = connection.scalars(select(PENDING.c.data)).all()
    service.engine.dispose()
    entries = [json.loads(data) for data in waiting]
    return [each["event"] for each in entries if each.get("object") == {"id": f"key:pseudonym-service/{year}"}]


def test_what_nobody_restored_is_settled_with_yes_only(run: Run) -> None:
    """It ends every token and uses up the budgets; a database that says it was restored is settled as it asks."""
    gateway = open_gateway(home(None))
    assert "--yes" in run("settle-restore", exits=2)
    with gateway.database.begin() as connection:
        assert not any(b"backup.restored" in data for data in connection.scalars(select(PENDING.c.data)))
        unsettled.mark(connection)
    gateway.database.dispose()
    run("settle-restore")
    run("settle-restore", exits=2)
    run("settle-restore", "--yes")


def test_the_service_is_set_up_by_two_operators(run: Run, tmp_path: Path) -> None:
    """Folder, register, key file of the right operator only; a year is opened and closed once, another not at all."""
    folder = tmp_path / "service"
    run("service", "init", "--folder", folder, "--operator", "ORG-DIENST", "--gateway-key", "zz", exits=2)
    public = run("service", "gateway-key").strip()
    for operator, key in (("bad x", public), ("ORG-DIENST", "abcd")):
        run("service", "init", "--folder", folder, "--operator", operator, "--gateway-key", key, exits=1)
    assert not folder.exists()
    run("service", "init", "--folder", folder, "--operator", "ORG-DIENST", "--gateway-key", public)
    opened = [run("service", "open-year", "2027-2028", "--folder", folder) for _ in range(2)]
    assert (opened[0], logged_of_key(folder, "2027-2028")) == (opened[1], ["key.created"])
    assert "service register -o register.json" in run(
        "pseudonym-service", "--folder", folder, "--port", free_port(), exits=1
    )
    run("service", "register", "-o", folder / "register.json")
    run("service", "token", "00AB00", exits=1)
    run("service", "key-file", "--folder", folder, "-o", tmp_path / "keys.json")
    run("key", "pin", tmp_path / "keys.json", exits=1)
    settings = tmp_path / "data" / "gateway.toml"
    settings.write_text(
        settings.read_text().replace('service_operator = "ORG-POORT"', 'service_operator = "ORG-DIENST"')
    )
    run("key", "pin", tmp_path / "keys.json")
    run("service", "open-year", "2027", "--folder", folder, exits=2)
    run("service", "close-year", "2027-2028", "--folder", folder, exits=2)
    assert "2027-2028" in run("service", "close-year", "2040-2041", "--folder", folder, "--yes", exits=1)
    assert logged_of_key(folder, "2040-2041") == []
    closed = [run("service", "close-year", "2027-2028", "--folder", folder, "--yes") for _ in range(2)]
    assert ["al afgesloten" in said for said in closed] == [False, True]
    assert logged_of_key(folder, "2027-2028") == ["key.created", "key.destroyed"]
    assert "service init" in run("service", "open-year", "2027-2028", "--folder", tmp_path / "data", exits=1)


def test_a_register_goes_where_its_link_leads(run: Run, tmp_path: Path) -> None:
    """Into the folder of the service, or a pipe: both stay what they are, and whoever reads there has the register."""
    (tmp_path / "share").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "share" / "register.json")
    run("service", "register", "-o", tmp_path / "link.json")
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("service", "register", "-o", tmp_path / "pipe")
    piped = os.read(reading, 1_000_000)
    os.close(reading)
    assert (tmp_path / "link.json").is_symlink()
    kinds = [json.loads(raw)["kind"] for raw in ((tmp_path / "share" / "register.json").read_bytes(), piped)]
    assert kinds == ["verzuimpoort/service-register/v1"] * 2


def test_quota_is_granted_to_a_site_of_the_register_only(run: Run, tmp_path: Path) -> None:
    """A site that the service's register does not know gets nothing, nor does anybody by an altered register."""
    folder, register = tmp_path / "service", tmp_path / "service" / "register.json"
    site = make_region(10, 1).sites[0]
    desk = Desk(open_gateway(home(None)), Identity("ORG-POORT", "operator"))
    must(desk.register([site.entry], codes(make_region(10, 1)), date(2026, 8, 1)))
    run("service", "init", "--folder", folder, "--operator", "ORG-DIENST", "--gateway-key",
        run("service", "gateway-key").strip())  # fmt: skip
    run("service", "register", "-o", register)
    words = ("50", "--folder", folder, "--school-year", "2026-2027", "--reason")
    run("quota", "grant", site.code, *words, "pupils-arrived")
    run("quota", "grant", site.code, *words, "because", exits=2)
    assert "99ZZ99 staat vandaag niet in" in run("quota", "grant", "99ZZ99", *words, "pupils-arrived", exits=1)
    assert "99ZZ99 is not in" in run("quota", "grant", "99ZZ99", *words, "pupils-arrived", "--lang", "en", exits=1)
    register.write_bytes(register.read_bytes().replace(site.code.encode(), b"99ZZ99"))
    assert "veranderd" in run("quota", "grant", "99ZZ99", *words, "pupils-arrived", exits=1)


def test_consents_are_listed_without_anybody_in_them(run: Run) -> None:
    """Without consents the lists are empty; one that is not there is not found."""
    assert json.loads(run("consent", "list", "--json")) == []
    assert json.loads(run("consent", "overdue", "--json")) == []
    run("consent", "show", "0" * 32, exits=1)
    assert run("consent", "end-keyless").startswith("0 ")


def test_a_release_is_built_by_a_named_person(run: Run) -> None:
    """Somebody whom nobody invited builds nothing; a person of the operator gets as far as the period."""
    run("release", "build", "2026-2027-1", "--as", "niemand", exits=1)
    assert "niet geopend" in run("release", "build", "2026-2027-1", "--as", "beheerder 1", exits=1)
    run("release", "withdraw", "0" * 32, "--as", "beheerder 1", "--reason", "proef", exits=1)


def test_a_party_is_locked_out_and_let_in(run: Run) -> None:
    """Locking out says how its people come in again, and so does the link that nobody gets in between."""
    link = ("login-link", "ORG-MINISTER", "--role", "recipient")
    run("party", "add", "ORG-MINISTER", "minister", "Minister")
    run(*link)
    for said in (run("party", "lock-out", "ORG-MINISTER"), run(*link, exits=1)):
        assert "party let-in" in said
    run("party", "let-in", "ORG-NIEMAND", exits=1)
    run("party", "let-in", "ORG-MINISTER")
    run(*link)


def test_a_recipients_public_key_is_registered_from_a_file(run: Run, tmp_path: Path) -> None:
    """A public JWK is taken once; a private one, a file that is no JSON and an unknown party are refused."""
    key = ECKey.generate_key("P-256", {"kid": "care-key-2026"}, private=True)
    public, private, neither = (tmp_path / name for name in ("public.json", "private.json", "neither.json"))
    public.write_text(json.dumps(key.as_dict(private=False)))
    private.write_text(json.dumps(key.as_dict(private=True)))
    neither.write_text("[")
    run("party", "key", "ORG-JGZ", public, exits=1)
    run("party", "add", "ORG-JGZ", "youth_health_care", "Jeugdgezondheidszorg")
    for wrong in (private, neither):
        assert "JWK" in run("party", "key", "ORG-JGZ", wrong, exits=1)
    assert "care-key-2026" in run("party", "key", "ORG-JGZ", public)
    run("party", "key", "ORG-JGZ", public, exits=1)
    run("party", "withdraw-key", "ORG-MINISTER", "care-key-2026", exits=1)
    assert "ingetrokken" in run("party", "withdraw-key", "ORG-JGZ", "care-key-2026")
    assert "care-key-2026" in run("party", "key", "ORG-JGZ", public)


def test_mandates_and_agreements_end_when_a_site_says_so(run: Run) -> None:
    """Each is registered and ended; what does not hold is not found."""
    gateway = open_gateway(home(None))
    desk = Desk(gateway, Identity(gateway.settings.operator, "operator"))
    site = make_region(10, 1).sites[0]
    must(desk.register([site.entry], [("ORG-LAS", "supplier", "Leverancier")], date(2026, 8, 1)))
    run("mandate", "grant", "ORG-LAS", site.code, "--until", "2099-01-01")
    run("agreement", "register", site.code)
    for end in (("mandate", "end", "ORG-LAS", site.code), ("agreement", "end", site.code), ("party", "end", site.code)):
        run(*end)
        run(*end, exits=1)


def test_a_token_is_kept_in_a_file_of_its_owner(run: Run, tmp_path: Path) -> None:
    """With `-o` it is not on the screen, and `--token-file` takes the file as it is; the days have an end."""
    file = tmp_path / "token"
    said = run("token", "issue", "ORG-POORT", "-o", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert secret_token(file) not in said
    for days in (0, 731):
        run("token", "issue", "ORG-POORT", "--days", days, exits=2)


def test_a_token_is_revoked_by_what_leaked_or_by_the_id_that_was_said(run: Run, tmp_path: Path) -> None:
    """Issuing says the id, which is not taken for a token; revoking takes the token too, and says no secret again."""
    file, both = tmp_path / "token", tmp_path / "both"
    said = [run("token", "issue", "ORG-POORT"), run("token", "issue", "ORG-POORT", "-o", file)]
    ids = [each.split("token revoke ")[1][:32] for each in said]
    ended = [run("token", "revoke", ids[0]), run("token", "revoke", leaked := file.read_text().strip())]
    assert [one in each for one, each in zip(ids, ended, strict=True)] == [True, True]
    assert leaked not in ended[1]
    write_private(both, said[0].encode())
    assert secret_token(both).split("_")[1] == ids[0]
    run("token", "revoke", leaked, exits=1)


def test_a_period_that_outlives_its_rows_is_opened_with_a_warning(run: Run) -> None:
    """A deadline past the day on which the year's rows are erased is allowed, for counts, and said; another is not."""
    first, end = first_day(YEAR), last_day(YEAR) + timedelta(days=31)
    words = ("--exercise", "--lang", "en", "--reference-date", first, "--deadline")
    early = run("period", "open", f"{YEAR}-1", *words, end - timedelta(days=1))
    late = run("period", "open", f"{YEAR}-2", *words, end)
    assert (f"erased on {end}" in early, f"erased on {end}" in late) == (False, True)


def test_a_list_that_cannot_be_read_is_said(run: Run, tmp_path: Path) -> None:
    """A list in UTF-16 is refused with its mend."""
    file = tmp_path / "list.csv"
    file.write_text("gemeente_code;gemeente\n0344;UTRECHT\n", encoding="utf-16")
    assert "[FILE-TYPE]" in run("party", "import", file, exits=1)


def test_a_list_may_be_a_workbook(run: Run, tmp_path: Path) -> None:
    """The sheet with the columns of a list is read, codes that a spreadsheet made numbers of too."""
    book = openpyxl.Workbook()
    book.active.append(["Toelichting"])
    sheet = book.create_sheet("Gemeenten")
    sheet.append(["gemeente_code", "gemeente"])
    sheet.append([344, "UTRECHT"])
    book.save(tmp_path / "list.xlsx")
    assert "“Gemeenten”" in run("party", "import", tmp_path / "list.xlsx")
    assert "GM0344\tgemeente\tUtrecht" in run("party", "list", "--kind", "gemeente")


def test_an_import_names_the_sites_that_are_in_the_list_no_more(run: Run, tmp_path: Path) -> None:
    """Those of the sectors of the list that hold on that day; several are ended at once, and then nothing is named."""
    head, file = "vestiging,po_swv,gemeente_code,gemeente,board,name,sector", tmp_path / "list.csv"
    rows = [f"00AB0{at},PO2505,0344,UTRECHT,1,x,{sector}" for at, sector in enumerate(("po", "po", "po", "so"))]
    file.write_text("\n".join([head, *rows]))
    run("party", "import", file, "--from", "2026-08-01")
    file.write_text("\n".join([head, rows[1]]))
    newest = ("party", "import", file, "--from", "2027-08-01")
    assert json.loads(run(*newest, "--json"))["not_listed"] == ["00AB00", "00AB02"]
    assert "2 (00AB00 00AB02)" in run(*newest)
    run("party", "end", "00AB00", "00AB02", "--from", "2027-08-01")
    assert len(run(*newest).splitlines()) == 1
    for name, said in (("Een", "heet voortaan Een"), ("Een", "niets veranderd")):
        assert said in run("party", "add", "PO2505", "swv", name)


@pytest.mark.parametrize("address", ["foo", "postgresql://u@h:port/x", "mysql://u:secret@h/x"])
def test_what_is_no_database_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The variable is named and the forms it may have; not what it holds."""
    monkeypatch.setenv(DATABASE_VARIABLE, address)
    said = run("party", "list", exits=1)
    assert DATABASE_VARIABLE in said
    assert "secret" not in said


def test_settings_of_another_editor_are_read_or_named(run: Run, tmp_path: Path) -> None:
    """A byte-order mark does no harm; another encoding than UTF-8 is said."""
    settings = tmp_path / "data" / "gateway.toml"
    written = settings.read_text()
    settings.write_text(written, encoding="utf-8-sig")
    run("party", "list")
    settings.write_text(f"# België\n{written}", encoding="cp1252")
    assert "UTF-8" in run("party", "list", exits=1)


@pytest.mark.parametrize(
    ("only", "exits"),
    [
        (("event=release.built",), 0),
        (("event=release.built", "decision=permit"), 0),
        (("event=release.built", "event=release.approved"), 2),
        (("event=release.build",), 2),
        (("decision=allow",), 2),
    ],
)
def test_what_chooses_nothing_that_was_meant_exports_nothing(
    run: Run, tmp_path: Path, only: tuple[str, ...], exits: int
) -> None:
    """A column twice and a word that is in no entry are wrong usage."""
    file = tmp_path / "log.csv"
    words = [part for each in only for part in ("--only", each)]
    run("audit", "export", "--format", "csv", "-o", file, *words, exits=exits)
    assert file.exists() is (exits == 0)


@pytest.mark.parametrize(
    "words",
    [
        ("w1", "nonsense"),
        ("w1", "ftp://getuige.example"),
        ("w 1", "https://getuige.example"),
        ("witnesses", "https://getuige.example"),
        ("w1", "https://getuige.example", "--at-least", "2"),
    ],
)
def test_a_witness_that_cannot_be_is_wrong_usage(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """No address, no name, more witnesses than there are: nothing is written. What is right is, until it is removed."""
    key = Key("getuige.example/w1", ED25519_COSIGNATURE, bytes(32))
    run("witness", "add", words[0], key, *words[1:], exits=2)
    assert not (tmp_path / "data" / "witnesses.txt").exists()
    run("witness", "add", "w1", key, "https://getuige.example", "--at-least", "1")
    run("witness", "remove", "w1", "--at-least", "1", exits=2)
    run("witness", "remove", "w1")


def test_a_report_includes_its_first_and_its_last_day(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From midnight to midnight in Amsterdam: the day on which summer time begins has 23 hours."""
    asked: list[object] = []
    monkeypatch.setattr("gateway.trail.report", lambda _gateway, _who, wanted: asked.append(wanted) or {"event": {}})
    run("audit", "report", "--since", "2027-03-27", "--until", "2027-03-28", "--json")
    first = int(datetime(2027, 3, 26, 23, tzinfo=UTC).timestamp() * 1000)
    assert asked == [Filter(since=first, until=first + (24 + 23) * 3_600_000)]


def test_what_a_leaked_token_did_can_be_asked_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one organisation, or about one thing, in numbers and entry by entry."""
    asked: list[object] = []
    monkeypatch.setattr("gateway.trail.report", lambda _gateway, _who, wanted: asked.append(wanted) or {"event": {}})
    monkeypatch.setattr("gateway.exports.take_out", lambda *given: asked.append(given[3]) or io.BytesIO())
    leaked = ("--only", "organisation=ORG-OPA", "--only", "object=token:1")
    run("audit", "report", "--json", *leaked)
    run("audit", "export", "--format", "csv", "-o", tmp_path / "log.csv", *leaked)
    assert asked == [Filter(organisation="ORG-OPA", object="token:1")] * 2


def test_what_is_taken_out_is_of_the_days_asked_for(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both included, beside whatever else is chosen."""
    asked: list[object] = []
    monkeypatch.setattr("gateway.exports.take_out", lambda *given: asked.append(given[3]) or io.BytesIO())
    days = ("--since", "2026-11-02", "--until", "2026-11-03")
    run("audit", "export", "--format", "csv", "-o", tmp_path / "log.csv", "--only", "decision=deny", *days)
    first = int(datetime(2026, 11, 1, 23, tzinfo=UTC).timestamp() * 1000)
    assert asked == [Filter(decision="deny", since=first, until=first + 48 * 3_600_000)]
