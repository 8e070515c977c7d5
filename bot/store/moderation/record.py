"""What a member did in a server, for its moderators. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, exists, func, select

from bot.domain.job import GenerationState, JobState
from bot.domain.moderation.conduct import MemberRecord, UsageSum
from bot.store.moderation import reports
from bot.store.rows import read_jobs
from bot.store.tables import generations, jobs


def of_member(conn: Connection, user_id: int, guild_id: int, *, since: int, latest: int = 5, told: int = 50) -> MemberRecord:
    """The sums since `since` (Unix ms) and ever, the `latest` jobs, and up to `told` reports."""
    made = and_(generations.c.state == GenerationState.SUCCEEDED, generations.c.error.is_(None))
    theirs = and_(made, generations.c.user_id == user_id, generations.c.guild_id == guild_id)
    is_late = generations.c.created_at >= since
    sums = conn.execute(
        select(
            func.count().label("images"),
            func.coalesce(func.sum(generations.c.price), 0).label("spent"),
            func.count(case((is_late, 1))).label("images_lately"),
            func.coalesce(func.sum(case((is_late, generations.c.price))), 0).label("spent_lately"),
        ).where(theirs)
    ).one()
    has_image = exists().where(and_(generations.c.job_id == jobs.c.id, made))
    open_to_all = and_(jobs.c.private.is_(False), jobs.c.state != JobState.DELETED, has_image)
    shown = and_(jobs.c.user_id == user_id, jobs.c.guild_id == guild_id, open_to_all)
    return MemberRecord(
        lately=UsageSum(images=sums.images_lately, spent=int(sums.spent_lately)),
        ever=UsageSum(images=sums.images, spent=int(sums.spent)),
        latest=tuple(read_jobs(conn, shown, newest=True, limit=latest)),
        reports=tuple(reports.about(conn, user_id, guild_id, limit=told)),
    )
