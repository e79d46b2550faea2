"""Talking to a gateway over HTTP: the credential, and what is said when it does not answer or refuses."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn, cast

import httpx
import typer
from pydantic import BaseModel, ValidationError

from gateway.cli.common import say_faults, secret_token
from gateway.cli.failing import language, say_error
from gateway.messages import text

SECONDS = 60.0
# What is read into memory: more than the release of the country, and not what whoever answers likes to send.
MOST_BYTES = 256_000_000
TO_FILE = {"verzuimpoort.to-file": True}
"""Extension of a request whose answer goes to a file part by part, however long it is."""


class _Fault(BaseModel):
    row: int | None
    column: str
    message: str
    rule: str


class _Decision(BaseModel):
    reasons: tuple[str, ...] = ()


class _Problem(BaseModel):
    """What is said of a problem document."""

    title: str = ""
    detail: str = ""
    fields: str = ""
    errors: tuple[_Fault, ...] = ()
    decision: _Decision | None = None


@contextmanager
def connection(gateway: str, token_file: Path | None, lang: str) -> Iterator[httpx.Client]:
    """A client with the caller's token; a gateway that cannot be reached is said, and ends with exit 1."""
    with anonymous(gateway, lang) as http:
        http.headers["Authorization"] = f"Bearer {secret_token(token_file)}"
        yield http


@contextmanager
def anonymous(gateway: str, lang: str) -> Iterator[httpx.Client]:
    """The same without a token, for what is public."""
    try:
        with http_client(gateway, lang, {"Accept-Language": lang}) as http:
            yield http
    except httpx.RequestError as error:
        reason = _of_certificate(error)
        if reason is not None:
            _stop("certificate-unknown", lang, reason=reason)
        _stop("unreachable", lang)


def http_client(address: str, lang: str, headers: Mapping[str, str]) -> httpx.Client:
    """A client of an address; settings of this computer that make none are named, and end with exit 1.

    They are SSL_CERT_FILE and SSL_CERT_DIR for certificates, HTTPS_PROXY, HTTP_PROXY and ALL_PROXY for proxies.
    """
    url = safe(address, lang)
    try:
        plain = {"Accept-Encoding": "identity"} | dict(headers)
        return httpx.Client(base_url=url, headers=plain, timeout=SECONDS, event_hooks={"response": [_bounded]})
    except OSError:  # `ssl.SSLError` too
        _stop("certificates-unread", lang)
    except (ImportError, ValueError, httpx.InvalidURL):
        _stop("proxy-wrong", lang)


class _Bounded(httpx.SyncByteStream):
    """The bytes of an answer, up to the most that is read."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._stream = answer.stream

    def __iter__(self) -> Iterator[bytes]:
        taken = 0
        for part in cast("httpx.SyncByteStream", self._stream):
            taken += len(part)
            if taken > MOST_BYTES:
                raise httpx.RemoteProtocolError("too long", request=self._answer.request)
            yield part

    def close(self) -> None:
        cast("httpx.SyncByteStream", self._stream).close()


def _bounded(answer: httpx.Response) -> None:
    """Let nobody who answers fill the memory: no more than so many bytes, and nothing that unpacks to more."""
    answer.headers.pop("Content-Encoding", None)  # none was asked for
    if not (answer.is_success and TO_FILE.items() <= answer.request.extensions.items()):
        answer.stream = _Bounded(answer)


def safe(address: str, lang: str) -> httpx.URL:
    """An address on whose way nobody reads along: https, or this computer itself; any other ends with exit 2."""
    try:
        url = httpx.URL(address)
        if url.scheme == "https" or (url.scheme == "http" and _is_here(url.host)):
            return url
    except httpx.InvalidURL:
        pass
    say_error(text("cli", "address-unsafe", language(lang)))
    raise typer.Exit(2)


def expect(answer: httpx.Response, lang: str, *good: int) -> None:
    """Say a problem the way the gateway worded it, and stop."""
    if answer.status_code in good:
        return
    problem = _problem(answer, lang)
    say_error(f"{problem.title}. {problem.detail}")
    if problem.fields:
        say_error(f"  {problem.fields}")
    told = ((one.row or 0, one.column, one.message, one.rule) for one in problem.errors)
    say_faults(told, language(lang))
    for reason in problem.decision.reasons if problem.decision is not None else ():
        say_error(f"  {reason}")
    raise typer.Exit(1)


def document_of(answer: httpx.Response, lang: str, *good: int, needs: tuple[str, ...]) -> dict[str, Any]:
    """What a good answer says, as JSON with these members; one of somebody else, a login page of a network, is said."""
    expect(answer, lang, *good)
    made = _document(answer, "application/json", lang)
    if not made.keys() >= set(needs):
        not_the_gateway(answer, lang)
    return made


def rows_of(answer: httpx.Response, lang: str, *, needs: tuple[str, ...]) -> list[dict[str, Any]]:
    """The same of a list, each row of which has these members."""
    expect(answer, lang, httpx.codes.OK)
    rows = _parsed(answer, "application/json", lang)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() >= set(needs) for row in rows):
        not_the_gateway(answer, lang)
    return rows


def media_type(answer: httpx.Response) -> str:
    """What an answer is, without its parameters: plain text for a receipt, a problem document, or a page of others."""
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def not_the_gateway(answer: httpx.Response, lang: str) -> NoReturn:
    """Say that somebody else answers at this address, and stop."""
    _stop("no-gateway", lang, status=str(answer.status_code))


def _problem(answer: httpx.Response, lang: str) -> _Problem:
    """A problem as the gateway words it; that of another service is told as such, whatever it has in it."""
    try:
        return _Problem.model_validate(_document(answer, "application/problem+json", lang))
    except ValidationError:
        not_the_gateway(answer, lang)


def _document(answer: httpx.Response, wanted: str, lang: str) -> dict[str, Any]:
    document = _parsed(answer, wanted, lang)
    if not isinstance(document, dict):
        not_the_gateway(answer, lang)
    return document


def _parsed(answer: httpx.Response, wanted: str, lang: str) -> object:
    if media_type(answer) != wanted:
        not_the_gateway(answer, lang)
    try:
        return answer.json()
    except (ValueError, RecursionError):
        not_the_gateway(answer, lang)


def _of_certificate(error: BaseException | None) -> str | None:
    """What the matter is with the certificate of the address; None where something else is."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return None


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _stop(key: str, lang: str, **facts: str) -> NoReturn:
    say_error(text("cli", key, language(lang), **facts))
    raise typer.Exit(1)
