"""Which parties are locked out: none of their people logs in until they are let in again."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A party says since when it is locked out."""
    op.add_column("party", sa.Column("locked_at", sqltypes.UTCDateTime(), nullable=True))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
