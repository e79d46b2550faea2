"""At a privacy officer, a recipient or an auditor: take the log out, check it, follow it; witnesses at the operator.

With `--gateway` a token of scope `audit` asks over HTTP; with `--data` whoever can read the data folder acts as the
controller's officer. Either way the look is logged.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Annotated, Any

import httpx
import typer

from audit.events import COLUMNS, Decision, Event
from gateway.cli.common import Data, File, Json, Lang, Output, TokenFile, deployment, desk, done, keep, say, say_json
from gateway.cli.failing import language, say_error
from gateway.cli.following import Followed, follow, memory_of, told
from gateway.cli.remote import TO_FILE, anonymous, connection, document_of, expect, media_type, not_the_gateway
from gateway.messages import text
from policies.days import span

if TYPE_CHECKING:
    from gateway.context import Gateway
    from gateway.identity import Identity

audit = typer.Typer(name="audit", no_args_is_help=True, help="Logboek / audit log.")
witness = typer.Typer(name="witness", no_args_is_help=True, help="Getuigen van het logboek / witnesses of the log.")
groups = (audit, witness)
Remote = Annotated[str | None, typer.Option("--gateway", help="Adres van de poort / address of the gateway.")]
_IS: Mapping[str, str] = {"bundle": "application/zip", "ldv": "application/json", "csv": "text/csv"}
_ASKED = (*COLUMNS, "organisation", "object")
_VALUES: Mapping[str, Sequence[str]] = {"event": (*Event, "unreadable"), "decision": tuple(Decision)}
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
Only = Annotated[list[str] | None, typer.Option("--only", help=f"{', '.join(_ASKED)}: event=release.built.")]
AtLeast = Annotated[
    int | None, typer.Option("--at-least", min=1, help="Zoveel getuigen zijn genoeg / so many suffice.")
]


@audit.command("export")
def audit_export(
    output: Output,
    form: Annotated[str, typer.Option("--format", help="bundle, ldv, csv.")] = "bundle",
    log: Annotated[str, typer.Option("--log", help="Schooljaar of nummer ervan / its school year or number.")] = "",
    only: Only = None,
    since: Day = None,
    until: Day = None,
    gateway: Remote = None,
    token_file: TokenFile = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Neem het logboek mee: een bundel die iedereen kan controleren, LDV of CSV / take the log out.

    Wat is gekozen, ook van --since tot en met --until, bewijst aanwezigheid, geen volledigheid / a selection, also by
    days (both included), proves presence, not completeness.
    """
    chosen = _chosen(only or ()) | _days(since, until)
    if form == "csv":
        say(text("cli", "csv-proves-nothing", language(lang)))
    if gateway is not None:
        asked = chosen | {"format": form} | ({"log": log} if log else {})
        with _download(gateway, token_file, lang, asked, _IS.get(form, "")) as taken:
            keep(output, taken)
        return
    from audit.timeline import Filter
    from gateway import exports

    try:
        wanted = exports.Form(form)
    except ValueError:
        raise typer.BadParameter(f"--format: {', '.join(exports.Form)}") from None
    with done(exports.take_out(*_officer(data), wanted, Filter(**chosen), log), lang) as taken:
        keep(output, taken)


@audit.command("report")
def audit_report(
    only: Only = None,
    since: Day = None,
    until: Day = None,
    gateway: Remote = None,
    token_file: TokenFile = None,
    data: Data = None,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Toon hoe vaak wat gebeurde, en wat werd geweigerd / how often what was done, and what was refused.

    Van --since tot en met --until / both days included.
    """
    chosen = _chosen(only or ()) | _days(since, until)
    counted: Mapping[str, Mapping[str, int]]
    if gateway is not None:
        answer = _fetch(gateway, "report", token_file, lang, chosen, "application/json")
        counted = document_of(answer, lang, httpx.codes.OK, needs=("event",))
    else:
        from audit.timeline import Filter
        from gateway import trail

        counted = done(trail.report(*_officer(data), Filter(**chosen)), lang)
    if as_json:
        say_json(counted)
        return
    for column, values in counted.items():
        say(text("cli", f"report-{column}", language(lang)))
        for value, number in sorted(values.items(), key=lambda one: (-one[1], one[0])):
            say(f"{number:>9}  {value}")


@audit.command("correct")
def audit_correct(
    entry: Annotated[str, typer.Argument(help="Blad-hash van de regel / leaf hash of the entry.")],
    party: str | None = None,
    recipient: str | None = None,
    period: str | None = None,
    data: Data = None,
    lang: Lang = "nl",
) -> None:
    """Zet recht wat een regel zegt: een nieuwe regel wijst ernaar terug / a new entry that points back to it."""
    from gateway import trail

    said = trail.correct(*_officer(data), entry, party=party, recipient=recipient, period=period)
    say(text("cli", "entry-corrected", language(lang), entry=done(said, lang)))


@audit.command("verify")
def audit_verify(
    bundle: File,
    policy_file: Annotated[Path | None, typer.Option("--policy", exists=True)] = None,
    lang: Lang = "nl",
) -> None:
    """Controleer een bundel / check a bundle; the same as `python -m audit.verify BUNDLE`."""
    from audit import verify

    chosen = ["--policy", str(policy_file)] if policy_file else []
    raise typer.Exit(verify.main([str(bundle), "--lang", language(lang), *chosen]))


@audit.command("verifier")
def audit_verifier(output: Output, _lang: Lang = "nl") -> None:
    """Schrijf het losse controleprogramma (verify.pyz) / write the stand-alone verifier."""
    from audit.export import verifier_archive

    output.write_bytes(verifier_archive())


@audit.command("policy")
def audit_policy(output: Output, gateway: Remote = None, data: Data = None, lang: Lang = "nl") -> None:
    """Bewaar sleutels en quorum waarmee wordt gecontroleerd / keep the keys and quorum to check with."""
    if gateway is not None:
        keep(output, _fetch(gateway, "policy", None, lang, {}, "text/plain").text)
        return
    from gateway.oversight import policy_text

    keep(output, policy_text(deployment(data)))


@audit.command("follow")
def audit_follow(
    gateway: Annotated[str, typer.Option("--gateway", help="Adres van poort of pseudoniemdienst / address of either.")],
    memory: Annotated[Path | None, typer.Option("--memory", help="Bewaard controlepunt / kept checkpoint.")] = None,
    lang: Lang = "nl",
) -> None:
    """Controleer dat het logboek sinds de vorige keer alleen groeide / check that the log only grew since last time."""
    kept = memory or memory_of(gateway)
    with anonymous(gateway, lang) as http:
        outcome = follow(http, kept)
    good = outcome in (Followed.FIRST, Followed.CONTINUES)
    (say if good else say_error)(told(outcome, kept, lang))
    raise typer.Exit(0 if good else 1)


@witness.command("add")
def witness_add(name: str, key: str, url: str, at_least: AtLeast = None, data: Data = None, lang: Lang = "nl") -> None:
    """Laat een getuige meetellen: naam, sleutel en adres die het getuigeprogramma toonde / let a witness count."""
    from audit.errors import NoteError
    from audit.note import Key
    from audit.quorum import NONE, Witness
    from gateway import witnesses

    try:
        parsed = Key.parse(key)
    except NoteError as error:
        hint = "de sleutel is de eerste regel van het getuigeprogramma / the key is the first line of its program"
        raise typer.BadParameter(hint) from error
    if name.split() != [name] or name in (NONE, witnesses.ALL):
        raise typer.BadParameter(f"een naam is één woord, niet / a name is one word, not {NONE}, {witnesses.ALL}")
    if not _is_address(url):
        raise typer.BadParameter("het adres begint met / the address starts with https:// or http://")
    ours = desk(data)
    _check_enough(at_least, {name, *(one.name for one in witnesses.known(ours.gateway.home).witnesses)})
    done(witnesses.add(ours.gateway, ours.identity, Witness(name, parsed, url), at_least), lang)
    say(text("cli", "witnesses", language(lang), quorum=witnesses.quorum_text(ours.gateway.home)))


@witness.command("remove")
def witness_remove(name: str, at_least: AtLeast = None, data: Data = None, lang: Lang = "nl") -> None:
    """Laat een getuige niet meer meetellen / let a witness count no more."""
    from gateway import witnesses

    ours = desk(data)
    _check_enough(at_least, {one.name for one in witnesses.known(ours.gateway.home).witnesses} - {name})
    done(witnesses.remove(ours.gateway, ours.identity, name, at_least), lang)
    say(text("cli", "witnesses", language(lang), quorum=witnesses.quorum_text(ours.gateway.home)))


@witness.command("ask")
def witness_ask(data: Data = None, _lang: Lang = "nl") -> None:
    """Vraag elke getuige nu om mee te ondertekenen / ask every witness to cosign now; exit 1 on an alarm."""
    from audit.cosigning import Answer
    from gateway import witnesses

    gateway = deployment(data)
    with httpx.Client(timeout=witnesses.ANSWER_SECONDS) as client:
        answers = witnesses.ask_all(gateway, client)
    for name, answer in answers.items():
        say(f"{name}: {answer.value}")
    raise typer.Exit(1 if Answer.ALARM in answers.values() else 0)


def _fetch(
    gateway: str, what: str, token_file: Path | None, lang: str, wanted: Mapping[str, Any], kind: str
) -> httpx.Response:
    """An answer of this media type; one of somebody else, a login page of a network, is said, and ends with exit 1."""
    with anonymous(gateway, lang) if what == "policy" else connection(gateway, token_file, lang) as http:
        answer = http.get(f"/v1/audit/{what}", params=dict(wanted))
    _demand(answer, lang, kind)
    return answer


@contextmanager
def _download(
    gateway: str, token_file: Path | None, lang: str, wanted: Mapping[str, Any], kind: str
) -> Iterator[IO[bytes]]:
    """The same of an export, as a temporary file at its beginning: it may be larger than memory."""
    with TemporaryFile() as file:
        with (
            connection(gateway, token_file, lang) as http,
            http.stream("GET", "/v1/audit/export", params=dict(wanted), extensions=TO_FILE) as answer,
        ):
            if answer.status_code != httpx.codes.OK:
                answer.read()
            _demand(answer, lang, kind)
            for part in answer.iter_bytes():
                file.write(part)
        file.seek(0)
        yield file


def _demand(answer: httpx.Response, lang: str, kind: str) -> None:
    expect(answer, lang, httpx.codes.OK)
    if media_type(answer) != kind:
        not_the_gateway(answer, lang)


def _officer(data: Path | None) -> "tuple[Gateway, Identity]":
    from gateway.identity import Identity

    gateway = deployment(data)
    return gateway, Identity(gateway.settings.operator, "controller-officer")


def _is_address(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host) and url.split() == [url]


def _check_enough(at_least: int | None, names: set[str]) -> None:
    """No more witnesses are asked for than there will be."""
    if at_least is not None and at_least > len(names):
        raise typer.BadParameter(f"--at-least: getuigen / witnesses: {len(names)}")


def _chosen(only: Sequence[str]) -> dict[str, Any]:
    """The parts of a filter; one part of a column, for a second would undo the first."""
    chosen = dict(_condition(each) for each in only)
    if len(chosen) < len(only):
        raise typer.BadParameter("--only: elke kolom één keer / each column once")
    return chosen


def _condition(given: str) -> tuple[str, str]:
    """`event=release.built` as a part of a filter."""
    name, _, value = given.partition("=")
    if name not in _ASKED or not value:
        raise typer.BadParameter(f"--only: {', '.join(f'{each}=…' for each in _ASKED)}")
    if value not in _VALUES.get(name, (value,)):
        raise typer.BadParameter(f"--only {name}=: {', '.join(_VALUES[name])}")
    return name, value


def _days(since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """Days as parts of a filter, both included."""
    parts = zip(("since", "until"), span(since and since.date(), until and until.date()), strict=True)
    return {name: at for name, at in parts if at is not None}
