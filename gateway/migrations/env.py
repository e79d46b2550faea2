"""Alembic's entry: runs the migrations on the connection that `gateway.app.migrate` hands in."""

from alembic import context
from sqlmodel import SQLModel

import gateway.budgets
import gateway.shelf
import gateway.store  # noqa: F401  they define the tables


def run() -> None:
    """Migrate, or compare, within the transaction of the caller."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        user_module_prefix="sqltypes.",
        include_name=lambda name, kind, _: kind != "table" or not str(name).startswith("audit_"),
    )
    context.run_migrations()


run()
