"""The command line: what a school, the operator, a recipient and a privacy officer type.

Exit codes: 0 done, 1 refused or in error, 2 wrong usage. Commands import what they need when they run, so that the
school's client works in the small base install.
"""

import sys

from audit.errors import AuditError
from gateway.cli import audit, keeping, law, operator, reading, school, server, service
from gateway.cli.common import app
from gateway.outcome import GatewayError
from policies.errors import PolicyError
from pseudonymisation.errors import PseudonymisationError

_ONLY_IN_EXTRA = {
    "alembic", "authlib", "cedarpy", "fastapi", "highspy", "joserfc", "numpy", "opentelemetry", "pandas",
    "prometheus_client", "sqlalchemy", "sqlmodel", "uvicorn",
}  # fmt: skip

_GROUPS = (operator, service, keeping, audit, reading, law)
for part in [group for module in _GROUPS for group in module.groups]:
    app.add_typer(part)


def main() -> None:
    """Run the command line; a known error is one clear line, never a traceback."""
    try:
        app()
    except (AuditError, GatewayError, PolicyError, PseudonymisationError) as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in _ONLY_IN_EXTRA:
            raise
        _fail("dit commando hoort bij de poort zelf / belongs to the gateway: pip install 'verzuimpoort[gateway]'")


def _fail(message: str) -> None:
    sys.stderr.write(f"verzuimpoort: {message}\n")
    sys.exit(1)


__all__ = ["main", "school", "server"]
