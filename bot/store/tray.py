"""Members' trays: references saved for their next edit. Each operation is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, delete, func, insert, select

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.job import Reference, Source
from bot.domain.order import Sides, TrayItem
from bot.store.sweeps import Expired
from bot.store.tables import tray

_SOURCE = {
    "owner_id": "owner_id",
    "channel_id": "origin_channel_id",
    "message_id": "origin_message_id",
    "job_id": "origin_job_id",
    "n": "origin_n",
}
_IMAGE = ("content", "content_type", "width_px", "height_px", "owner_id")


def add(conn: Connection, user_id: int, item: TrayItem, *, limit: int, now: int) -> int:
    """Add an image to a member's tray. Returns how many it holds now. Raises `InvalidRequest` if it holds `limit` already."""
    count = check_space(conn, user_id, limit=limit)
    image = {name: getattr(item.reference, name) for name in _IMAGE}
    source = {column: getattr(item.source, name) for name, column in _SOURCE.items()}
    conn.execute(insert(tray).values(user_id=user_id, added_at=now, **{**image, **source}))
    return count + 1


def check_space(conn: Connection, user_id: int, *, limit: int) -> int:
    """How many images the tray holds. Raises `InvalidRequest` if these are `limit` already."""
    count = size(conn, user_id)
    if count >= limit:
        raise InvalidRequest(_("Your tray is full ({limit} images). Use them with /edit, or empty it.").format(limit=limit))
    return count


def of(conn: Connection, user_id: int) -> list[TrayItem]:
    """A member's tray, oldest first."""
    rows = conn.execute(select(tray).where(tray.c.user_id == user_id).order_by(tray.c.id)).mappings()
    return [_item(row) for row in rows]


def size(conn: Connection, user_id: int) -> int:
    """How many images are in a member's tray, without loading them."""
    return conn.scalar(select(func.count()).where(tray.c.user_id == user_id)) or 0


def sources(conn: Connection, user_id: int) -> list[Source]:
    """Where the images in a member's tray are from, without loading them; oldest first."""
    columns = [tray.c[column].label(name) for name, column in _SOURCE.items()]
    return [Source(**row) for row in conn.execute(select(*columns).where(tray.c.user_id == user_id).order_by(tray.c.id)).mappings()]


def first_sides(conn: Connection, user_id: int) -> Sides | None:
    """Width and height in px of the oldest image in a member's tray; None if it is empty."""
    row = conn.execute(select(tray.c.width_px, tray.c.height_px).where(tray.c.user_id == user_id).order_by(tray.c.id).limit(1)).first()
    return None if row is None else (row.width_px, row.height_px)


def clear(conn: Connection, user_id: int) -> int:
    """Empty a member's tray. Returns how many images were in it."""
    return conn.execute(delete(tray).where(tray.c.user_id == user_id)).rowcount


def old(before: int) -> Expired:
    """Images that were saved before `before` (Unix ms)."""
    return Expired(table=tray, until=tray.c.added_at < before)


def _item(row: RowMapping) -> TrayItem:
    image: dict[str, Any] = {name: row[name] for name in _IMAGE}
    return TrayItem(reference=Reference(**image), source=Source(**{name: row[column] for name, column in _SOURCE.items()}))
