"""What members touch: lineage, languages, preferences, servers' settings, reactions, reports, trays, thumbnails, errands."""

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
    false,
)

revision = "0003"
down_revision = "0002"

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _jobs()
    _documents()
    _tray()
    _reactions()
    _reports()
    _errands()


def _jobs() -> None:
    op.add_column("jobs", Column("parent_n", Integer))
    op.add_column("jobs", Column("origin_channel_id", BigInteger))
    op.add_column("jobs", Column("origin_message_id", BigInteger))
    op.add_column("jobs", Column("reaction", Text))
    op.add_column("jobs", Column("ping_promised", Boolean, nullable=False, server_default=false()))
    op.add_column("jobs", Column("locale", String(16)))
    op.add_column("jobs", Column("reply_to", BigInteger))
    op.create_index("ix_jobs_message", "jobs", ["message_id"])
    op.create_index("ix_jobs_parent", "jobs", ["parent_id"])
    op.add_column("job_references", Column("owner_id", BigInteger))
    op.create_table(
        "thumbnails",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("content", LargeBinary, nullable=False),
        PrimaryKeyConstraint("job_id", "n", name="pk_thumbnails"),
        ForeignKeyConstraint(
            ["job_id", "n"], ["generations.job_id", "generations.n"], name="fk_thumbnails_job_id_generations", ondelete="CASCADE"
        ),
    )


def _documents() -> None:
    op.create_table(
        "members",
        Column("user_id", BigInteger, nullable=False, autoincrement=False),
        Column("preferences", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", name="pk_members"),
    )
    op.create_table(
        "servers",
        Column("guild_id", BigInteger, nullable=False, autoincrement=False),
        Column("settings", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("guild_id", name="pk_servers"),
    )


def _tray() -> None:
    op.create_table(
        "tray",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("user_id", BigInteger, nullable=False),
        Column("added_at", BigInteger, nullable=False),
        Column("content", LargeBinary, nullable=False),
        Column("content_type", String(32), nullable=False),
        Column("width_px", Integer, nullable=False),
        Column("height_px", Integer, nullable=False),
        Column("owner_id", BigInteger),
        Column("origin_channel_id", BigInteger),
        Column("origin_message_id", BigInteger),
        Column("origin_job_id", String(12)),
        Column("origin_n", Integer),
        PrimaryKeyConstraint("id", name="pk_tray"),
    )
    op.create_index("ix_tray_member", "tray", ["user_id", "id"])


def _reactions() -> None:
    op.create_table(
        "reactions",
        Column("message_id", BigInteger, nullable=False, autoincrement=False),
        Column("user_id", BigInteger, nullable=False, autoincrement=False),
        Column("emoji", String(64), nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("taken_back_at", BigInteger),
        Column("job_id", String(12)),
        PrimaryKeyConstraint("message_id", "user_id", "emoji", name="pk_reactions"),
    )
    op.create_index("ix_reactions_member", "reactions", ["user_id"])


def _reports() -> None:
    op.create_table(
        "reports",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("at", BigInteger, nullable=False),
        Column("guild_id", BigInteger),
        Column("channel_id", BigInteger, nullable=False),
        Column("message_id", BigInteger, nullable=False),
        Column("job_id", String(12)),
        Column("author_id", BigInteger),
        Column("user_id", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        PrimaryKeyConstraint("id", name="pk_reports"),
        UniqueConstraint("message_id", "user_id", name="uq_reports_once"),
    )
    op.create_index("ix_reports_server", "reports", ["guild_id", "at"])
    op.create_index("ix_reports_author", "reports", ["author_id"])


def _errands() -> None:
    op.create_table(
        "errands",
        Column("id", String(12), nullable=False),
        Column("kind", String(16), nullable=False),
        Column("user_id", BigInteger),
        Column("job_id", String(12)),
        Column("due_at", BigInteger, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("data", JSON, nullable=False),
        PrimaryKeyConstraint("id", name="pk_errands"),
    )
    op.create_index("ix_errands_due", "errands", ["due_at"])
