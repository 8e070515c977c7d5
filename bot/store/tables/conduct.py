"""Tables of moderation: reports, blocks, strikes, cases, the gallery, the audit log."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, Index, Integer, Table, UniqueConstraint

from bot.store.tables.base import RowId, String, Text, known, metadata, partial

UNDECIDED = "state <> 'decided'"

# Members' reports about images.
reports = Table(
    "reports",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("author_id", BigInteger),  # the image's author
    Column("user_id", BigInteger, nullable=False),  # the reporter
    Column("reason", Text, nullable=False),
    Column("counts", Boolean, nullable=False),  # towards the quorum: the reporter may flag
    Column("reaction_stays", Boolean, nullable=False),  # a flag that lasts as long as its reaction, which Easel may not take away
    Column("is_waiting", Boolean, nullable=False),  # its case opens once flags are unlocked
    Column("outcome", String(8)),  # upheld or failed, once a case was decided
    Column("case_id", BigInteger),
    UniqueConstraint("message_id", "user_id", name="uq_reports_once"),
    Index("ix_reports_member", "user_id", "guild_id", "outcome"),
    Index("ix_reports_author", "author_id", "guild_id"),
    partial("ix_reports_pending", "guild_id", where="outcome IS NULL"),
    known("ix_reports_case", "case_id"),
    known("ix_reports_job", "job_id"),
)

# Members who may not order images in a guild. A block that ended or was lifted stays as a record.
blocks = Table(
    "blocks",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("until", BigInteger),  # None: until it is lifted
    Column("reason", Text, nullable=False),
    Column("by_id", BigInteger),  # None: by strikes
    Column("case_id", BigInteger),
    Column("lifted_at", BigInteger),
    Column("lifted_by", BigInteger),
    Index("ix_blocks_member", "user_id", "guild_id"),
    partial("ix_blocks_server", "guild_id", "until", where="lifted_at IS NULL"),
    known("ix_blocks_case", "case_id"),
    known("ix_blocks_by", "by_id"),
    known("ix_blocks_lifted_by", "lifted_by"),
)

strikes = Table(
    "strikes",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("offence", String(24), nullable=False),
    Column("weight", Float, nullable=False),
    Column("job_id", String(12)),
    Column("case_id", BigInteger),
    Column("by_id", BigInteger),  # None: by a rule
    Index("ix_strikes_member", "user_id", "guild_id", "at"),
    known("ix_strikes_case", "case_id"),
    known("ix_strikes_job", "job_id"),
    known("ix_strikes_by", "by_id"),
)

# Images and prompts that moderators decide about.
cases = Table(
    "cases",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("author_id", BigInteger, nullable=False),  # the author of the image or prompt
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger),  # None: nothing was shown
    Column("job_id", String(12)),
    Column("reason", Text, nullable=False),
    Column("decision", String(16)),
    Column("decided_by", BigInteger),
    Column("decided_at", BigInteger),
    Column("decision_reason", Text, nullable=False),  # the moderator's text
    Column("appeal", Text),  # the author's text
    Column("appealed_at", BigInteger),
    partial("ix_cases_waiting", "guild_id", "id", where=UNDECIDED),
    Index("ix_cases_author", "author_id"),
    known("ix_cases_job", "job_id"),
    known("ix_cases_decided_by", "decided_by"),
    partial("uq_cases_open", "message_id", where=UNDECIDED, unique=True),  # one open case per message
)

# Images that were shown in a guild's gallery, once each.
gallery = Table(
    "gallery",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),  # the message with the image, not the gallery's post
    Column("guild_id", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("author_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("stars", Integer, nullable=False),
    Index("ix_gallery_author", "author_id"),
    known("ix_gallery_job", "job_id"),
)

# Append-only: every decision and every change of a setting.
audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger),
    Column("at", BigInteger, nullable=False),
    Column("actor_id", BigInteger),  # None: Easel, by a rule
    Column("action", String(32), nullable=False),
    Column("target_id", BigInteger),  # the member it is about
    Column("job_id", String(12)),
    Column("case_id", BigInteger),
    Column("details", JSON, nullable=False),
    Index("ix_audit_server", "guild_id", "id"),
    known("ix_audit_target", "target_id"),
    known("ix_audit_actor", "actor_id"),
    known("ix_audit_job", "job_id"),
    known("ix_audit_case", "case_id"),
)
