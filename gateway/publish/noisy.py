"""A sector's figures with noise: drawn once against the ledger, made consistent, suppressed like any other."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import pandas as pd

from disclosure import Build, Hierarchy
from disclosure import build as build_table
from disclosure.budget import divide
from disclosure.noise import DELTA, epsilon_of
from disclosure.perturb import Ask, Design, Estimate, Measured, estimate, expected_error, measure
from gateway.budgets import BudgetSpend, SpendState
from gateway.collections import TOTAL, Contract
from gateway.context import Gateway
from gateway.database import UNAVAILABLE
from gateway.outcome import GatewayError
from gateway.publish.ledger import Request, begin, keep, spent_in_period
from gateway.publish.protecting import dimensions, inequalities, seed_for, terms_of
from gateway.tabulate import SectorTable
from policies.release import Noise, NoisyLevel, ReleasePlan

# Names of levels in a purpose file's shares, as queries; the subdivision is asked apart where none is named.
_QUERIES: Mapping[NoisyLevel, Mapping[str, str]] = {
    "site_subdivision": {"site": "site"},
    "site": {"site": "site", "subdivision": TOTAL},
    "gemeente": {"site": "gemeente"},
    "swv": {"site": "swv"},
    "country": {"site": "country"},
}
_PATIENCE_SECONDS = 3600.0
_PAUSE_SECONDS = 0.5
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Noisy:
    """A protected table of noisy figures.

    Attributes:
        built: As a table without noise; its attacker tried the noisy figures.
        frame: The protected frame with `lower` and `upper`.
        privacy: What was spent and what it means, for the certificate.
    """

    built: Build
    frame: pd.DataFrame
    privacy: Mapping[str, object]


class NoiseLostError(GatewayError):
    """An earlier draw for this release was cut short: its budget is spent, and it may not be drawn again."""


def noisy_sector(
    gateway: Gateway,
    request: Request,
    table: SectorTable,
    contract: Contract,
    plan: ReleasePlan,
    *,
    seed: bytes,
    executor: Executor | None = None,
) -> Noisy:
    """Protect one sector with noise.

    Steps: (1) the answers: drawn now as they were reserved, or the ones that were kept; (2) one consistent table of
    whole numbers; (3) its small figures suppressed, secondary suppression included; (4) an interval beside each figure.

    What an insider knows and what holds between kinds is true of the exact counts, not of noisy ones: the attacker of
    step 3 has only the released figures and the public head-counts.

    Raises:
        NoiseLostError: an earlier draw was cut short.
        NotReservedError: the release paid nothing for this sector.
        OtherLayoutError: the register changed since the answers were kept: they are of other sites or areas.
    """
    spend = begin(gateway, request.release, request.population)
    noise = Noise.model_validate_json(spend.noise)
    design = design_of(table, noise)
    answers = _answers(gateway, request, spend, table=table, contract=contract, design=design)  # (1)
    made = _consistent(answers, table, contract, design)  # (2)
    terms = replace(terms_of(table, contract, plan), inequalities=(), coalitions=None)
    built = build_table(made.counts, terms, seed=seed_for(seed, made.counts, terms), executor=executor)  # (3)
    frame = built.protected.frame
    frame = frame.join(made.intervals(frame))  # (4)
    with gateway.reading() as session:
        of_period = spent_in_period(session, request)
    return Noisy(built, frame, privacy_of(noise, len(contract.kinds.members), of_period))


def design_of(table: SectorTable, noise: Noise) -> Design:
    """What is asked of a sector: the shares of the purpose file over the levels that the sector has."""
    levels = [name for name in noise.shares if name != "swv" or table.has_swv]
    parts = divide(noise.per_release, {name: noise.shares[name] for name in levels})
    return Design(noise.mechanism, tuple(Ask(_QUERIES[name], parts[name]) for name in levels), "band")


def errors_ahead(table: SectorTable, contract: Contract, noise: Noise) -> dict[str, float]:
    """The mean absolute error to expect of one figure per level of the shares, from public facts alone."""
    design = design_of(table, noise)
    found = expected_error(_laid_out(table, contract), structural_zeros=table.structural_zeros, design=design)
    named = {tuple(query.items()): name for name, query in _QUERIES.items()}
    return {named[tuple(query.items())]: error for query, error in found}


def privacy_of(noise: Noise, kinds: int, of_period: int) -> dict[str, object]:
    """What a release with noise promises: mechanism, unit, budget, and that budget as epsilon and delta.

    The unit is in other releases of its period too, and whoever reads this one may have those: so also what was spent
    on it in all of them by then, this one and builds that were rejected included.
    """
    gaussian = noise.mechanism == "gaussian"
    unit = "rho" if gaussian else "epsilon"
    return {
        "mechanism": f"discrete {noise.mechanism}",
        "unit": "the absence of one enrolment in one period; head-counts are public",
        f"{unit}_millionths": noise.per_release,
        "epsilon": epsilon_of(noise.mechanism, kinds, noise.per_release),
        f"{unit}_millionths_of_period": of_period,
        "epsilon_of_period": epsilon_of(noise.mechanism, kinds, of_period),
        "delta": DELTA if gaussian else 0,
    }


def _answers(
    gateway: Gateway, request: Request, found: BudgetSpend, *, table: SectorTable, contract: Contract, design: Design
) -> Measured:
    if found.answers:
        return Measured.from_bytes(found.answers)
    if found.state != SpendState.RESERVED:
        raise NoiseLostError("an earlier draw was cut short: its budget stays spent; build the release anew")
    measured = measure(
        table.counts,
        dimensions=_laid_out(table, contract),
        count="pupils",
        structural_zeros=table.structural_zeros,
        design=design,
    )
    _keep(gateway, request, measured.to_bytes())
    return measured


def _keep(gateway: Gateway, request: Request, answers: bytes) -> None:
    """Keep answers, which are the only ones there will be: a database that is away is waited for."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return keep(gateway, request, answers)
        except UNAVAILABLE as error:
            if time.monotonic() > until:
                raise
            _logger.warning("the answers of a draw wait for the database (%s)", type(error).__name__)
            time.sleep(_PAUSE_SECONDS)


def _consistent(answers: Measured, table: SectorTable, contract: Contract, design: Design) -> Estimate:
    return estimate(
        answers,
        dimensions=_laid_out(table, contract),
        count="pupils",
        structural_zeros=table.structural_zeros,
        design=design,
        inequalities=inequalities(contract),
    )


def _laid_out(table: SectorTable, contract: Contract) -> dict[str, Hierarchy]:
    """The hierarchies with the kinds of the contract: which cells exist may not follow from the counts."""
    kinds: Sequence[str] = contract.kinds.members
    return dimensions(table) | {"kind": Hierarchy("kind", pd.DataFrame({"kind": kinds}))}
