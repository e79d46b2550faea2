"""What each process may do in PostgreSQL: the last line behind the gateway's own rules. SQLite has no roles.

| role | whose process | may |
|---|---|---|
| the owner | `init`, `migrate`, `restore`, `settle-restore` | change tables; no running process has it |
| `NAME_app` | `serve` | use the gateway's tables, hand entries to the log; it cannot order or sign them |
| `NAME_sequencer` | `worker`, `backup`, `retention run` | the same, and order and sign entries, not change |
| `NAME_officer` | an auditor's own tools | read the log, and nothing else |

NAME is that of the database, for roles are of the whole server: two deployments on one share none, and only the owner
and who is in a role of a database may connect to it. They are groups without a login: `CREATE USER web IN ROLE
verzuimpoort_app`, and that user in the process's `VERZUIMPOORT_DATABASE`.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from audit.guards import grants
from audit.schema import CHECKPOINT, METADATA
from gateway.messages import MendableError
from gateway.store import Party, table_of

_THERE: Final = text("SELECT count(*) FROM pg_roles WHERE rolname = ANY(:roles)")
_IS_IN: Final = text("SELECT pg_has_role(:member, :role, 'MEMBER')")
_MAY_SIGN: Final = text("SELECT has_table_privilege(:table, 'INSERT')")
_SEQUENCE: Final = text("SELECT pg_get_serial_sequence(:table, :column)")
_NAMED: Final = re.compile(r"[a-z_][a-z0-9_]{0,49}")
"""A database whose roles have names that need no quotes, of at most 63 characters."""


class Roles(NamedTuple):
    """The roles of one database."""

    app: str
    sequencer: str
    officer: str


def roles_of(connection: Connection) -> Roles:
    """The names of the roles of this database, whether they are there or not."""
    name = _database(connection)
    return Roles(*(f"{name}_{what}" for what in Roles._fields))


def create_roles(connection: Connection) -> None:
    """Make the roles that are missing; the owner needs the right CREATEROLE.

    Raises:
        MendableError: the name of the database makes no name of a role.
    """
    name, roles = _database(connection), roles_of(connection)
    if not _NAMED.fullmatch(name):
        raise MendableError("database-name", database=name)
    for role in roles:
        if not _there(connection, [role]):
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
    # Granting again what another owner granted would ask for a right over these roles that this one may not have.
    if not connection.scalar(_IS_IN, {"member": roles.sequencer, "role": roles.app}):
        connection.exec_driver_sql(f"GRANT {roles.app} TO {roles.sequencer}")


def demand_sequencing(connection: Connection) -> None:
    """Refuse what ends in signing the log where this login may not, before anything is changed.

    Raises:
        MendableError: names the logins that may.
    """
    if connection.dialect.name == "postgresql" and not connection.scalar(_MAY_SIGN, {"table": CHECKPOINT.name}):
        raise MendableError("login-may-not")


def grant_rights(connection: Connection) -> None:
    """Give the roles, where there are any, what they need and no more, and let nobody else connect.

    After each migration and each restore again: a role keeps nothing that a version before gave it.
    """
    if connection.dialect.name != "postgresql":
        return
    roles = roles_of(connection)
    if _there(connection, roles) < len(roles):
        return
    tables = table_of(Party).metadata.sorted_tables
    names = ", ".join(f'"{table.name}"' for table in tables)
    logged, everybody = ", ".join(table.name for table in METADATA.sorted_tables), ", ".join(roles)
    connection.exec_driver_sql(f'REVOKE CONNECT ON DATABASE "{_database(connection)}" FROM PUBLIC')
    connection.exec_driver_sql(f'GRANT CONNECT ON DATABASE "{_database(connection)}" TO {everybody}')
    connection.exec_driver_sql(f"REVOKE ALL ON {names}, {logged}, alembic_version FROM {everybody}")
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {roles.app}")
    connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {roles.app}")
    for table in tables:
        for column in table.primary_key:
            found = connection.scalar(_SEQUENCE, {"table": table.name, "column": column.name})
            if found is not None:
                connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE {found} TO {roles.app}")
    for statement in grants(app=roles.app, sequencer=roles.sequencer, officer=roles.officer):
        connection.exec_driver_sql(statement)


def _there(connection: Connection, roles: Sequence[str]) -> int:
    return int(connection.scalar(_THERE, {"roles": list(roles)}) or 0)


def _database(connection: Connection) -> str:
    return str(connection.exec_driver_sql("SELECT current_database()").scalar())
