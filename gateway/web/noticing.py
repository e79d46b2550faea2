"""Pages of a youth health service: the consents that name it, and the notices that one has ended, to be answered."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from gateway import consents
from gateway.notices import answer_notice, answer_of, notices_of
from gateway.outcome import Refused
from gateway.register import names
from gateway.web.forms import Form, act, show, then
from gateway.web.pages import Visitor, gateway_of, page, refusal
from policies.withdrawal import Answer

ROLE = "recipient"
_HOME = "/notices"
# What can be answered: erased, or kept on one of the paragraphs that allow it (AVG art. 17(3)).
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "erased": {"outcome": "erased"},
    "17(3)(b)": {"outcome": "kept", "basis": "17(3)(b)"},
    "17(3)(c)": {"outcome": "kept", "basis": "17(3)(c)"},
    "17(3)(e)": {"outcome": "kept", "basis": "17(3)(e)"},
}


def notices(request: Request, who: Visitor, refused: str = "") -> Response:
    """What holds for this recipient, and what has ended."""
    gateway = gateway_of(request)
    holding = [one for one in consents.own(gateway, who.known) if not one.state.closed]
    with gateway.reading() as session:
        called = names(session, [one.site for one in holding])
    return page(
        request,
        who,
        "notices.html",
        400 if refused else 200,
        notices=[(row, answer_of(row)) for row in notices_of(gateway, who.known)],
        holding=holding,
        names=called,
        answers=list(ANSWERS),
        today=gateway.today,
        refused=refused,
    )


def answer(request: Request, who: Visitor, form: Form) -> Response:
    """What was done after a notice: the first answer stands, but what was kept can be erased later."""
    gateway, consent = gateway_of(request), request.path_params["consent"]
    if form["answer"] not in ANSWERS:
        waits = any(row.consent_id == consent for row in notices_of(gateway, who.known) if not answer_of(row))
        return notices(request, who, consent) if waits else refusal(request, who, Refused("invalid-request"))
    given = Answer.model_validate({"at": gateway.clock(), **ANSWERS[form["answer"]]})
    outcome = answer_notice(gateway, who.known, consent, given)
    return then(request, who, outcome, _HOME)


ROUTES = [
    show(_HOME, ROLE, notices),
    act(f"{_HOME}/{{consent}}", ROLE, answer),
]
