"""Usage statistics from the generations: images and their cost. Times are Unix ms, days are UTC, amounts microcredits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Label, Subquery, and_, case, exists, func, literal, select

from bot.domain.job import GenerationState
from bot.domain.money.quota import DAY_MS
from bot.domain.money.usage import GroupBy, UsageRow
from bot.store.tables import generations, members

_MADE = generations.c.state == GenerationState.SUCCEEDED
_USED = ("state", "price", "cost", "billed", "refunded_at")
_KEYS: Mapping[GroupBy, ColumnElement[Any]] = {
    GroupBy.MEMBER: generations.c.user_id,
    GroupBy.MODEL: generations.c.model,
    GroupBy.DAY: generations.c.ended_at // literal(DAY_MS, BigInteger),
}


def use(
    conn: Connection, guild_id: int, *, since: int, until: int, by: Collection[GroupBy] = (), user_id: int | None = None
) -> list[UsageRow]:
    """A guild's usage in [since, until), most expensive first, or by day earliest first; of one member if `user_id` is given."""
    return _use(conn, _ended(guild_id, since, until, user_id), {key: _KEYS[key] for key in GroupBy if key in by})


def report(
    conn: Connection, guild_id: int, *, since: int, until: int, by: GroupBy, series_max: int, user_id: int | None = None
) -> tuple[list[UsageRow], list[UsageRow]]:
    """The same grouped by `by`, and grouped by `by` and day: there the groups after the first `series_max` are one, without a key."""
    where = _ended(guild_id, since, until, user_id)
    rows = _use(conn, where, {by: _KEYS[by]})
    if by is GroupBy.DAY:
        return rows, rows
    first = _KEYS[by].in_([getattr(each, by) for each in rows[:series_max]])
    return rows, _use(conn, where, {by: case((first, _KEYS[by])), GroupBy.DAY: _KEYS[GroupBy.DAY]})


def leaderboard(conn: Connection, guild_id: int, *, since: int, limit: int = 10) -> list[tuple[int, int]]:
    """The members of a guild with the most images since then, as (user id, images); without those who opted out."""
    images = func.count()
    is_hidden = and_(members.c.user_id == generations.c.user_id, members.c.preferences["leaderboard"].as_boolean().is_(False))
    is_member = generations.c.user_id > 0  # negative: an erased member
    where = and_(generations.c.guild_id == guild_id, _MADE, generations.c.ended_at >= since, is_member)
    query = select(generations.c.user_id, images).where(where).group_by(generations.c.user_id).having(~exists().where(is_hidden))
    return [(user, count) for user, count in conn.execute(query.order_by(images.desc(), generations.c.user_id).limit(limit))]


def images_since(conn: Connection, user_ids: Collection[int], since: int) -> dict[int, int]:
    """How many images each of these members got since then in all guilds; members without any are left out."""
    where = and_(generations.c.user_id.in_(user_ids), _MADE, generations.c.ended_at >= since)
    rows = conn.execute(select(generations.c.user_id, func.count()).where(where).group_by(generations.c.user_id))
    return {user: count for user, count in rows}  # noqa: C416  for the type checker rows are not pairs


def _ended(guild_id: int, since: int, until: int, user_id: int | None) -> ColumnElement[bool]:
    those = and_(generations.c.guild_id == guild_id, generations.c.ended_at >= since, generations.c.ended_at < until)
    return those if user_id is None else and_(those, generations.c.user_id == user_id)


def _use(conn: Connection, where: ColumnElement[bool], keys: Mapping[GroupBy, ColumnElement[Any]]) -> list[UsageRow]:
    """The sums of these generations by these keys. It reads no column that the index `ix_generations_usage` does not have."""
    keyed = (key.label(name) for name, key in keys.items())  # in a subquery: to PostgreSQL two equal parameters differ
    each = select(*keyed, *(generations.c[name] for name in _USED)).where(where).subquery()
    groups, sums = [each.c[name] for name in keys], _sums(each)
    order = [*(each.c[name] for name in keys if name is GroupBy.DAY), sums["cost"].desc(), *groups]
    found = conn.execute(select(*groups, *sums.values()).group_by(*groups).order_by(*order)).mappings()
    return [row for row in (UsageRow(**_read(dict(row))) for row in found) if row.images or row.failed]


def _sums(each: Subquery) -> dict[str, Label[int]]:
    of = each.c
    made, failed = of.state == GenerationState.SUCCEEDED, of.state == GenerationState.FAILED
    corrected = _sum(of.billed.is_not(None), of.billed - case((made, of.cost), else_=0))
    sums = {
        "images": _sum(made, 1),
        "failed": _sum(failed, 1),
        "price": _sum(made, of.price),
        "refunded": _sum(and_(made, of.refunded_at.is_not(None)), of.price),
        "cost": _sum(made, of.cost) + corrected,
        "corrected": corrected,
    }
    return {name: value.label(name) for name, value in sums.items()}


def _sum(where: ColumnElement[bool], value: ColumnElement[int] | int) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((where, value), else_=0)), 0)


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row: PostgreSQL's sums of integers are Decimal, and days are numbers since 1970."""
    whole = {name: int(row[name]) for name in ("images", "failed", "price", "refunded", "cost", "corrected")}
    days = {"day": datetime.fromtimestamp(row["day"] * DAY_MS / 1000, tz=UTC).date()} if "day" in row else {}
    return {**row, **whole, **days}
