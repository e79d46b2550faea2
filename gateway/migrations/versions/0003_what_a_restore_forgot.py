"""Restores, and what the operator says was published between a backup and its restore."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of restores and one of the operator's word on each school year."""
    op.create_table(
        "restoration",
        sa.Column("settled_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("known_until", sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("settled_at", name=op.f("pk_restoration")),
    )
    op.create_table(
        "released_since",
        sa.Column("school_year", sqltypes.AutoString(), nullable=False),
        sa.Column("told_at", sqltypes.UTCDateTime(), nullable=False),
        sa.Column("periods", sqltypes.AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("school_year", name=op.f("pk_released_since")),
    )


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
