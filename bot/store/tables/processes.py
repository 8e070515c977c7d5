"""Tables that the processes of one installation share: who works, how fast, and what is known of the image APIs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table

from bot.store.tables.base import RowId, String, metadata

# The processes that work. An id is never given again: it is the fencing token of everything that its process claims.
processes = Table(
    "processes",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False),  # for people: the machine and the process id there
    Column("home", String(32), nullable=False),  # the folder of its files, which it locks
    Column("release", String(32), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),  # by the database's clock
    Column("commits", BigInteger, nullable=False),  # of its transactions: whether one whose answer was lost was carried out
    sqlite_autoincrement=True,
)

# Turns of whatever has a limited rate, as the time from which the next one is free (Unix microseconds).
rates = Table(
    "rates",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("free_at_us", BigInteger, nullable=False),
)

# What the processes know of each image API together.
provider_states = Table(
    "provider_states",
    metadata,
    Column("provider", String(32), primary_key=True),
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_since", BigInteger),  # Unix ms of the first of them
    Column("away_since", BigInteger),  # Unix ms; None while it is available
    Column("retry_not_before", BigInteger, nullable=False),  # Unix ms
    Column("is_rate_limited", Boolean, nullable=False),
    Column("limit_pause_s", Integer, nullable=False),  # after the next rate limit that names no time; 0: the shortest
    Column("stream_since", BigInteger),  # Unix ms since which events are heard; None while they are not
)
