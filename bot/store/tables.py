"""The tables. Times are Unix milliseconds, money is microcredits, Discord's ids are 64-bit integers."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column that is exactly INTEGER PRIMARY KEY.
_RowId = BigInteger().with_variant(Integer, "sqlite")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("spoiler", Boolean, nullable=False),
    Column("parent_id", String(12)),  # no foreign key: a parent may be erased while its children stay
    Column("parent_n", Integer),
    Column("origin_channel_id", BigInteger),
    Column("origin_message_id", BigInteger),
    Column("reaction", Text),
    Column("ping_promised", Boolean, nullable=False),
    # conduct
    Column("flagged", Text),  # why its prompt was flagged: a rule or a category; None: it was not
    Column("needs_check", Boolean, nullable=False),  # its prompt is to be looked at by the moderations endpoint before it is sent
    Column("age_restricted", Boolean, nullable=False),  # the channel it was asked for in
    Column("created_at", BigInteger, nullable=False),
    Column("cancel_requested_at", BigInteger),
    # the place
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
    # the outbox
    Column("delivered_at", BigInteger),
    Column("attempts", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("posting_since", BigInteger),
    Index("ix_jobs_outbox", "state", "not_before"),
    Index("ix_jobs_member", "user_id", "created_at"),
    Index("ix_jobs_message", "message_id"),
    Index("ix_jobs_parent", "parent_id"),
)

generations = Table(
    "generations",
    metadata,
    Column("job_id", String(12), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("model", Text, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seed", BigInteger),
    Column("params", JSON, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("provider", String(32), nullable=False),  # the image API's name
    Column("api_model", Text, nullable=False),  # what that one calls the model
    Column("running_limit", Integer),  # of its member's roles; None: the operator's
    Column("uncertain", Integer, nullable=False),  # how often an answer was lost that could not be looked up
    Column("failure", String(16)),  # a rung of the failure ladder
    Column("provider_id", Text, unique=True),  # what one lost answer claims, no other can
    Column("submitted_at", BigInteger),
    Column("lookups", Integer, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("result_url", Text),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False),
    # the money
    Column("account", String(64), nullable=False),  # who pays
    Column("budget", String(64)),  # the account of a server's budget that is charged beside it
    Column("lane", String(8), nullable=False),
    Column("refunded_at", BigInteger),
    Index("ix_generations_state", "state", "created_at"),
    Index("ix_generations_model", "model", "ended_at"),
    Index("ix_generations_member", "user_id", "ended_at"),
    Index("ix_generations_server", "guild_id", "ended_at"),
)

references = Table(
    "job_references",
    metadata,
    Column("job_id", String(12), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("content_type", String(32), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("url", Text),
    Column("url_expires_at", BigInteger),
    Column("owner_id", BigInteger),
)

# Pictures that an image API handed over inline: nothing else could bring them back.
pictures = Table(
    "pictures",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id", "n"], ["generations.job_id", "generations.n"], ondelete="CASCADE"),
)

# Small WebP versions for /history, which outlive messages and links.
thumbnails = Table(
    "thumbnails",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    ForeignKeyConstraint(["job_id", "n"], ["generations.job_id", "generations.n"], ondelete="CASCADE"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),  # `bot.store.purse` has the kinds
    Column("available", BigInteger, nullable=False),  # microcredits at `as_of`, without what has flowed back since
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
)

# Append-only. For each account the lines add up to it: sum(available) = available, sum(held) = held, sum(spent) = spent.
ledger = Table(
    "ledger",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("entry", String(16), nullable=False),  # `bot.store.ledger.Entry`
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("n", Integer),
    Column("other", String(64)),  # the account at the other end of a transfer
    Column("by_id", BigInteger),  # the person who did it
    Column("note", Text),
    Column("key", String(120)),  # what names a deed, so that it is done once: an interaction, a reaction
    # A hold, a settle, a release and a refund at most once each; for each account that a picture is charged to.
    UniqueConstraint("job_id", "n", "account", "entry", name="uq_ledger_once"),
    UniqueConstraint("key", "account", name="uq_ledger_key"),
    Index("ix_ledger_account", "account", "id"),
    # One end only: settled or released, never both.
    Index(
        "uq_ledger_end",
        "job_id",
        "n",
        "account",
        unique=True,
        sqlite_where=text("entry IN ('settle', 'release')"),
        postgresql_where=text("entry IN ('settle', 'release')"),
    ),
)

# Hosts who pay for everyone in a channel or thread. The money is in the account "sponsor:<id>".
sponsorships = Table(
    "sponsorships",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("host_id", BigInteger, nullable=False),
    Column("host_account", String(64), nullable=False),  # where it came from, and where the rest goes
    Column("cap", BigInteger, nullable=False),  # microcredits put in
    Column("opened_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("closed_at", BigInteger),
    Index("ix_sponsorships_channel", "channel_id", "state"),
    Index("ix_sponsorships_state", "state", "until"),
    Index("ix_sponsorships_host", "host_id"),
)

# Small things worth keeping between starts: the model catalogue, the hash of the registered commands.
keepsakes = Table(
    "keepsakes",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# What members and servers chose: one document each (`bot.preferences`, `bot.servers`).
members = Table(
    "members",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("preferences", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

servers = Table(
    "servers",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("settings", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# References that a member put by for the next edit.
tray = Table(
    "tray",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
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
    Index("ix_tray_member", "user_id", "id"),
)

# Reactions that were acted on: the same one never twice.
reactions = Table(
    "reactions",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("emoji", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("taken_back_at", BigInteger),
    Column("job_id", String(12)),  # what it asked for
    Index("ix_reactions_member", "user_id"),
)

# What members told the moderators about a picture.
reports = Table(
    "reports",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("author_id", BigInteger),  # whose picture it is
    Column("user_id", BigInteger, nullable=False),  # who reports
    Column("reason", Text, nullable=False),
    Column("counts", Boolean, nullable=False),  # towards the quorum: its member may flag
    Column("outcome", String(8)),  # upheld or failed, once a case was decided
    Column("case_id", BigInteger),
    UniqueConstraint("message_id", "user_id", name="uq_reports_once"),
    Index("ix_reports_member", "guild_id", "user_id"),
    Index("ix_reports_server", "guild_id", "at"),
    Index("ix_reports_author", "author_id"),
)

# Small promises to be kept across restarts: take a message away, call a member, mark a reaction.
errands = Table(
    "errands",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user_id", BigInteger),  # whom it is for
    Column("job_id", String(12)),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_errands_due", "due_at"),
)

# --- conduct: what moderators and communities decide -----------------------------------------------------------------

# Who may not ask for pictures on a server. A block that ended or was lifted stays, as its own record.
blocks = Table(
    "blocks",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),  # None: until it is lifted
    Column("reason", Text, nullable=False),
    Column("by_id", BigInteger),  # None: the ladder of strikes
    Column("case_id", BigInteger),
    Column("lifted_at", BigInteger),
    Column("lifted_by", BigInteger),
    Index("ix_blocks_member", "guild_id", "user_id"),
)

strikes = Table(
    "strikes",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("offence", String(24), nullable=False),
    Column("weight", Float, nullable=False),
    Column("job_id", String(12)),
    Column("case_id", BigInteger),
    Column("by_id", BigInteger),  # None: a rule
    Index("ix_strikes_member", "guild_id", "user_id", "at"),
)

# A picture or a prompt that moderators are asked about.
cases = Table(
    "cases",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("author_id", BigInteger, nullable=False),  # whose picture or prompt it is
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),  # None: nothing was shown
    Column("job_id", String(12)),
    Column("reason", Text, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", BigInteger),
    Column("decided_at", BigInteger),
    Column("appeal", Text),  # the author's words, once
    Column("appealed_at", BigInteger),
    Column("post_channel_id", BigInteger),  # where the moderators see it
    Column("post_message_id", BigInteger),
    Index("ix_cases_server", "guild_id", "state", "id"),
    Index("ix_cases_author", "author_id"),
    # One open case for a message.
    Index(
        "uq_cases_open",
        "message_id",
        unique=True,
        sqlite_where=text("state <> 'decided'"),
        postgresql_where=text("state <> 'decided'"),
    ),
)

# Pictures that a server's gallery has shown, once each.
gallery = Table(
    "gallery",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),  # the picture's own
    Column("guild_id", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("author_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("stars", Integer, nullable=False),
    Column("post_channel_id", BigInteger, nullable=False),
    Column("post_message_id", BigInteger),
)

# Append-only: every decision and every change of a setting.
audit = Table(
    "audit",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger),
    Column("at", BigInteger, nullable=False),
    Column("actor_id", BigInteger),  # None: Easel itself, by a rule
    Column("action", String(32), nullable=False),
    Column("target_id", BigInteger),  # the member it is about
    Column("job_id", String(12)),
    Column("case_id", BigInteger),
    Column("details", JSON, nullable=False),
    Index("ix_audit_server", "guild_id", "id"),
    Index("ix_audit_target", "target_id"),
)

# Where the log channel tells of a job.
log_posts = Table(
    "log_posts",
    metadata,
    Column("job_id", String(12), primary_key=True),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
)
