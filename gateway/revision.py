"""Which version of the database this program knows: it works with no other."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from gateway.messages import MendableError

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def revision_of(connection: Connection) -> str:
    """The revision of a database; empty where it has no tables yet."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(connection: Connection) -> None:
    """Bring the gateway's own tables to the newest revision.

    Raises:
        MendableError: a newer version of the program made them.
    """
    config = _config(connection)
    _demand_known(config, revision_of(connection))
    command.upgrade(config, "head")


def demand_newest(connection: Connection) -> None:
    """Refuse to work with tables of another version: what this program does not know it would leave out.

    Raises:
        MendableError: older: migrate; newer: install the version that made them.
    """
    config, revision = _config(connection), revision_of(connection)
    _demand_known(config, revision)
    if revision != ScriptDirectory.from_config(config).get_current_head():
        raise MendableError("database-older", revision=revision)


def _demand_known(config: Config, revision: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision and revision not in known:
        raise MendableError("database-newer", revision=revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config
