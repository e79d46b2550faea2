"""What would be decided? A made-up party, a made-up act, every purpose: nothing about anybody is looked up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from audit.entry import Entry
from audit.events import Event
from gateway.context import Gateway
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.oversight import may
from gateway.web.forms import show
from gateway.web.pages import Visitor, gateway_of, page, refusal
from gateway.web.views import ROLES
from policies.decision import Decision, Permit
from policies.parties import Caller, Kind, Party, Role
from policies.purpose import DataCategory, Purpose
from policies.question import Action
from policies.question import Request as Question
from policies.things import Area, CaseData, Delivery, Hypothesis, Slice, Thing

MADE_UP = "hypothetical"
WHO = (
    Kind.SITE, Kind.SWV, Kind.GEMEENTE, Kind.MINISTER, Kind.ATTENDANCE_OFFICER, Kind.YOUTH_HEALTH_CARE,
    Kind.INSPECTORATE, Kind.RESEARCHER, Kind.PROVINCE, Kind.DOCTOR, Kind.OTHER,
)  # fmt: skip


def _delivery(*data: DataCategory) -> Thing:
    return Delivery(MADE_UP, "po", frozenset(data), period_open=True, exercise=True, agreement=True)


def _asked(*data: DataCategory) -> Callable[[Kind], Thing]:
    return lambda kind: CaseData(frozenset(data), kind)


@dataclass(frozen=True, slots=True)
class Case:
    """A made-up act: what is done, with what, in which collection."""

    action: Action
    thing: Callable[[Kind], Thing]
    collection: str = "absence-counts"


CASES: Mapping[str, Case] = {
    "counts": Case(Action.SUBMIT, lambda _: _delivery(DataCategory.ABSENCE_COUNTS, DataCategory.ILLNESS_COUNTS)),
    "rows": Case(
        Action.SUBMIT,
        lambda _: _delivery(DataCategory.ABSENCE_ROWS, DataCategory.ILLNESS_COUNTS),
        "absence-records",
    ),
    "own-area": Case(Action.DOWNLOAD_RELEASE, lambda _: Slice(published=True, level="site", area=Area.OWN_SITE)),
    "other-area": Case(Action.DOWNLOAD_RELEASE, lambda _: Slice(published=True, level="site", area=Area.FOREIGN)),
    "national": Case(Action.DOWNLOAD_RELEASE, lambda _: Slice(published=True, level="country", area=Area.COUNTRY)),
    "named": Case(Action.REQUEST_DATA, _asked(DataCategory.NAMED_ABSENCE)),
    "named-illness": Case(Action.REQUEST_DATA, _asked(DataCategory.NAMED_AUTHORISED_ABSENCE)),
    "illness-hours": Case(Action.REQUEST_DATA, _asked(DataCategory.ILLNESS_HOURS)),
    "medical": Case(Action.REQUEST_DATA, _asked(DataCategory.MEDICAL_FACTS)),
}


def ask(request: Request, who: Visitor) -> Response:
    """The question as a form, and for each purpose what would be decided; asking is logged."""
    kind, case = request.query_params.get("who", ""), request.query_params.get("case", "")
    answers = None
    if kind in set(WHO) and case in CASES:
        answers = _answers(gateway_of(request), who.known, Kind(kind), CASES[case])
        if isinstance(answers, Refused):
            return refusal(request, who, answers)
    return page(request, who, "ask.html", who_can=WHO, cases=list(CASES), kind=kind, case=case, answers=answers)


def _answers(gateway: Gateway, identity: Identity, kind: Kind, case: Case) -> list[tuple[Purpose, Decision]] | Refused:
    """What each purpose says, permits first."""
    allowed = may(gateway, identity, Action.ASK_DECISION, Hypothesis(party=""))
    if isinstance(allowed, Refused):
        return allowed
    actor, permit = allowed
    logged = gateway.log_for(identity, Entry(event=Event.DECISION_ASKED, actor=actor), permit)
    if isinstance(logged, Refused):
        return logged
    role = Role.SCHOOL if kind is Kind.SITE else Role.RECIPIENT
    caller = Caller(Party(MADE_UP, kind, sectors=frozenset({"po"})), role)
    found = []
    for purpose in gateway.law.purposes.values():
        question = Question(caller, case.action, case.thing(kind), (purpose.id,), case.collection, gateway.setup)
        found.append((purpose, gateway.engine.decide(question, at=gateway.clock())))
    return sorted(found, key=lambda pair: not isinstance(pair[1], Permit))


ROUTES = [show("/audit/ask", ROLES, ask)]
