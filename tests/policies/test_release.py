"""What may be shown: the measured default list, and several purposes as one release."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policies.purpose import load_purposes
from policies.release import Conflict, MethodChoice, Noise, Release, Served, Show, merge

PURPOSES = load_purposes()
ALL = PURPOSES.plan(PURPOSES.releasing("absence-counts"))


def shown(sector: str, level: str, subdivision: str, band: str) -> set[str]:
    """Kinds that the default release shows at this place."""
    wanted = {"site": level, "subdivision": subdivision, "band": band}
    return {kind for line in ALL.publish(sector) if wanted.items() <= line.items() for kind in line["kind"]}  # type: ignore[arg-type]


KNOWN = {"all", "authorised", "illness"}
EVERY = KNOWN | {"unauthorised"}


@pytest.mark.parametrize(
    ("sector", "level", "subdivision", "band", "kinds"),
    [
        ("po", "site", "total", "half", KNOWN),
        ("po", "site", "total", "band", set()),
        ("po", "site", "subdivision", "half", set()),
        ("vo", "site", "total", "half", EVERY),
        ("po", "gemeente", "total", "band", KNOWN),
        ("po", "gemeente", "total", "half", EVERY),
        ("po", "gemeente", "subdivision", "half", KNOWN),
        ("vo", "gemeente", "subdivision", "half", set()),
        ("vo", "gemeente", "total", "band", KNOWN),
        ("po", "swv", "total", "band", EVERY),
        ("po", "swv", "subdivision", "band", KNOWN),
        ("po", "swv", "subdivision", "half", EVERY),
        ("vo", "country", "subdivision", "band", KNOWN),
        ("vo", "country", "total", "band", EVERY),
    ],
)
def test_the_default_list_is_the_measured_one(
    sector: str, level: str, subdivision: str, band: str, kinds: set[str]
) -> None:
    """Per sector, level, subdivision and band: which kinds are shown."""
    assert shown(sector, level, subdivision, band) == kinds


def test_the_default_rule_is_that_of_the_law() -> None:
    """From five, nought is small, complements count, rows below seventeen are withheld; exact, a list a sector."""
    assert (ALL.minimum, ALL.zeros_are_small, ALL.complements, ALL.min_denominator) == (5, True, True, 17)
    assert ALL.methods == dict.fromkeys(("po", "so", "vo", "vso"), "exact")
    assert all(ALL.publish(sector) for sector in ALL.methods)
    assert ALL.approvals == 1


def test_a_line_of_the_list_is_what_protect_takes() -> None:
    """One entry for each combination of levels, with a level by name and the kinds as codes."""
    lines = ALL.publish("po")
    assert {"site": "site", "subdivision": "total", "band": "half", "kind": ["all", "authorised", "illness"]} in lines
    places = [(line["site"], line["subdivision"], line["band"]) for line in lines]
    assert len(places) == len(set(places))  # type: ignore[arg-type]


LINE = Show(sectors=("po",), kinds=("all",), site="swv", subdivision="total", band="half")
BUDGET = Noise(
    mechanism="gaussian", per_release=1, per_period=1, per_school_year=4, shares={"country": 100}, decided_by="test"
)  # fmt: skip


def release(minimum: int = 5, denominator: int = 17, method: str = "exact", noise: Noise | None = None) -> Release:
    """A release that shows one line for po."""
    choice = MethodChoice.model_validate({"sectors": ("po",), "method": method})
    return Release(
        minimum=minimum, zeros_are_small=True, complements=True, min_denominator=denominator, show=(LINE,),
        method=(choice,), noise=noise,
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(5, 30), st.integers(30, 60), st.integers(1, 3)), min_size=1, max_size=5))
def test_a_release_keeps_the_strictest_of_all_its_purposes(terms: list[tuple[int, int, int]]) -> None:
    """Whatever purposes it serves, in any order: highest minimum, denominator and approvals."""
    served = [
        Served(f"p-{number}", release(minimum, denominator), approvals)
        for number, (minimum, denominator, approvals) in enumerate(terms)
    ]
    plan = merge(served)
    assert plan.minimum == max(term[0] for term in terms)
    assert plan.min_denominator == max(term[1] for term in terms)
    assert plan.approvals == max(term[2] for term in terms)
    assert merge(reversed(served)) == plan


def test_one_sector_has_one_method() -> None:
    """Exact here and noise there would be a look at what is hidden."""
    with pytest.raises(Conflict, match="sector po has method exact in a and dp in b"):
        merge([Served("a", release(), 1), Served("b", release(method="dp", noise=BUDGET), 1)])


def test_one_release_has_one_budget() -> None:
    """It is charged once, to the population."""
    other = BUDGET.model_copy(update={"per_school_year": 5})
    first = Served("a", release(method="dp", noise=BUDGET), 1)
    with pytest.raises(Conflict, match="different noise budgets in a, b"):
        merge([first, Served("b", release(method="dp", noise=other), 1)])
    assert merge([first, replace(first, purpose="b")]).noise == BUDGET


@pytest.mark.parametrize(("shares", "per_release", "told"), [
    ({"provincie": 50, "country": 50}, 100, "'site_subdivision', 'site', 'gemeente', 'swv' or 'country'"),
    ({"site_subdivision": 60, "site": 40}, 100, "give some to gemeente or country"),
    ({"site": 60, "swv": 40}, 100, "give some to gemeente or country"),
    ({"site": 99, "country": 1}, 99, "a share gets nothing"),
])  # fmt: skip
def test_shares_that_no_draw_could_serve_are_refused_at_once(
    shares: dict[str, int], per_release: int, told: str
) -> None:
    """A purpose file says so when it is read, not a release whose budget is gone."""
    figures = {"per_release": per_release, "per_period": 100, "per_school_year": 400, "shares": shares}
    with pytest.raises(ValidationError, match=told):
        Noise.model_validate({"mechanism": "gaussian", "decided_by": "test"} | figures)


def test_a_release_serves_somebody() -> None:
    """No purposes, no release."""
    with pytest.raises(Conflict, match="at least one purpose"):
        merge([])
