"""The law at the command line: explained and replayed for a day, linted, and as the register of processing."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.common import Data, Json, Lang, Output, deployment, done, say, say_json
from gateway.cli.failing import language, say_error
from gateway.messages import text

policy = typer.Typer(name="policy", no_args_is_help=True, help="Regels / policies.")
groups = (policy,)
Day = Annotated[datetime | None, typer.Option("--at", formats=["%Y-%m-%d"], help="Op deze dag / on this day.")]
Question = Annotated[
    Path | None, typer.Argument(exists=True, dir_okay=False, help="Vraag / question (AuthZEN, JSON); zonder: alles.")
]
Contracts = Annotated[
    list[Path] | None, typer.Option("--collections", help="Map met eigen contracten / folder of own contracts.")
]
Before = Annotated[
    Path | None, typer.Option("--before", exists=True, dir_okay=False, help="Eerdere JSON / earlier JSON: verschillen.")
]


@policy.command("explain")
def policy_explain(
    question: Question = None, at: Day = None, data: Data = None, as_json: Json = False, lang: Lang = "nl"
) -> None:
    """Leg uit wat op een dag mag, of wat besloten zou worden / the law of a day, or a decision replayed."""
    from gateway.accountability import law_on, replay
    from gateway.context import operator_of
    from policies.documents import explanation

    gateway = deployment(data)
    if question is None:
        document = law_on(gateway, at or datetime.combine(gateway.today, datetime.min.time()))
        if as_json:
            say_json(document)
            return
        say(explanation(document, language(lang)))
        return
    decided = replay(gateway, operator_of(gateway), question.read_bytes(), at)
    if as_json:
        say_json(decided)
    else:
        _say_decision(decided, lang)
    raise typer.Exit(0 if decided["decision"] else 1)


def _say_decision(decided: Any, lang: str) -> None:  # noqa: ANN401  JSON
    from policies.documents import basis_of

    context = decided["context"]
    say(text("cli", "permitted" if decided["decision"] else "denied", language(lang)))
    for ground in context["grounds"]:
        explained = ground["explanation"][language(lang)]
        say(f"  [{ground['rule']}] {explained}")
        basis = basis_of(ground, language(lang))
        if basis != explained:
            say(f"    {basis}")
    if not decided["decision"]:
        say(f"  {context['reason_user'][language(lang)]}")
    near = context.get("near")
    for missing in near["missing"] if near else ():
        say(f"  → {missing[language(lang)]}")


@policy.command("lint")
def policy_lint(
    folder: Annotated[list[Path] | None, typer.Argument()] = None, collections: Contracts = None, lang: Lang = "nl"
) -> None:
    """Controleer regels en doelen / check rules, purposes and contracts as a start does, with own folders."""
    from gateway.app import read_law
    from gateway.settings import Settings
    from policies.errors import BadPolicy

    try:
        law = read_law(Settings(purposes=tuple(folder or ()), collections=tuple(collections or ())))[0].law
    except BadPolicy as error:
        for fault in error.faults:
            say_error(str(fault))
        raise typer.Exit(1) from error
    counted = {"rules": str(len(law.rules)), "purposes": str(len(law.purposes.by_id)), "version": law.version.sha256}
    say(text("cli", "lint-good", language(lang), **counted))


@policy.command("register")
def policy_register(
    output: Output,
    before: Before = None,
    parents: Annotated[bool, typer.Option("--parents", help="De pagina voor ouders / the parents' page.")] = False,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Schrijf het register van verwerkingen met gemeten feiten / write the register of processing: .json or .html.

    Also the parents' page (`--parents`) or what changed since an earlier register (`--before`).
    """
    from gateway.accountability import register
    from policies.documents import changes_page, parents_page, register_page

    if (output.suffix == ".json") + (before is not None) + parents > 1:
        raise typer.BadParameter("één van / one of: -o X.json, --before, --parents")
    earlier = None if before is None else _earlier(before)
    document = done(register(deployment(data), None), lang)
    if output.suffix == ".json":
        output.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    elif earlier is not None:
        output.write_text(changes_page(earlier, document, language(lang)), encoding="utf-8")
    else:
        page = parents_page if parents else register_page
        output.write_text(page(document, language(lang)), encoding="utf-8")
    say(text("cli", "register-written", language(lang), file=str(output), hash=str(document["sha256"])))


def _earlier(file: Path) -> dict[str, Any]:
    """A register that was written earlier; another file is wrong usage."""
    try:
        read = json.loads(file.read_bytes())
    except ValueError:  # not JSON, or not in any encoding of JSON
        read = None
    if not isinstance(read, dict) or not {"on", "sha256"} <= read.keys():
        raise typer.BadParameter(f"{file}: geen register.json / not a register, as `policy register -o X.json` writes")
    return read


@policy.command("rules")
def policy_rules(data: Data = None, as_json: Json = False, lang: Lang = "nl") -> None:
    """Toon elke regel met artikel en uitleg / show every rule with its article."""
    from policies.render import rule_sentence

    law = deployment(data).law
    rows = [
        {
            "id": rule.id,
            "effect": rule.effect,
            "basis": getattr(rule.legal_basis, language(lang)),
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
