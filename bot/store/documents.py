"""What members and servers chose. A document that can no longer be read as it was written falls back to the defaults, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import Column, Connection, Table, delete, select

from bot.preferences import Preferences
from bot.servers import ServerSettings
from bot.store.base import upsert
from bot.store.tables import members, servers

log = structlog.get_logger(__name__)

Document = TypeVar("Document", bound=BaseModel)


def preferences(conn: Connection, user_id: int) -> Preferences:
    """What a member chose; the defaults where they never did."""
    return _read(conn, members.c.user_id, members.c.preferences, user_id, Preferences)


def change_preferences(conn: Connection, user_id: int, change: Callable[[Preferences], Preferences], now: int) -> Preferences:
    """Put `change` of what was there in its place; what comes of it. `change` may raise a `Refusal`: nothing is changed then."""
    return _change(conn, members, "user_id", "preferences", user_id, Preferences, change, now)


def forget_preferences(conn: Connection, user_id: int) -> bool:
    """Back to the defaults, without a trace."""
    return conn.execute(delete(members).where(members.c.user_id == user_id)).rowcount == 1


def server_settings(conn: Connection, guild_id: int) -> ServerSettings:
    """What a server's managers chose; the defaults where they never did."""
    return _read(conn, servers.c.guild_id, servers.c.settings, guild_id, ServerSettings)


def change_server_settings(conn: Connection, guild_id: int, change: Callable[[ServerSettings], ServerSettings], now: int) -> ServerSettings:
    """As `change_preferences`, for a server."""
    return _change(conn, servers, "guild_id", "settings", guild_id, ServerSettings, change, now)


def _read(conn: Connection, key: Column[Any], column: Column[Any], value: int, kind: type[Document], *, lock: bool = False) -> Document:
    query = select(column).where(key == value)
    kept = conn.scalar(query.with_for_update() if lock else query) or {}
    try:
        return kind.model_validate(kept)
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        log.warning("a kept document does not fit", kind=kind.__name__, of=value, fields=sorted(wrong))
        return kind.model_validate({name: each for name, each in kept.items() if name not in wrong})


def _change(
    conn: Connection,
    table: Table,
    key: str,
    column: str,
    value: int,
    kind: type[Document],
    change: Callable[[Document], Document],
    now: int,
) -> Document:
    # The row is there before it is read: then its lock makes two changes at once follow each other (PostgreSQL).
    conn.execute(upsert(conn, table).values({key: value, column: {}, "updated_at": now}).on_conflict_do_nothing())
    changed = change(_read(conn, table.c[key], table.c[column], value, kind, lock=True))
    document = changed.model_dump(mode="json", exclude_defaults=True)
    conn.execute(table.update().where(table.c[key] == value).values({column: document, "updated_at": now}))
    return changed
