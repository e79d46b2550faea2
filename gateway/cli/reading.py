"""At a recipient: download, verify a receipt; and the law explained. The log itself is in `gateway.cli.audit`."""

from pathlib import Path
from typing import Annotated

import httpx
import typer

from gateway.cli.common import (
    Data,
    File,
    GatewayUrl,
    Json,
    Lang,
    Output,
    TokenFile,
    app,
    deployment,
    language,
    say,
    say_error,
    say_json,
    secret_token,
)
from gateway.cli.following import watch
from gateway.cli.school import SECONDS, expect
from gateway.messages import text

receipt = typer.Typer(name="receipt", no_args_is_help=True, help="Ontvangstbewijzen / receipts.")
policy = typer.Typer(name="policy", no_args_is_help=True, help="Regels / policies.")
groups = (receipt, policy)
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
    headers = {"Authorization": f"Bearer {secret_token(token_file)}", "Accept-Language": lang}
    wanted = {"format": form} | ({"level": level} if level else {})
    with httpx.Client(base_url=gateway, headers=headers, timeout=SECONDS) as http:
        answer = http.get(f"/v1/releases/{release}/table", params=wanted)
        expect(answer, httpx.codes.OK)
        proof = http.get(answer.links["receipt"]["url"])
        expect(proof, httpx.codes.OK)
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


@policy.command("lint")
def policy_lint(folder: Annotated[list[Path] | None, typer.Argument()] = None) -> None:
    """Controleer regels en doelen / check rules and purposes."""
    from policies.engine import Engine
    from policies.errors import BadPolicy

    try:
        Engine.load(purposes=folder or ())
    except BadPolicy as error:
        for fault in error.faults:
            say_error(str(fault))
        raise typer.Exit(1) from error


@policy.command("rules")
def policy_rules(data: Data = None, as_json: Json = False, lang: Lang = "nl") -> None:
    """Toon elke regel met artikel en uitleg / show every rule with its article."""
    from policies.render import rule_sentence

    law = deployment(data).law
    rows = [
        {
            "id": rule.id,
            "effect": rule.effect,
            "basis": rule.annotations["legal_basis"],
            "status": rule.annotations["status"],
            "sentence": getattr(rule_sentence(rule, law.vocabulary), language(lang)),
        }
        for rule in law.rules.values()
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say(f"{row['id']} ({row['status']}): {row['sentence']}\n    {row['basis']}")
