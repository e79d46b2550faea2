"""The ledger of privacy budgets: reserve on disk, draw once, keep the answers, serve what was kept.

What was reserved is spent, whatever happens afterwards: a crash gives nothing back, and noise that may have been seen
is never drawn again. A budget hangs on a population and its school year, so that another collection or purpose over
the same pupils finds it spent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session, col, select, update
from sqlmodel.sql.expression import SelectOfScalar

from audit.entry import Actor, Entry, Object
from audit.events import Decision as Outcome
from audit.events import Event, Role
from disclosure.budget import Account, first_overdrawn
from gateway.budgets import BudgetAccount, BudgetSpend, SpendState, YearMethod
from gateway.context import Gateway
from gateway.outcome import GatewayError, Refused
from gateway.periods import school_year
from policies.release import Method, Noise

_OPEN = text("INSERT INTO budget_account (name, cap, spent) VALUES (:name, :cap, 0) ON CONFLICT DO NOTHING")
_FIX = text("INSERT INTO year_method (population, school_year, method) VALUES (:of, :year, :by) ON CONFLICT DO NOTHING")


@dataclass(frozen=True, slots=True)
class Request:
    """What a release asks of the budgets of one population (a sector's enrolments) in one period.

    Attributes:
        table: The collection's table.
        period: Code of the period.
        purposes: What the release serves; each has an account of its own, all are charged the same amount.
    """

    release: str
    table: str
    period: str
    population: str
    purposes: tuple[str, ...]
    noise: Noise

    @property
    def caps(self) -> dict[str, int]:
        """Name of every account that is charged → its cap by the purpose file."""
        of_period = {f"{self.table}/{self.period}/{each}/{self.population}": each for each in self.purposes}
        year = {f"{self.population}/{school_year(self.period)}": self.noise.per_school_year}
        return dict.fromkeys(of_period, self.noise.per_period) | year


def balances(session: Session, request: Request) -> list[Account]:
    """The accounts a request would be charged to; one without any spending has its cap by the purpose file.

    A cap in the ledger is never raised: a purpose file that asks for more in mid-year gives no fresh budget; one that
    asks for less is heeded at once.
    """
    return _with_caps(request, session.exec(_rows(request)).all())


def _rows(request: Request) -> SelectOfScalar[BudgetAccount]:
    return select(BudgetAccount).where(col(BudgetAccount.name).in_(request.caps)).order_by(BudgetAccount.name)


def _with_caps(request: Request, rows: Sequence[BudgetAccount]) -> list[Account]:
    there = {row.name: row for row in rows}
    return [
        Account(name, min(cap, there[name].cap), there[name].spent) if name in there else Account(name, cap, 0)
        for name, cap in sorted(request.caps.items())
    ]


def _locked(session: Session, request: Request) -> list[Account]:
    """The balances, each account there and locked until the transaction ends."""
    query = _rows(request).with_for_update().execution_options(populate_existing=True)
    rows = session.exec(query).all()
    if len(rows) < len(request.caps):
        for name, cap in sorted(request.caps.items()):
            session.execute(_OPEN, {"name": name, "cap": cap})
        rows = session.exec(query).all()
    return _with_caps(request, rows)


def reserve(gateway: Gateway, session: Session, requests: Sequence[Request]) -> Refused | None:
    """Charge what a release asks, in the caller's transaction, and log it; all of it, or nothing.

    Steps: (1) every account exists and is locked, in order of name; (2) all can bear it, or the refusal is logged and
    says cap, spent, asked and left; (3) charge, under a condition the database checks again; (4) the reservations.

    The caller still owes: a commit before any noise is drawn.
    """
    for request in requests:
        refused = first_overdrawn(request.noise.per_release, _locked(session, request))  # (1) (2)
        if refused is not None:
            _log(gateway, session, request, Event.BUDGET_REFUSED, Outcome.DENY)
            account = refused.account
            figures = {"cap": account.cap, "spent": account.spent, "asked": refused.asked, "left": account.left}
            facts = {"account": account.name, **{name: str(figure) for name, figure in figures.items()}}
            return Refused("budget-exceeded", facts=facts)
        if (mixed := _other_mechanism(session, request)) is not None:
            return mixed
    for request in requests:
        _charge(session, request)  # (3)
        spend = BudgetSpend(  # (4)
            release_id=request.release,
            population=request.population,
            school_year=school_year(request.period),
            mechanism=request.noise.mechanism,
            asked=request.noise.per_release,
        )
        session.add(spend)
        _log(gateway, session, request, Event.BUDGET_RESERVED, Outcome.PERMIT)
    return None


def begin(gateway: Gateway, release_id: str, population: str) -> BudgetSpend:
    """Take the reservation for drawing, once: on disk before the first draw.

    Returns:
        The reservation as it was found: `reserved` means draw now, `drawn` means the answers are there already, and
        `drawing` means an earlier draw was cut short: it may have been seen, so it is spent.

    Raises:
        GatewayError: nothing was reserved.
    """
    with gateway.writing() as session:
        spend = session.get(BudgetSpend, (release_id, population), with_for_update=True)
        if spend is None:
            raise GatewayError(f"no budget was reserved for {population}: noise may not be drawn")
        found = BudgetSpend.model_validate(spend.model_dump())
        if spend.state == SpendState.RESERVED:
            spend.state = SpendState.DRAWING
        return found


def keep(gateway: Gateway, request: Request, answers: bytes) -> None:
    """Keep the answers of the draw and log the spending; from here on they are served as often as asked.

    Raises:
        GatewayError: this draw was not begun, or its answers are there already.
    """
    with gateway.writing() as session:
        spend = session.get_one(BudgetSpend, (request.release, request.population), with_for_update=True)
        if spend.state != SpendState.DRAWING:
            raise GatewayError("answers to a draw that was not begun, or was kept before")
        spend.state, spend.answers = SpendState.DRAWN, answers
        _log(gateway, session, request, Event.BUDGET_SPENT, Outcome.PERMIT)


def other_method(session: Session, methods: Iterable[tuple[str, Method]], year: str) -> Refused | None:
    """The refusal for a population of which figures left in another way this school year; None where all agree.

    A noisy margin beside exact cells of the same pupils would be a look at the hidden ones.
    """
    for population, method in methods:
        fixed = session.get(YearMethod, (population, year))
        if fixed is not None and fixed.method != method:
            facts = {"sector": population, "schoolYear": year, "method": fixed.method, "asked": method}
            return Refused("other-method", facts=facts)
    return None


def fix_methods(session: Session, methods: Iterable[tuple[str, Method]], year: str) -> Refused | None:
    """Fix how figures of these populations leave this school year, when they are published; or refuse the other kind.

    Raises:
        GatewayError: another publication fixed the other kind in between; nothing is published.
    """
    chosen = sorted(methods)
    refused = other_method(session, chosen, year)
    if refused is not None:
        return refused
    for population, method in chosen:
        session.execute(_FIX, {"of": population, "year": year, "by": method})
    if other_method(session, chosen, year) is not None:
        raise GatewayError("another release of these pupils was published in another way just now: try again")
    return None


def _other_mechanism(session: Session, request: Request) -> Refused | None:
    """The refusal where this population's budget was spent in another unit this year: rho and epsilon do not add up."""
    year = school_year(request.period)
    query = select(BudgetSpend.mechanism).where(
        BudgetSpend.population == request.population, BudgetSpend.school_year == year
    )
    for spent in session.exec(query.distinct()):
        if spent != request.noise.mechanism:
            facts = {"sector": request.population, "schoolYear": year, "method": spent}
            return Refused("other-method", facts=facts | {"asked": request.noise.mechanism})
    return None


def _charge(session: Session, request: Request) -> None:
    """Add to every account, each under the condition that it can bear it.

    Raises:
        GatewayError: one cannot, although it was checked under lock: a broken invariant, so nothing is booked.
    """
    asked = request.noise.per_release
    room = col(BudgetAccount.name).in_(request.caps) & (col(BudgetAccount.spent) + asked <= col(BudgetAccount.cap))
    charged = session.exec(update(BudgetAccount).where(room).values(spent=col(BudgetAccount.spent) + asked))
    if charged.rowcount != len(request.caps):
        raise GatewayError("a budget changed while it was locked: nothing was booked")


def _log(gateway: Gateway, session: Session, request: Request, event: Event, outcome: Outcome) -> None:
    entry = Entry(
        event=event,
        actor=Actor(Role.GATEWAY, gateway.settings.operator),
        decision=outcome,
        period=request.period,
        object=Object(f"release:{request.release}"),
        amount=request.noise.per_release,
    )
    gateway.append(session, entry)
