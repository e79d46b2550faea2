"""Talking to a gateway over HTTP: the credential, and what is said when it does not answer or refuses."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn

import httpx
import typer

from gateway.cli.common import say_faults, secret_token
from gateway.cli.failing import language, say_error
from gateway.messages import text

SECONDS = 60.0


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
        with httpx.Client(base_url=safe(gateway, lang), headers={"Accept-Language": lang}, timeout=SECONDS) as http:
            yield http
    except httpx.RequestError:
        _stop("unreachable", lang)


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
    if answer.headers.get("Content-Type") != "application/problem+json":
        _stop("no-gateway", lang, status=str(answer.status_code))
    problem = answer.json()
    say_error(f"{problem.get('title', '')}. {problem.get('detail', '')}")
    if "fields" in problem:
        say_error(f"  {problem['fields']}")
    errors = problem.get("errors", ())
    say_faults(((one["row"] or 0, one["column"], one["message"], one["rule"]) for one in errors), language(lang))
    for reason in problem.get("decision", {}).get("reasons", ()):
        say_error(f"  {reason}")
    raise typer.Exit(1)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _stop(key: str, lang: str, **facts: str) -> NoReturn:
    say_error(text("cli", key, language(lang), **facts))
    raise typer.Exit(1)
