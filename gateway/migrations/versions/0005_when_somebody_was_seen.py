"""When a person logged in last: a year and a bit later nothing that names the person is kept."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A person says on which day it logged in last."""
    op.add_column("person", sa.Column("seen_on", sa.Date(), nullable=True))


def downgrade() -> None:
    """There is no way back: restore a backup."""
    raise RuntimeError("a migration is not undone: restore a backup")
