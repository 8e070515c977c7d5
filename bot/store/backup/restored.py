"""What a bot does that starts with an older copy of its database: it asks for an image before it requests that image again."""

from __future__ import annotations

from sqlalchemy import Connection, text, update

from bot.core.clock import system
from bot.domain.job import GenerationState
from bot.store import kv
from bot.store.engine.opening import open_store
from bot.store.engine.sqlite_copy import COPY_KEY
from bot.store.tables import generations
from bot.store.tables.work import WAITING


async def mark_at(url: str) -> None:
    """Note in the database at `url` that it is an older copy. Raises `StartError`."""
    async with open_store(url) as store:
        now = system()
        await store.write(kv.put, COPY_KEY, now, now)


def resume(conn: Connection, now: int) -> int | None:
    """At a start: when this copy was made (Unix ms); None for a database that is no copy.

    What waits in it may have been requested after it was made, so it counts as a request whose answer was lost: those are looked up in
    the image API, and requested again only if they are not there.
    """
    made_at: int | None = kv.get(conn, COPY_KEY)
    if made_at is None:
        return None
    lost = {"state": GenerationState.SUBMITTING, "submitted_at": generations.c.created_at, "queued": True, "lookups": 0, "not_before": now}
    conn.execute(update(generations).where(text(WAITING)).values(lost))
    kv.forget(conn, COPY_KEY, made_at + 1)
    return made_at
