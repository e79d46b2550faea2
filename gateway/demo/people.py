"""Who takes part in the demo, and how they log in."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TypeVar

from sqlmodel import select

from gateway.context import Gateway, operator_of
from gateway.operate import Desk
from gateway.outcome import GatewayError, Refused
from gateway.store import Party, Period, Release, ReleaseState
from policies.purpose import InForce
from policies.release import Method, Sector

Done = TypeVar("Done")
MINISTER = "ORG-MINISTER"
_CITATION = "Oefening: wetsvoorstel 36663 is hier niet in werking / exercise: the bill is not in force"
_PROPOSED = (
    "statutory-counts",
    "absence-insight-swv",
    "absence-insight-gemeente",
    "national-picture",
    "region-for-school",
)
IN_FORCE = tuple(InForce(purpose=purpose, from_date=date(2025, 8, 1), citation=_CITATION) for purpose in _PROPOSED)

# One sector leaves with noise, so that both methods can be seen side by side.
METHODS: Mapping[Sector, Method] = {"vo": "dp"}


def must(outcome: Done | Refused) -> Done:
    """The result of an act that the demo knows to be allowed."""
    if isinstance(outcome, Refused):
        reasons = [] if outcome.decision is None else [sentence.en for sentence in outcome.decision.why]
        raise GatewayError(f"the demo was refused: {outcome.code} {dict(outcome.facts)} {outcome.report} {reasons}")
    return outcome


def is_loaded(gateway: Gateway) -> bool:
    """Whether an earlier run got as far as a published release."""
    with gateway.reading() as session:
        return session.exec(select(Release.id).where(Release.state == ReleaseState.PUBLISHED)).first() is not None


def was_begun(gateway: Gateway) -> bool:
    """Whether an earlier run opened its period, whatever came of it."""
    with gateway.reading() as session:
        return session.exec(select(Period.id)).first() is not None


def login_links(gateway: Gateway) -> Iterator[tuple[str, str]]:
    """A fresh one-time link for each audience: two operators, because nobody approves an own build."""
    desk = Desk(gateway, operator_of(gateway))
    with gateway.reading() as session:
        codes = sorted((row.kind, row.code) for row in session.exec(select(Party)))
    first = dict(reversed(codes))
    audiences = (
        ("operator (bouwt / builds)", gateway.settings.operator, "operator"),
        ("operator (keurt goed / approves)", gateway.settings.operator, "operator"),
        ("school", first["site"], "school"),
        ("samenwerkingsverband / SWV", first["swv"], "recipient"),
        ("gemeente", first["gemeente"], "recipient"),
        ("privacy officer (FG) van de minister / of the controller", MINISTER, "controller-officer"),
        ("privacy officer (FG) van het SWV / of the SWV", first["swv"], "privacy-officer"),
    )
    for label, party, role in audiences:
        yield label, must(desk.invite(party, role, label))
