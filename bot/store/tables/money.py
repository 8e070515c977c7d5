"""Tables of money: accounts, ledger lines, usage by day, sponsorships."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, UniqueConstraint

from bot.store.tables.base import RowId, String, Text, known, metadata, partial

# Queries must contain these conditions word for word, or SQLite does not use their indexes.
UNUSED = "held = 0 AND spent = 0"
SPONSOR_LEFT = "available > 0 AND substr(name, 1, 8) = 'sponsor:'"
MOVED = "entry IN ('grant', 'reward', 'gift', 'sponsor', 'return')"

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),  # the kinds are in `bot.domain.money.accounts`
    Column("available", BigInteger, nullable=False),  # microcredits at `as_of`, without the refill since then
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
    partial("ix_accounts_unused", "name", where=UNUSED),
    partial("ix_accounts_sponsor", "name", where=SPONSOR_LEFT),
)

# Append-only, until old lines are folded (`bot.store.money.folding`).
# An account equals the sum of its lines: sum(available) = available, sum(held) = held, sum(spent) = spent.
ledger = Table(
    "ledger",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("entry", String(16), nullable=False),  # `bot.domain.money.ledger.Entry`
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("n", Integer),
    Column("other", String(64)),  # the account at the other end of a transfer
    Column("by_id", BigInteger),  # the user who did it
    Column("note", Text),
    Column("key", String(120)),  # identifies the action (an interaction, a reaction), so that it is booked once
    # At most one hold, settle, release and refund for each image and account that it is charged to.
    UniqueConstraint("job_id", "n", "account", "entry", name="uq_ledger_once"),
    UniqueConstraint("key", "account", name="uq_ledger_key"),
    Index("ix_ledger_account", "account", "id"),
    partial("ix_ledger_moved", "account", "available", where=MOVED),
    known("ix_ledger_other", "other"),
    known("ix_ledger_by", "by_id"),
    # Either settled or released, never both.
    partial("uq_ledger_end", "job_id", "n", "account", where="entry IN ('settle', 'release')", unique=True),
)

# The sums of the generations that ended on a day, for as long as the table is kept: the generations themselves may be deleted.
daily_usage = Table(
    "daily_usage",
    metadata,
    Column("guild_id", BigInteger, primary_key=True, autoincrement=False),  # 0: direct messages
    Column("day", Integer, primary_key=True, autoincrement=False),  # UTC, since 1970
    Column("user_id", BigInteger, primary_key=True, autoincrement=False),  # 0: members who erased their data
    Column("model", Text, primary_key=True),
    Column("provider", String(32), primary_key=True),  # the image API's name
    Column("images", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),  # of the images
    Column("refunded", BigInteger, nullable=False),  # the part of `price` that was refunded, on whatever day
    Column("cost", BigInteger, nullable=False),  # what the image APIs charged; at most, while that is not known
    Column("corrected", BigInteger, nullable=False),  # the part of `cost` that was added once the charge was known; may be negative
    Index("ix_daily_usage_user", "user_id", "day"),
    Index("ix_daily_usage_day", "day"),
    sqlite_with_rowid=False,  # the rows of a guild and a day lie together
)

# Hosts who pay for everyone in a channel or thread. Their money is in the account "sponsor:<id>".
sponsorships = Table(
    "sponsorships",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger, nullable=False),
    Column("host_id", BigInteger, nullable=False),
    Column("host_account", String(64), nullable=False),  # the source of the money, and where the rest is returned
    Column("cap", BigInteger, nullable=False),  # microcredits
    Column("opened_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),
    Column("closed_at", BigInteger),
    Column("message_id", BigInteger),  # the public message in the channel
    Index("ix_sponsorships_channel", "channel_id", "state"),
    Index("ix_sponsorships_state", "state", "until"),
    Index("ix_sponsorships_host", "host_id"),
    Index("ix_sponsorships_account", "host_account"),
)
