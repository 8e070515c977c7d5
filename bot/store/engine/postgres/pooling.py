"""PgBouncer between Easel and PostgreSQL: whether a client keeps its session, or each of its transactions gets another one."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy import URL

from bot.core.errors import StartError
from bot.store.engine.postgres.sessions import Sessions

_TURNS: Final = 4  # among busy clients, two may get different sessions once by chance
_BY_TRANSACTION: Final = "leads to a pooler that gives each transaction another session (PgBouncer's pool_mode = transaction)"
_NO_DIRECT: Final = (
    f"DATABASE_URL {_BY_TRANSACTION}; set DATABASE_DIRECT_URL to the address of PostgreSQL itself, or change to pool_mode = session."
)
_NOT_DIRECT: Final = f"DATABASE_DIRECT_URL {_BY_TRANSACTION}; set it to the address of PostgreSQL itself."


async def is_by_transaction(url: URL, direct: URL | None) -> bool:
    """Whether transactions at `url` get another session each. Raises `StartError` if no address keeps one, for locks and announcements."""
    if not await _changes_sessions(url):
        return False
    if direct is None:
        raise StartError(_NO_DIRECT)
    if await _changes_sessions(direct):
        raise StartError(_NOT_DIRECT)
    return True


async def _changes_sessions(url: URL) -> bool:
    """Two clients at the same time have each their own session, or share them."""
    sessions = Sessions(url, is_by_transaction=True)  # leaves nothing in a session that may be another client's next
    try:
        clients = await asyncio.gather(sessions.connect(), sessions.connect())
        pids = [[await client.fetchval("SELECT pg_backend_pid()") for client in clients] for _ in range(_TURNS)]
    finally:
        await sessions.close()
    return any(each != pids[0] for each in pids) or len(set(pids[0])) == 1
