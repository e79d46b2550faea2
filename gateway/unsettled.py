"""A database that was restored and not settled yet says so itself, by a table that settling takes away.

It belongs to no migration and to no backup. It has a row once the settling has begun.
"""

from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, inspect, select

from gateway.messages import MendableError

_MARK: Final = Table("unsettled_restore", MetaData(), Column("mark", Integer))


def mark(connection: Connection) -> None:
    """Say that what was restored in this transaction is not settled."""
    _MARK.create(connection)


def begin(connection: Connection) -> bool:
    """Say that the settling begins; False where an earlier one began and was not completed."""
    _MARK.create(connection, checkfirst=True)
    begun = connection.execute(select(_MARK)).first() is not None
    if not begun:
        connection.execute(insert(_MARK).values(mark=1))
    return not begun


def is_marked(connection: Connection) -> bool:
    """Whether what was restored is not settled."""
    return inspect(connection).has_table(_MARK.name)


def demand_settled(connection: Connection) -> None:
    """Refuse to work with a database that would bring back what ended after its backup.

    Raises:
        MendableError: names the command that settles it.
    """
    if is_marked(connection):
        raise MendableError("restore-unsettled")


def unmark(connection: Connection) -> None:
    """Say that it is settled."""
    _MARK.drop(connection)
