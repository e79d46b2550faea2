"""Who is calling over HTTP: a bearer token, a client certificate the proxy verified, or a browser's session cookie.

A session needs its CSRF token on every change; a certificate alone, which a browser shows for every page, changes
nothing for a page elsewhere. A credential that is not good is refused, never taken for the public; two
credentials of different parties are refused too.
"""

import hmac
from typing import Annotated

from fastapi import Depends, Header, Request, Response

from gateway.context import Gateway
from gateway.http.certificate import HEADER, oin_of
from gateway.http.limits import limits_of, take_person
from gateway.identity import Identity, identify_oin, identify_session, identify_token, keep_alive
from gateway.outcome import Refused
from gateway.store import WebSession

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-csrf-token"


_TOUCH_SECONDS = 30


class NotAllowed(Exception):  # noqa: N818  carries an outcome out of a dependency to the one place that answers it
    """A request that ends before its act, with the problem it becomes.

    Attributes:
        ended: The browser's session has ended: the answer takes its cookie away.
    """

    def __init__(self, refused: Refused, *, ended: bool = False) -> None:
        super().__init__(refused.code)
        self.refused = refused
        self.ended = ended


async def gateway_of(request: Request) -> Gateway:
    """The gateway this application was made for; a coroutine, so that it costs no thread."""
    gateway: Gateway = request.app.state.gateway
    return gateway


TheGateway = Annotated[Gateway, Depends(gateway_of)]


def cookie_name(*, secure: bool) -> str:
    """`__Host-` binds the cookie to this host and to TLS; on the demo's plain http that prefix is not possible."""
    return "__Host-verzuimpoort" if secure else "verzuimpoort"


def forget_session(response: Response, *, secure: bool) -> None:
    """Take the session cookie out of the browser."""
    response.delete_cookie(cookie_name(secure=secure), secure=secure, httponly=True, samesite="lax")


def same_origin(request: Request) -> bool:
    """Whether a request came from a page of this site, or from no page at all, by what the browser says of it.

    `Sec-Fetch-Site` decides: our pages send no referrer, which makes browsers send `Origin: null`. Only where a browser
    does not know it, the origin must be this host.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def session_of(request: Request, gateway: Gateway) -> tuple[Identity, WebSession] | None:
    """The person behind the session cookie, and the session; using it keeps it alive."""
    cookie = request.cookies.get(cookie_name(secure=gateway.settings.secure))
    if cookie is None:
        return None
    now = gateway.clock()
    with gateway.reading() as session:
        found = identify_session(session, cookie, now, proven_for=gateway.settings.proven_for)
    if found is not None and (now - found[1].seen_at).total_seconds() > _TOUCH_SECONDS:
        with gateway.writing() as session:
            keep_alive(session, cookie, now)
    return found


def optional_identity(request: Request, gateway: TheGateway) -> Identity | None:
    """The caller, or None for the public."""
    machine = _machine(request, gateway)
    if machine is not None:
        limited = limits_of(request).requests.take(machine.party)
        if limited is not None:
            raise NotAllowed(limited)
        if request.method not in SAFE and "authorization" not in request.headers and not same_origin(request):
            raise NotAllowed(Refused("csrf"))
        return machine
    found = session_of(request, gateway)
    if found is None:
        if cookie_name(secure=gateway.settings.secure) in request.cookies:
            raise NotAllowed(Refused("unauthenticated"), ended=True)
        return None
    identity, web = found
    limited = take_person(request, identity.party)
    if limited is not None:
        raise NotAllowed(limited)
    given = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE and not hmac.compare_digest(given.encode(), web.csrf.encode()):
        raise NotAllowed(Refused("csrf"))
    return identity


def _machine(request: Request, gateway: Gateway) -> Identity | None:
    """The machine behind a token or a certificate; None when neither was shown."""
    authorization, certificate = request.headers.get("authorization"), request.headers.get(HEADER)
    if authorization is None and certificate is None:
        return None
    shown: list[Identity | None] = []
    with gateway.reading() as session:
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            bearer = scheme.lower() == "bearer"
            shown.append(identify_token(session, token.strip(), gateway.clock()) if bearer else None)
        if certificate is not None:
            shown.append(identify_oin(session, oin_of(certificate, gateway.clock())))
    first = shown[0]
    if first is None or any(other is None or other.party != first.party for other in shown):
        raise NotAllowed(Refused("unauthenticated"))
    return first


async def identity(caller: Annotated[Identity | None, Depends(optional_identity)]) -> Identity:
    """The caller; who is nobody is asked to log in. A coroutine, so that it costs no thread."""
    if caller is None:
        raise NotAllowed(Refused("unauthenticated"))
    return caller


def demand_scope(caller: Identity, *scopes: str) -> None:
    """Stop a machine whose token was made for none of these; people have no scopes but their role."""
    if caller.person is None and not caller.scopes & {*scopes, "all"}:
        raise NotAllowed(Refused("scope"))


Somebody = Annotated[Identity, Depends(identity)]
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=200)]
Anybody = Annotated[Identity | None, Depends(optional_identity)]
