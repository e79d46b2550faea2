"""End of retention: a closed log goes as a whole, once the time it was given at its closing is over."""

from sqlalchemy import BigInteger, Connection, delete, literal_column, select

from audit.guards import NOW
from audit.schema import CLOSING, ENTRY, INDEX, MARK, NODE


def expire(connection: Connection, now: int) -> list[int]:
    """Erase the entries, nodes and search columns of every log whose time is over; returns their numbers.

    The row of the log, its closing and its checkpoints stay: that it was there, how long it was and what its root was
    remain provable, and the next log still holds on to it. The guards of the database check the time by its own clock.

    Args:
        connection: With the rights of the sequencer.
        now: Milliseconds since 1970 UTC.
    """
    over = connection.scalars(select(CLOSING.c.log).where(CLOSING.c.keep_until < now).order_by(CLOSING.c.log)).all()
    gone = [log for log in over if connection.scalar(select(ENTRY.c.log).where(ENTRY.c.log == log).limit(1))]
    for table in (MARK, INDEX, NODE, ENTRY):
        connection.execute(delete(table).where(table.c.log.in_(gone)))
    return gone


def is_over(connection: Connection, log: int) -> bool:
    """Whether the entries of a log may be gone: it was closed, and its time is over by the clock of the database."""
    now = literal_column(NOW[connection.dialect.name], BigInteger)
    return bool(connection.scalar(select(CLOSING.c.keep_until < now).where(CLOSING.c.log == log)))
