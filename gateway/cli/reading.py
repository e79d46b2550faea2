"""At a recipient: download, and verify a receipt. The log itself is in `gateway.cli.audit`."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from audit.errors import NoteError
from audit.quorum import Policy, parse_policy
from gateway.cli.common import File, GatewayUrl, Lang, Output, TokenFile, apart, app, beside, keep, say
from gateway.cli.failing import language, say_error
from gateway.cli.following import keep_proven, policy_for, watch
from gateway.cli.remote import anonymous, connection, expect, not_the_gateway
from gateway.messages import text

receipt = typer.Typer(name="receipt", no_args_is_help=True, help="Ontvangstbewijzen / receipts.")
groups = (receipt,)
_GOOD = {"proven", "unwitnessed", "promised"}


@app.command()
def download(
    release: str,
    gateway: GatewayUrl,
    output: Output,
    form: Annotated[str, typer.Option("--format", help="csv, xlsx, parquet, json, zip, svg.")] = "csv",
    level: Annotated[str | None, typer.Option("--level", help="site, gemeente, swv, country.")] = None,
    token_file: TokenFile = None,
    lang: Lang = "nl",
) -> None:
    """Haal het eigen deel van een uitlevering op, met ontvangstbewijs / download the own slice, with its receipt."""
    wanted = {"format": form} | ({"level": level} if level else {})
    kept = beside(output, "receipt")
    for each in (output, kept):
        apart(each, token_file)
    with connection(gateway, token_file, lang) as http:
        answer = http.get(f"/v1/releases/{release}/table", params=wanted)
        expect(answer, lang, httpx.codes.OK)
        if "receipt" not in answer.links:
            not_the_gateway(answer, lang)
        keep(output, answer.content)
        say(text("cli", "downloaded", language(lang), file=str(output)))
        if keep_proven(http, answer.links["receipt"]["url"], kept, lang):
            say(text("cli", "receipt-kept", language(lang), receipt=str(kept)))
        watch(http, lang)


@receipt.command("verify")
def receipt_verify(
    file: File,
    content: Annotated[Path | None, typer.Option("--file", exists=True, help="Het bestand zelf / the file.")] = None,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", exists=True, help="Sleutels en quorum / keys.")
    ] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Vraag de sleutels hier / ask for keys here.")
    ] = None,
    lang: Lang = "nl",
) -> None:
    """Controleer een ontvangstbewijs, zonder verbinding / check a receipt offline.

    Keys and quorum are those kept when this user submitted to the gateway or downloaded from it.
    """
    from audit.receipt import verify_receipt

    text_of_receipt = file.read_text(encoding="utf-8", errors="replace")
    rules = _rules(text_of_receipt, policy_file, gateway, lang)
    checked = verify_receipt(text_of_receipt, rules, content.read_bytes() if content else None)
    good = checked.verdict.value in _GOOD
    (say if good else say_error)(text("cli", f"receipt-{checked.verdict.value}", language(lang)))
    raise typer.Exit(0 if good else 1)


def _rules(receipt_text: str, policy_file: Path | None, gateway: str | None, lang: str) -> Policy:
    """Whom to believe: as given, as the gateway says, or as kept; where nothing is kept that is said."""
    if policy_file is not None:
        try:
            return parse_policy(policy_file.read_text(encoding="utf-8-sig"))
        except (UnicodeDecodeError, NoteError) as error:
            hint = f"--policy: maak het met / make it with `verzuimpoort audit policy` ({error})"
            raise typer.BadParameter(hint) from error
    if gateway is not None:
        with anonymous(gateway, lang) as http:
            answer = http.get("/v1/audit/policy")
        expect(answer, lang, httpx.codes.OK)
        return parse_policy(answer.text)
    kept = policy_for(receipt_text)
    if kept is None:
        say_error(text("cli", "receipt-stranger", language(lang)))
        raise typer.Exit(1)
    return kept
