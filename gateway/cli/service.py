"""At the pseudonym service and, for its register, at the gateway: folder, credentials, school years, quotas."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import (
    Data,
    Lang,
    Output,
    SchoolYear,
    Sure,
    deployment,
    desk,
    done,
    keep,
    say,
    school_year_given,
)
from gateway.cli.failing import at_the_end, language
from gateway.cli.operator import quota
from gateway.messages import text

if TYPE_CHECKING:
    from gateway.pseudonyms import Service

service = typer.Typer(name="service", no_args_is_help=True, help="De pseudoniemdienst / the pseudonym service.")
groups = (service,)
REASONS = "pupils-arrived, cache-lost, system-changed, key-replaced, service-restored."
Folder = Annotated[Path, typer.Option("--folder", file_okay=False, help="Map van de pseudoniemdienst / its folder.")]


@service.command("gateway-key")
def gateway_key(data: Data = None, _lang: Lang = "nl") -> None:
    """Toon de openbare sleutel waarmee de poort haar register tekent / the key that signs the gateway's register."""
    from gateway.pseudonyms import register_public_key

    say(register_public_key(deployment(data)).hex())


@service.command("init")
def service_init(
    folder: Folder,
    operator: Annotated[str, typer.Option("--operator", help="Beheerder van de dienst / its operator, ORG-….")],
    key: Annotated[str, typer.Option("--gateway-key", help="Van / from `service gateway-key`.")],
    database: Annotated[str, typer.Option("--database", help="URL; zonder: SQLite in de map / in the folder.")] = "",
    lang: Lang = "nl",
) -> None:
    """Maak map, instellingen en sleutels van de dienst / make the service's folder, settings and keys."""
    from gateway.pseudonyms import create_service_folder

    try:
        public = bytes.fromhex(key)
    except ValueError as error:
        raise typer.BadParameter("--gateway-key: 64 tekens / characters 0-9 a-f") from error
    named = create_service_folder(folder, operator=operator, gateway_key=public, database=database)
    say(text("cli", "service-made", language(lang), folder=str(folder), operator=named))


@service.command("token")
def service_token(
    site: list[str],
    days: Annotated[int, typer.Option("--days", min=1, max=730)] = 365,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Geef vestigingen een token voor de dienst / give sites a token for the service; then export the register."""
    from gateway.pseudonyms import issue_service_tokens

    for code, token in done(issue_service_tokens(desk(data), site, days=days), lang).items():
        say(f"{code}\t{token}")


@service.command("register")
def service_register(output: Output, data: Data = None, lang: Lang = "nl") -> None:
    """Schrijf het ondertekende register voor de dienst / write the signed register for the service."""
    from gateway.pseudonyms import export_service_register

    made = done(export_service_register(desk(data)), lang)
    keep(output, made.document)
    say(text("cli", "register-exported", language(lang), file=str(output), sites=str(made.sites)))


@service.command("key-file")
def key_file(folder: Folder, output: Output, lang: Lang = "nl") -> None:
    """Schrijf het ondertekende bestand met openbare sleutels / write the signed file of public keys, for everybody."""
    from pseudonymisation.service import service_document

    opened = _opened(folder)
    output.write_bytes(service_document(opened.keyring, opened.operator))
    say(text("cli", "key-file-written", language(lang), file=str(output)))


@service.command("audit-export")
def audit_export(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", exists=True, file_okay=False, help="Map / folder.")],
    lang: Lang = "nl",
) -> None:
    """Neem het eigen logboek van de dienst mee: een bundel per schooljaar / take out its own log, a bundle a year."""
    from gateway.service_log import take_out

    for name, bundle in done(take_out(_opened(folder).log), lang).items():
        keep(output / name, bundle)
        say(str(output / name))


@service.command("settle-restore")
def settle_restore(folder: Folder, _yes: Sure = False, lang: Lang = "nl") -> None:
    """Na terugzetten van de map: een andere naam voor het logboek, quota op / after the folder was restored."""
    from gateway.service_restore import settle

    settled = settle(_opened(folder))
    facts = {"origin": settled.origin, "years": ", ".join(settled.years) or "-", "sites": str(settled.sites)}
    say(text("cli", "service-settled", language(lang), **facts))


@service.command("open-year")
def open_year(school_year: SchoolYear, folder: Folder, _lang: Lang = "nl") -> None:
    """Maak de sleutel van een schooljaar / make the key of a school year; pin the new key file at the gateway."""
    from gateway.pseudonyms import open_service_year

    say(open_service_year(_opened(folder), school_year))


@service.command("close-year")
def close_year(
    school_year: SchoolYear,
    folder: Folder,
    _yes: Sure = False,
    lang: Lang = "nl",
) -> None:
    """Vernietig de sleutel en de antwoorden van een schooljaar / destroy a school year's key and answers."""
    from pseudonymisation.service import close_year as close

    opened = _opened(folder)
    had_key = close(opened.engine, opened.append, opened.keyring, school_year)
    said = "service-year-closed" if had_key else "service-year-closed-before"
    say(text("cli", said, language(lang), year=school_year))


@service.command("renew-kek")
def renew_kek(folder: Folder, _yes: Sure = False, lang: Lang = "nl") -> None:
    """Na een lek van de sleutel der sleutels: een nieuwe, en elke sleutel eronder / a new key-encryption key."""
    from gateway.pseudonyms import renew_service_kek

    renew_service_kek(_opened(folder))
    say(text("cli", "kek-renewed-service", language(lang)))


@quota.command("grant")
def quota_grant(
    site: str,
    elements: Annotated[int, typer.Argument(min=1, max=10_000)],
    reason: Annotated[str, typer.Option("--reason", help=REASONS)],
    folder: Folder,
    school_year: Annotated[str, typer.Option("--school-year", callback=school_year_given)],
    lang: Lang = "nl",
) -> None:
    """Verruim het quotum van een vestiging bij de pseudoniemdienst / enlarge a site's quota."""
    from gateway.pseudonyms import grant
    from pseudonymisation.service import GrantReason

    if reason not in list(GrantReason):
        raise typer.BadParameter(f"--reason: {', '.join(GrantReason)}")
    grant(_opened(folder), site, school_year, elements=elements, reason=GrantReason(reason))
    say(text("cli", "quota-granted", language(lang), site=site, elements=str(elements), year=school_year))


def _opened(folder: Path) -> "Service":
    """The service in its folder, open until the command ends."""
    from gateway.pseudonyms import open_service

    opened = open_service(folder)
    at_the_end(opened.engine.dispose)
    return opened
