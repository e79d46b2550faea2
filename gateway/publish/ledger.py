"""The ledger of privacy budgets: reserve on disk, draw once, keep the answers until their table is stored.

What was reserved is spent, whatever happens afterwards: a crash gives nothing back, and noise that may have been seen
is never drawn again. A budget hangs on a population and its school year, so that another collection or purpose over
the same pupils finds it spent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, bindparam, insert, select, text, update
from sqlmodel import Session

from audit.entry import Entry, Object
from audit.events import Decision as Outcome
from audit.events import Event
from gateway.budgets import BudgetAccount, BudgetSpend, ReleasedSince, Restoration, SpendState, YearMethod
from gateway.context import Gateway
from gateway.outcome import GatewayError, Refused
from gateway.periods import earliest_day, school_year
from gateway.store import Period, Release, ReleaseState, table_of
from policies.release import Method, Noise, ReleasePlan

if TYPE_CHECKING:
    from disclosure.budget import Account

_ACCOUNTS, _SPENDS, _RELEASES = table_of(BudgetAccount), table_of(BudgetSpend), table_of(Release)
_RESTORED = table_of(Restoration)
RESTORED = "restored"
_NAMED = _ACCOUNTS.c.name.in_(bindparam("names", expanding=True))
_BALANCES = select(_ACCOUNTS).where(_NAMED).order_by(_ACCOUNTS.c.name)
_OPEN = text(  # what was spent of stays, and is locked; one that nothing was spent of is as who asks now would open it
    "INSERT INTO budget_account (name, mechanism, cap, spent) VALUES (:name, :by, :cap, :spent) "
    "ON CONFLICT (name) DO UPDATE SET mechanism = excluded.mechanism, cap = excluded.cap, spent = excluded.spent "
    "WHERE budget_account.spent = 0"
)
_CHARGE = (
    update(_ACCOUNTS)
    .where(_NAMED, _ACCOUNTS.c.spent + bindparam("asked") <= _ACCOUNTS.c.cap)
    .values(spent=_ACCOUNTS.c.spent + bindparam("asked"))
)
_FIX = text(  # what is there stays, and is locked: publications of one population wait for one another
    "INSERT INTO year_method (population, school_year, method) VALUES (:of, :year, :by) "
    "ON CONFLICT (population, school_year) DO UPDATE SET method = year_method.method"
)


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
        """Name of every account that is charged → its cap by the purpose file; the year's, which ends more, first."""
        year = {f"{self.population}/{school_year(self.period)}": self.noise.per_school_year}
        of_period = [f"{self.table}/{self.period}/{each}/{self.population}" for each in self.purposes]
        return year | dict.fromkeys(of_period, self.noise.per_period)


class NotReservedError(GatewayError):
    """Noise is asked of a population for which nothing was reserved, so it may not be drawn."""


def balances(session: Session, request: Request) -> "list[Account]":
    """The accounts a request would be charged to; one of which nothing was spent yet as it would be opened.

    Once something was spent a cap is never raised: a purpose file that asks for more in mid-year gives no fresh budget;
    one that asks for less is heeded at once.
    """
    return _as_booked(_new(session, request), session.execute(_BALANCES, {"names": list(request.caps)}).all())


def spent_in_period(session: Session, request: Request) -> int:
    """What releases of a table spent so far on one population in one period, that of the request included."""
    of_period = f"{request.table}/{request.period}/"
    return max(account.spent for account in balances(session, request) if account.name.startswith(of_period))


def reserve(gateway: Gateway, session: Session, requests: Sequence[Request]) -> Refused | None:
    """Charge what a release asks, in the caller's transaction, and log it; all of it, or nothing.

    Steps: (1) every account exists and is locked, in order of name; (2) all can bear it, or the refusal is logged and
    says cap, spent, asked and left; (3) charge, under a condition the database checks again; (4) the reservations.

    The caller still owes: a commit before any noise is drawn.
    """
    for request in requests:
        new = _new(session, request)
        refused = _refusal(request, new, _locked(session, request, new))  # (1) (2)
        if refused is not None:
            _log(gateway, session, request, Event.BUDGET_REFUSED, request.noise.per_release)
            return refused
    for request in requests:
        asked = {"names": list(request.caps), "asked": request.noise.per_release}
        if session.connection().execute(_CHARGE, asked).rowcount != len(request.caps):  # (3)
            raise GatewayError("a budget changed while it was locked: nothing was booked")
        spend = BudgetSpend(  # (4)
            release_id=request.release,
            population=request.population,
            school_year=school_year(request.period),
            asked=request.noise.per_release,
            noise=request.noise.model_dump_json(),
        )
        session.execute(insert(_SPENDS), spend.model_dump())
        _log(gateway, session, request, Event.BUDGET_RESERVED, spend.asked)
    return None


def _new(session: Session, request: Request) -> "list[Account]":
    """The accounts of a request as they are opened: used up where a restore may have forgotten what was drawn."""
    from disclosure.budget import Account  # noqa: PLC0415  the room brings solver and data frames: where noise is asked

    forgotten = restored_within(session, school_year(request.period)) is not None
    return [Account(name, cap, cap if forgotten else 0) for name, cap in request.caps.items()]


def _locked(session: Session, request: Request, new: "Sequence[Account]") -> Sequence[Row[Any]]:
    """The accounts of a request, each there and locked until the transaction ends."""
    for each in sorted(new, key=lambda account: account.name):
        opened = {"name": each.name, "by": request.noise.mechanism, "cap": each.cap, "spent": each.spent}
        session.execute(_OPEN, opened)
    return session.execute(_BALANCES, {"names": list(request.caps)}).all()


def _as_booked(new: "Iterable[Account]", rows: Iterable[Row[Any]]) -> "list[Account]":
    there = {row.name: row for row in rows if row.spent}
    return [
        replace(each, cap=min(each.cap, there[each.name].cap), spent=there[each.name].spent)
        if each.name in there
        else each
        for each in new
    ]


def _refusal(request: Request, new: "Iterable[Account]", rows: Sequence[Row[Any]]) -> Refused | None:
    """Why these accounts cannot bear a request: too little left, or they count in another unit."""
    for row in rows:
        if row.mechanism != request.noise.mechanism:
            year = school_year(request.period)
            facts = {"sector": request.population, "schoolYear": year, "method": row.mechanism}
            return Refused("other-method", facts=facts | {"asked": request.noise.mechanism})
    from disclosure.budget import first_overdrawn  # noqa: PLC0415  likewise

    refused = first_overdrawn(request.noise.per_release, _as_booked(new, rows))
    if refused is None:
        return None
    account = refused.account
    figures = {"cap": account.cap, "spent": account.spent, "asked": refused.asked, "left": account.left}
    return Refused(
        "budget-exceeded", facts={"account": account.name, **{name: str(figure) for name, figure in figures.items()}}
    )


def begin(gateway: Gateway, release_id: str, population: str) -> BudgetSpend:
    """Take the reservation for drawing, once: on disk before the first draw.

    Returns:
        The reservation as it was found: `reserved` means draw now, `drawn` means the answers are there already, and
        `drawing` means an earlier draw was cut short: it may have been seen, so it is spent.

    Raises:
        NotReservedError: nothing was reserved.
        GatewayError: the build has ended.
    """
    with gateway.writing() as session:
        _hold_build(session, release_id)
        spend = session.get(BudgetSpend, (release_id, population), with_for_update=True)
        if spend is None:
            raise NotReservedError(f"no budget was reserved for {population}: noise may not be drawn")
        found = BudgetSpend.model_validate(spend.model_dump())
        if spend.state == SpendState.RESERVED:
            spend.state = SpendState.DRAWING
        return found


def keep(gateway: Gateway, request: Request, answers: bytes) -> None:
    """Keep the answers of the draw and log the spending; until the build ends they are what it goes on with.

    Doing it twice is doing it once: whoever did not hear that they are kept offers them again.

    Raises:
        GatewayError: the build has ended, this draw was not begun, or other answers are there already.
    """
    with gateway.writing() as session:
        _hold_build(session, request.release)
        spend = session.get_one(BudgetSpend, (request.release, request.population), with_for_update=True)
        if spend.state == SpendState.DRAWN and spend.answers == answers:
            return
        if spend.state != SpendState.DRAWING:
            raise GatewayError("answers to a draw that was not begun, or was kept before")
        spend.state, spend.answers = SpendState.DRAWN, answers
        _log(gateway, session, request, Event.BUDGET_SPENT, spend.asked)


def _hold_build(session: Session, release_id: str) -> None:
    """Let a build go on until the transaction ends; one that was given up meanwhile draws and keeps nothing."""
    if session.get_one(Release, release_id, with_for_update=True).state != ReleaseState.BUILDING:
        raise GatewayError("this build has ended: nothing more is drawn or kept for it")


def forget_answers(session: Session) -> int:
    """Erase the answers that no build under way needs: nothing of them was suppressed. What was spent stays spent."""
    session.flush()
    going = select(_RELEASES.c.id).where(_RELEASES.c.state == ReleaseState.BUILDING)
    idle = update(_SPENDS).where(_SPENDS.c.answers != b"", _SPENDS.c.release_id.not_in(going))
    return session.connection().execute(idle.values(answers=b"")).rowcount


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

    After a refusal the caller rolls back: the other kind may have been fixed at this very moment, for one of several.
    """
    chosen = sorted(methods)
    refused = other_method(session, chosen, year)
    if refused is not None:
        return refused
    for population, method in chosen:
        session.execute(_FIX, {"of": population, "year": year, "by": method})
    return other_method(session, chosen, year)


def settle(session: Session, *, known_until: datetime | None, now: datetime) -> None:
    """After a restore nothing is drawn or published on what it brought back, for there may be more than it knows.

    Budgets are used up, also those of which it knows nothing (`_new`); builds under way end, for they may have been
    finished and published; and `not_known` holds.

    Args:
        session: The transaction.
        known_until: The moment of the backup; None where a settling that broke off has said it.
        now: The moment of the settling.
    """
    session.execute(update(_ACCOUNTS).values(spent=_ACCOUNTS.c.cap))
    going = update(_RELEASES).where(_RELEASES.c.state == ReleaseState.BUILDING)
    session.execute(going.values(state=ReleaseState.FAILED, failure=RESTORED))
    forget_answers(session)
    if known_until is not None:
        session.merge(Restoration(settled_at=now, known_until=known_until))


def restored_within(session: Session, year: str) -> Row[Any] | None:
    """The newest restore, where that school year had begun by then; None where a restore can have forgotten nothing."""
    restored = session.execute(select(_RESTORED).order_by(_RESTORED.c.settled_at.desc()).limit(1)).first()
    return None if restored is None or restored.settled_at.date() < earliest_day(year) else restored


def not_known(session: Session, period: Period) -> Refused | None:
    """The refusal for a period of which a release may be out that a restore has forgotten; None where that cannot be.

    It holds of every school year that had begun, until the operator says what was published since the backup.
    """
    year = school_year(period.code)
    restored = restored_within(session, year)
    if restored is None:
        return None
    told = session.get(ReleasedSince, year)
    if told is not None and told.told_at >= restored.settled_at:
        return None
    moments = {"backup": restored.known_until.isoformat(), "restored": restored.settled_at.isoformat()}
    return Refused("release-not-known", facts={"schoolYear": year} | moments)


def forgotten(session: Session, period: Period) -> Refused | None:
    """The refusal of a period that was published and then forgotten: its readers may have another version.

    It holds for building one as well as for what was built or approved at the backup: rejected since, and built anew
    of other deliveries, it is not what was published.
    """
    told = session.get(ReleasedSince, school_year(period.code))
    if told is None or period.code not in told.periods.split():
        return None
    return Refused("release-forgotten", facts={"period": period.code})


def remember(session: Session, plan: ReleasePlan, year: str) -> None:
    """Keep, of a school year of which a release was forgotten, that sectors left as a plan says."""
    for population, method in sorted(plan.methods.items()):
        session.execute(_FIX, {"of": population, "year": year, "by": method})


def _log(gateway: Gateway, session: Session, request: Request, event: Event, amount: int) -> None:
    entry = Entry(
        event=event,
        actor=gateway.actor,
        decision=Outcome.DENY if event is Event.BUDGET_REFUSED else Outcome.PERMIT,
        period=request.period,
        object=Object(f"release:{request.release}"),
        amount=amount,
    )
    gateway.append(session, gateway.serving(entry, request.purposes))
