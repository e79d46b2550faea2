"""What a reservation of privacy budget was for; one that is under way at this moment says it not, and fails."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql import sqltypes

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Reservations say mechanism, amount and shares."""
    op.add_column("budget_spend", sa.Column("noise", sqltypes.AutoString(), nullable=False, server_default=""))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
