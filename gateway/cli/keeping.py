"""At the operator: keys after a leak, the retention run, backups, consents by their id, releases by a named person."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import (
    OUTPUT,
    Data,
    File,
    Json,
    Lang,
    SchoolYear,
    Sure,
    app,
    deployment,
    desk,
    done,
    refuse,
    say,
    say_json,
    sure,
    writable,
)
from gateway.cli.failing import language, say_error
from gateway.cli.operator import DEFAULT_TABLE, Table, key, release
from gateway.messages import text
from gateway.outcome import Refused
from gateway.settings import home

if TYPE_CHECKING:
    from gateway.context import Gateway
    from gateway.identity import Identity
    from gateway.keys import Rotated
    from gateway.repeat import Again

retention = typer.Typer(name="retention", no_args_is_help=True, help="Bewaartermijnen / retention.")
consent = typer.Typer(name="consent", no_args_is_help=True, help="Toestemmingen / consents.")
job = typer.Typer(name="job", no_args_is_help=True, help="Werk op de achtergrond / jobs.")
groups = (retention, consent, job)

Purpose = Annotated[str, typer.Option("--purpose", help="Doel waarvoor de sleutel is / purpose of the key.")]
As = Annotated[str, typer.Option("--as", help="Naam van de beheerder die dit doet / label of the operator's person.")]
Reason = Annotated[str, typer.Option("--reason", help="Reden / reason.")]
Lost = Annotated[
    int,
    typer.Option(
        "--lost",
        min=0,
        help="Zoveel sleutels zijn voorgoed weg: wis hun rijen / so many keys are gone for good: erase their rows.",
    ),
]
WasRestored = Annotated[
    bool,
    typer.Option(
        "--yes",
        help="Ja, er is teruggezet: tokens en privacybudgetten zijn op / it was restored: tokens and budgets are over.",
    ),
]
_ROWS = "counting-for-school"


@key.command("list")
def key_list(data: Data = None, as_json: Json = False, _lang: Lang = "nl") -> None:
    """Toon de sleutels, zonder geheim / list the keys, without any secret."""
    rows = [
        record.model_dump(mode="json", exclude={"wrapped", "format"})
        for record in sorted(deployment(data).keyring.records(), key=lambda one: (one.school_year or "", one.purpose))
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say("\t".join(str(row[name] or "") for name in ("key_id", "purpose", "school_year", "state", "previous")))


@key.command("rotate")
def key_rotate(school_year: SchoolYear, purpose: Purpose = _ROWS, data: Data = None, lang: Lang = "nl") -> None:
    """Na een lek: een nieuwe sleutel, en elke opgeslagen pid opnieuw / after a leak: a new key, every pid re-keyed."""
    from gateway.keys import rotate

    made = done(rotate(desk(data), purpose, school_year), lang)
    say(_turned("key-rotated", made, lang))


@key.command("renounce")
def key_renounce(
    school_year: SchoolYear, purpose: Purpose = _ROWS, _yes: Sure = False, data: Data = None, lang: Lang = "nl"
) -> None:
    """Bij de volgende periode na een lek: een verse sleutel, de gelekte vernietigd / a fresh key, leaked ones gone."""
    from gateway.keys import renounce

    at = desk(data)
    say(_turned("key-renounced", done(renounce(at, purpose, school_year), lang), lang))
    _say_renewed(at.gateway, lang)


@key.command("renew-log")
def key_renew_log(_yes: Sure = False, data: Data = None, lang: Lang = "nl") -> None:
    """Na een lek van de sleutel van het logboek: een nieuwe, onder een nieuwe naam / a new key for the log."""
    from gateway.app import renew_log_key

    say(text("cli", "log-renewed", language(lang), origin=done(renew_log_key(desk(data)), lang)))


@key.command("destroy")
def key_destroy(key_id: str, _yes: Sure = False, data: Data = None, lang: Lang = "nl") -> None:
    """Vernietig een sleutel en wis wat eronder staat / destroy a key and erase what stands under it."""
    from gateway.keys import destroy

    at = desk(data)
    say(_turned("key-destroyed", done(destroy(at, key_id), lang), lang))
    _say_renewed(at.gateway, lang)


@key.command("renew-kek")
def key_renew_kek(
    consents: Annotated[bool, typer.Option("--consents", help="Die van toestemmingen / those of consents.")] = False,
    _yes: Sure = False,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Na een lek van de sleutel der sleutels: een nieuwe, en elke sleutel eronder / a new key-encryption key."""
    from gateway.keys import renew_keks

    at = desk(data)
    done(renew_keks(at, consents=consents), lang)
    if consents:
        say(text("cli", "kek-renewed-consents", language(lang)))
    else:
        _say_renewed(at.gateway, lang)


def _say_renewed(gateway: "Gateway", lang: str) -> None:
    """What a new key-encryption key asks of the operator, by where it is."""
    where = "kek-renewed" if gateway.settings.pkcs11 is None else "kek-renewed-in-token"
    say(text("cli", where, language(lang)))


def _turned(what: str, key: "Rotated", lang: str) -> str:
    """What became of a key and of what stood under it: rows, or the tags by which the log finds pupils again."""
    from gateway.prepared import SUBJECTS

    of = f"{what}-subjects" if key.purpose == SUBJECTS else what
    return text("cli", of, language(lang), id=key.key_id, rows=str(key.rows))


@retention.command("run")
def retention_run(data: Data = None, as_json: Json = False, lang: Lang = "nl") -> None:
    """Wis alles waarvan de termijn voorbij is, sleutels erbij / erase all that is past its term, keys included."""
    from gateway.context import operator_of
    from gateway.retention import run

    gateway = deployment(data)
    erased = done(run(gateway, operator_of(gateway)), lang)
    if as_json:
        say_json(dict(erased.of))
        return
    for kind, many in erased.of.items():
        say(f"{kind}: {many}")
    if not erased.of:
        say(text("cli", "nothing-erased", language(lang)))
    if "keys" in erased.of:
        _say_renewed(gateway, lang)


@job.command("dismiss")
def job_dismiss(data: Data = None, lang: Lang = "nl") -> None:
    """Haal mislukt werk dat u hebt gezien van de lijst / take failed jobs that you have seen off the list."""
    from gateway.retention import dismiss_jobs

    say(text("cli", "jobs-dismissed", language(lang), number=str(done(dismiss_jobs(desk(data)), lang))))


@app.command()
def backup(
    keys: Annotated[
        Path | None,
        typer.Option("--keys", dir_okay=False, callback=writable, help="Bestand met sleutels / keys file."),
    ] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Maak een reservekopie: gegevens en sleutels in twee bestanden / a backup: data and keys, to be kept apart."""
    from gateway.backup import backup as make

    if keys is None and output is None:
        raise typer.BadParameter("geef -o, --keys of beide / give -o, --keys or both")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by itself it ends without removing what is half written
    refused = make(desk(data), data=output, keys=keys)
    if refused is not None:
        done(refused, lang)
    files = ", ".join(str(file) for file in (output, keys) if file is not None)
    say(text("cli", "backed-up", language(lang), files=files))


@app.command()
def restore(
    file: File,
    keys: Annotated[Path, typer.Option("--keys", exists=True, dir_okay=False, help="Nieuwste sleutels / newest keys.")],
    lost: Lost = 0,
    data: Data = None,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Zet een reservekopie terug in een lege database; wat sindsdien is vernietigd komt niet terug / restore."""
    from gateway.backup import restore as bring_back

    found = bring_back(home(data), file, keys, lost=lost)
    made = found.made.isoformat(timespec="milliseconds") if as_json else f"{found.made:%Y-%m-%d %H:%M} UTC"
    told = {"made": made, "rows": found.rows, "refused": found.refused, "ended": found.ended}
    again = _again(deployment(data))
    if as_json:
        say_json(told | {"erased": dict(found.erased), "again": _as_json(again)})
        return
    say(text("cli", "restored", language(lang), **{name: str(value) for name, value in told.items()}))
    _say_again(again, lang)


@app.command("settle-restore")
def settle_restore(
    yes: WasRestored = False, lost: Lost = 0, data: Data = None, as_json: Json = False, lang: Lang = "nl"
) -> None:
    """Na terugzetten met de database zelf: maak waar wat sindsdien gebeurde / after a restore by other means."""
    from gateway.backup import settle
    from gateway.unsettled import is_marked

    gateway = deployment(data)
    with gateway.reading() as session:
        sure(yes or is_marked(session.connection()))
    ended, erased = settle(gateway, lost=lost)
    again = _again(gateway)
    if as_json:
        say_json({"ended": ended, "erased": dict(erased), "again": _as_json(again)})
        return
    say(text("cli", "settled", language(lang), ended=str(ended), rows=str(erased.get("rows", 0))))
    _say_again(again, lang)


def _again(gateway: "Gateway") -> "list[Again]":
    """What came back and may have been ended after the backup."""
    from gateway.repeat import to_repeat

    with gateway.reading() as session:
        return list(to_repeat(session, gateway.today))


def _as_json(again: "list[Again]") -> list[dict[str, str]]:
    return [{"what": what, **names} for what, names in again]


def _say_again(again: "list[Again]", lang: str) -> None:
    if again:
        say(text("cli", "again", language(lang)))
    for what, names in again:
        say(text("cli", f"again-{what}", language(lang), **names))


@consent.command("list")
def consent_list(data: Data = None, as_json: Json = False, lang: Lang = "nl") -> None:
    """Toon toestemmingen: stand en laatste dag, zonder school of ontvanger / states and last days, nobody's name."""
    from gateway.accountability import consents_by_id

    rows = done(consents_by_id(deployment(data)), lang)
    if as_json:
        say_json([dict(row) for row in rows])
        return
    for row in rows:
        say("\t".join(str(value) for value in row.values()))


@consent.command("show")
def consent_show(consent_id: str, data: Data = None, lang: Lang = "nl") -> None:
    """Toon de gebeurtenissen van één toestemming / the events of one consent."""
    from gateway.accountability import consent_history

    say_json(done(consent_history(deployment(data), consent_id), lang))


@consent.command("overdue")
def consent_overdue(data: Data = None, as_json: Json = False, lang: Lang = "nl") -> None:
    """Toon berichten van intrekking zonder tijdig antwoord / notices of withdrawal without an answer in time."""
    from gateway.accountability import late_notices

    rows = [
        {"consent": one.consent, "recipient": one.recipient, "cause": one.cause, "answer_by": one.answer_by}
        for one in done(late_notices(deployment(data)), lang)
    ]
    if as_json:
        say_json(rows)
        return
    for row in rows:
        say("\t".join(str(value) for value in row.values()))


@consent.command("end-keyless")
def consent_end_keyless(data: Data = None, lang: Lang = "nl") -> None:
    """Beëindig toestemmingen waarvan de sleutel weg is / end consents whose key is gone, as a restore does."""
    from gateway.consent_ends import end_keyless
    from gateway.yearly import demand_own

    gateway = deployment(data)
    with gateway.reading() as session:
        demand_own(session.connection(), gateway.home)
    say(text("cli", "keyless-ended", language(lang), number=str(end_keyless(gateway))))


@release.command("build")
def release_build(
    period: str,
    person: As,
    collection: Table = DEFAULT_TABLE,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Laat een uitlevering bouwen; een ander keurt haar goed / have a release built; somebody else approves it."""
    from gateway.publish.asking import request_build

    at = deployment(data)
    made = done(request_build(at, _person(at, person, lang), collection, period), lang)
    say(made.id)


@release.command("withdraw")
def release_withdraw(release_id: str, person: As, reason: Reason, data: Data = None, lang: Lang = "nl") -> None:
    """Trek een uitlevering in: niemand haalt haar meer op / withdraw a release: nobody downloads it any more."""
    from gateway.publish.deciding import withdraw_release

    at = deployment(data)
    done(withdraw_release(at, _person(at, person, lang), release_id, reason=reason), lang)
    say(text("cli", "release-withdrawn", language(lang), id=release_id))


@release.command("since-backup")
def release_since_backup(
    school_year: SchoolYear,
    published: Annotated[
        list[str] | None, typer.Option("--published", help="Periode, vaker mag / period, may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ja, deze perioden / yes, these periods.")] = False,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Na terugzetten: wat er sinds de reservekopie is gepubliceerd / what was published between backup and restore."""
    from gateway.told import tell

    if published and not yes:
        say_error(text("cli", "since-backup-sure", language(lang), periods=" ".join(published)))
        raise typer.Exit(1)
    told = done(tell(desk(data), school_year, published or ()), lang)
    say(text("cli", "since-backup", language(lang), year=school_year, periods=told.periods or "-"))


def _person(gateway: "Gateway", label: str, lang: str) -> "Identity":
    """A person of the operator; whoever can read the keys of the deployment has proven enough."""
    from gateway.context import operator_of
    from gateway.identity import find_person

    with gateway.reading() as session:
        found = find_person(session, gateway.settings.operator, "operator", label)
    if found is None:
        refuse(Refused("unknown-person"), lang)
    return operator_of(gateway, found.id)
