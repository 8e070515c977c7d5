"""Usage statistics from the generations: images and their cost. Times are Unix ms, days are UTC, amounts microcredits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Label, and_, case, func, literal_column, select

from bot.domain.job import GenerationState
from bot.domain.money.quota import DAY_MS
from bot.domain.money.usage import GroupBy, UsageRow
from bot.store.tables import generations, members

_MADE = generations.c.state == GenerationState.SUCCEEDED
_KEYS: dict[GroupBy, ColumnElement[object]] = {
    GroupBy.MEMBER: generations.c.user_id,
    GroupBy.MODEL: generations.c.model,
    GroupBy.DAY: generations.c.ended_at // literal_column(str(DAY_MS), BigInteger),  # to PostgreSQL two parameters differ
}


def use(
    conn: Connection, guild_id: int, *, since: int, until: int, by: Collection[GroupBy] = (), user_id: int | None = None
) -> list[UsageRow]:
    """A guild's usage in [since, until), most expensive first, or by day earliest first; of one member if `user_id` is given."""
    keys = [_KEYS[each].label(each) for each in GroupBy if each in by]
    where = and_(generations.c.guild_id == guild_id, _in(since, until))
    if user_id is not None:
        where = and_(where, generations.c.user_id == user_id)
    query = select(*keys, *_sums()).where(where).group_by(*(_KEYS[each] for each in GroupBy if each in by))
    first = [key for key in keys if key.name == GroupBy.DAY]
    found = [UsageRow(**_read(dict(row))) for row in conn.execute(query.order_by(*first, _sums()[2].desc(), *keys)).mappings()]
    return [each for each in found if each.images or each.failed]


def leaderboard(conn: Connection, guild_id: int, *, since: int, limit: int = 10) -> list[tuple[int, int]]:
    """The members of a guild with the most images since then, as (user id, images); without those who opted out."""
    images = func.count()
    hidden = select(members.c.user_id).where(members.c.preferences["leaderboard"].as_boolean().is_(False))
    shown = and_(generations.c.user_id > 0, generations.c.user_id.not_in(hidden))  # negative: an erased member
    where = and_(generations.c.guild_id == guild_id, _MADE, generations.c.ended_at >= since, shown)
    query = select(generations.c.user_id, images).where(where).group_by(generations.c.user_id)
    return [(user, count) for user, count in conn.execute(query.order_by(images.desc(), generations.c.user_id).limit(limit))]


def images_since(conn: Connection, user_ids: Collection[int], since: int) -> dict[int, int]:
    """How many images each of these members got since then in all guilds; members without any are left out."""
    where = and_(generations.c.user_id.in_(user_ids), _MADE, generations.c.ended_at >= since)
    rows = conn.execute(select(generations.c.user_id, func.count()).where(where).group_by(generations.c.user_id))
    return {user: count for user, count in rows}  # noqa: C416  for the type checker rows are not pairs


def _in(since: int, until: int) -> ColumnElement[bool]:
    return and_(generations.c.ended_at >= since, generations.c.ended_at < until)


def _sums() -> list[Label[int]]:
    refunded = and_(_MADE, generations.c.refunded_at.is_not(None))
    return [
        _sum(_MADE, 1).label("images"),
        _sum(generations.c.state == GenerationState.FAILED, 1).label("failed"),
        _sum(_MADE, generations.c.price).label("cost"),
        _sum(refunded, generations.c.price).label("refunded"),
    ]


def _sum(where: ColumnElement[bool], value: ColumnElement[int] | int) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((where, value), else_=0)), 0)


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row: PostgreSQL's sums of integers are Decimal, and days are numbers since 1970."""
    whole = {name: int(row[name]) for name in ("images", "failed", "cost", "refunded")}
    days = {"day": datetime.fromtimestamp(row["day"] * DAY_MS / 1000, tz=UTC).date()} if "day" in row else {}
    return {**row, **whole, **days}
