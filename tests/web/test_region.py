"""A school beside its region: the partnership as a whole, from the released table, and nothing of any other area."""

import csv
import dataclasses
import io
import re
from collections.abc import Callable
from functools import partial

import pytest

from gateway.context import vocabulary
from gateway.demo.people import IN_FORCE
from gateway.formats.write import Format
from gateway.outcome import Refused
from gateway.publish import downloading, handing
from gateway.publish.downloading import download, regions_open
from gateway.web import own_figures, trend
from policies.engine import Engine
from tests.gateway.conftest import PERIOD, TABLE
from tests.web.conftest import Stage


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=";"))


def test_a_school_gets_its_region_as_the_region_gets_it(stage: Stage) -> None:
    """The rows of its own partnership and sector at the level of the whole, equal to those the partnership has."""
    site = stage.sites[0]
    with stage.site.client(site.code) as school, stage.site.client(site.swv) as swv:
        mine = rows(school.get(f"/v1/releases/{stage.release}/table", params={"level": "swv"}).text)
        theirs = rows(swv.get(f"/v1/releases/{stage.release}/table", params={"level": "swv"}).text)
    assert {(row["level"], row["area"], row["sector"]) for row in mine} == {("swv", site.swv, site.sector)}
    assert mine == [row for row in theirs if row["sector"] == site.sector]


@pytest.mark.parametrize("sent", ["{}", 'W/{}, "x"', "*"])
def test_a_table_that_the_caller_has_is_not_sent_again(stage: Stage, sent: str) -> None:
    """By its tag: 304 without a body, with a receipt of its own; another tag gets the table."""
    path = f"/v1/releases/{stage.release}/table"
    with stage.site.client(stage.sites[0].swv) as swv:
        first = swv.get(path)
        again = swv.get(path, headers={"If-None-Match": sent.format(first.headers["ETag"])})
        other = swv.get(path, headers={"If-None-Match": '"x"'})
        receipt = swv.get(again.links["receipt"]["url"])
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (receipt.status_code, other.content) == (200, first.content)
    assert len({each.links["receipt"]["url"] for each in (first, again, other)}) == 3


def test_a_law_that_does_not_open_regions_keeps_them_closed(stage: Stage) -> None:
    """Without the operator's word the purpose is only proposed: refused, and pages do not even ask."""
    engine = Engine.load(in_force=[each for each in IN_FORCE if each.purpose != "region-for-school"])
    words = vocabulary(stage.gateway.settings, engine.law, stage.gateway.contracts)
    log = dataclasses.replace(stage.gateway.log, vocabulary=words)
    gateway = dataclasses.replace(stage.gateway, engine=engine, log=log)
    refused = download(gateway, stage.site.world.site(0), stage.release, Format.CSV, level="swv")
    assert isinstance(refused, Refused)
    assert refused.decision is not None
    assert [regions_open(each, TABLE) for each in (stage.gateway, gateway)] == [True, False]


def test_a_region_is_open_in_the_tables_that_its_purpose_lists(stage: Stage) -> None:
    """Of a collection of the deployment's own, which may be for SWVs alone, pages ask for none."""
    assert not regions_open(stage.gateway, "pilot-counts")


@pytest.mark.parametrize(("role", "tabs"), [("swv", 3), ("gemeente", 3), ("care", 2)])
def test_no_tab_of_a_release_leads_nowhere(stage: Stage, role: str, tabs: int) -> None:
    """Who has sites reads which delivered; who has none is not sent there, nor told of an area of its own."""
    with stage.client(role) as client:
        page = client.get(f"/releases/{stage.release}").text.partition('<nav class="tabs"')[2].partition("</nav>")[0]
        found = [client.get(address).status_code for address in re.findall(r'href="([^"]+)"', page)]
        assert ("in uw gebied" in client.get("/releases").text) is (tabs == 3)
    assert found == [200] * tabs


PAGES = [f"/school/figures?period={PERIOD}", "/school/trend"]


@pytest.mark.parametrize("path", PAGES)
def test_a_school_is_shown_the_correction(
    stage: Stage, correction: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Beside the own figures stand those of the release that holds, on either page, never what it corrected."""
    asked: list[str | None] = []

    def beside(_gateway: object, _who: object, _table: str, release: str | None) -> list[object]:
        asked.append(release)
        return []

    for module in (own_figures, trend):
        monkeypatch.setattr(module, "beside", beside)
    with stage.client("school") as school:
        assert school.get(path).status_code == 200
    of_period = [each for each in asked if each in (stage.release, correction)]  # the stage may have other periods
    assert of_period == [correction]


def test_the_catalogue_says_what_corrects_what(stage: Stage, correction: str) -> None:
    """A program can tell which of two published releases holds."""
    with stage.site.client() as public:
        corrects = {each["id"]: each["corrects"] for each in public.get("/v1/releases").json()}
    assert (corrects[stage.release], corrects[correction]) == (None, stage.release)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_of_several_tables_waits_for_one_checkpoint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Own figures, region and country are all logged before the page waits for the log."""
    steps: list[str] = []

    def told(act: Callable[..., object], step: str, *words: object, **more: object) -> object:
        steps.append(step)
        return act(*words, **more)

    for module, name in ((downloading, "keep"), (handing, "await_proof")):
        monkeypatch.setattr(module, name, partial(told, getattr(module, name), name))
    with stage.client("school") as school:
        assert school.get(path).status_code == 200
    many = steps.count("keep")
    assert many >= 3
    assert steps == ["keep"] * many + ["await_proof"] * many
