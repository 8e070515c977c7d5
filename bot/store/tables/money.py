"""Money: accounts, every line that led to them, and who pays for others."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from bot.store.tables.base import RowId, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(64), primary_key=True),  # `bot.domain.money.accounts` has the kinds
    Column("available", BigInteger, nullable=False),  # microcredits at `as_of`, without what has flowed back since
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("as_of", BigInteger, nullable=False),
)

# Append-only. For each account the lines add up to it: sum(available) = available, sum(held) = held, sum(spent) = spent.
ledger = Table(
    "ledger",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("account", String(64), ForeignKey("accounts.name"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("entry", String(16), nullable=False),  # `bot.store.money.ledger.Entry`
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("job_id", String(12)),
    Column("n", Integer),
    Column("other", String(64)),  # the account at the other end of a transfer
    Column("by_id", BigInteger),  # the person who did it
    Column("note", Text),
    Column("key", String(120)),  # what names a deed, so that it is done once: an interaction, a reaction
    # A hold, a settle, a release and a refund at most once each; for each account that an image is charged to.
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
