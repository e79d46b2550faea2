"""Logging in through an OpenID Connect provider, proving anew who one is, and logging out everywhere."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway import openid
from gateway.http.limits import take_public
from gateway.outcome import Refused
from gateway.web.forms import EVERYBODY, show
from gateway.web.login import former_session, let_in
from gateway.web.pages import ANYBODY_IN, Visitor, gateway_of, page, refusal


def begin(request: Request, who: Visitor) -> Response:
    """Go to the provider; somebody who is in already proves anew who it is."""
    limited = take_public(request, "sign-ins")  # may ask the provider something, and what fails leaves an entry
    if limited is not None:
        return refusal(request, who, limited)
    gateway = gateway_of(request)
    begun = openid.begin(gateway, again=who.identity is not None)
    if isinstance(begun, Refused):
        return refusal(request, who, begun)
    response = RedirectResponse(begun.url, 303)
    secure = gateway.settings.secure
    response.set_cookie(
        _cookie(secure=secure),
        begun.secret,
        max_age=int(openid.LIFE.total_seconds()),
        secure=secure,
        httponly=True,
        samesite="lax",  # the provider sends the browser back from another site
    )
    return response


def finish(request: Request, who: Visitor) -> Response:
    """Back from the provider: open the session, under a new secret."""
    gateway = gateway_of(request)
    name = _cookie(secure=gateway.settings.secure)
    limited = take_public(request, "logins")  # what fails leaves an entry too
    if limited is not None:
        return refusal(request, who, limited)
    opened = openid.finish(gateway, request.cookies.get(name, ""), request.query_params, former=former_session(request))
    if isinstance(opened, Refused) and opened.retry_after is not None:
        return refusal(request, who, opened)  # the same address again, with the same cookie
    response = refusal(request, who, opened) if isinstance(opened, Refused) else let_in(gateway, opened)
    response.delete_cookie(name, secure=gateway.settings.secure, httponly=True, samesite="lax")
    return response


def session(request: Request, who: Visitor) -> Response:
    """Who is logged in, how to prove it anew, and how to log out on every device."""
    return page(request, who, "session.html")


def _cookie(*, secure: bool) -> str:
    return "__Host-verzuimpoort-login" if secure else "verzuimpoort-login"


ROUTES = [
    show("/sign-in", EVERYBODY, begin),
    show(openid.CALLBACK, EVERYBODY, finish),
    show("/session", ANYBODY_IN, session),
]
