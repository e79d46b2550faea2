"""At a school: what became of its deliveries, and to confirm or withdraw one. Works in the base install."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from gateway.cli.common import GatewayUrl, Json, Lang, Output, Sure, TokenFile, apart, app, say, say_faults, say_json
from gateway.cli.failing import language
from gateway.cli.following import keep_proven, watch
from gateway.cli.remote import connection, document_of, rows_of
from gateway.messages import rule_text, text
from gateway.outcome import Fault

SUBMISSION = ("id", "collection", "period", "version", "state")
Id = Annotated[str, typer.Argument(help="Nummer van de aanlevering / id of the submission.")]


@app.command()
def confirm(
    submission: Id,
    gateway: GatewayUrl,
    output: Output,
    token_file: TokenFile = None,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Bevestig de tellingen en bewaar het bewijs daarvan / confirm the counts and keep the receipt of that."""
    apart(output, token_file)
    with connection(gateway, token_file, lang) as http:
        made = document_of(http.post(_path(submission, "confirmation")), lang, httpx.codes.OK, needs=SUBMISSION)
        say_json(made) if as_json else say(text("cli", "confirmed", language(lang)))
        keep_proven(http, _path(submission, "receipt?of=confirmation"), output, lang)
        watch(http, lang)


@app.command()
def withdraw(
    submission: Id,
    gateway: GatewayUrl,
    token_file: TokenFile = None,
    as_json: Json = False,
    _yes: Sure = False,
    lang: Lang = "nl",
) -> None:
    """Trek een aanlevering in; haar rijen worden gewist / withdraw a submission; its rows are erased."""
    with connection(gateway, token_file, lang) as http:
        made = document_of(http.post(_path(submission, "withdrawal")), lang, httpx.codes.OK, needs=SUBMISSION)
        say_json(made) if as_json else say(text("cli", "withdrawn", language(lang), id=submission))
        watch(http, lang)


@app.command()
def status(
    gateway: GatewayUrl,
    period: Annotated[str | None, typer.Option("--period", help="2026-2027-1.")] = None,
    token_file: TokenFile = None,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Toon uw aanleveringen en hun stand, de nieuwste eerst / show your submissions and their state, newest first."""
    found: list[Mapping[str, Any]] = []
    with connection(gateway, token_file, lang) as http:
        page = http.get("/v1/submissions", params={"period": period} if period else {})
        found += rows_of(page, lang, needs=SUBMISSION)
        while "next" in page.links:
            page = http.get(page.links["next"]["url"])
            found += rows_of(page, lang, needs=SUBMISSION)
    if as_json:
        say_json(found)
        return
    for one in found:
        say("\t".join(str(one[name]) for name in SUBMISSION))


def say_counts(made: Mapping[str, Any], lang: str) -> None:
    """What was counted, which holds once it is confirmed, and what is to be looked at again."""
    for one in made["counts"]:
        say("\t".join(str(one.get(name)) for name in ("subdivision", "kind", "band", "pupils")))
    noted = ((0, "", rule_text(Fault(note), language(lang)), note) for note in made.get("notes", ()))
    say_faults(noted, language(lang))


def _path(submission: str, what: str) -> str:
    return f"/v1/submissions/{quote(submission, safe='')}/{what}"
