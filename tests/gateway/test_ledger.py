"""The ledger of privacy budgets: never overspent, charged before the draw, nothing given back."""

import contextlib
import itertools
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError, TimeoutError  # noqa: A004  the pool's
from sqlmodel import Session, select

from audit.events import Event
from audit.schema import PENDING
from gateway.app import create_deployment
from gateway.budgets import BudgetAccount, BudgetSpend, SpendState, YearMethod
from gateway.context import Gateway
from gateway.identity import add_person
from gateway.outcome import GatewayError, Refused
from gateway.publish import ledger
from gateway.publish.ledger import NotReservedError, Request, balances, begin, fix_methods, keep, other_method, reserve
from gateway.settings import Home, Settings
from gateway.store import Period, Release
from policies.release import Method, Noise

from .noisy_release import accounts, noise

PERIOD = "2026-2027-1"
YEAR = "2026-2027"


@pytest.fixture
def gateway(database: str, tmp_path: Path) -> Iterator[Gateway]:
    """An empty deployment, on SQLite and on PostgreSQL."""
    made = create_deployment(Home(tmp_path / "data", database), Settings())
    yield made
    made.database.dispose()


def request(number: int = 0, *, purposes: tuple[str, ...] = ("insight",), **other: object) -> Request:
    """A request for sector vo in the first period."""
    asked = Request(f"{number:032x}", "absence-counts", PERIOD, "vo", purposes, noise())
    return replace(asked, **other)  # type: ignore[arg-type]  # fields of the request


def under_way(gateway: Gateway) -> Request:
    """A request that was charged, of a release that is being built."""
    asked = request()
    assert ask(gateway, asked) is None
    day, operator = date(2026, 10, 1), gateway.settings.operator
    with gateway.writing() as session:
        period = Period(table_id=asked.table, code=asked.period, reference_date=day, deadline=day, exercise=True)
        session.add(period)
        builder = add_person(session, operator, "operator", "builder")
        session.flush()
        told = {"period_id": period.id, "purposes": "insight", "builder_id": builder.id, "seed": b""}
        session.add(Release(id=asked.release, **told))
    return asked


def code_of(refused: Refused | None) -> str | None:
    return refused.code if refused else None


def ask(gateway: Gateway, *requests: Request) -> Refused | None:
    with gateway.writing() as session:
        return reserve(gateway, session, requests)


def test_a_request_is_charged_to_period_and_year(gateway: Gateway) -> None:
    """Every purpose's period account and the population's year account carry the amount asked for."""
    assert ask(gateway, request(purposes=("insight", "picture"))) is None
    assert accounts(gateway) == {
        "absence-counts/2026-2027-1/insight/vo": (250, 100),
        "absence-counts/2026-2027-1/picture/vo": (250, 100),
        "vo/2026-2027": (1000, 100),
    }


def test_a_refusal_says_cap_spent_asked_and_left_and_charges_nothing(gateway: Gateway) -> None:
    """The third request of 100 does not fit in 250: the refusal has every figure, and no account moved."""
    assert [ask(gateway, request(number)) for number in range(2)] == [None, None]
    before = accounts(gateway)
    refused = ask(gateway, request(2))
    assert refused is not None
    assert (refused.code, refused.facts) == (
        "budget-exceeded",
        {
            "account": "absence-counts/2026-2027-1/insight/vo",
            "cap": "250",
            "spent": "200",
            "asked": "100",
            "left": "50",
        },
    )
    assert accounts(gateway) == before


def test_one_population_that_cannot_pay_stops_the_others(gateway: Gateway) -> None:
    """A release over two sectors is charged for both or for neither."""
    with gateway.writing() as session:
        session.add(BudgetAccount(name="vo/2026-2027", mechanism="gaussian", cap=1000, spent=950))
    assert ask(gateway, request(population="po"), request()) is not None
    assert {spent for _, spent in accounts(gateway).values()} == {0, 950}


@pytest.mark.parametrize("change", [
    {"purposes": ("renamed",)}, {"table": "other-counts"}, {"period": "2026-2027-4"}, {"purposes": ("a", "b")},
])  # fmt: skip
def test_another_name_gives_no_fresh_budget(gateway: Gateway, change: dict[str, object]) -> None:
    """Whatever collection, purpose or period asks: the pupils' account of the school year is the same."""
    with gateway.writing() as session:
        session.add(BudgetAccount(name="vo/2026-2027", mechanism="gaussian", cap=1000, spent=901))
    refused = ask(gateway, request(**change))  # type: ignore[arg-type]  # fields of the request
    assert refused is not None
    assert refused.facts["account"] == "vo/2026-2027"


def test_a_new_school_year_has_a_budget_of_its_own(gateway: Gateway) -> None:
    """What was spent in one school year is not charged to the next."""
    with gateway.writing() as session:
        session.add(BudgetAccount(name="vo/2026-2027", mechanism="gaussian", cap=1000, spent=1000))
    assert ask(gateway, request(period="2027-2028-1")) is None


def test_a_cap_is_never_raised_and_a_lower_one_holds_at_once(gateway: Gateway) -> None:
    """A purpose file changed in mid-year cannot make room, and can take it away."""
    ask(gateway, request())
    more, less = noise(per_period=900, per_school_year=3600), noise(per_period=120, per_school_year=480)
    with gateway.reading() as session:
        assert [a.cap for a in balances(session, request(noise=more))] == [1000, 250]
        assert [a.left for a in balances(session, request(noise=less))] == [380, 20]
    assert ask(gateway, request(1, noise=less)) is not None


def test_the_database_itself_refuses_to_overspend(gateway: Gateway) -> None:
    """Code that forgets to ask is stopped by the constraint on the table."""
    ask(gateway, request())

    def overspend() -> None:
        with gateway.writing() as session:
            session.get_one(BudgetAccount, "vo/2026-2027").spent = 1001

    with pytest.raises(IntegrityError):
        overspend()


def test_rho_and_epsilon_do_not_share_an_account(gateway: Gateway) -> None:
    """A year in which Gaussian noise was paid in rho takes no Laplace noise paid in epsilon."""
    ask(gateway, request())
    refused = ask(gateway, request(1, noise=noise(mechanism="laplace")))
    assert refused is not None
    assert (refused.code, refused.facts["method"]) == ("other-method", "gaussian")


def test_a_refused_request_fixes_nothing_of_an_account(gateway: Gateway) -> None:
    """The year's account counts in rho: Laplace noise is refused, and leaves no account that counts in epsilon."""
    ask(gateway, request())
    later = request(1, period="2026-2027-2")
    other = noise(mechanism="laplace", per_period=400, per_school_year=1600)
    assert [code_of(ask(gateway, each)) for each in (replace(later, noise=other), later)] == ["other-method", None]
    assert accounts(gateway)["absence-counts/2026-2027-2/insight/vo"] == (250, 100)


def test_a_draw_is_begun_once(gateway: Gateway) -> None:
    """The first to begin finds `reserved`; whoever comes later finds that it was begun, then that it was drawn."""
    asked = under_way(gateway)
    assert begin(gateway, asked.release, "vo").state == SpendState.RESERVED
    assert begin(gateway, asked.release, "vo").state == SpendState.DRAWING
    keep(gateway, asked, b"answers")
    found = begin(gateway, asked.release, "vo")
    assert (found.state, found.answers) == (SpendState.DRAWN, b"answers")
    assert Noise.model_validate_json(found.noise) == asked.noise


def test_answers_are_kept_once(gateway: Gateway) -> None:
    """The same answers twice are kept and logged once; others, or some without a draw that was begun, are refused."""
    asked = under_way(gateway)
    with pytest.raises(GatewayError, match="not begun"):
        keep(gateway, asked, b"early")
    begin(gateway, asked.release, "vo")
    for _ in range(2):
        keep(gateway, asked, b"answers")
    with gateway.reading() as session:
        waiting = session.connection().execute(PENDING.select()).all()
    assert [json.loads(row.data)["event"] for row in waiting].count(Event.BUDGET_SPENT) == 1
    with pytest.raises(GatewayError, match="kept before"):
        keep(gateway, asked, b"again")


def test_nothing_is_drawn_without_a_reservation(gateway: Gateway) -> None:
    """Asking to draw for a sector for which a release paid nothing is a broken invariant."""
    release = under_way(gateway).release
    with pytest.raises(NotReservedError):
        begin(gateway, release, "po")


def test_a_population_leaves_in_one_way_a_year(gateway: Gateway) -> None:
    """Once published exact, noise is refused for that sector and year; other sectors and years are free."""
    with gateway.writing() as session:
        assert fix_methods(session, [("vo", "exact"), ("po", "dp")], YEAR) is None
    with gateway.writing() as session:
        refused = fix_methods(session, [("so", "exact"), ("vo", "dp")], YEAR)
        assert refused is not None
        assert refused.facts == {"sector": "vo", "schoolYear": YEAR, "method": "exact", "asked": "dp"}
    with gateway.reading() as session:
        assert other_method(session, [("so", "dp"), ("vo", "exact"), ("po", "dp")], YEAR) is None
        assert other_method(session, [("vo", "dp")], "2027-2028") is None


def test_two_ways_at_once_are_one_way(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact and noisy figures of a sector published at once: one is, the other is refused and fixes nothing else."""
    asked = {"exact": "po", "dp": "so"}
    barrier, looked = threading.Barrier(len(asked), timeout=60), itertools.count()

    def look(session: Session, methods: list[tuple[str, Method]], year: str) -> Refused | None:
        found = other_method(session, methods, year)
        if gateway.database.dialect.name == "postgresql" and next(looked) < len(asked):
            barrier.wait()  # both find nothing fixed; SQLite lets one in at a time
        return found

    def fix(method: Method) -> Refused | None:
        with gateway.writing() as session:
            refused = fix_methods(session, [("vo", method), (asked[method], method)], YEAR)
            if refused is not None:
                session.rollback()
            return refused

    monkeypatch.setattr(ledger, "other_method", look)
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(asked, pool.map(fix, ("exact", "dp")), strict=True))
    done = [method for method, refused in outcomes.items() if refused is None]
    assert len(done) == 1
    with gateway.reading() as session:
        fixed = {row.population: row.method for row in session.exec(select(YearMethod))}
    assert fixed == {"vo": done[0], asked[done[0]]: done[0]}


def test_reservation_spending_and_refusal_are_logged_with_their_amount(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three entries: reserved, spent, refused; each with the release and the millionths."""
    logged: list[tuple[Event, str, int | None]] = []
    append = Gateway.append

    def listen(self: Gateway, session: object, entry: object, decision: object = None) -> object:
        logged.append((entry.event, entry.object.id, entry.amount))  # type: ignore[attr-defined]  # an entry
        return append(self, session, entry, decision)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(Gateway, "append", listen)
    asked = under_way(gateway)
    begin(gateway, asked.release, "vo")
    keep(gateway, asked, b"answers")
    ask(gateway, request(1, noise=noise(per_release=200)))
    about = f"release:{asked.release}"
    assert logged == [
        (Event.BUDGET_RESERVED, about, 100),
        (Event.BUDGET_SPENT, about, 100),
        (Event.BUDGET_REFUSED, f"release:{1:032x}", 200),
    ]


def answer(gateway: Gateway, asked: Request) -> Refused | None:
    """The answer to a request; one that found no connection free in time was not made, and is made again."""
    while True:
        with contextlib.suppress(TimeoutError):
            return ask(gateway, asked)


def race(gateway: Gateway, threads: int, attempts: int, budget: Noise) -> None:
    """Let threads ask at once, each for releases of its own; then compare what was granted with what was booked."""
    granted: list[int] = []
    ready = threading.Barrier(threads)

    def one(thread: int) -> int:
        ready.wait()
        asked = (request(thread * attempts + number, noise=budget) for number in range(attempts))
        return sum(answer(gateway, each) is None for each in asked)

    with ThreadPoolExecutor(threads) as pool:
        granted = list(pool.map(one, range(threads)))
    room = budget.per_period // budget.per_release
    booked = accounts(gateway)
    with gateway.reading() as session:
        reserved = len(session.exec(select(BudgetSpend.release_id)).all())
    assert sum(granted) == reserved == min(room, threads * attempts)
    assert {spent for _, spent in booked.values()} == {reserved * budget.per_release}
    assert all(spent <= cap for cap, spent in booked.values())


def test_many_who_ask_at_once_never_overspend(gateway: Gateway) -> None:
    """Eight threads ask a hundred times for more than there is: exactly what fits is granted."""
    race(gateway, 8, 12, noise(per_release=3_333, per_period=100_000, per_school_year=400_000))


@pytest.mark.soak
def test_thirty_two_threads_and_a_thousand_attempts_never_overspend(gateway: Gateway) -> None:
    """32 threads x 1,000 attempts: 0 overspends on either database."""
    race(gateway, 32, 1000, noise(per_release=13, per_period=250_000, per_school_year=1_000_000))
