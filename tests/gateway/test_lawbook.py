"""The law this gateway worked with: every version is kept once, with its entry, and what changed can be told."""

import copy
import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from audit.events import Event
from audit.timeline import Filter, find
from gateway import lawbook, retention
from gateway.demo.people import IN_FORCE
from gateway.jobs import run_one
from gateway.lawbook import Part, Version
from gateway.settings import Settings
from gateway.shelf import LawVersion
from gateway.working import WORK
from policies.days import beginning_of
from policies.engine import Engine
from policies.parties import Kind
from policies.purpose import DataCategory, FourEyes, InForce, Purpose, Retention, Status
from policies.register import digest, register_document
from policies.sources import Text
from tests.attacks.moment import at_once
from tests.gateway.conftest import NOW, World
from tests.policies.world import law


def working_without(world: World, purpose: str) -> World:
    """The same deployment with one purpose not set in force."""
    engine = Engine.load(in_force=[each for each in IN_FORCE if each.purpose != purpose])
    return World(dataclasses.replace(world.gateway, engine=engine), world.region)


def from_dates(dates: Mapping[str, date]) -> list[InForce]:
    """What the operator set in force, some of it from other days."""
    return [each.model_copy(update={"from_date": dates.get(each.purpose, each.from_date)}) for each in IN_FORCE]


def loads(session: Session) -> list[dict[str, Any]]:
    return [each.fields() for each in find(session.connection(), Filter(event=Event.POLICY_LOADED))]


def test_a_law_is_kept_once_with_its_entry(world: World) -> None:
    """The second process that loads the same law adds nothing; the entry names the hash of the version."""
    assert [lawbook.keep(world.gateway), lawbook.keep(world.gateway)] == [True, False]
    world.sequence()
    with world.gateway.reading() as session:
        kept, logged = lawbook.versions(session), loads(session)
    version = world.gateway.law.version.sha256
    assert [each.sha256 for each in kept] == [version]
    assert [(each["policy"]["sha256"], each["actor"]["role"]) for each in logged] == [(version, "gateway")]
    assert kept[0].rules.keys() == world.gateway.law.rules.keys()


@pytest.mark.parametrize("own_hash", [False, True], ids=["as it was", "made to fit"])
@pytest.mark.parametrize("ordered", [True, False], ids=["in the log", "not in order yet"])
def test_a_kept_law_that_was_rewritten_is_told(world: World, *, own_hash: bool, ordered: bool) -> None:
    """The log committed to what was kept: no entry is read back under a law that somebody wrote since."""
    lawbook.keep(world.gateway)
    if ordered:
        world.sequence()
    version = world.gateway.law.version.sha256
    with world.gateway.writing() as session:
        fitted = [lawbook.versions(session)[0].fits, lawbook.version_of(session, version) is not None]
        row = session.exec(select(LawVersion)).one()
        forged = json.loads(row.document.replace("krijgt nooit gegevens van een leerling", "krijgt alles"))
        row.document = json.dumps(forged | ({"sha256": digest(forged)} if own_hash else {}))
        session.flush()
        after = [lawbook.versions(session)[0].fits, lawbook.version_of(session, version) is not None]
    assert fitted == [True, True]
    assert after == [own_hash and not ordered] * 2


def test_processes_that_start_together_keep_a_law_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are where their transaction begins before either looks for the newest: one of them keeps it."""
    assert sorted(at_once(monkeypatch, *[lambda: lawbook.keep(world.gateway)] * 2, law=False)) == [False, True]
    with world.gateway.reading() as session:
        assert len(lawbook.versions(session)) == 1


def test_a_law_that_comes_back_is_a_version_of_its_own(world: World) -> None:
    """A purpose switched off and on again: three versions, and the history says each time what happened to it."""
    other = working_without(world, "national-picture")
    for each in (world, other, world):
        assert lawbook.keep(each.gateway)
    with world.gateway.reading() as session:
        newest, middle, oldest = lawbook.versions(session)
        assert lawbook.version_of(session, middle.sha256) == middle
        assert lawbook.version_of(session, newest.sha256) == newest
        assert lawbook.version_of(session, "0" * 64) is None
    assert not lawbook.changed_rules(oldest, newest)
    assert [(c.kind, c.now["id"]) for c in lawbook.changed_purposes(oldest, middle)] == [
        ("stopped", "national-picture")
    ]
    assert [(c.kind, c.now["id"]) for c in lawbook.changed_purposes(middle, newest)] == [
        ("started", "national-picture")
    ]


def test_a_purpose_that_starts_on_its_date_is_told(new_world: Callable[..., World]) -> None:
    """In force from 1 August: that day's worker keeps a second version of one law, with its entry, and no third."""
    purpose = "national-picture"
    made = new_world(settings=Settings(in_force=from_dates({purpose: date(2027, 8, 1)})))
    before, after = datetime(2027, 7, 31, 10, tzinfo=UTC), datetime(2027, 8, 1, 10, tzinfo=UTC)
    assert lawbook.keep(made.at(before).gateway)
    for moment in (before, after, after + timedelta(days=1)):
        retention.schedule(made.at(moment).gateway)
        assert run_one(made.at(moment).gateway, WORK)
    made.at(after).sequence()
    with made.gateway.reading() as session:
        newest, oldest = lawbook.versions(session)
        assert len(loads(session)) == 2
    assert (newest.sha256, newest.since, oldest.since) == (oldest.sha256, datetime(2027, 7, 31, 22, tzinfo=UTC), before)
    assert not lawbook.changed_rules(oldest, newest)
    assert [(c.kind, c.now["id"]) for c in lawbook.changed_purposes(oldest, newest)] == [("started", purpose)]


def test_purposes_that_started_while_the_worker_was_away_did_so_on_their_days(new_world: Callable[..., World]) -> None:
    """Servers took deliveries by those dates: whoever keeps the law next dates each start, not its own coming back."""
    started = {"statutory-counts": date(2026, 11, 10), "national-picture": date(2026, 11, 12)}
    made = new_world(settings=Settings(in_force=from_dates(started)))
    back = made.at(NOW + timedelta(days=22))
    assert [lawbook.keep(each.gateway) for each in (made, back, back)] == [True, True, False]
    back.sequence()
    with made.gateway.reading() as session:
        third, second, first = lawbook.versions(session)
        assert len(loads(session)) == 3
    for earlier, later, purpose in zip((first, second), (second, third), started, strict=True):
        assert later.since == beginning_of(started[purpose])
        found = lawbook.changed_purposes(earlier, later)
        assert [(change.kind, change.now["id"]) for change in found] == [("started", purpose)]


def test_another_law_works_from_the_moment_it_is_loaded(new_world: Callable[..., World]) -> None:
    """Its dates say nothing of the days before, on which another one was worked with."""
    settings = Settings(in_force=from_dates({"statutory-counts": date(2026, 11, 10)}))
    made = new_world(settings=settings)
    assert lawbook.keep(working_without(made, "national-picture").gateway)
    back = made.at(NOW + timedelta(days=22))
    assert lawbook.keep(back.gateway)
    with made.gateway.reading() as session:
        assert [each.since for each in lawbook.versions(session)] == [back.gateway.clock(), NOW]


def test_what_a_rule_says_otherwise_is_told_part_by_part(world: World) -> None:
    """A changed article is one part; a rule that moved in its file did not change; new and gone are told as such."""
    before = Version("a", NOW, _document(world))
    after = Version("b", NOW, copy.deepcopy(before.document))
    first, second, third = after.document["rules"][:3]
    first["legal_basis"], second["where"] = "AVG art. 6", "moved.cedar:1"
    after.document["rules"].remove(third)
    after.document["rules"].append({**third, "id": "new-rule"})
    found = lawbook.changed_rules(before, after)
    assert [(change.kind, change.now["id"]) for change in found] == [
        ("changed", first["id"]), ("added", "new-rule"), ("removed", third["id"]),
    ]  # fmt: skip
    old = before.rules[first["id"]]["legal_basis"]
    assert found[0].parts == [Part("legal_basis", old, "AVG art. 6")]


OTHER = Text(nl="iets anders", en="something else")
SWV, OFF = "absence-insight-swv", "research"
_TERMS = law().purposes[SWV].release
assert _TERMS is not None
_OTHER_SHOW = (_TERMS.show[0].model_copy(update={"kinds": ("unauthorised",)}), *_TERMS.show[1:])
# What a purpose file may say otherwise, and the parts that tell so.
CHANGES: list[tuple[str, str, object, list[str]]] = [
    (SWV, "release", _TERMS.model_copy(update={"minimum": 9}), ["release"]),
    (SWV, "release", _TERMS.model_copy(update={"show": _OTHER_SHOW}), ["show"]),
    (SWV, "release", _TERMS.model_copy(update={"noise": None}), ["noise"]),
    (SWV, "title", OTHER, ["purpose"]),
    (SWV, "plain", OTHER, ["plain"]),
    (SWV, "valid_from", date(2025, 9, 1), ["valid_from"]),
    (SWV, "valid_until", date(2030, 1, 1), ["valid_until"]),
    (SWV, "flows", (99,), ["flows"]),
    (SWV, "controller", OTHER, ["controller"]),
    (SWV, "processor", OTHER, ["processor"]),
    (SWV, "data_subjects", OTHER, ["data_subjects"]),
    (SWV, "data", frozenset({DataCategory.ABSENCE_COUNTS}), ["data"]),
    (SWV, "senders", frozenset({Kind.BOARD}), ["senders"]),
    (SWV, "recipients", frozenset({Kind.MINISTER}), ["recipients"]),
    (SWV, "collections", frozenset({"absence-counts"}), ["collections"]),
    (SWV, "retention", Retention(days=7, after="receipt", decided_by=OTHER), ["retention"]),
    (SWV, "four_eyes", FourEyes(approvals=1, blind=True), ["four_eyes"]),
    (OFF, "status", Status.REFUSED, ["status", "why"]),
    (OFF, "reason", OTHER, ["why"]),
    (OFF, "legal_basis", law().purposes["mbo"].legal_basis, ["legal_basis"]),
    ("reports-to-attendance-officer", "outside", OTHER, ["why"]),
]


def test_every_field_of_a_purpose_is_changed_below() -> None:
    """A field more in the form of a purpose is a change more to tell; its id is its name."""
    assert {field for _, field, _, _ in CHANGES} == Purpose.model_fields.keys() - {"id"}


@pytest.mark.parametrize(("purpose", "field", "value", "parts"), CHANGES)
def test_whatever_a_purpose_says_otherwise_is_told(purpose: str, field: str, value: object, parts: list[str]) -> None:
    """One key of one file, also of a purpose that is switched off: the history names the purpose and that part."""
    changed = law().purposes[purpose].model_copy(update={field: value})
    found = lawbook.changed_purposes(_version_with(law().purposes[purpose]), _version_with(changed))
    assert [(each.kind, each.now["id"], [part.name for part in each.parts]) for each in found] == [
        ("changed", purpose, parts)
    ]


def test_what_an_older_document_did_not_say_is_no_change() -> None:
    """A version from before the register told who the processor is."""
    before, after = _version_with(law().purposes[SWV]), _version_with(law().purposes[SWV])
    for entry in before.document["controller"]:
        del entry["processor"]
    assert lawbook.changed_purposes(before, after) == []


def _version_with(purpose: Purpose) -> Version:
    """The law of the tests with one purpose in its place."""
    known = law()
    purposes = replace(known.purposes, by_id={**known.purposes.by_id, purpose.id: purpose})
    engine = Engine(replace(known.law, purposes=purposes), known._schema)
    document = register_document(engine.law, on=NOW.date(), standing=engine.standing(NOW))
    return Version("a", NOW, json.loads(json.dumps(document)))


def test_a_rule_is_as_old_as_the_last_change_of_what_it_says(world: World) -> None:
    """Of four versions the second changed the rule: it has said so since then, whatever the oldest said."""
    document = _document(world)
    rule = document["rules"][0]["id"]
    other = copy.deepcopy(document)
    other["rules"][0]["legal_basis"] = "AVG art. 6"
    kept = [
        Version(str(i), NOW.replace(day=20 - i), each) for i, each in enumerate((document, document, other, document))
    ]
    assert lawbook.unchanged_since(kept, rule) == NOW.replace(day=19)
    assert lawbook.unchanged_since(kept, document["rules"][1]["id"]) == NOW.replace(day=17)


def _document(world: World) -> dict[str, Any]:
    lawbook.keep(world.gateway)
    with world.gateway.reading() as session:
        return dict(lawbook.versions(session)[0].document)
