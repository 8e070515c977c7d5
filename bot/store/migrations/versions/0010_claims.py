"""Add indexes of the work that is due."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0010"
down_revision = "0009"

_QUEUE = ("lane", "created_at", "job_id", "n", "not_before", "user_id", "guild_id", "provider", "running_limit")
_INDEXES = (
    ("ix_jobs_unfinished", "jobs", ("created_at", "id"), "state = 'open'"),
    ("ix_jobs_unchecked", "jobs", ("created_at",), "needs_check AND state = 'open'"),
    ("ix_generations_queue", "generations", _QUEUE, "state = 'waiting'"),
    ("ix_generations_active", "generations", ("provider", "user_id", "guild_id", "lane", "state"), "state IN ('submitting', 'running')"),
    ("ix_generations_running", "generations", ("provider", "not_before"), "state = 'running'"),
)


def upgrade() -> None:
    for name, table, columns, where in _INDEXES:
        op.create_index(name, table, columns, sqlite_where=text(where), postgresql_where=text(where))
