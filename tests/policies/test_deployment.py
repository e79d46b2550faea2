"""Another country's collection with its own purposes: files only, the rules are the same."""

# ruff: noqa: E501, PLR0917  a table is read by its rows

from dataclasses import replace

import pytest

from policies.decision import Deny, Permit
from policies.engine import Engine
from policies.parties import ANYBODY, Caller, Kind, Party, Role
from policies.purpose import DataCategory
from policies.question import Action, Request
from policies.things import Area, Delivery, Slice, Thing
from tests.policies.world import CALLERS, READY, TWO, noon

SHARED = """
plain = { nl = "Proef.", en = "Test." }
status = "in_force"
valid_from = 2018-09-01
controller = { nl = "ministerie", en = "Department for Education" }
data_subjects = { nl = "leerlingen", en = "pupils" }
collections = ["persistent-absence"]
legal_basis = [{ article = { nl = "regeling", en = "school census regulations" }, source = "census" }]
retention = { decided_by = { nl = "proef", en = "test" }, %s }
"""
COUNTS = (
    'id = "english-counts"\ntitle = { nl = "Tellingen", en = "Counts" }\ndata = ["absence_counts"]\nsenders = ["site"]'
)
COUNTS += SHARED % 'days = 400, after = "period"'
TABLES = 'id = "english-tables"\ntitle = { nl = "Tabellen", en = "Tables" }\ndata = ["protected_tables"]\nrecipients = ["gemeente", "public"]'
TABLES += SHARED % 'days = 365, after = "publication"'
RELEASE = """
[release]
minimum = 5
zeros_are_small = true
complements = true
min_denominator = 9
method = [{ sectors = ["po"], method = "exact" }]
show = [
  { sectors = ["po"], kinds = ["all"], site = "site", subdivision = "total", band = "band" },
  { sectors = ["po"], kinds = ["all"], site = "gemeente", subdivision = "total", band = "band" },
  { sectors = ["po"], kinds = ["all"], site = "country", subdivision = "total", band = "band" },
]
"""
SOURCES = '[census]\ntitle = { nl = "Regeling", en = "Regulations" }\nkind = "regulation"'

AUTHORITY = Caller(Party("GM0301", Kind.GEMEENTE), Role.RECIPIENT)
ANY_DAY = noon("2019-10-01")


@pytest.fixture(scope="module")
def england(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The packaged law with two files and a source more."""
    folder = tmp_path_factory.mktemp("england")
    (folder / "sources.toml").write_text(SOURCES)
    (folder / "english-counts.toml").write_text(COUNTS)
    (folder / "english-tables.toml").write_text(TABLES + RELEASE)
    return Engine.load(purposes=[folder])


DELIVERY = Delivery("00AB00", "po", frozenset({DataCategory.ABSENCE_COUNTS}), period_open=True)
REGION = Slice(published=True, level="gemeente", area=Area.OWN)


@pytest.mark.parametrize(
    ("caller", "action", "thing", "purpose", "permitted"),
    [
        (CALLERS["school"], Action.SUBMIT, DELIVERY, "english-counts", True),
        (CALLERS["school"], Action.SUBMIT, replace(DELIVERY, data=frozenset({DataCategory.ILLNESS_COUNTS})), "english-counts", False),
        (CALLERS["operator"], Action.BUILD_RELEASE, READY, "english-tables", True),
        (CALLERS["operator"], Action.BUILD_RELEASE, replace(READY, minimum=4), "english-tables", False),
        (AUTHORITY, Action.DOWNLOAD_RELEASE, REGION, "english-tables", True),
        (AUTHORITY, Action.DOWNLOAD_RELEASE, replace(REGION, level="site", area=Area.OWN_SITE), "english-tables", True),
        (AUTHORITY, Action.DOWNLOAD_RELEASE, replace(REGION, level="site", area=Area.FOREIGN), "english-tables", False),
        (AUTHORITY, Action.DOWNLOAD_RELEASE, replace(REGION, level="swv"), "english-tables", False),
        (ANYBODY, Action.DOWNLOAD_RELEASE, replace(REGION, level="country", area=Area.COUNTRY), "english-tables", True),
        (ANYBODY, Action.DOWNLOAD_RELEASE, REGION, "english-tables", False),
    ],
)  # fmt: skip
def test_rules_serve_a_collection_they_never_heard_of(
    england: Engine, caller: Caller, action: Action, thing: Thing, purpose: str, permitted: bool
) -> None:
    """Kind `all` in two bands, no school partnerships, another year: delivered, built and downloaded by the same rules."""
    request = Request(caller, action, thing, (purpose,), "persistent-absence", TWO)
    assert isinstance(england.decide(request, at=ANY_DAY), Permit) == permitted


def test_the_dutch_purposes_do_not_reach_back(england: Engine) -> None:
    """In 2019 they were not valid yet."""
    request = Request(CALLERS["school"], Action.SUBMIT, DELIVERY, ("counting-for-school",), "absence-records", TWO)
    decision = england.decide(request, at=ANY_DAY)
    assert isinstance(decision, Deny)
    assert "purpose-out-of-date" in decision.rules


def test_its_release_is_planned_from_its_file(england: Engine) -> None:
    """One recipient's purpose, three lines, bands as leaves."""
    plan = england.purposes.plan(england.purposes.releasing("persistent-absence"))
    assert plan.purposes == ("english-tables",)
    assert [line["site"] for line in plan.publish("po")] == ["site", "gemeente", "country"]
    assert plan.min_denominator == 9
    assert not list(england.purposes.contract_faults(
        {"persistent-absence": {"all"}, "absence-counts": {"all", "authorised", "illness", "unauthorised"},
         "absence-records": (), "consented-records": ()},
        {"absence-counts"},
    ))  # fmt: skip
