"""People log in through the deployment's OpenID Connect provider: authorization code flow with PKCE.

Nothing is stored between the two halves of a login: state, nonce and verifier are keyed tags of a secret that only this
browser holds, so that any replica can finish what another began. Sources: OpenID Connect Core 1.0, RFC 7636 (PKCE),
RFC 9207 (issuer in the answer), RFC 9700 (best current practice).
"""

import hmac
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlmodel import Session, select

from audit.entry import Actor, Entry
from audit.events import Decision as Outcome
from audit.events import Event
from audit.events import Role as AuditRole
from gateway.context import Gateway, of_session
from gateway.database import take_turns
from gateway.identity import Opened, add_person, caller_of, roles_for, start_session
from gateway.outcome import Refused
from gateway.settings import OpenId
from gateway.store import Party, Person
from pseudonymisation.private_file import read_private
from pseudonymisation.text64 import to_text

CALLBACK = "/sign-in/callback"
LIFE = timedelta(minutes=10)
_LEEWAY = 60
_TIMEOUT = 10
# A provider that hangs keeps so many threads of the forty, and after one of them heard nothing none for a while.
_MOST_AT_ONCE = 8
_AGAIN_AFTER = 5
_asking = threading.BoundedSemaphore(_MOST_AT_ONCE)
_silent: dict[str, float] = {}
_ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A login on its way.

    Attributes:
        url: Where the browser goes.
        secret: What the browser keeps, in a cookie, until it comes back.
    """

    url: str
    secret: str = field(repr=False)


class _Failed(Exception):  # noqa: N818  carries a refusal out of the steps of a login
    """The provider's answer proves nothing; the text says why, for the log, and names no person."""


class _Busy(Exception):  # noqa: N818  likewise
    """As many wait for the provider as may."""


def begin(gateway: Gateway, *, again: bool = False) -> Begun | Refused:
    """Send a person to the provider; `again` asks it to let the person prove anew who it is."""
    provider = gateway.settings.openid
    if provider is None:
        return Refused("not-found")
    try:
        endpoint = _configuration(provider.issuer, _spell(gateway))["authorization_endpoint"]
    except _Busy:
        return Refused("busy", retry_after=_AGAIN_AFTER)
    except (_Failed, LookupError, ValueError, httpx.HTTPError) as error:
        return _failed(gateway, error)
    moment = int(gateway.clock().timestamp())
    secret = f"{moment}.{'again' if again else 'first'}.{to_text(gateway.random(32))}"
    more = {"prompt": "login", "max_age": "0"} if again else {}
    url = prepare_grant_uri(
        endpoint,
        provider.client_id,
        "code",
        redirect_uri=gateway.settings.base_url + CALLBACK,
        scope=["openid", "profile"],
        state=_derived(gateway, "state", secret),
        nonce=_derived(gateway, "nonce", secret),
        code_challenge=create_s256_code_challenge(_derived(gateway, "verifier", secret)),
        code_challenge_method="S256",
        **more,
    )
    return Begun(url, secret)


def finish(gateway: Gateway, secret: str, query: Mapping[str, str], *, former: str = "") -> Opened | Refused:
    """Open a session for the person who comes back from the provider, in the place of the browser's former one.

    Steps: (1) the answer belongs to a login that this browser began within ten minutes; (2) the code is exchanged for
    an ID token; (3) the token is signed by the provider, for us, for this login, and where asked of a fresh login;
    (4) its claims name a registered party and one role that persons of such a party can have; (5) session and entry
    in one transaction. The person counts as proven from when the provider says it was: single sign-on lets in whoever
    sits at the desk.
    """
    provider = gateway.settings.openid
    if provider is None:
        return Refused("not-found")
    try:
        since = _check_answer(gateway, provider, secret, query)  # (1)
        configuration = _configuration(provider.issuer, _spell(gateway))
        token = _exchange(gateway, provider, configuration, secret, query["code"])  # (2)
        nonce = _derived(gateway, "nonce", secret)
        claims = _verified(gateway, provider, configuration, token, nonce=nonce, since=since)  # (3)
        with gateway.writing() as session:
            person = _person_of(gateway, session, provider, claims)  # (4)
            now = gateway.clock()
            proven_at = min(now, datetime.fromtimestamp(claims.get("auth_time") or 0, UTC))
            lasts = gateway.settings.proven_for
            opened = start_session(session, person, now, proven_at=proven_at, proven_for=lasts, former=former)  # (5)
            caller = caller_of(session, opened.identity, gateway.today)
            event = Event.SESSION_RAISED if since else Event.SESSION_OPENED
            gateway.append(session, of_session(gateway, caller, event))
            return opened
    except _Busy:
        return Refused("busy", retry_after=_AGAIN_AFTER)
    except (_Failed, AuthlibBaseError, JoseError, LookupError, ValueError, httpx.HTTPError) as error:
        return _failed(gateway, error)


def _check_answer(gateway: Gateway, provider: OpenId, secret: str, query: Mapping[str, str]) -> int:
    """Since when the person has to have logged in, in seconds: when a fresh login was asked for, else 0.

    Raises:
        _Failed: this is not the answer to a login of this browser.
    """
    moment, _, rest = secret.partition(".")
    given = query.get("state", "")
    if not moment.isascii() or not moment.isdigit():
        raise _Failed("no login was begun in this browser")
    if not hmac.compare_digest(given.encode(), _derived(gateway, "state", secret).encode()):
        raise _Failed("the answer belongs to another login")
    if not 0 <= gateway.clock().timestamp() - int(moment) <= LIFE.total_seconds():
        raise _Failed("the login took longer than ten minutes")
    if query.get("iss", provider.issuer) != provider.issuer:
        raise _Failed("the answer is of another provider")
    if "code" not in query:
        raise _Failed("the provider refused")
    return int(moment) if rest.startswith("again.") else 0


@lru_cache(maxsize=1)
def _configuration(issuer: str, _: int) -> Mapping[str, Any]:
    """The provider's configuration (OpenID Connect Discovery 1.0), once a spell: anybody can begin a login."""
    if time.monotonic() < _silent.get(issuer, 0):
        raise _Failed("the provider did not answer a moment ago")
    try:
        found = _ask("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    except httpx.HTTPError:
        _silent[issuer] = time.monotonic() + _AGAIN_AFTER
        raise
    if found.get("issuer") != issuer:
        raise _Failed("the configuration is of another issuer")
    return found


def _spell(gateway: Gateway) -> int:
    """The five minutes it is, counted."""
    return int(gateway.clock().timestamp()) // 300


def _exchange(gateway: Gateway, provider: OpenId, configuration: Mapping[str, Any], secret: str, code: str) -> str:
    answer = _ask(
        "POST",
        configuration["token_endpoint"],
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": gateway.settings.base_url + CALLBACK,
            "code_verifier": _derived(gateway, "verifier", secret),
        },
        auth=(quote(provider.client_id, safe=""), quote(read_private(provider.secret).decode().strip(), safe="")),
    )
    return str(answer.get("id_token", ""))


def _verified(
    gateway: Gateway, provider: OpenId, configuration: Mapping[str, Any], token: str, *, nonce: str, since: int
) -> CodeIDToken:
    """The claims of an ID token, once everything about it holds (OpenID Connect Core, section 3.1.3.7)."""
    keys = KeySet.import_key_set(_ask("GET", configuration["jwks_uri"]))  # type: ignore[arg-type]  # checked there
    decoded = jwt.decode(token, keys, algorithms=_ALGORITHMS)
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    params = {"nonce": nonce, "client_id": provider.client_id}
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate(now=int(gateway.clock().timestamp()), leeway=_LEEWAY)
    if since and (claims.get("auth_time") or 0) < since - _LEEWAY:
        raise _Failed("the provider did not let the person prove anew who it is")
    return claims


def _person_of(gateway: Gateway, session: Session, provider: OpenId, claims: Mapping[str, Any]) -> Person:
    """The person behind the claims, registered at the first login; known by a keyed tag of issuer and subject."""
    code, given = str(claims.get(provider.party_claim, "")), claims.get(provider.role_claim, ())
    listed = given if isinstance(given, list) else str(given).split()
    roles = {provider.roles[name] for name in map(str, listed) if name in provider.roles}
    party = session.get(Party, code, with_for_update={"read": True})
    if party is None or party.locked_at is not None:
        raise _Failed("the organisation is not in the register, or locked out")
    fitting = roles & set(roles_for(party.kind, operator=code == gateway.settings.operator))
    if len(fitting) != 1:
        raise _Failed("the claims do not give one role that fits the organisation")
    role = fitting.pop()
    subject = gateway.tag(b"openid", provider.issuer.encode(), str(claims["sub"]).encode())
    take_turns(session, b"person" + subject)  # whoever logs in twice at once for the first time is still one person
    known = select(Person).where(Person.subject == subject, Person.party == code, Person.role == role)
    found = session.exec(known.with_for_update()).first()  # of whom the retention run forgets nothing now
    person = found or add_person(session, code, role, str(claims.get(provider.label_claim, role)))
    person.subject = subject
    return person


def _derived(gateway: Gateway, use: str, secret: str) -> str:
    """A secret of one login: 43 characters that follow from what the browser holds and from a key of the gateway."""
    return to_text(gateway.tag(b"openid", use.encode(), secret.encode()))


def _ask(method: str, url: str, **more: Any) -> Mapping[str, Any]:  # noqa: ANN401  as httpx takes it
    """What the provider answers, a JSON object."""
    if not _asking.acquire(blocking=False):
        raise _Busy
    try:
        answer = httpx.request(method, url, timeout=_TIMEOUT, **more)
    finally:
        _asking.release()
    if answer.status_code != httpx.codes.OK:
        raise _Failed(f"the provider answered {answer.status_code}")
    found = answer.json()
    if not isinstance(found, dict):
        raise _Failed("the provider's answer is no JSON object")
    return found


def _failed(gateway: Gateway, error: Exception) -> Refused:
    """Log that a login failed; why stands in the process's own log, without anything of the person."""
    _logger.warning("a login failed: %s", error if isinstance(error, _Failed) else type(error).__name__)
    gateway.log_act(Entry(event=Event.SESSION_REFUSED, actor=Actor(AuditRole.PUBLIC), decision=Outcome.DENY))
    return Refused("sign-in-failed")
