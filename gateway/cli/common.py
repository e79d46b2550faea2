"""What every command shares: options, how a refusal reads, and where the deployment is."""

import errno
import json
import os
import re
import stat
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from shutil import copyfileobj
from typing import IO, TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from gateway.cli.failing import Plain, at_the_end, language, say_error
from gateway.formats.read import read_sheet
from gateway.formats.sheet import Sheet, UnreadableFile
from gateway.messages import Language, problem_text, rule_text, text
from gateway.outcome import Fault, Refused, Report
from gateway.settings import SERVICE_TOKEN_VARIABLE, TOKEN_FORM, TOKEN_VARIABLE, home
from pseudonymisation.domain import check_school_year
from pseudonymisation.errors import MalformedError
from pseudonymisation.private_file import write_private

if TYPE_CHECKING:
    from gateway.context import Gateway
    from gateway.operate import Desk


def _spoken(ctx: typer.Context, lang: str) -> str:
    """Remember the language for what goes wrong later."""
    ctx.find_root().obj = lang
    return lang


def writable(path: Path | None) -> Path | None:
    """Where output goes, looked at before anything is done.

    Raises:
        OSError: nothing can be written there.
    """
    if path is not None:
        place = path if path.exists() else path.parent
        wrong = errno.ENOENT if not path.parent.is_dir() else 0 if os.access(place, os.W_OK) else errno.EACCES
        if wrong:
            raise OSError(wrong, os.strerror(wrong), str(path))
    return path


def school_year_given(value: str) -> str:
    """A school year as it was typed; another form is wrong usage."""
    try:
        return check_school_year(value)
    except MalformedError as error:
        raise typer.BadParameter("een schooljaar is als / a school year is like 2026-2027") from error


def sure(given: bool) -> bool:
    """Nothing that cannot be undone is done for somebody who did not say so."""
    if not given:
        raise typer.BadParameter("geef --yes: dit kan niet ongedaan worden gemaakt / give --yes: this cannot be undone")
    return given


app = typer.Typer(cls=Plain, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Result = TypeVar("Result")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,}")  # what says the id of one has 32
_FOR_GATEWAY = (
    "geen token van de poort, dat met vp_ begint; er is niets verstuurd"
    " / no token of the gateway, which begins with vp_; nothing was sent"
)
_FOR_SERVICE = (
    "dit token van de poort mag de pseudoniemdienst niet zien; er is niets verstuurd"
    " / a token of the gateway, which the pseudonym service may not see; nothing was sent"
)

Data = Annotated[Path | None, typer.Option("--data", help="Gegevensmap / data folder (VERZUIMPOORT_DATA).")]
Json = Annotated[bool, typer.Option("--json", help="Uitvoer voor een programma / machine output.")]
Lang = Annotated[
    str, typer.Option("--lang", help="nl of/or en.", envvar="VERZUIMPOORT_LANGUAGE", callback=_spoken, is_eager=True)
]
Sure = Annotated[
    bool,
    typer.Option("--yes", callback=sure, help="Ja, dit kan niet ongedaan worden gemaakt / this cannot be undone."),
]
SchoolYear = Annotated[str, typer.Argument(callback=school_year_given)]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
OUTPUT = typer.Option("-o", "--output", dir_okay=False, callback=writable, help="Uitvoerbestand / output file.")
Output = Annotated[Path, OUTPUT]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", exists=True, dir_okay=False, help="Bestand (0600) met het token / file with token."),
]
GatewayUrl = Annotated[str, typer.Option("--gateway", help="Adres van de poort / address of the gateway.")]


def keep(path: Path, content: str | bytes | IO[bytes]) -> None:
    """Write what only its owner should read, whole or not at all; a pipe or a terminal takes it as it is."""
    data = content.encode() if isinstance(content, str) else content
    if not path.exists() or path.is_file():
        write_private(path, data)
    elif isinstance(data, bytes):
        path.write_bytes(data)
    else:
        with path.open("wb") as pipe:
            copyfileobj(data, pipe)


def apart(output: Path, *read: Path | None) -> None:
    """Output in the place of a file that the command reads is wrong usage: it would destroy it."""
    for file in read:
        if file is not None and output.exists() and output.samefile(file):
            raise typer.BadParameter(f"-o: {file} wordt gelezen; kies een ander bestand / is read; choose another file")


def beside(output: Path, kind: str) -> Path:
    """What is kept beside an output; a pipe or a terminal is wrong usage: nothing can, and what is said would mix."""
    other = output.with_name(f"{output.name}.{kind}")
    if output.exists() and not output.is_file():
        hint = f"geen bestand, en {other.name} komt ernaast / is no file, and {other.name} goes beside it"
        raise typer.BadParameter(f"-o: {output} is {hint}")
    return other


def say(line: str) -> None:
    """One line to the user."""
    sys.stdout.write(f"{line}\n")


def say_json(value: object) -> None:
    """A value for a program."""
    say(json.dumps(value, ensure_ascii=False, default=str))


def done(outcome: Result | Refused, lang: str = "nl") -> Result:
    """The result of an act; a refusal is said, with rule, article and how to go on, and ends with exit 1."""
    if isinstance(outcome, Refused):
        refuse(outcome, lang)
    return outcome


def refuse(refused: Refused, lang: str = "nl") -> NoReturn:
    """Say what was refused, why and how to go on; exit 1."""
    wanted = language(lang)
    title, detail = problem_text(refused.code, wanted)
    say_error(f"{title}. {detail}")
    for name, value in refused.facts.items():
        say_error(f"  {name}: {value}")
    if refused.report is not None:
        say_report(refused.report, wanted)
    if refused.decision is not None:
        for sentence in refused.decision.why:
            say_error(f"  {getattr(sentence, wanted)}")
        for ground in refused.decision.grounds:
            say_error(f"  [{ground.rule}] {getattr(ground.legal_basis, wanted)} ({ground.source})")
    raise typer.Exit(1)


def say_report(report: Report, wanted: Language) -> None:
    """Every fault by its place, and how many there are of a rule where not all are shown."""
    say_faults(((one.row, one.column, rule_text(one, wanted), one.rule) for one in report.faults), wanted)
    for rule, total in report.totals.items():
        if total > sum(fault.rule == rule for fault in report.faults):
            say_error(f"  [{rule}] {total}×")


def say_faults(faults: Iterable[tuple[int, str, str, str]], wanted: Language) -> None:
    """Faults as (row or 0, column, message, rule); rows with the same fault in the same column stand in one line."""
    found: dict[tuple[str, str, str], list[int]] = {}
    for row, column, message, rule in faults:
        found.setdefault((column, message, rule), []).append(row)
    for (column, message, rule), rows in found.items():
        place = " ".join(part for part in (_rows(sorted(set(rows) - {0}), wanted), column) if part)
        say_error(f"  {f'{place}: ' if place else ''}{message} [{rule}]")


def readable(read: Callable[[], Result], lang: str, file: Path) -> Result:
    """What a file holds; one that cannot be read is said, and ends with exit 1."""
    try:
        return read()
    except UnreadableFile as error:
        say_error(f"{file}:")
        say_report(Report.of([error.fault]), language(lang))
        raise typer.Exit(1) from error


def table(file: Path, known: Collection[str], lang: str) -> Sheet:
    """A CSV file or workbook; what was tolerated is said, and which sheet was read where others stand beside it."""
    sheet, wanted = readable(lambda: read_sheet(file.read_bytes(), known), lang, file), language(lang)
    for note in sheet.notes:
        say_error(rule_text(Fault(note), wanted))
    if sheet.beside:
        say_error(text("cli", "sheet-read", wanted, file=file.name, sheet=sheet.title))
    return sheet


def _rows(rows: Sequence[int], wanted: Language) -> str:
    """Row numbers in words, ranges together: `rijen 2-35, 40`; nothing for a fault of the file."""
    spans: list[list[int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    named = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
    return text("cli", "row" if len(rows) == 1 else "rows", wanted, rows=named) if rows else ""


def deployment(data: Path | None) -> "Gateway":
    """The deployment in the data folder, open until the command ends."""
    from gateway.app import open_gateway

    gateway = open_gateway(home(data))
    at_the_end(gateway.database.dispose)
    return gateway


def desk(data: Path | None) -> "Desk":
    """The operator's desk: whoever can read the keys in the data folder acts for the operator."""
    from gateway.context import operator_of
    from gateway.operate import Desk

    gateway = deployment(data)
    return Desk(gateway, operator_of(gateway))


def secret_token(file: Path | None, *, service: bool = False) -> str:
    """A token from the environment or from a file that only its owner can read; never from the command line.

    Around it may stand what `token issue` says, in any encoding that an editor or a shell makes of it.

    Args:
        file: Of `--token-file`; without it the environment says.
        service: Whether it is for the pseudonym service; what is for one of the two is never shown to the other.
    """
    variable = SERVICE_TOKEN_VARIABLE if service else TOKEN_VARIABLE
    given = os.environ.get(variable, "") if file is None else _private_text(file)
    if file is None and not given:
        raise typer.BadParameter(f"geef --token-file of zet {variable} / give --token-file or set it")
    token = _token_in(given, where := variable if file is None else str(file))
    if (TOKEN_FORM.fullmatch(token) is not None) is service:
        raise typer.BadParameter(f"{where}: {_FOR_SERVICE if service else _FOR_GATEWAY}")
    return token


def _private_text(file: Path) -> str:
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise typer.BadParameter(f"{file} is leesbaar voor anderen / open to others: chmod 0600 {file}")
    raw = file.read_bytes()
    encoding = "utf-16" if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8"
    return raw.decode(encoding, errors="replace")


def _token_in(given: str, where: str) -> str:
    found: set[str] = set(_TOKEN.findall(given))
    if len(found) != 1:
        raise typer.BadParameter(f"in {where} staat geen token, of meer dan één / holds no token, or more than one")
    return found.pop()
