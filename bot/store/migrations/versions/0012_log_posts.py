"""A job has one log post in each guild that shows it, not one in all."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0011"

_ONCE = text("role IN ('gallery', 'log')")


def upgrade() -> None:
    op.drop_index("uq_job_messages_once", "job_messages")
    columns = ["job_id", "role", "guild_id"]
    op.create_index("uq_job_messages_once", "job_messages", columns, unique=True, sqlite_where=_ONCE, postgresql_where=_ONCE)
