"""What a build would cost and how far its figures would lie from the truth, shown before anything is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.context import Gateway
from gateway.outcome import Refused
from gateway.publish.asking import built_anew, methods_of, requests_of, to_correct
from gateway.publish.ledger import balances
from gateway.store import Period, PeriodState

if TYPE_CHECKING:
    from disclosure.budget import Account


@dataclass(frozen=True, slots=True)
class Ahead:
    """The cost of a build for one sector whose figures leave with noise.

    Attributes:
        asked: Millionths of rho or epsilon that the build costs.
        unit: rho or epsilon.
        epsilon: The same as epsilon, at `delta`.
        accounts: What the amount is charged to, as it is now.
        errors: Level of the shares → the mean error to expect of one figure, in pupils.
    """

    sector: str
    asked: int
    unit: str
    epsilon: float
    delta: float
    accounts: "Sequence[Account]"
    errors: Mapping[str, float]

    @property
    def fits(self) -> bool:
        """Whether every account can bear it."""
        return all(self.asked <= account.left for account in self.accounts)


def ahead(gateway: Gateway, period: Period) -> list[Ahead]:
    """What a release of a closed period would cost, per sector with noise; nothing where none may be built.

    It looks at no count.
    """
    contract, serving = gateway.contracts.get(period.table_id), gateway.law.purposes.releasing(period.table_id)
    if period.state != PeriodState.CLOSED or contract is None or not serving:
        return []
    plan = gateway.law.purposes.plan(serving)
    if plan.noise is None or "dp" not in plan.methods.values():
        return []
    from disclosure.noise import DELTA, epsilon_of  # noqa: PLC0415  large, and asked for where noise is the law only
    from gateway.publish.noisy import errors_ahead  # noqa: PLC0415  likewise
    from gateway.tabulate import tabulate  # noqa: PLC0415  likewise

    gaussian = plan.noise.mechanism == "gaussian"
    with gateway.reading() as session:
        corrects = to_correct(session, period)
        if isinstance(corrects, Refused):
            return []
        tables = {table.sector: table for table in tabulate(session, period, contract)}
        asked = requests_of("", period, plan, built_anew(session, period, corrects, methods_of(tables, plan)))
        charged = {request.population: balances(session, request) for request in asked}
    epsilon = epsilon_of(plan.noise.mechanism, len(contract.kinds.members), plan.noise.per_release)
    return [
        Ahead(
            sector=request.population,
            asked=request.noise.per_release,
            unit="rho" if gaussian else "epsilon",
            epsilon=epsilon,
            delta=DELTA if gaussian else 0.0,
            accounts=charged[request.population],
            errors=errors_ahead(tables[request.population], contract, request.noise),
        )
        for request in asked
    ]
