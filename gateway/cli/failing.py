"""What is said when a command fails: one clear line in the language asked for, never a traceback."""

import errno
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from audit.errors import (
    AuditError,
    ClockError,
    EntryError,
    LogBrokenError,
    LogClosedError,
    LogExpiredError,
    NoteError,
    NotLoggedError,
    ProofError,
)
from gateway.messages import Language, MendableError, text
from gateway.outcome import GatewayError
from gateway.settings import DATABASE_VARIABLE
from policies.errors import BadPolicy, BadQuestion, PolicyError
from pseudonymisation.errors import KeyringError, PseudonymisationError

_ONLY_IN_EXTRA = {
    "alembic", "authlib", "cedarpy", "fastapi", "highspy", "joserfc", "numpy", "opentelemetry", "pandas",
    "prometheus_client", "sqlalchemy", "sqlmodel", "uvicorn",
}  # fmt: skip
_OTHER_EXTRAS = {
    "pkcs11": "only-in-pkcs11", "opentelemetry.sdk": "only-in-telemetry", "opentelemetry.exporter": "only-in-telemetry",
}  # fmt: skip
_OF_THE_LOG: dict[type[AuditError], str] = {
    EntryError: "log-entry", NoteError: "log-note", ProofError: "log-proof", NotLoggedError: "log-not-there",
    LogClosedError: "log-closed", LogBrokenError: "log-broken", ClockError: "log-clock",
    LogExpiredError: "log-expired",
}  # fmt: skip
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}
_INSUFFICIENT_PRIVILEGE, _DISK_FULL = "42501", "53100"  # PostgreSQL, appendix A
_UNWRITTEN, _BROKEN = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY"), ("SQLITE_NOTADB", "SQLITE_CORRUPT")
# A server that lets nobody in gives no code to the driver, only its words.
_NOT_LET_IN = re.compile(
    r'authentication failed|no password supplied|no pg_hba\.conf entry|role ".+" does not exist'
    r"|permission denied for database"
)
_KNOWN = (AuditError, GatewayError, PolicyError, PseudonymisationError)
_OPENED: ContextVar[ExitStack] = ContextVar("opened")


class Plain(TyperGroup):
    """The command line, whose known errors end with exit 1; a command remembers its language in the root context."""

    def invoke(self, ctx: Any) -> object:  # noqa: ANN401  the context of a click that typer carries along
        """Run a command; see the class."""
        try:
            with ExitStack() as opened:
                _OPENED.set(opened)
                return super().invoke(ctx)
        except _KNOWN as error:
            _fail(_said(error, language(ctx.obj)))
        except ModuleNotFoundError as error:
            extra = _of_extra((error.name or "").split("."))
            if extra is None:
                raise
            _fail(text("cli", extra, language(ctx.obj)))
        except OSError as error:
            if error.filename is None and error.errno not in _FULL:
                raise
            _fail(_of_file(error, language(ctx.obj)))
        except Exception as error:
            if not _is_of_database(error):
                raise
            facts = {
                "variable": DATABASE_VARIABLE,
                "trouble": str(getattr(error, "orig", None) or error).partition("\n")[0],
            }
            _fail(text("mends", _trouble(error), language(ctx.obj), **facts))


def at_the_end(close: Callable[[], object]) -> None:
    """Close something when the command that runs now ends, however it ends."""
    _OPENED.get().callback(close)


def _said(error: Exception, wanted: Language) -> str:
    """What an error says; one that only a fault of the product can cause has no Dutch."""
    match error:
        case MendableError():
            return error.said(wanted)
        case KeyringError():
            return error.nl if wanted == "nl" else error.en
        case BadPolicy():
            return text("mends", "policy-wrong", wanted, faults=str(error))
        case BadQuestion():
            return text("mends", "question-wrong", wanted, places=str(error))
        case AuditError() if type(error) in _OF_THE_LOG:
            return text("mends", _OF_THE_LOG[type(error)], wanted, detail=str(error))
        case _:
            return str(error)


def _of_extra(name: Sequence[str]) -> str | None:
    """What is said of a package that is missing, by the extra it comes with; None where it comes with none."""
    other = _OTHER_EXTRAS.get(".".join(name[:2])) or _OTHER_EXTRAS.get(name[0])
    return other or ("only-in-extra" if name[0] in _ONLY_IN_EXTRA else None)


def _of_file(error: OSError, wanted: Language) -> str:
    """What is the matter with a file, or with the disk, which names no file."""
    if error.filename is None:
        return text("cli", "disk-trouble", wanted, trouble=str(error.strerror))
    return text("cli", "file-trouble", wanted, file=str(error.filename), trouble=str(error.strerror))


def _is_of_database(error: Exception) -> bool:
    """Whether the database is away or empty; told by its name, for SQLAlchemy is not in the base install."""
    named = {"DatabaseError", "OperationalError", "ProgrammingError"}
    return type(error).__name__ in named and type(error).__module__ == "sqlalchemy.exc"


def _trouble(error: Exception) -> str:
    """What is the matter with the database.

    It cannot write, is damaged, refuses the login, the login lacks a right, or it is away or empty.
    """
    said = getattr(error, "orig", None)
    of_sqlite = getattr(said, "sqlite_errorname", "")
    if of_sqlite.startswith(_UNWRITTEN) or getattr(said, "sqlstate", None) == _DISK_FULL:
        return "database-unwritten"
    if of_sqlite.startswith(_BROKEN):
        return "database-broken"
    if getattr(said, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return "login-may-not"
    return "login-refused" if _NOT_LET_IN.search(str(said)) else "database-away"


def _fail(message: str) -> NoReturn:
    say_error(f"verzuimpoort: {message}")
    raise typer.Exit(1)


def language(lang: str | None) -> Language:
    """The language asked for; Dutch unless it is English."""
    return "en" if lang == "en" else "nl"


def say_error(line: str) -> None:
    """One line to the user about what went wrong; what a terminal would obey, and not show, is left out."""
    shown = "".join(sign for sign in line if sign.isprintable() or sign in "\n\t\N{NO-BREAK SPACE}")
    sys.stderr.write(f"{shown}\n")
