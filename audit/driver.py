"""Statements straight to the driver, where SQLAlchemy would take longer than all the rest: one row in, a proof out."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError


def execute(connection: Connection, statement: str, values: Sequence[Any] = ()) -> DBAPICursor:
    """Run a statement in the connection's transaction, which begins if there is none, as with SQLAlchemy.

    Args:
        connection: Where.
        statement: SQL with the place holders of the driver; psycopg and sqlite3 keep it prepared.
        values: For the place holders.

    Raises:
        DBAPIError: As SQLAlchemy would raise it, without the values.
    """
    if not connection.in_transaction():
        connection.begin()
    failed = connection.dialect.loaded_dbapi.Error
    try:
        cursor = connection.connection.cursor()
        cursor.execute(statement, values)
    except failed as error:
        wrapped = DBAPIError.instance(statement, None, error, failed, hide_parameters=True, dialect=connection.dialect)
        raise wrapped from error
    return cursor
