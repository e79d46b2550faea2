"""A restore by a version that kept none, and the corrections of entries that were indexed without: the log tells both."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

from audit.events import Event
from audit.schema import ENTRY, INDEX, MARK
from audit.timeline import index_rows
from policies.days import moment_of

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_RESTORED = sa.table(
    "restoration", sa.column("settled_at", sqltypes.UTCDateTime()), sa.column("known_until", sqltypes.UTCDateTime())
)


def upgrade() -> None:
    """What was published since that backup is asked for, and who finds a wrong entry finds what corrects it."""
    connection = op.get_bind()
    if sa.inspect(connection).has_table(INDEX.name):
        _keep_the_restore(connection)
        _mark_the_corrections(connection)


def _keep_the_restore(connection: sa.Connection) -> None:
    last = sa.func.max(INDEX.c.ts)
    restored = connection.scalar(sa.select(last).where(INDEX.c.event == Event.BACKUP_RESTORED))
    if restored is not None and connection.scalar(sa.select(sa.func.count()).select_from(_RESTORED)) == 0:
        known = connection.scalar(sa.select(last).where(INDEX.c.ts < restored)) or 0
        row = {"settled_at": moment_of(restored), "known_until": moment_of(known)}
        connection.execute(sa.insert(_RESTORED).values(row))


def _mark_the_corrections(connection: sa.Connection) -> None:
    corrected = sa.select(ENTRY.c.log, ENTRY.c.idx, ENTRY.c.data).join(
        INDEX, (INDEX.c.log == ENTRY.c.log) & (INDEX.c.idx == ENTRY.c.idx)
    )
    for log, idx, data in connection.execute(corrected.where(INDEX.c.event == Event.ENTRY_CORRECTED)).all():
        there = set(connection.scalars(sa.select(MARK.c.word).where(MARK.c.log == log, MARK.c.idx == idx)))
        for word, *_ in index_rows(connection, log, idx, [data])[1]:
            if word not in there:
                connection.execute(sa.insert(MARK).values(word=word, log=log, idx=idx))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
