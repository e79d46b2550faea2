"""At the operator: register, periods, credentials, releases. The acts themselves are in `gateway.operate`."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import (
    OUTPUT,
    Data,
    File,
    Json,
    Lang,
    SchoolYear,
    app,
    deployment,
    desk,
    done,
    keep,
    refuse,
    say,
    say_json,
    table,
)
from gateway.cli.failing import language, say_error
from gateway.messages import text
from gateway.outcome import Refused, Report

party = typer.Typer(name="party", no_args_is_help=True, help="Register: partijen / parties.")
period = typer.Typer(name="period", no_args_is_help=True, help="Meetperioden / periods.")
token = typer.Typer(name="token", no_args_is_help=True, help="Tokens van programma's / tokens of machines.")
release = typer.Typer(name="release", no_args_is_help=True, help="Uitleveringen / releases.")
mandate = typer.Typer(name="mandate", no_args_is_help=True, help="Mandaten van leveranciers / supplier mandates.")
agreement = typer.Typer(name="agreement", no_args_is_help=True, help="Verwerkersovereenkomsten / agreements.")
quota = typer.Typer(name="quota", no_args_is_help=True, help="Quotum van de pseudoniemdienst / quota.")
key = typer.Typer(name="key", no_args_is_help=True, help="Sleutels / keys.")
groups = (party, period, token, release, mandate, agreement, quota, key)

Table = Annotated[str, typer.Option("--collection")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"])]
From = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Geldig vanaf / valid from.")]
DEFAULT_TABLE = "absence-counts"
_SHOWN = 50  # sites that are not in a list; a program gets all


@party.command("add")
def party_add(code: str, kind: str, name: str, data: Data = None, lang: Lang = "nl") -> None:
    """Neem een organisatie op in het register, of geef haar een andere naam / register or rename an organisation."""
    from audit.events import Event

    said = {None: "party-known", Event.PARTY_ADDED: "party-added", Event.PARTY_CHANGED: "party-renamed"}
    event = done(desk(data).add_party(code, kind, name), lang)
    say(text("cli", said[event], language(lang), party=code, called=name))


@party.command("key")
def party_key(code: str, file: File, data: Data = None, lang: Lang = "nl") -> None:
    """Leg de openbare sleutel van een ontvanger vast, een JWK / register a recipient's public key, a JWK."""
    from gateway.recipient_key import read_jwk

    kid = done(desk(data).register_key(code, read_jwk(file.read_bytes())), lang)
    say(text("cli", "party-key", language(lang), party=code, kid=kid))


@party.command("withdraw-key")
def party_withdraw_key(code: str, kid: str, data: Data = None, lang: Lang = "nl") -> None:
    """Trek een openbare sleutel van een ontvanger in / withdraw a recipient's public key, one that is lost."""
    done(desk(data).withdraw_key(code, kid), lang)
    say(text("cli", "party-key-withdrawn", language(lang), party=code, kid=kid))


@party.command("list")
def party_list(data: Data = None, kind: str | None = None, as_json: Json = False, _lang: Lang = "nl") -> None:
    """Toon de partijen in het register / list the parties."""
    from sqlmodel import select

    from gateway.store import Party

    with deployment(data).reading() as session:
        rows = [(row.code, row.kind, row.name) for row in session.exec(select(Party)) if kind in (None, row.kind)]
    if as_json:
        say_json([dict(zip(("code", "kind", "name"), row, strict=True)) for row in sorted(rows)])
        return
    for row in sorted(rows):
        say("\t".join(row))


@party.command("import")
def party_import(
    file: File, data: Data = None, valid_from: From = None, as_json: Json = False, lang: Lang = "nl"
) -> None:
    """Lees een DUO-lijst van vestigingen of gemeenten in, CSV of XLSX / import a DUO list of sites or gemeenten.

    Eigen kolommen / columns of yours: `sector` (po, so, vo, vso), `subdivisions` (undivided havo vwo), `funded`.
    """
    from gateway.duo import LIST_COLUMNS, read_listing
    from gateway.register import not_listed

    at = desk(data)
    listing = read_listing(table(file, LIST_COLUMNS, lang), at.gateway.contracts)
    if isinstance(listing, list):
        refuse(Refused("faults-in-file", report=Report.of(listing)), lang)
    names = [(code, "gemeente", name) for code, name in listing.gemeenten.items()]
    day = _day(valid_from, at.gateway.today)
    changes = done(at.register(listing.sites, names, day), lang)
    with at.gateway.reading() as session:
        others = not_listed(session, listing.sites, day)
    counts = {"added": changes.added, "changed": changes.changed, "unchanged": changes.unchanged}
    if as_json:
        say_json(counts | {"not_listed": others})
        return
    say(text("cli", "imported", language(lang), **{name: str(value) for name, value in counts.items()}))
    if others:
        sites = " ".join([*others[:_SHOWN], *(["…"] if len(others) > _SHOWN else [])])
        say(text("cli", "not-listed", language(lang), number=str(len(others)), day=str(day), sites=sites))


@party.command("end")
def party_end(site: list[str], valid_from: From = None, data: Data = None, lang: Lang = "nl") -> None:
    """Haal vestigingen die sluiten of fuseren vanaf een dag uit het register / end sites that close or merge."""
    at = desk(data)
    day = _day(valid_from, at.gateway.today)
    for code in site:
        done(at.end_site(code, day), lang)
        say(text("cli", "party-ended", language(lang), party=code, day=str(day)))


@period.command("open")
def period_open(
    code: str,
    reference_date: Day,
    deadline: Day,
    collection: Table = DEFAULT_TABLE,
    exercise: Annotated[bool, typer.Option("--exercise", help="Oefening / exercise.")] = False,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Open een meetperiode / open a period; makes the keys of its school year where they are missing."""
    from gateway.overview import progress
    from gateway.periods import rows_end, school_year

    at = desk(data)
    opened = at.open_period(
        collection, code, reference_date=reference_date.date(), deadline=deadline.date(), exercise=exercise
    )
    opened = done(opened, lang)
    with at.gateway.reading() as session:
        sites = progress(session, at.gateway.contracts, opened).expected
    say(text("cli", "period-opened", language(lang), period=code, sites=str(sites), day=f"{reference_date:%Y-%m-%d}"))
    end = rows_end(at.gateway.law.purposes, school_year(code))
    if end <= deadline.date():
        say(text("cli", "period-outlives-rows", language(lang), day=f"{end:%Y-%m-%d}"))


@period.command("close")
def period_close(code: str, collection: Table = DEFAULT_TABLE, data: Data = None, lang: Lang = "nl") -> None:
    """Sluit een meetperiode / close a period."""
    done(desk(data).close_period(collection, code), lang)
    say(text("cli", "period-closed", language(lang), period=code))


@period.command("reopen-for")
def period_reopen(
    site: str, code: str, collection: Table = DEFAULT_TABLE, data: Data = None, lang: Lang = "nl"
) -> None:
    """Heropen een periode voor één vestiging / reopen a period for one site."""
    done(desk(data).reopen_for(collection, code, site), lang)
    say(text("cli", "period-reopened", language(lang), period=code, site=site))


@token.command("issue")
def token_issue(
    code: str,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="submit, download, consent, audit, all.")] = None,
    days: Annotated[int, typer.Option("--days", min=1, max=730)] = 365,
    output: Annotated[Path | None, OUTPUT] = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Maak een token voor een programma van een partij / issue a token for a party's machine; `-o` keeps it (0600)."""
    at = desk(data)
    expires = at.gateway.clock() + timedelta(days=days)
    made = done(at.issue_token(code, scopes=scope or ["submit", "download"], expires_at=expires), lang)
    say_error(text("cli", "token-id", language(lang), id=made.split("_")[1]))
    if output is None:
        say(text("cli", "token", language(lang), token=made))
        return
    keep(output, f"{made}\n")
    say(text("cli", "token-kept", language(lang), file=str(output)))


@token.command("revoke")
def token_revoke(token_or_oin: str, data: Data = None, lang: Lang = "nl") -> None:
    """Trek een token (het id of het token zelf) of het OIN van certificaten in / revoke a token, or an OIN."""
    ended = done(desk(data).revoke_token(token_or_oin), lang)
    if ended is None:
        refuse(Refused("not-found"), lang)
    say(text("cli", "token-revoked", language(lang), id=ended))


@token.command("register-oin")
def token_register_oin(
    code: str,
    oin: str,
    scope: Annotated[list[str] | None, typer.Option("--scope", help="submit, download, consent, audit, all.")] = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Laat certificaten met dit OIN voor een partij spreken / let certificates with this OIN speak for a party."""
    done(desk(data).register_oin(code, oin, scopes=scope or ["submit", "download"]), lang)
    say(text("cli", "oin-registered", language(lang), oin=oin, party=code))


@party.command("lock-out")
def party_lock_out(code: str, data: Data = None, lang: Lang = "nl") -> None:
    """Beëindig elke toegang van een partij tot `party let-in` / end all access of a party until `party let-in`."""
    ended = done(desk(data).end_credentials(code), lang)
    say(text("cli", "locked-out", language(lang), number=str(ended), party=code))


@party.command("let-in")
def party_let_in(code: str, data: Data = None, lang: Lang = "nl") -> None:
    """Laat de mensen van een afgesloten partij zich weer aanmelden / let people of a locked party log in again."""
    done(desk(data).let_in(code), lang)
    say(text("cli", "let-in", language(lang), party=code))


@app.command("login-link")
def login_link(
    code: str,
    role: Annotated[str, typer.Option("--role", help="school, recipient, operator, privacy-officer, …")],
    label: Annotated[str, typer.Option("--label", help="Wie / who.")] = "",
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Maak een aanmeldlink voor één keer / make a one-time login link."""
    at = desk(data)
    secret = done(at.invite(code, role, label), lang)
    say(text("cli", "link", language(lang), url=f"{at.gateway.settings.base_url}/login/{secret}"))


@mandate.command("grant")
def mandate_grant(
    supplier: str,
    site: str,
    until: Day,
    action: Annotated[list[str] | None, typer.Option("--action")] = None,
    collection: Annotated[list[str] | None, typer.Option("--collection")] = None,
    valid_from: From = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Leg vast dat een leverancier namens een vestiging mag handelen / register a supplier's mandate."""
    from gateway.grants import USUAL, grant_mandate

    at = desk(data)
    first = _day(valid_from, at.gateway.today)
    granted = grant_mandate(
        at,
        supplier,
        site,
        actions=action or USUAL,
        collections=collection or sorted(at.gateway.contracts),
        valid_from=first,
        valid_to=until.date(),
    )
    done(granted, lang)
    days = {"first": str(first), "until": f"{until:%Y-%m-%d}"}
    say(text("cli", "mandate-granted", language(lang), supplier=supplier, site=site, **days))


@mandate.command("end")
def mandate_end(supplier: str, site: str, data: Data = None, lang: Lang = "nl") -> None:
    """Beëindig vandaag de mandaten van een vestiging voor een leverancier / end a supplier's mandates of a site."""
    from gateway.grants import end_mandate

    ended = done(end_mandate(desk(data), supplier, site), lang)
    say(text("cli", "mandate-ended", language(lang), supplier=supplier, site=site, number=str(ended)))


@agreement.command("register")
def agreement_register(site: list[str], valid_from: From = None, data: Data = None, lang: Lang = "nl") -> None:
    """Leg verwerkersovereenkomsten vast / register processor agreements (AVG art. 28)."""
    from gateway.grants import register_agreements

    at = desk(data)
    fresh = done(register_agreements(at, site, _day(valid_from, at.gateway.today)), lang)
    say(text("cli", "agreements-registered", language(lang), fresh=str(fresh), asked=str(len(set(site)))))


@agreement.command("end")
def agreement_end(site: str, data: Data = None, lang: Lang = "nl") -> None:
    """Beëindig vandaag de verwerkersovereenkomst van een vestiging / end the processor agreement of a site."""
    from gateway.grants import end_agreement

    done(end_agreement(desk(data), site), lang)
    say(text("cli", "agreement-ended", language(lang), site=site))


@key.command("create")
def key_create(school_year: SchoolYear, data: Data = None, lang: Lang = "nl") -> None:
    """Maak de ontbrekende sleutels van een schooljaar / make a school year's missing keys."""
    made = done(desk(data).create_keys(school_year), lang)
    say(text("cli", "keys-made", language(lang), number=str(made), year=school_year))


@key.command("pin")
def key_pin(
    document: File,
    signer: Annotated[str, typer.Option("--signer", help="Nieuwe ondertekenaar / new `signer` of the file.")] = "",
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Leg de openbare sleutels van de pseudoniemdienst vast / pin the pseudonym service's public keys."""
    from gateway.service_keys import pin_service_keys
    from pseudonymisation.errors import MalformedError
    from pseudonymisation.text64 import from_text

    try:
        other = from_text(signer, 32) if signer else None
    except MalformedError as error:
        raise typer.BadParameter("--signer: 43 tekens / characters") from error
    pinned = done(pin_service_keys(desk(data), document.read_bytes(), signer=other), lang)
    say(text("cli", "keys-pinned", language(lang), number=str(pinned.fresh)))
    if pinned.other_signer:
        say(text("cli", "signer-changed", language(lang)))


@release.command("show")
def release_show(data: Data = None, as_json: Json = False, _lang: Lang = "nl") -> None:
    """Toon de uitleveringen / list the releases."""
    from gateway.context import operator_of
    from gateway.publish.downloading import catalogue

    gateway = deployment(data)
    listed = catalogue(gateway, operator_of(gateway))
    rows = [
        {
            "id": one.release.id,
            "period": one.period.code,
            "state": str(one.release.state),
            "purposes": one.release.purposes,
        }
        for one in listed
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say("\t".join(row.values()))


def _day(given: datetime | None, today: date) -> date:
    return given.date() if given else today
