"""The door to the store: which database an address means, and how it is opened."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection

from bot.core.errors import StartError
from bot.store.engine import postgres, sqlite
from bot.store.engine.base import Store
from bot.store.engine.postgres import open_postgres
from bot.store.engine.schema import Migration
from bot.store.engine.sqlite import open_sqlite

T = TypeVar("T")


@asynccontextmanager
async def open_store(url: str, *, migrate: bool = True) -> AsyncIterator[Store]:
    """The store at `url`: sqlite:///path (relative to here; sqlite:////path from the root) or postgresql://user:password@host/name.

    While it is open no other process can open it. With `migrate` the schema is brought up to date first, else it has to be.
    Raises StartError: a sentence about what cannot be used and what to do.
    """
    if url.startswith("sqlite://"):
        opening = open_sqlite(url.removeprefix("sqlite://").removeprefix("/"), upgrade=migrate)
    elif url.startswith("postgresql://"):
        opening = open_postgres(url, upgrade=migrate)
    else:
        raise StartError("DATABASE_URL is written sqlite:///path/to/file or postgresql://user:password@host/name.")
    async with opening as store:
        yield store


async def read_beside(url: str, op: Callable[[Connection], T]) -> T:
    """One read of the store at `url`, at the newest schema; also while another process has it open, which does not notice.

    Raises StartError.
    """
    name = url.removeprefix("sqlite://")
    reading = postgres.reading(url) if name == url else sqlite.reading(name.removeprefix("/"))
    async with reading as conn:
        return await conn.run_sync(op)


async def migrate(url: str) -> Migration:
    """Brings the schema at `url` up to date and says what was done. Raises StartError."""
    async with open_store(url) as store:
        return store.migration
