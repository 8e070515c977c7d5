"""Tables of members and guilds, the outbox and key-value entries."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table

from bot.store.tables.base import RowId, String, known, metadata, partial

# Conditions of partial indexes, as in `bot.store.tables.work`.
STARS, NO_STARS = "emoji = '⭐'", "emoji <> '⭐'"

# Settings of members and guilds: one document each (`bot.domain.preferences`, `bot.domain.guild.settings`).
members = Table(
    "members",
    metadata,
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("preferences", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

guilds = Table(
    "guilds",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),
    Column("settings", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# References that a member saved for the next edit.
tray = Table(
    "tray",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
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

# Reactions that were handled, once each: normal ones and, beside them, super reactions.
reactions = Table(
    "reactions",
    metadata,
    Column("message_id", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),
    Column("emoji", String(64), primary_key=True),
    Column("burst", Boolean, primary_key=True, default=False),
    Column("at", BigInteger, nullable=False),
    Column("taken_back_at", BigInteger),
    Column("job_id", String(12)),  # the job that it ordered
    Index("ix_reactions_member", "user_id", "at"),
    # Stars are kept for longer.
    partial("ix_reactions_at", "at", where=NO_STARS),
    partial("ix_reactions_stars", "at", where=STARS),
)

# Everything Easel still has to send to Discord: results, deletions, direct messages (`bot.store.outbox`).
outbox = Table(
    "outbox",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user_id", BigInteger),  # the recipient
    Column("job_id", String(12)),
    Column("due_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("data", JSON, nullable=False),
    Column("owner", BigInteger),  # the process that does it
    Index("ix_outbox_due", "due_at"),
    known("ix_outbox_owner", "owner"),
)

# Requests that were carried out (`bot.core.running.idempotency`).
request_keys = Table(
    "request_keys",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("ix_request_keys_at", "at"),
)

# Small values that survive a restart: the model catalogue, the hash of the registered commands, open forms.
kv = Table(
    "kv",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
