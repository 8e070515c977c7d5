"""The first tables: jobs with their generations and pictures, accounts with their ledger, keepsakes."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    _jobs()
    _generations()
    _pictures()
    _money()
    op.create_table(
        "keepsakes",
        Column("name", String(64), nullable=False),
        Column("value", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("name", name="pk_keepsakes"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        Column("id", String(12), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("model", Text, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("params", JSON, nullable=False),
        Column("state", String(16), nullable=False),
        Column("spoiler", Boolean, nullable=False),
        Column("parent_id", String(12)),
        Column("created_at", BigInteger, nullable=False),
        Column("cancel_requested_at", BigInteger),
        Column("user_id", BigInteger, nullable=False),
        Column("channel_id", BigInteger, nullable=False),
        Column("guild_id", BigInteger),
        Column("message_id", BigInteger),
        Column("application_id", BigInteger),
        Column("token", Text),
        Column("token_expires_at", BigInteger, nullable=False),
        Column("upload_limit_bytes", BigInteger, nullable=False),
        Column("private", Boolean, nullable=False),
        Column("delivered_at", BigInteger),
        Column("attempts", Integer, nullable=False),
        Column("not_before", BigInteger, nullable=False),
        Column("posting_since", BigInteger),
        PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_outbox", "jobs", ["state", "not_before"])
    op.create_index("ix_jobs_member", "jobs", ["user_id", "created_at"])


def _generations() -> None:
    op.create_table(
        "generations",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("model", Text, nullable=False),
        Column("prompt", Text, nullable=False),
        Column("seed", BigInteger),
        Column("params", JSON, nullable=False),
        Column("price", BigInteger, nullable=False),
        Column("state", String(16), nullable=False),
        Column("user_id", BigInteger, nullable=False),
        Column("guild_id", BigInteger),
        Column("created_at", BigInteger, nullable=False),
        Column("provider_id", Text),
        Column("submitted_at", BigInteger),
        Column("lookups", Integer, nullable=False),
        Column("not_before", BigInteger, nullable=False),
        Column("ended_at", BigInteger),
        Column("result_url", Text),
        Column("error", Text),
        Column("cancel_requested", Boolean, nullable=False),
        PrimaryKeyConstraint("job_id", "n", name="pk_generations"),
        ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_generations_job_id_jobs", ondelete="CASCADE"),
        UniqueConstraint("provider_id", name="uq_generations_provider_id"),
    )
    op.create_index("ix_generations_state", "generations", ["state", "created_at"])
    op.create_index("ix_generations_model", "generations", ["model", "ended_at"])


def _pictures() -> None:
    op.create_table(
        "job_references",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("content", LargeBinary, nullable=False),
        Column("content_type", String(32), nullable=False),
        Column("width_px", Integer, nullable=False),
        Column("height_px", Integer, nullable=False),
        Column("url", Text),
        Column("url_expires_at", BigInteger),
        PrimaryKeyConstraint("job_id", "n", name="pk_job_references"),
        ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_references_job_id_jobs", ondelete="CASCADE"),
    )
    op.create_table(
        "pictures",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("content", LargeBinary, nullable=False),
        PrimaryKeyConstraint("job_id", "n", name="pk_pictures"),
        ForeignKeyConstraint(
            ["job_id", "n"], ["generations.job_id", "generations.n"], name="fk_pictures_job_id_generations", ondelete="CASCADE"
        ),
    )


def _money() -> None:
    op.create_table(
        "accounts",
        Column("name", String(64), nullable=False),
        Column("available", BigInteger, nullable=False),
        Column("held", BigInteger, nullable=False),
        Column("spent", BigInteger, nullable=False),
        Column("as_of", BigInteger, nullable=False),
        PrimaryKeyConstraint("name", name="pk_accounts"),
    )
    op.create_table(
        "ledger",
        Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
        Column("account", String(64), nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("entry", String(16), nullable=False),
        Column("available", BigInteger, nullable=False),
        Column("held", BigInteger, nullable=False),
        Column("spent", BigInteger, nullable=False),
        Column("job_id", String(12)),
        Column("n", Integer),
        PrimaryKeyConstraint("id", name="pk_ledger"),
        ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_ledger_account_accounts"),
        UniqueConstraint("job_id", "n", "entry", name="uq_ledger_once"),
    )
    op.create_index("ix_ledger_account", "ledger", ["account", "id"])
    one_end = text("entry IN ('settle', 'release')")
    op.create_index("uq_ledger_end", "ledger", ["job_id", "n"], unique=True, sqlite_where=one_end, postgresql_where=one_end)
