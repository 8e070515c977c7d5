"""Opens the store at a database URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from bot.core.errors import StartError
from bot.store.engine import moves, sqlite
from bot.store.engine.base import Store
from bot.store.engine.schema import Migration
from bot.store.engine.sqlite import open_sqlite

T = TypeVar("T")


@asynccontextmanager
async def open_store(
    url: str,
    *,
    direct: str = "",
    migrate: bool = True,
    backup: bool = True,
    is_shared: bool = False,
    even_if_moved: bool = False,
) -> AsyncIterator[Store]:
    """The store at `url`: sqlite:///relative/path, sqlite:////absolute/path or postgresql://user:password@host/name.

    No other process can open it at the same time, except with `is_shared` on PostgreSQL, where `direct` is the address for what needs a
    session of its own (default: `url`). `migrate` upgrades the schema first; an SQLite file is copied before, unless `backup`
    is False. Raises `StartError` if the database cannot be used, or if the schema is outdated and `migrate` is False; `NoSchema` if
    there is none then. A database that was moved away, or not yet completely here, is refused unless `even_if_moved`.
    """
    if url.startswith("sqlite://"):
        opening = open_sqlite(url.removeprefix("sqlite://").removeprefix("/"), upgrade=migrate, backup=backup)
    elif url.startswith("postgresql://"):
        from bot.store.engine.postgres.store import open_postgres  # imported here because SQLite does not need it

        opening = open_postgres(url, direct=direct, upgrade=migrate, is_shared=is_shared)
    else:
        raise StartError("DATABASE_URL is written sqlite:///path/to/file or postgresql://user:password@host/name.")
    async with opening as store:
        if not even_if_moved:
            await store.read(moves.refuse)
        yield store


async def read_once(url: str, op: Callable[[Connection], T]) -> T:
    """Run one read on the database at `url`, without its lock: another process may have the store open.

    Raises `StartError` if the database cannot be read or its schema is not the newest.
    """
    name = url.removeprefix("sqlite://")
    if name == url:
        from bot.store.engine.postgres import store as postgres  # imported here because SQLite does not need it

        reading = postgres.reading(url)
    else:
        reading = sqlite.reading(name.removeprefix("/"))
    async with reading as conn:
        return await conn.run_sync(op)


async def migrate(url: str, *, backup: bool = True) -> Migration:
    """Upgrade the schema at `url`. Raises `StartError`."""
    async with open_store(url, backup=backup) as store:
        return store.migration


async def compact(url: str) -> tuple[int, int]:
    """Rebuild the file of an SQLite database. Returns its size in bytes before and after. Raises `StartError`."""
    name = url.removeprefix("sqlite://")
    if name == url:
        raise StartError("Only the file of an SQLite database is rebuilt; PostgreSQL has VACUUM FULL for that.")
    return await sqlite.compact(name.removeprefix("/"))


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL. Raises `StartError` if the address names no file."""
    name = url.removeprefix("sqlite://")
    return None if name == url else sqlite.file_of(name.removeprefix("/"))
