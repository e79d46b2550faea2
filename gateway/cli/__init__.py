"""The command line: what a school, the operator, a recipient and a privacy officer type.

Exit codes: 0 done, 1 refused or in error, 2 wrong usage. Commands import what they need when they run, so that the
school's client works in the small base install.
"""

import io
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from gateway.cli import audit, delivering, keeping, law, operator, reading, school, server, service
from gateway.cli.common import app

if sys.platform != "win32":
    import resource

_GROUPS = (operator, service, keeping, audit, reading, law)
for part in [group for module in _GROUPS for group in module.groups]:
    app.add_typer(part)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"verzuimpoort {version('verzuimpoort')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Versie.")] = False,
) -> None:
    """Verzuim van scholen, zonder leerlingen / absence at schools, without pupils."""


def main() -> None:
    """Run the command line; a letter of a name that the screen does not have stops no act halfway."""
    _leave_no_core()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


def _leave_no_core() -> None:
    """A crash of this process, or of one that it starts, writes nothing of its memory: it holds keys and numbers.

    One byte is too little for any file, and Linux takes it for none also where a program collects the cores: to that it
    hands one in spite of a limit of zero.
    """
    if sys.platform != "win32":
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]
        limit = 0 if most == 0 else 1
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))


__all__ = ["delivering", "main", "school", "server"]
