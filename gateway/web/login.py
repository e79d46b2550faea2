"""Opening and closing a session: a one-time link shows a button, the button uses the link up."""

from sqlmodel import Session
from starlette.requests import Request
from starlette.responses import Response

from audit.events import Event
from gateway.context import Gateway, of_session
from gateway.http.callers import cookie_name, forget_session
from gateway.identity import (
    ABSOLUTE,
    Identity,
    Opened,
    caller_of,
    close_session,
    close_sessions_of,
    link_is_open,
    open_session,
)
from gateway.web.forms import EVERYBODY, Form, act, show
from gateway.web.pages import ANYBODY_IN, HOME, Visitor, gateway_of, page, see_other


def how(request: Request, who: Visitor) -> Response:
    """How to get in."""
    return see_other(HOME[who.role]) if who.identity else page(request, who, "login_needed.html", closed=False)


def look(request: Request, who: Visitor) -> Response:
    """What a link shows: a button. Looking, which mail scanners do, does not use it up."""
    gateway = gateway_of(request)
    with gateway.reading() as session:
        is_open = link_is_open(session, request.path_params["secret"], gateway.clock())
    return page(request, who, "login.html") if is_open else page(request, who, "login_expired.html", 410)


def enter(request: Request, who: Visitor, _form: Form) -> Response:
    """Use the link up, open a session and go to the visitor's own pages."""
    gateway = gateway_of(request)
    with gateway.writing() as session:
        secret, lasts = request.path_params["secret"], gateway.settings.proven_for
        opened = open_session(session, secret, gateway.clock(), proven_for=lasts, former=former_session(request))
        if opened is not None:
            _append(gateway, session, opened.identity, Event.SESSION_OPENED)
    if opened is None:
        return page(request, who, "login_expired.html", 410)
    return let_in(gateway, opened)


def former_session(request: Request) -> str:
    """The secret of the session that this browser has, good or not; a new login takes its place (ASVS 5, 7.2.4)."""
    return request.cookies.get(cookie_name(secure=gateway_of(request).settings.secure), "")


def let_in(gateway: Gateway, opened: Opened) -> Response:
    """Give the browser its session and send it to the visitor's own pages."""
    response = see_other(HOME[opened.identity.role])
    secure = gateway.settings.secure
    response.set_cookie(
        cookie_name(secure=secure),
        opened.secret,
        max_age=int(ABSOLUTE.total_seconds()),
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return response


def leave(request: Request, who: Visitor, form: Form) -> Response:
    """End the session, or every session of this person where the form says so."""
    gateway = gateway_of(request)
    with gateway.writing() as session:
        ended = close_session(session, former_session(request))
        if form["everywhere"] and who.known.person is not None:
            close_sessions_of(session, who.known.person)
        if ended:
            _append(gateway, session, who.known, Event.SESSION_CLOSED)
    response = see_other("/")
    forget_session(response, secure=gateway.settings.secure)
    return response


def _append(gateway: Gateway, session: Session, identity: Identity, event: Event) -> None:
    gateway.append(session, of_session(gateway, caller_of(session, identity, gateway.today), event))


ROUTES = [
    show("/login", EVERYBODY, how),
    show("/login/{secret}", EVERYBODY, look),
    act("/login/{secret}", EVERYBODY, enter),
    act("/logout", ANYBODY_IN, leave),
]
