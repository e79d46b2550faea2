"""What each process may do in PostgreSQL: the last line behind the gateway's own rules. SQLite has no roles.

| role | whose process | may |
|---|---|---|
| the owner | `init`, `migrate`, `restore`, `settle-restore` | change tables; no running process has it |
| `verzuimpoort_app` | `serve` | use the gateway's tables, hand entries to the log; it cannot order or sign them |
| `verzuimpoort_sequencer` | `worker`, `backup`, `retention run` | the same, and order and sign entries, not change |
| `verzuimpoort_officer` | an auditor's own tools | read the log, and nothing else |

They are groups without a login: `CREATE USER web IN ROLE verzuimpoort_app`, and that user in the process's
`VERZUIMPOORT_DATABASE`.
"""

from typing import Final

from sqlalchemy import Connection, text

from audit.guards import grants
from audit.schema import CHECKPOINT
from gateway.messages import MendableError
from gateway.store import Party, table_of

APP: Final = "verzuimpoort_app"
SEQUENCER: Final = "verzuimpoort_sequencer"
OFFICER: Final = "verzuimpoort_officer"
ROLES: Final = (APP, SEQUENCER, OFFICER)
_THERE: Final = text("SELECT rolname FROM pg_roles WHERE rolname LIKE 'verzuimpoort%'")
_MAY_SIGN: Final = text("SELECT has_table_privilege(:table, 'INSERT')")
_SEQUENCE: Final = text("SELECT pg_get_serial_sequence(:table, :column)")


def create_roles(connection: Connection) -> None:
    """Make the roles that are missing; the database's user needs the right CREATEROLE."""
    there = set(connection.scalars(_THERE))
    for role in ROLES:
        if role not in there:
            connection.exec_driver_sql(f"CREATE ROLE {role} NOLOGIN")
    connection.exec_driver_sql(f"GRANT {APP} TO {SEQUENCER}")


def demand_sequencing(connection: Connection) -> None:
    """Refuse what ends in signing the log where this login may not, before anything is changed.

    Raises:
        MendableError: names the logins that may.
    """
    if connection.dialect.name == "postgresql" and not connection.scalar(_MAY_SIGN, {"table": CHECKPOINT.name}):
        raise MendableError("login-may-not")


def grant_rights(connection: Connection) -> None:
    """Give the roles, where there are any, what they need; after each migration again."""
    if connection.dialect.name != "postgresql" or not set(ROLES) <= set(connection.scalars(_THERE)):
        return
    tables = table_of(Party).metadata.sorted_tables
    names = ", ".join(f'"{table.name}"' for table in tables)
    connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {names} TO {APP}")
    connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {APP}")
    for table in tables:
        for column in table.primary_key:
            found = connection.scalar(_SEQUENCE, {"table": table.name, "column": column.name})
            if found is not None:
                connection.exec_driver_sql(f"GRANT USAGE ON SEQUENCE {found} TO {APP}")
    for statement in grants(app=APP, sequencer=SEQUENCER, officer=OFFICER):
        connection.exec_driver_sql(statement)
