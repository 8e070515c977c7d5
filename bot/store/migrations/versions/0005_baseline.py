"""The schema's baseline: every table as the first database had it. It is never edited; later versions change it."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    text,
)

revision = "0005"  # replaces five revisions from before the first release; their databases are at this revision
down_revision = None

_ROW_ID = BigInteger().with_variant(Integer, "sqlite")
_ONE_END = text("entry IN ('settle', 'release')")
_OPEN = text("state <> 'decided'")


def upgrade() -> None:
    _work()
    _money()
    _members()
    _conduct()


def _work() -> None:
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
        Column("parent_n", Integer),
        Column("origin_channel_id", BigInteger),
        Column("origin_message_id", BigInteger),
        Column("reaction", Text),
        Column("ping_promised", Boolean, nullable=False),
        Column("flagged", Text),
        Column("needs_check", Boolean, nullable=False),
        Column("age_restricted", Boolean, nullable=False),
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
        Column("locale", String(16)),
        Column("reply_to", BigInteger),
        Column("delivered_at", BigInteger),
        Column("attempts", Integer, nullable=False),
        Column("not_before", BigInteger, nullable=False),
        Column("posting_since", BigInteger),
        PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_member", "jobs", ["user_id", "created_at"])
    op.create_index("ix_jobs_message", "jobs", ["message_id"])
    op.create_index("ix_jobs_outbox", "jobs", ["state", "not_before"])
    op.create_index("ix_jobs_parent", "jobs", ["parent_id"])
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
        Column("provider", String(32), nullable=False),
        Column("api_model", Text, nullable=False),
        Column("running_limit", Integer),
        Column("uncertain", Integer, nullable=False),
        Column("failure", String(16)),
        Column("provider_id", Text),
        Column("submitted_at", BigInteger),
        Column("lookups", Integer, nullable=False),
        Column("not_before", BigInteger, nullable=False),
        Column("ended_at", BigInteger),
        Column("result_url", Text),
        Column("error", Text),
        Column("cancel_requested", Boolean, nullable=False),
        Column("account", String(64), nullable=False),
        Column("budget", String(64)),
        Column("lane", String(8), nullable=False),
        Column("refunded_at", BigInteger),
        ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_generations_job_id_jobs", ondelete="CASCADE"),
        PrimaryKeyConstraint("job_id", "n", name="pk_generations"),
        UniqueConstraint("provider_id", name="uq_generations_provider_id"),
    )
    op.create_index("ix_generations_member", "generations", ["user_id", "ended_at"])
    op.create_index("ix_generations_model", "generations", ["model", "ended_at"])
    op.create_index("ix_generations_server", "generations", ["guild_id", "ended_at"])
    op.create_index("ix_generations_state", "generations", ["state", "created_at"])
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
        Column("owner_id", BigInteger),
        ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_job_references_job_id_jobs", ondelete="CASCADE"),
        PrimaryKeyConstraint("job_id", "n", name="pk_job_references"),
    )
    op.create_table(
        "pictures",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("content", LargeBinary, nullable=False),
        ForeignKeyConstraint(
            ["job_id", "n"], ["generations.job_id", "generations.n"], name="fk_pictures_job_id_generations", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("job_id", "n", name="pk_pictures"),
    )
    op.create_table(
        "thumbnails",
        Column("job_id", String(12), nullable=False),
        Column("n", Integer, nullable=False),
        Column("content", LargeBinary, nullable=False),
        ForeignKeyConstraint(
            ["job_id", "n"], ["generations.job_id", "generations.n"], name="fk_thumbnails_job_id_generations", ondelete="CASCADE"
        ),
        PrimaryKeyConstraint("job_id", "n", name="pk_thumbnails"),
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
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
        Column("account", String(64), nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("entry", String(16), nullable=False),
        Column("available", BigInteger, nullable=False),
        Column("held", BigInteger, nullable=False),
        Column("spent", BigInteger, nullable=False),
        Column("job_id", String(12)),
        Column("n", Integer),
        Column("other", String(64)),
        Column("by_id", BigInteger),
        Column("note", Text),
        Column("key", String(120)),
        ForeignKeyConstraint(["account"], ["accounts.name"], name="fk_ledger_account_accounts"),
        PrimaryKeyConstraint("id", name="pk_ledger"),
        UniqueConstraint("job_id", "n", "account", "entry", name="uq_ledger_once"),
        UniqueConstraint("key", "account", name="uq_ledger_key"),
    )
    op.create_index("ix_ledger_account", "ledger", ["account", "id"])
    op.create_index("uq_ledger_end", "ledger", ["job_id", "n", "account"], unique=True, sqlite_where=_ONE_END, postgresql_where=_ONE_END)
    op.create_table(
        "sponsorships",
        Column("id", String(12), nullable=False),
        Column("guild_id", BigInteger),
        Column("channel_id", BigInteger, nullable=False),
        Column("host_id", BigInteger, nullable=False),
        Column("host_account", String(64), nullable=False),
        Column("cap", BigInteger, nullable=False),
        Column("opened_at", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("state", String(8), nullable=False),
        Column("closed_at", BigInteger),
        PrimaryKeyConstraint("id", name="pk_sponsorships"),
    )
    op.create_index("ix_sponsorships_channel", "sponsorships", ["channel_id", "state"])
    op.create_index("ix_sponsorships_host", "sponsorships", ["host_id"])
    op.create_index("ix_sponsorships_state", "sponsorships", ["state", "until"])


def _members() -> None:
    op.create_table(
        "members",
        Column("user_id", BigInteger, autoincrement=False, nullable=False),
        Column("preferences", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("user_id", name="pk_members"),
    )
    op.create_table(
        "servers",
        Column("guild_id", BigInteger, autoincrement=False, nullable=False),
        Column("settings", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("guild_id", name="pk_servers"),
    )
    op.create_table(
        "tray",
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
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
    op.create_table(
        "reactions",
        Column("message_id", BigInteger, autoincrement=False, nullable=False),
        Column("user_id", BigInteger, autoincrement=False, nullable=False),
        Column("emoji", String(64), nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("taken_back_at", BigInteger),
        Column("job_id", String(12)),
        PrimaryKeyConstraint("message_id", "user_id", "emoji", name="pk_reactions"),
    )
    op.create_index("ix_reactions_member", "reactions", ["user_id"])
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
    op.create_table(
        "keepsakes",
        Column("name", String(64), nullable=False),
        Column("value", JSON, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("name", name="pk_keepsakes"),
    )


def _conduct() -> None:
    op.create_table(
        "reports",
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
        Column("at", BigInteger, nullable=False),
        Column("guild_id", BigInteger),
        Column("channel_id", BigInteger, nullable=False),
        Column("message_id", BigInteger, nullable=False),
        Column("job_id", String(12)),
        Column("author_id", BigInteger),
        Column("user_id", BigInteger, nullable=False),
        Column("reason", Text, nullable=False),
        Column("counts", Boolean, nullable=False),
        Column("outcome", String(8)),
        Column("case_id", BigInteger),
        PrimaryKeyConstraint("id", name="pk_reports"),
        UniqueConstraint("message_id", "user_id", name="uq_reports_once"),
    )
    op.create_index("ix_reports_author", "reports", ["author_id"])
    op.create_index("ix_reports_member", "reports", ["guild_id", "user_id"])
    op.create_index("ix_reports_server", "reports", ["guild_id", "at"])
    op.create_table(
        "blocks",
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
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
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
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
    op.create_table(
        "cases",
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
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
    op.create_index("ix_cases_author", "cases", ["author_id"])
    op.create_index("ix_cases_server", "cases", ["guild_id", "state", "id"])
    op.create_index("uq_cases_open", "cases", ["message_id"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_table(
        "gallery",
        Column("message_id", BigInteger, autoincrement=False, nullable=False),
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
        Column("id", _ROW_ID, autoincrement=True, nullable=False),
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
