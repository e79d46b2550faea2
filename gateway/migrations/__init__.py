"""Alembic: how the database of an older revision becomes the newest."""
