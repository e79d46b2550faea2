"""At a school: check, pseudonymise, submit. Works in the base install."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import httpx
import typer

from gateway.cli.common import (
    File,
    GatewayUrl,
    Json,
    Lang,
    Output,
    TokenFile,
    apart,
    app,
    beside,
    keep,
    readable,
    say,
    say_faults,
    say_json,
    say_report,
    secret_token,
    table,
)
from gateway.cli.delivering import say_counts
from gateway.cli.failing import language, say_error
from gateway.cli.following import keep_proven, watch
from gateway.cli.remote import connection, document_of, http_client
from gateway.collections import Contract, load_contracts
from gateway.formats.read_csv import decode
from gateway.formats.sheet import Content, content_of
from gateway.messages import rule_text, text
from gateway.outcome import Fault, Report
from gateway.records import Expected, parse, raw_in
from gateway.records.document import read_document
from gateway.records.template import offered_in

if TYPE_CHECKING:
    from pseudonymisation.client import ColumnMap, Refusal
    from pseudonymisation.key_document import ServiceKey

CollectionName = Annotated[str, typer.Option("--collection", help="absence-counts, absence-records, …")]
Site = Annotated[str, typer.Option("--site", help="Vestiging / site, 00AB00.")]
PeriodCode = Annotated[str, typer.Option("--period", help="2026-2027-1.")]
_MAP = """Bestand voor eigen kolommen en waarden / file for other columns and values:
columns.number = "Identificatie", subdivisions."Groep 3" = "lower_years", fixed.subdivision = "undivided"."""
Map = Annotated[Path | None, typer.Option("--map", exists=True, help=_MAP)]
Service = Annotated[str, typer.Option("--service", help="Adres van de pseudoniemdienst / service address.")]
ServiceKeyFile = Annotated[Path, typer.Option("--service-key", exists=True, help="Sleutelbestand / key file.")]
Cache = Annotated[Path | None, typer.Option("--cache", help="Map van het geheugen / cache folder.")]
Template = Annotated[
    Path | None, typer.Option("--template", exists=True, help="Sjabloon van de vestiging / template of the site.")
]
Made = TypeVar("Made")
_SUBMITTED = ("id", "receipt", "state", "counts")


@app.command()
def check(
    file: File,
    collection: CollectionName,
    template: Template = None,
    sector: Annotated[str | None, typer.Option("--sector", help="po, so, vo, vso.")] = None,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Controleer een bestand met de regels van de poort, zonder verbinding / check a file offline."""
    wanted, contract = language(lang), _contract(collection)
    sector = sector and sector.lower()
    if sector not in {None, *contract.subdivisions}:
        raise typer.BadParameter(f"onbekende sector / unknown sector: {', '.join(contract.subdivisions)}")
    outcome = parse(file.read_bytes(), Expected(contract, sector=sector, offered=_offered(template, contract, lang)))
    if not isinstance(outcome, Report) and not outcome.counts:
        outcome = Report.of([Fault("FILE-EMPTY")])
    faults = outcome if isinstance(outcome, Report) else Report((), {})
    if as_json:
        told = {"faults": [asdict(one) for one in faults.faults], "totals": faults.totals}
        unchecked, notes = ((), ()) if isinstance(outcome, Report) else (outcome.unchecked, outcome.notes)
        say_json(told | {"unchecked": unchecked, "notes": notes})
    elif isinstance(outcome, Report):
        say_report(outcome, wanted)
    else:
        say(text("cli", "check-good", wanted))
        for note in outcome.notes:
            say(rule_text(Fault(note), wanted))
        for rule in outcome.unchecked:
            say(text("cli", f"unchecked-{rule.lower()}", wanted))
    raise typer.Exit(1 if faults.totals else 0)


@app.command()
def pseudonymise(  # long: a command names its options one by one
    export: File,
    site: Site,
    period: PeriodCode,
    service: Service,
    service_key: ServiceKeyFile,
    output: Output,
    mapping: Map = None,
    template: Template = None,
    cache: Cache = None,
    token_file: TokenFile = None,
    offline: Annotated[bool, typer.Option("--offline", help="Alleen uit het geheugen / from the cache.")] = False,
    lang: Lang = "nl",
) -> None:
    """Maak van een export een aanlevering met pseudoniemen; nummers verlaten de school niet / an export, blinded."""
    from pseudonymisation import client

    key = _pinned(service_key, period, lang, output, export, mapping, template, token_file)
    chosen, offered = _chosen(mapping, lang), _offered(template, _contract("absence-records"), lang)
    sheet = table(export, client.known_headings(chosen, client.FIELDS), lang)
    kept = _done(client.open_cache(cache or Path(typer.get_app_dir("verzuimpoort")), key.school_year), lang)
    with (
        kept,
        _service(service, token_file, lang, offline=offline) as http,
        typer.progressbar(length=len(sheet.rows), label=site, hidden=not sys.stdout.isatty()) as bar,
    ):
        made = client.pseudonymise(
            sheet.header,
            sheet.rows,
            site=site,
            period=period,
            source=client.OfflineSource(key) if offline else client.ServiceSource(http, key, period),
            cache=kept,
            bands=[client.Band(name, upper) for name, upper in _contract("absence-records").bands.upper.items()],
            output=output,
            chosen=chosen,
            offered=offered,
            progress=lambda known, _: bar.update(known - bar.pos),
        )
    delivery, wanted = _done(made, lang), language(lang)
    say_faults(((one.row, "", getattr(one, wanted), one.rule) for one in delivery.warnings), wanted)
    say(text("cli", "pseudonymised", wanted, file=str(output), records=str(delivery.records)))


@app.command("change-numbers")
def change_numbers(
    file: File,
    site: Site,
    period: PeriodCode,
    service: Service,
    service_key: ServiceKeyFile,
    output: Output,
    mapping: Map = None,
    cache: Cache = None,
    token_file: TokenFile = None,
    lang: Lang = "nl",
) -> None:
    """Maak van een lijst met oude en nieuwe nummers een document met pseudoniemen / old and new numbers, blinded."""
    from pseudonymisation import client

    key = _pinned(service_key, period, lang, output, file, mapping, token_file)
    chosen = _chosen(mapping, lang)
    sheet = table(file, client.known_headings(chosen, client.CHANGE_FIELDS), lang)
    kept = _done(client.open_cache(cache or Path(typer.get_app_dir("verzuimpoort")), key.school_year), lang)
    with kept, _service(service, token_file, lang, offline=False) as http:
        source = client.ServiceSource(http, key, period)
        made = client.change_numbers(
            sheet.header, sheet.rows, site=site, period=period, source=source, cache=kept, output=output, chosen=chosen
        )
    delivery = _done(made, lang)
    facts = {"pupils": str(delivery.records), "rows": ", ".join(map(str, delivery.rows))}
    say(text("cli", "changes-made", language(lang), file=str(output), **facts))


@app.command("submit-changes")
def submit_changes(file: File, gateway: GatewayUrl, token_file: TokenFile = None, lang: Lang = "nl") -> None:
    """Lever nummerwijzigingen aan / submit number changes: stored rows go on under the new numbers."""
    body = file.read_bytes()
    if content_of(body) is not Content.JSON or readable(lambda: read_document(body), lang, file).get("changes") is None:
        say_error(text("cli", "not-changes", language(lang)))
        raise typer.Exit(1)
    _keep_raw_here(file, body, lang)
    with connection(gateway, token_file, lang) as http:
        answer = http.post("/v1/number-changes", content=body)
        made = document_of(answer, lang, httpx.codes.OK, needs=("pupils", "rows"))
    say(text("cli", "changes-taken", language(lang), pupils=str(made["pupils"]), rows=str(made["rows"])))


@app.command()
def submit(
    file: File,
    gateway: GatewayUrl,
    output: Output,
    collection: Annotated[str | None, typer.Option("--collection")] = None,
    site: Annotated[str | None, typer.Option("--site")] = None,
    period: Annotated[str | None, typer.Option("--period")] = None,
    confirm: Annotated[bool, typer.Option("--confirm", help="Bevestig de tellingen meteen / confirm at once.")] = False,
    token_file: TokenFile = None,
    lang: Lang = "nl",
) -> None:
    """Lever een bestand aan en bewaar het ontvangstbewijs / submit a file and keep the receipt."""
    of_confirmation = beside(output, "confirmation")
    for each in (output, of_confirmation):
        apart(each, file, token_file)
    body = file.read_bytes()
    _keep_raw_here(file, body, lang)
    about = _about(file, body, lang, collection=collection, party=site, period=period)
    with connection(gateway, token_file, lang) as http:
        answer = http.post("/v1/submissions", params=about, content=body)
        made = document_of(answer, lang, httpx.codes.CREATED, httpx.codes.OK, needs=_SUBMITTED)
        keep(output, made["receipt"])
        say(text("cli", "submitted", language(lang), id=made["id"], receipt=str(output)))
        say_counts(made, lang)
        if confirm:
            confirmed = http.post(f"/v1/submissions/{made['id']}/confirmation")
            made |= document_of(confirmed, lang, httpx.codes.OK, needs=("state",))
        say(text("cli", "confirmed" if made["state"] == "confirmed" else "unconfirmed", language(lang)))
        receipt = f"/v1/submissions/{made['id']}/receipt"
        keep_proven(http, receipt, output, lang)
        if confirm:
            keep_proven(http, f"{receipt}?of=confirmation", of_confirmation, lang)
        watch(http, lang)


def _contract(collection: str) -> Contract:
    contracts = load_contracts()
    if collection not in contracts:
        raise typer.BadParameter(f"onbekende uitvraag / unknown collection: {', '.join(contracts)}")
    return contracts[collection]


def _offered(template: Path | None, contract: Contract, lang: str) -> tuple[str, ...] | None:
    """The subdivisions of the site, if its template is given."""
    return readable(lambda: offered_in(template.read_bytes(), contract), lang, template) if template else None


def _service(url: str, token_file: Path | None, lang: str, *, offline: bool) -> httpx.Client:
    token = "" if offline else secret_token(token_file, service=True)
    return http_client(url, lang, {"Authorization": f"Bearer {token}"})


def _keep_raw_here(file: Path, body: bytes, lang: str) -> None:
    """Stop before a file that names pupils leaves the school, the export in place of the document for instance."""
    if not body.strip():
        return
    found = readable(lambda: raw_in(body), lang, file)
    if found is not None:
        say_error(text("cli", "names-pupils", language(lang)))
        say_report(found, language(lang))
        raise typer.Exit(1)


def _about(file: Path, body: bytes, lang: str, **given: str | None) -> dict[str, str]:
    """Collection, site and period: as given, else as a JSON document says."""
    if content_of(body) is Content.JSON:
        document = readable(lambda: read_document(body), lang, file)
        named = {"collection": "collection", "party": "site", "period": "period"}
        given = {name: value or str(document.get(named[name], "")) for name, value in given.items()}
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise typer.BadParameter(f"geef ook / also give: {', '.join(missing)}")
    return {name: value for name, value in given.items() if value}


def _pinned(service_key: Path, period: str, lang: str, output: Path, *read: Path | None) -> "ServiceKey":
    """The service's key for a period, after a look that the output goes over nothing that is read."""
    from pseudonymisation import client

    apart(output, service_key, *read)
    return _done(client.pinned_key(service_key.read_bytes(), period), lang)


def _chosen(mapping: Path | None, lang: str) -> "ColumnMap | None":
    """What a `--map` file says, in any encoding a table may have."""
    from pseudonymisation import client

    if mapping is None:
        return None
    said, _ = readable(lambda: decode(mapping.read_bytes()), lang, mapping)
    return _done(client.read_map(said), lang)


def _done(outcome: "Made | Refusal", lang: str) -> "Made":
    """The result of a step of the client; a refusal is said, with every fault and its mend, and ends with exit 1."""
    from pseudonymisation.client import Refusal

    if not isinstance(outcome, Refusal):
        return outcome
    wanted = language(lang)
    say_error(getattr(outcome, wanted))
    say_faults(((one.row, one.column, getattr(one, wanted), one.rule) for one in outcome.faults), wanted)
    raise typer.Exit(1)
