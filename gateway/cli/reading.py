"""At a recipient: download, verify a receipt; and the law explained. The log itself is in `gateway.cli.audit`."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from gateway.cli.common import (
    File,
    GatewayUrl,
    Lang,
    Output,
    TokenFile,
    app,
    language,
    say,
    say_error,
)
from gateway.cli.following import watch
from gateway.cli.remote import connection, expect
from gateway.messages import text

receipt = typer.Typer(name="receipt", no_args_is_help=True, help="Ontvangstbewijzen / receipts.")
groups = (receipt,)
_GOOD = {"proven", "unwitnessed", "promised"}


@app.command()
def download(
    release: str,
    gateway: GatewayUrl,
    output: Output,
    form: Annotated[str, typer.Option("--format", help="csv, xlsx, parquet, json.")] = "csv",
    level: Annotated[str | None, typer.Option("--level", help="site, gemeente, swv, country.")] = None,
    token_file: TokenFile = None,
    lang: Lang = "nl",
) -> None:
    """Haal het eigen deel van een uitlevering op, met ontvangstbewijs / download the own slice, with its receipt."""
    wanted = {"format": form} | ({"level": level} if level else {})
    with connection(gateway, token_file, lang) as http:
        answer = http.get(f"/v1/releases/{release}/table", params=wanted)
        expect(answer, lang, httpx.codes.OK)
        proof = http.get(answer.links["receipt"]["url"])
        expect(proof, lang, httpx.codes.OK)
        output.write_bytes(answer.content)
        kept = output.with_name(f"{output.name}.receipt")
        kept.write_text(proof.text, encoding="utf-8")
        say(text("cli", "downloaded", language(lang), file=str(output), receipt=str(kept)))
        watch(http, lang)


@receipt.command("verify")
def receipt_verify(
    file: File,
    policy_file: Annotated[Path, typer.Option("--policy", exists=True, help="Sleutels en quorum / keys, quorum.")],
    content: Annotated[Path | None, typer.Option("--file", exists=True, help="Het bestand zelf / the file.")] = None,
    lang: Lang = "nl",
) -> None:
    """Controleer een ontvangstbewijs, zonder verbinding / check a receipt offline."""
    from audit.quorum import parse_policy
    from audit.receipt import verify_receipt

    rules = parse_policy(policy_file.read_text(encoding="utf-8"))
    checked = verify_receipt(file.read_text(encoding="utf-8"), rules, content.read_bytes() if content else None)
    good = checked.verdict.value in _GOOD
    (say if good else say_error)(text("cli", f"receipt-{checked.verdict.value}", language(lang)))
    raise typer.Exit(0 if good else 1)
