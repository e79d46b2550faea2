"""The law on pages: what does not work yet or any more says so, and an old entry is read in the words of its law."""

import dataclasses
import re
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from sqlmodel import col, select

from audit.entry import Entry
from audit.events import Event
from audit.merkle import leaf_hash
from audit.timeline import Filter
from gateway import lawbook, trail
from gateway.context import actor_of, vocabulary
from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.identity import Identity
from gateway.shelf import LawVersion
from policies.decision import Deny
from policies.engine import Engine
from policies.parties import ANYBODY
from policies.purpose import PACKAGED
from policies.question import Action
from policies.things import Installation
from tests.gateway.conftest import Site, World, build_world, running
from tests.policies.world import DEPLOYMENT
from tests.web.conftest import entry_page, register_people

AUGUST = date(2027, 8, 1)
RULE, ARTICLE, OTHER = (
    "purpose-undecided",
    "AVG art. 5 lid 1 onder a en b: rechtmatigheid en doelbinding",
    "AVG art. 99",
)
NOT_KEPT = "De regels van toen zijn niet bewaard"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = build_world(tmp_path / "data").ticking()
    yield made
    made.gateway.database.dispose()


def under(world: World, engine: Engine) -> World:
    """The same deployment under another law, with that law's words in its log."""
    gateway = world.gateway
    words = vocabulary(gateway.settings, engine.law, gateway.contracts)
    log = dataclasses.replace(gateway.log, vocabulary=words)
    return World(dataclasses.replace(gateway, engine=engine, log=log), world.region)


@pytest.fixture
def dated(world: World, tmp_path: Path) -> Iterator[Site]:
    """On 2 November 2026: a purpose that ended today, one that begins in August, and a bill that is law from then."""
    folder = tmp_path / "purposes"
    folder.mkdir()
    shutil.copy(DEPLOYMENT / "sources.toml", folder)
    ended = (DEPLOYMENT / "test-limited.toml").read_text(encoding="utf-8")
    (folder / "test-limited.toml").write_text(ended, encoding="utf-8")
    days = ("valid_from = 2026-09-01\nvalid_until = 2026-11-02", "valid_from = 2027-08-01")
    later = ended.replace("test-limited", "test-later").replace(*days)
    (folder / "test-later.toml").write_text(later, encoding="utf-8")
    words = [
        each.model_copy(update={"from_date": AUGUST}) if each.purpose == "national-picture" else each
        for each in IN_FORCE
    ]
    with running(under(world, Engine.load(purposes=[folder], in_force=words))) as site:
        yield site


def test_the_law_says_from_when_until_when_a_purpose_works(dated: Site) -> None:
    """What ended or has not begun is not told as if it held today; the program reads the same."""
    with httpx.Client(base_url=dated.url, timeout=60) as client:
        page, told = client.get("/law").text, client.get("/v1/purposes").json()
    cards = dict(re.findall(r'id="purpose-([a-z0-9-]+)">(.*?)</article>', page, re.DOTALL))
    assert "Geëindigd op 2 november 2026." in cards["test-limited"]
    assert "Begint op 1 augustus 2027." in cards["test-later"]
    assert all("Dit doel geldt op deze dag niet." in cards[name] for name in ("test-limited", "test-later"))
    assert "Hier in werking vanaf 1 augustus 2027:" in cards["national-picture"]
    assert "Hier in werking sinds" in cards["statutory-counts"]
    days = {each["id"]: (each["works"], each["validFrom"], each["validUntil"]) for each in told}
    assert days["test-limited"] == (False, "2026-09-01", "2026-11-02")
    assert days["test-later"] == (False, "2027-08-01", None)
    assert days["statutory-counts"][0]


def test_a_rewritten_law_is_not_shown(world: World) -> None:
    """By the hash of its entries nobody reads a sentence that was written since; today's rules are those that work."""
    lawbook.keep(world.gateway)
    lawbook.keep(under(world, Engine.load(in_force=IN_FORCE[1:])).gateway)
    world.sequence()
    with world.gateway.writing() as session:
        row = session.exec(select(LawVersion).order_by(col(LawVersion.id)).limit(1)).one()
        row.document = row.document.replace("krijgt nooit gegevens van een leerling", "krijgt alles")
        older = row.sha256
    with running(under(world, Engine.load(in_force=IN_FORCE[1:]))) as site, httpx.Client(base_url=site.url) as client:
        then, now = client.get(f"/rules?version={older}"), client.get("/rules")
        history = client.get("/rules/history")
    assert (then.status_code, now.status_code) == (409, 200)
    assert "krijgt alles" not in then.text + now.text + history.text
    assert history.text.count("past niet bij het logboek") == 2


def with_other_article(folder: Path) -> Engine:
    """The packaged law in which one rule cites another article."""
    for name in ("schema.cedarschema", "vocabulary.toml", "dpia.toml"):
        shutil.copy(PACKAGED / name, folder)
    shutil.copytree(PACKAGED / "rules", folder / "rules")
    path = folder / "rules/10-law.cedar"
    before, mark, after = path.read_text(encoding="utf-8").partition(f'@id("{RULE}")')
    path.write_text(before + mark + after.replace(ARTICLE, OTHER, 1), encoding="utf-8")
    return Engine.load(folder=folder, in_force=IN_FORCE)


@pytest.mark.parametrize("kept", [True, False])
def test_an_old_entry_is_read_with_the_article_of_its_time(world: World, tmp_path: Path, kept: bool) -> None:
    """A refusal of before the article changed; where the law of then was not kept, the page says whose words it has."""
    gateway, version = world.gateway, world.gateway.law.version.sha256
    assert not kept or lawbook.keep(gateway)
    refused = gateway.decide(ANYBODY, Action.READ_REGISTER_OF_PROCESSING, Installation(), ("research",))
    assert isinstance(refused, Deny)
    gateway.refuse(Entry(event=Event.AUDIT_VIEWED, actor=actor_of(ANYBODY)), refused)
    officer = register_people(world)["controller-officer"]
    world.sequence()
    listed = must(trail.timeline(gateway, Identity(MINISTER, "controller-officer"), Filter(decision="deny")))
    leaf = leaf_hash(listed.found[0].data).hex()
    (tmp_path / "law").mkdir()
    page = entry_page(under(world, with_other_article(tmp_path / "law")), officer, leaf)
    assert (ARTICLE in page, OTHER in page, NOT_KEPT in page) == (kept, not kept, not kept)
    assert f'href="/rules{f"?version={version}" if kept else ""}#rule-{RULE}"' in page
