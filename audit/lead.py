"""Who may write to the log's tables at this moment: one transaction at a time, in whichever process."""

from typing import Final

from sqlalchemy import Connection, func, select

ADVISORY_LOCK: Final = 0x7665727A_75696D31


def take_lead(connection: Connection, *, wait: bool = False) -> bool:
    """Take the lead until this transaction ends; False if another process has it.

    On SQLite the transaction holds the write lock already: it began with BEGIN IMMEDIATE. On PostgreSQL it is an
    advisory lock of the transaction: it survives connection poolers, and a leader that lost its connection has lost
    the lead and cannot commit either.

    Args:
        connection: In a transaction.
        wait: Wait for another process to finish its round, and always succeed.
    """
    if connection.dialect.name != "postgresql":
        return True
    if wait:
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(ADVISORY_LOCK))))
