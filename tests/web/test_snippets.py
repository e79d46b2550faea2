"""Code that recipients copy: it is run here, in every program this machine has, against the running gateway."""

import io
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import httpx
import pandas as pd
import pytest

from gateway.demo.people import must
from gateway.settings import TOKEN_VARIABLE
from gateway.table import COLUMNS
from gateway.web.snippets import snippets
from tests.web.conftest import Stage

R = shutil.which("Rscript")


def token_of(stage: Stage) -> str:
    """A download token of the SWV."""
    party = next(iter(stage.site.world.region.swvs))
    expires = stage.gateway.clock().replace(year=2027)
    token: str = must(stage.site.world.desk.issue_token(party, scopes=["download"], expires_at=expires))
    return token


def code_of(stage: Stage, name: str) -> str:
    """An example as the page shows it, for the address at which the gateway runs."""
    return {each.id: each.text for each in snippets(stage.url, f"v1/releases/{stage.release}/table", "nl")}[name]


def run(stage: Stage, command: list[str], folder: Path) -> str:
    """What a program prints, with the token in its environment."""
    environment = os.environ | {TOKEN_VARIABLE: token_of(stage)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def table(stage: Stage) -> pd.DataFrame:
    """The slice as a plain client gets it."""
    address, header = f"{stage.url}/v1/releases/{stage.release}/table", {"Authorization": f"Bearer {token_of(stage)}"}
    answer = httpx.get(address, params={"format": "csv"}, headers=header, timeout=30).raise_for_status()
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    return pd.read_csv(io.BytesIO(answer.content), sep=";", dtype={"pupils": "Int64"})


def test_curl_fetches_the_slice(stage: Stage, table: pd.DataFrame, tmp_path: Path) -> None:
    """The file that curl leaves is the table."""
    run(stage, ["sh", "-c", code_of(stage, "curl")], tmp_path)
    assert len(pd.read_csv(tmp_path / "verzuim.csv", sep=";")) == len(table)


def test_python_reads_codes_as_text_and_hidden_figures_as_missing(
    stage: Stage, table: pd.DataFrame, tmp_path: Path
) -> None:
    """Rows, published rows and their sum are those of the table; a code stays text."""
    code = f"{code_of(stage, 'python')}\nprint(len(table), len(shown), shown['pupils'].sum(), table['area'].dtype)"
    shown = table[table["status"] == "published"]
    assert run(stage, [sys.executable, "-c", code], tmp_path).split() == [
        str(len(table)), str(len(shown)), str(shown["pupils"].sum()), "string",
    ]  # fmt: skip


@pytest.mark.skipif(R is None, reason="no R: apt install r-base-core")
def test_r_reads_codes_as_text_and_hidden_figures_as_missing(stage: Stage, table: pd.DataFrame, tmp_path: Path) -> None:
    """The same in R, with nothing but what R itself has."""
    code = f"{code_of(stage, 'r')}\ncat(nrow(table), nrow(shown), sum(shown$pupils), class(table$area))"
    (tmp_path / "fetch.R").write_text(code, encoding="utf-8")
    shown = table[table["status"] == "published"]
    assert run(stage, [str(R), "--vanilla", "fetch.R"], tmp_path).split() == [
        str(len(table)), str(len(shown)), str(shown["pupils"].sum()), "character",
    ]  # fmt: skip


def test_power_bi_asks_what_the_gateway_answers(stage: Stage, table: pd.DataFrame) -> None:
    """The M text is whole, names columns that exist, and its request gives a CSV file in the form that it says."""
    code = code_of(stage, "powerbi")
    steps = re.findall(r"^  (\w+) =", code, re.MULTILINE)
    assert steps == ["Token", "Answer", "Source", "Promoted", "Typed", "Shown"]
    assert code.rstrip().endswith(f"in\n  {steps[-1]}")
    for before, after in pairwise(steps[1:]):
        assert re.search(rf"^  {after} = .*\({before}\b", code, re.MULTILINE)
    bare = re.sub(r'"[^"]*"|//.*', "", code)
    assert all(bare.count(left) == bare.count(right) for left, right in ("()", "[]", "{}"))
    assert set(re.findall(r'\{"(\w+)", ', code)) < set(COLUMNS)
    host, path = re.findall(r'Web\.Contents\("([^"]+)".*?RelativePath = "([^"]+)"', code, re.DOTALL)[0]
    query = dict(re.findall(r'Query = \[(\w+) = "(\w+)"\]', code))
    headers = {"Authorization": re.findall(r'Authorization = "(Bearer )"', code)[0] + token_of(stage)}
    answer = httpx.get(f"{host}/{path}", params=query, headers=headers, timeout=30)
    assert answer.status_code == 200
    assert (re.findall(r'Delimiter = "(.)"', code), re.findall(r"Encoding = (\d+)", code)) == ([";"], ["65001"])
    assert answer.content.decode("utf-8").splitlines()[0].split(";") == list(table.columns) == list(COLUMNS)


@pytest.mark.parametrize("language", ["nl", "en"])
def test_no_example_holds_a_secret(language: str) -> None:
    """Each reads the token from outside, or leaves its place empty; none asks for an address without TLS of its own."""
    for each in snippets("https://poort.example.nl", "v1/releases/x/table", language):  # type: ignore[arg-type]  # both are languages
        assert TOKEN_VARIABLE in each.text or 'Token = ""' in each.text
        assert "http://" not in each.text
