"""A year of the controller's privacy officer: what happened, whether it may, whether it can be proven elsewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import audit.verify
from gateway.demo.people import MINISTER
from tests.gateway.conftest import PERIOD
from tests.stories.town import Person, Town, living


def test_a_year_of_a_privacy_officer(tmp_path: Path) -> None:
    """Refusals, an act with its proof, the judge's verdict, the turn of the year, the bundle on another machine."""
    with living(tmp_path) as town:
        officer = town.person(MINISTER, "controller-officer")
        town.machine(town.school(1)).get(f"/v1/submissions/{'0' * 32}")  # somebody is curious
        november_refusals(officer)
        for index in range(12):
            town.deliver(index, PERIOD, 1)
        release = town.release(PERIOD)
        december_the_release(officer, release)
        september_another_log(town, officer, tmp_path)


def november_refusals(officer: Person) -> None:
    """Who asked for what was not theirs stands in the log; so does that the officer looked."""
    officer.reload_until("/audit?decision=deny", "state-deny")
    officer.reload_until("/audit?event=audit.viewed", "/audit/entries/")


def december_the_release(officer: Person, release: str) -> None:
    """Of a release: who published it and by which article, and what the judge found; the register has the figures."""
    officer.reload_until("/audit?event=release.published", "/audit/entries/")
    entry = re.findall(r"/audit/entries/[0-9a-f]{64}", officer.page)[0]
    told = officer.see(entry)
    assert "four-eyes" in told or "art." in told
    assert "In orde" in officer.press(entry)
    certificate = officer.fetch(f"/audit/certificates/{release}").decode()
    assert '"exact": 0' in certificate
    assert '"narrowed": 0' in certificate
    officer.see("/register")


def september_another_log(town: Town, officer: Person, folder: Path) -> None:
    """In the new school year the old log is closed and the new one commits to it; each verifies by itself."""
    town.calendar.turn_to("2027-08-16")
    officer.log_in()
    officer.reload_until("/audit/check", 'name="log" value="1"')
    told = officer.press("/audit/check")
    assert "In orde" in told
    form = {"csrf": officer.page.split('name="csrf" value="')[1].split('"')[0]}
    for year, log in (("2026-2027", {"log": "1"}), ("2027-2028", {})):
        assert re.search(rf"[0-9]+ regels opnieuw geteld en vergeleken met wat \S+/{year} ondertekende", told)
        answer = officer.http.post("/audit/bundle", data=form | log)
        while answer.status_code == 503:  # the log is behind: "try again"
            answer = officer.http.post("/audit/bundle", data=form | log)
        assert answer.status_code == 200
        assert f"/{year} " in verified(officer, answer.content, folder)


def verified(officer: Person, bundle: bytes, folder: Path) -> str:
    """What the verifier says elsewhere of a bundle that is in order."""
    (folder / "bundle.zip").write_bytes(bundle)
    (folder / "policy.txt").write_bytes(officer.fetch("/audit/policy.txt"))
    shutil.copy(audit.verify.__file__, folder / "verify.py")
    command = [sys.executable, "-I", "verify.py", "bundle.zip", "--policy", "policy.txt"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.startswith("In orde")) == (0, True), run.stdout + run.stderr
    return run.stdout
