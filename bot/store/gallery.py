"""A server's gallery: which pictures have been shown there. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from bot.store.base import upsert
from bot.store.tables import gallery, reactions

STAR = "⭐"


def stars(conn: Connection, message_id: int, *, without: int | None) -> int:
    """How many members gave this picture a star; `without` is its maker, whose own does not count."""
    given = select(func.count()).where(
        reactions.c.message_id == message_id,
        reactions.c.emoji == STAR,
        reactions.c.taken_back_at.is_(None),
        reactions.c.user_id != (without or 0),
    )
    return conn.scalar(given) or 0


def show(
    conn: Connection, message_id: int, *, guild_id: int, job_id: str | None, author_id: int, stars: int, channel_id: int, now: int
) -> bool:
    """Track a picture, once. False where the gallery has it."""
    row = {"message_id": message_id, "guild_id": guild_id, "job_id": job_id, "author_id": author_id, "at": now, "stars": stars}
    new = upsert(conn, gallery).values(**row, post_channel_id=channel_id).on_conflict_do_nothing()
    return conn.execute(new).rowcount == 1


def shown_at(conn: Connection, message_id: int, post_message_id: int) -> None:
    """Where in the gallery it stands."""
    conn.execute(update(gallery).where(gallery.c.message_id == message_id).values(post_message_id=post_message_id))
