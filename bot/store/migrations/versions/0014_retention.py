"""Indexes of the ended jobs and of the stars by their age, for retention."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0014"
down_revision = "0013"

_INDEXES = (
    ("ix_jobs_ended", "jobs", ["created_at", "id"], text("state <> 'open'")),
    ("ix_reactions_stars", "reactions", ["at"], text("emoji = '⭐'")),
)


def upgrade() -> None:
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
