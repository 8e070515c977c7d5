"""Conduct: blocks, strikes, flags with an outcome, cases, the gallery, the audit log, and what is checked of a job."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Integer, PrimaryKeyConstraint, String, Text, false, text, true

revision = "0005"
down_revision = "0004"

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    _jobs()
    _reports()
    _blocks()
    _cases()
    _records()


def _jobs() -> None:
    op.add_column("jobs", Column("flagged", Text))
    op.add_column("jobs", Column("needs_check", Boolean, nullable=False, server_default=false()))
    op.add_column("jobs", Column("age_restricted", Boolean, nullable=False, server_default=false()))
    op.add_column("generations", Column("running_limit", Integer))


def _reports() -> None:
    op.add_column("reports", Column("counts", Boolean, nullable=False, server_default=true()))
    op.add_column("reports", Column("outcome", String(8)))
    op.add_column("reports", Column("case_id", BigInteger))
    op.create_index("ix_reports_member", "reports", ["guild_id", "user_id"])


def _blocks() -> None:
    op.create_table(
        "blocks",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("guild_id", BigInteger, nullable=False),
        Column("user_id", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("until", BigInteger),
        Column("reason", Text, nullable=False),
        Column("by_id", BigInteger),
        Column("case_id", BigInteger),
        Column("lifted_at", BigInteger),
        Column("lifted_by", BigInteger),
        PrimaryKeyConstraint("id", name="pk_blocks"),
    )
    op.create_index("ix_blocks_member", "blocks", ["guild_id", "user_id"])
    op.create_table(
        "strikes",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("guild_id", BigInteger, nullable=False),
        Column("user_id", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("offence", String(24), nullable=False),
        Column("weight", Float, nullable=False),
        Column("job_id", String(12)),
        Column("case_id", BigInteger),
        Column("by_id", BigInteger),
        PrimaryKeyConstraint("id", name="pk_strikes"),
    )
    op.create_index("ix_strikes_member", "strikes", ["guild_id", "user_id", "at"])


def _cases() -> None:
    op.create_table(
        "cases",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("guild_id", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("cause", String(16), nullable=False),
        Column("state", String(16), nullable=False),
        Column("author_id", BigInteger, nullable=False),
        Column("channel_id", BigInteger, nullable=False),
        Column("message_id", BigInteger),
        Column("job_id", String(12)),
        Column("reason", Text, nullable=False),
        Column("decision", String(16)),
        Column("decided_by", BigInteger),
        Column("decided_at", BigInteger),
        Column("appeal", Text),
        Column("appealed_at", BigInteger),
        Column("post_channel_id", BigInteger),
        Column("post_message_id", BigInteger),
        PrimaryKeyConstraint("id", name="pk_cases"),
    )
    op.create_index("ix_cases_server", "cases", ["guild_id", "state", "id"])
    op.create_index("ix_cases_author", "cases", ["author_id"])
    op.create_index(
        "uq_cases_open",
        "cases",
        ["message_id"],
        unique=True,
        sqlite_where=text("state <> 'decided'"),
        postgresql_where=text("state <> 'decided'"),
    )


def _records() -> None:
    op.create_table(
        "gallery",
        Column("message_id", BigInteger, nullable=False, autoincrement=False),
        Column("guild_id", BigInteger, nullable=False),
        Column("job_id", String(12)),
        Column("author_id", BigInteger, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("stars", Integer, nullable=False),
        Column("post_channel_id", BigInteger, nullable=False),
        Column("post_message_id", BigInteger),
        PrimaryKeyConstraint("message_id", name="pk_gallery"),
    )
    op.create_table(
        "audit",
        Column("id", _ROW_ID, nullable=False, autoincrement=True),
        Column("guild_id", BigInteger),
        Column("at", BigInteger, nullable=False),
        Column("actor_id", BigInteger),
        Column("action", String(32), nullable=False),
        Column("target_id", BigInteger),
        Column("job_id", String(12)),
        Column("case_id", BigInteger),
        Column("details", JSON, nullable=False),
        PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_server", "audit", ["guild_id", "id"])
    op.create_index("ix_audit_target", "audit", ["target_id"])
    op.create_table(
        "log_posts",
        Column("job_id", String(12), nullable=False),
        Column("channel_id", BigInteger, nullable=False),
        Column("message_id", BigInteger, nullable=False),
        PrimaryKeyConstraint("job_id", name="pk_log_posts"),
    )
