"""Settings of members and guilds. A part of a stored document that is no longer valid falls back to its default; the rest is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from copy import deepcopy
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection, Table, bindparam, delete, select

from bot.domain.guild.differences import as_details, differences
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import MessageRole
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.outbox import ItemKind, OutboxItem
from bot.domain.preferences import Preferences
from bot.store import kv, outbox
from bot.store.engine.base import Topic, announce, upsert
from bot.store.moderation import audit_log
from bot.store.tables import guilds, job_messages, members

log = structlog.get_logger(__name__)

Document = TypeVar("Document", bound=BaseModel)
Path = tuple[int | str, ...]

# How the key of an announcement of preferences ends, after the member's id.
PRIVATE, PUBLIC, ERASED = "private", "public", "erased"
_PREFERENCES = select(members.c.preferences).where(members.c.user_id == bindparam("id"))
_SETTINGS = select(guilds.c.settings).where(guilds.c.guild_id == bindparam("id"))


def preferences(conn: Connection, user_id: int) -> Preferences:
    """A member's preferences; the defaults if they never changed any."""
    return _document(conn.scalar(_PREFERENCES, {"id": user_id}), user_id, Preferences)


def preferences_of(conn: Connection, user_ids: Iterable[int]) -> dict[int, Preferences]:
    """The preferences of each of these members, in this order."""
    return {user_id: preferences(conn, user_id) for user_id in dict.fromkeys(user_ids)}


def private_members(conn: Connection) -> set[int]:
    """All members who chose private answers."""
    return set(conn.scalars(select(members.c.user_id).where(members.c.preferences["private"].as_boolean())))


def change_preferences(conn: Connection, user_id: int, change: Callable[[Preferences], Preferences], now: int) -> Preferences:
    """Replace a member's preferences by `change(preferences)`. Returns the new ones. If `change` raises, nothing is changed."""
    new = _change(conn, members, "user_id", "preferences", user_id, Preferences, change, now)
    announce(conn, Topic.PREFERENCES, f"{user_id}:{PRIVATE if new.private else PUBLIC}")
    return new


def guild_settings(conn: Connection, guild_id: int) -> GuildSettings:
    """A guild's settings; the defaults if its managers never changed any."""
    return _document(conn.scalar(_SETTINGS, {"id": guild_id}), guild_id, GuildSettings)


def change_guild_settings(
    conn: Connection, guild_id: int, change: Callable[[GuildSettings], GuildSettings], now: int, *, actor_id: int | None
) -> GuildSettings:
    """Like `change_preferences`, for a guild. The changes are written to the audit log with `actor_id` as the actor."""
    old: list[GuildSettings] = []

    def noted(settings: GuildSettings) -> GuildSettings:
        old[:] = [settings]
        return change(settings)

    new = _change(conn, guilds, "guild_id", "settings", guild_id, GuildSettings, noted, now)
    changes = differences(old[0].as_file(), new.as_file())
    if changes:
        line = AuditLine(action=AuditAction.SETTINGS, at=now, guild_id=guild_id, actor_id=actor_id, details=as_details(changes))
        audit_log.note(conn, line)
    announce(conn, Topic.GUILD_SETTINGS, guild_id)
    return new


def mark_gone(conn: Connection, guild_id: int, deleted: Collection[int], now: int) -> GuildSettings:
    """Remember which of these deleted channels and roles the settings name, and let the managers be told, once of each.

    Open cases that were posted there are posted again in the next cases channel.
    """
    new = set[int]()

    def marked(settings: GuildSettings) -> GuildSettings:
        new.update(each.id for each in settings.gone_in_policy(deleted) if each.id not in settings.gone)
        return settings.model_copy(update={"gone": settings.gone | new})

    settings = _change(conn, guilds, "guild_id", "settings", guild_id, GuildSettings, marked, now)
    announce(conn, Topic.GUILD_SETTINGS, guild_id)
    if new:
        conn.execute(delete(job_messages).where(job_messages.c.role == MessageRole.CASE, job_messages.c.channel_id.in_(new)))
        outbox.add(conn, OutboxItem(kind=ItemKind.GONE, due_at=now, data={"guild_id": guild_id, "ids": sorted(new)}))
        audit_log.note(conn, AuditLine(action=AuditAction.SETTINGS_GONE, at=now, guild_id=guild_id, details={"ids": sorted(new)}))
    return settings


def welcome(conn: Connection, guild_id: int, joined_at: int, now: int) -> bool:
    """Offer setup to the managers of a guild that the bot joined at this time. False if that was done already."""
    name = f"welcome:{guild_id}"
    if kv.get(conn, name) == joined_at:
        return False
    kv.put(conn, name, joined_at, now)
    outbox.add(conn, OutboxItem(kind=ItemKind.WELCOME, due_at=now, data={"guild_id": guild_id}))
    return True


def _document(stored: Any, owner_id: int, kind: type[Document]) -> Document:
    document, left_out = _valid_part(stored or {}, kind)
    if left_out:
        log.warning("stored document partly invalid", kind=kind.__name__, id=owner_id, left_out=left_out)
    return document


def _valid_part(kept: dict[str, Any], kind: type[Document]) -> tuple[Document, list[str]]:
    """The document without its invalid values, and their paths.

    It removes as little as possible: one invalid pattern of a block list must not remove the whole list.
    """
    kept, left_out = deepcopy(kept), list[str]()
    while True:
        try:
            return kind.model_validate(kept), left_out
        except ValidationError as error:
            places = _innermost(_place(kept, problem["loc"]) for problem in error.errors())
            if not places:
                return kind(), ["everything"]
            for place in places:
                _take_out(kept, place)
            left_out += [".".join(map(str, place)) for place in places]


def _place(kept: Any, where: Path) -> Path:
    """The part of pydantic's error location that exists in the document; it also contains pydantic's markers and missing keys."""
    found: list[int | str] = []
    for step in where:
        if (isinstance(kept, dict) and step in kept) or (isinstance(kept, list) and isinstance(step, int) and step < len(kept)):
            kept = kept[step]  # type: ignore[index]  # a list is indexed by int, a dict by its keys
            found.append(step)
    return tuple(found)


def _innermost(places: Iterable[Path]) -> list[Path]:
    """The paths that contain no other, the last one first: removing an item of a list then does not move the others."""
    wrong = set(places) - {()}
    return sorted(
        (place for place in wrong if not any(len(each) > len(place) and each[: len(place)] == place for each in wrong)), reverse=True
    )


def _take_out(kept: Any, place: Path) -> None:
    *parents, last = place
    for step in parents:
        kept = kept[step]
    del kept[last]


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
    # Insert the row before reading it: only an existing row can be locked against a concurrent change (PostgreSQL).
    conn.execute(upsert(conn.dialect, table).values({key: value, column: {}, "updated_at": now}).on_conflict_do_nothing())
    stored = conn.scalar(select(table.c[column]).where(table.c[key] == value).with_for_update())
    changed = change(_document(stored, value, kind))
    document = changed.model_dump(mode="json", exclude_defaults=True)
    conn.execute(table.update().where(table.c[key] == value).values({column: document, "updated_at": now}))
    return changed
