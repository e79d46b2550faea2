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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


__all__ = ["delivering", "main", "school", "server"]
