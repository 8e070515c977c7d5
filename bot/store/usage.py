"""Usage statistics: images and their cost by day. Times are Unix ms, days are UTC, amounts microcredits.

`bot.store.steps` and `bot.store.money.bill` keep the table, each in the transaction that changes a generation. It does not need the
generations, which may be deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Insert, and_, exists, func, literal, select

from bot.domain.job import GenerationState
from bot.domain.money.quota import DAY_MS
from bot.domain.money.usage import GroupBy, UsageRow, total
from bot.store.engine.base import upsert
from bot.store.engine.statements import Prepared
from bot.store.tables import daily_usage, generations, members

NOBODY = 0  # the user id of members who erased their data, and the guild id of direct messages
COUNTED = ("guild_id", "user_id", "model", "provider", "ended_at")  # what `add` needs to know of a generation

_AMOUNTS = ("images", "failed", "price", "refunded", "cost", "corrected")
_KEYS: Mapping[GroupBy, ColumnElement[Any]] = {
    GroupBy.MEMBER: daily_usage.c.user_id,
    GroupBy.MODEL: daily_usage.c.model,
    GroupBy.DAY: daily_usage.c.day,
}
_ADD: dict[str, Prepared] = {}  # by the dialect's name

# --- counting --------------------------------------------------------------------------------------------------------


def add_ended(conn: Connection, state: GenerationState, generation: Mapping[str, Any]) -> None:
    """Count a generation that ended in this state: its columns `COUNTED`, `price` and `cost`."""
    if state is GenerationState.SUCCEEDED:
        add(conn, generation, images=1, price=generation["price"], cost=generation["cost"])
    elif state is GenerationState.FAILED:
        add(conn, generation, failed=1)


def add(conn: Connection, generation: Mapping[str, Any], **amounts: int) -> None:
    """Add these amounts, by column, to the day in which a generation ended; its columns are `COUNTED`."""
    key = {
        "guild_id": generation["guild_id"] or NOBODY,
        "day": generation["ended_at"] // DAY_MS,
        "user_id": max(generation["user_id"], NOBODY),  # negative: a member who erased their data meanwhile
        "model": generation["model"],
        "provider": generation["provider"],
    }
    if (adding := _ADD.get(conn.dialect.name)) is None:
        adding = _ADD[conn.dialect.name] = Prepared(_adding(upsert(conn.dialect, daily_usage)))
    adding.run(conn, {**dict.fromkeys(_AMOUNTS, 0), **key, **amounts})


def _adding(rows: Any) -> Insert:
    """An INSERT that adds its amounts to a row that exists."""
    sums = {name: daily_usage.c[name] + rows.excluded[name] for name in _AMOUNTS}
    adding: Insert = rows.on_conflict_do_update(index_elements=list(daily_usage.primary_key), set_=sums)
    return adding


def forget_member(conn: Connection, user_id: int) -> None:
    """Count a member's images to nobody. Their own rows stay, and are to be deleted."""
    keys = [literal(NOBODY, BigInteger) if column.name == "user_id" else column for column in daily_usage.primary_key]
    theirs = select(*keys, *(daily_usage.c[name] for name in _AMOUNTS)).where(daily_usage.c.user_id == user_id)
    names = [column.name for column in daily_usage.c]
    conn.execute(_adding(upsert(conn.dialect, daily_usage).from_select(names, theirs)))


# --- reading ---------------------------------------------------------------------------------------------------------


def use(
    conn: Connection, guild_id: int, *, since: int, until: int, by: Collection[GroupBy] = (), user_id: int | None = None
) -> list[UsageRow]:
    """A guild's usage, most expensive first, or by day earliest first; of one member if `user_id` is given.

    It includes the whole days of `since` and of the last millisecond before `until`.
    """
    return _use(conn, _ended(guild_id, since, until, user_id), {key: _KEYS[key] for key in GroupBy if key in by})


def report(
    conn: Connection, guild_id: int, *, since: int, until: int, by: GroupBy, series_max: int, user_id: int | None = None
) -> tuple[list[UsageRow], list[UsageRow]]:
    """The same grouped by `by`, and grouped by `by` and day: there the groups after the first `series_max` are one, without a key."""
    where = _ended(guild_id, since, until, user_id)
    rows = _use(conn, where, {by: _KEYS[by]})
    if by is GroupBy.DAY:
        return rows, rows
    of_day, names = {GroupBy.DAY: _KEYS[GroupBy.DAY]}, [getattr(each, by) for each in rows[:series_max]]
    theirs = _of_members(guild_id, since, until, names) if by is GroupBy.MEMBER else and_(where, _KEYS[by].in_(names))
    return rows, _with_others(_use(conn, theirs, {by: _KEYS[by], **of_day}), _use(conn, where, of_day))


def _with_others(first: Sequence[UsageRow], days: Sequence[UsageRow]) -> list[UsageRow]:
    """These rows, and in each day what they do not count. Grouping the others by member and day would take several times as long."""
    found = defaultdict[date | None, list[UsageRow]](list)
    for each in first:
        found[each.day].append(each)
    others = (replace(day, **{name: getattr(day, name) - getattr(total(found[day.day]), name) for name in _AMOUNTS}) for day in days)
    return [row for other in others for row in (*found[other.day], *([other] if _is_used(other) else []))]


def leaderboard(conn: Connection, guild_id: int, *, since: int, limit: int = 10) -> list[tuple[int, int]]:
    """The members of a guild with the most images since that day, as (user id, images); without those who opted out."""
    images, user = func.sum(daily_usage.c.images), daily_usage.c.user_id
    is_hidden = and_(members.c.user_id == user, members.c.preferences["leaderboard"].as_boolean().is_(False))
    where = and_(
        daily_usage.c.guild_id == guild_id, daily_usage.c.day >= since // DAY_MS, daily_usage.c.images > 0, daily_usage.c.user_id != NOBODY
    )
    query = select(user, images).where(where).group_by(user).having(~exists().where(is_hidden))
    return [(user_id, int(count)) for user_id, count in conn.execute(query.order_by(images.desc(), user).limit(limit))]


def images_since(conn: Connection, user_ids: Collection[int], since: int) -> dict[int, int]:
    """How many images each of these members got since then in all guilds; members without any are left out."""
    where = and_(generations.c.user_id.in_(user_ids), generations.c.state == GenerationState.SUCCEEDED, generations.c.ended_at >= since)
    rows = conn.execute(select(generations.c.user_id, func.count()).where(where).group_by(generations.c.user_id))
    return {user: count for user, count in rows}  # noqa: C416  for the type checker rows are not pairs


def _ended(guild_id: int, since: int, until: int, user_id: int | None) -> ColumnElement[bool]:
    if user_id is not None:
        return _of_members(guild_id, since, until, [user_id])
    return and_(daily_usage.c.guild_id == guild_id, _within(since, until))


def _of_members(guild_id: int, since: int, until: int, user_ids: Collection[int]) -> ColumnElement[bool]:
    own_index = daily_usage.c.guild_id + 0 == guild_id  # otherwise SQLite reads all of the guild's days
    return and_(daily_usage.c.user_id.in_(user_ids), _within(since, until), own_index)


def _within(since: int, until: int) -> ColumnElement[bool]:
    return daily_usage.c.day.between(since // DAY_MS, (until - 1) // DAY_MS)


def _use(conn: Connection, where: ColumnElement[bool], keys: Mapping[GroupBy, ColumnElement[Any]]) -> list[UsageRow]:
    """The sums of these rows by these keys."""
    keyed = (key.label(name) for name, key in keys.items())  # in a subquery: to PostgreSQL two equal parameters differ
    each = select(*keyed, *(daily_usage.c[name] for name in _AMOUNTS)).where(where).subquery()
    groups, sums = [each.c[name] for name in keys], {name: func.sum(each.c[name]).label(name) for name in _AMOUNTS}
    order = [*(each.c[name] for name in keys if name is GroupBy.DAY), sums["cost"].desc(), *groups]
    found = conn.execute(select(*groups, *sums.values()).group_by(*groups).order_by(*order)).mappings()
    return [row for row in (UsageRow(**_read(dict(each))) for each in found) if _is_used(row)]


def _is_used(row: UsageRow) -> bool:
    return any((row.images, row.failed, row.cost))


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row: PostgreSQL's sums of integers are Decimal, those of no rows are None, and days are numbers since 1970."""
    days = {"day": datetime.fromtimestamp(row["day"] * DAY_MS / 1000, tz=UTC).date()} if "day" in row else {}
    return {**row, **{name: int(row[name] or 0) for name in _AMOUNTS}, **days}
