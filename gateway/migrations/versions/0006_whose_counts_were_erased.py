"""When the counts of a period were erased: a law that keeps counts longer since does not bring it back without them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A period says on which day its counts were erased; of one of before, the next retention run does."""
    op.add_column("period", sa.Column("counts_erased_on", sa.Date(), nullable=True))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
