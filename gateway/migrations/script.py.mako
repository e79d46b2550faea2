"""${message}."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
