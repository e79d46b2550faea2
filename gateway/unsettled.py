"""A database that was restored and not settled yet says so itself, by a table that settling takes away.

It belongs to no migration and to no backup.
"""

from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, inspect

from gateway.messages import MendableError

_MARK: Final = Table("unsettled_restore", MetaData(), Column("mark", Integer))


def mark(connection: Connection) -> None:
    """Say that what was restored in this transaction is not settled."""
    _MARK.create(connection)


def demand_settled(connection: Connection) -> None:
    """Refuse to work with a database that would bring back what ended after its backup.

    Raises:
        MendableError: names the command that settles it.
    """
    if inspect(connection).has_table(_MARK.name):
        raise MendableError("restore-unsettled")


def unmark(connection: Connection) -> None:
    """Say that it is settled; does nothing where it was not marked, as after a restore by the database's own means."""
    _MARK.drop(connection, checkfirst=True)
