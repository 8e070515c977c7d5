"""Many processes on one database: who works, and what each has claimed. The version before goes on working with this schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_OWNED = sa.text("owner IS NOT NULL")
_OPEN = sa.text("owner IS NOT NULL AND state = 'open'")


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("home", sa.String(32), nullable=False),
        sa.Column("release", sa.String(32), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("commits", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rates",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("free_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "provider_states",
        sa.Column("provider", sa.String(32), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", sa.BigInteger),
        sa.Column("away_since", sa.BigInteger),
        sa.Column("retry_not_before", sa.BigInteger, nullable=False),
        sa.Column("is_rate_limited", sa.Boolean, nullable=False),
        sa.Column("limit_pause_s", sa.Integer, nullable=False),
        sa.Column("stream_since", sa.BigInteger),
    )
    for table in ("jobs", "generations", "outbox"):
        op.add_column(table, sa.Column("owner", sa.BigInteger))
    op.create_index("ix_jobs_owner", "jobs", ["owner"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    for table in ("generations", "outbox"):
        op.create_index(f"ix_{table}_owner", table, ["owner"], sqlite_where=_OWNED, postgresql_where=_OWNED)
    # Nobody owns what the version before was sending: it is searched for.
    generations = sa.table("generations", sa.column("state"), sa.column("not_before"))
    op.execute(generations.update().where(generations.c.state == "submitting").values(not_before=0))
