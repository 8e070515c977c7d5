"""A member's record in a guild, for its moderators. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, and_

from bot.domain.guild.sections import Strikes
from bot.domain.job import JobState, message_url
from bot.domain.moderation.audit import AuditLine
from bot.domain.moderation.conduct import LATELY_DAYS, MemberConduct, MemberRecord, UsageSum
from bot.domain.money.quota import DAY_MS
from bot.store import messages, usage
from bot.store.moderation import cases, conduct, reports
from bot.store.rows import has_image, read_jobs
from bot.store.tables import jobs

_CASES_MAX = 1000  # about one member


def conduct_of(conn: Connection, user_id: int, guild_id: int, *, rules: Strikes, now: int) -> MemberConduct:
    """A member's points, strikes, block and cases in a guild, also after they left."""
    given = conduct.strikes_of(conn, guild_id, user_id)
    return MemberConduct(
        points=conduct.current_points(conn, guild_id, user_id, rules=rules, now=now),
        strikes=sum(1 if strike.weight > 0 else -1 for strike in given),
        block=conduct.blocked(conn, guild_id, user_id, now),
        cases=tuple(cases.of_author(conn, guild_id, user_id, limit=_CASES_MAX)),
    )


def of_member(conn: Connection, user_id: int, guild_id: int, *, now: int, latest: int = 5, reports_max: int = 50) -> MemberRecord:
    """Usage of the last `LATELY_DAYS` days and in total, the `latest` jobs, and up to `reports_max` reports."""
    open_to_all = and_(jobs.c.private.is_(False), jobs.c.state != JobState.DELETED, has_image())
    shown = and_(jobs.c.user_id == user_id, jobs.c.guild_id == guild_id, open_to_all)
    return MemberRecord(
        lately=_used(conn, user_id, guild_id, since=now - LATELY_DAYS * DAY_MS, now=now),
        ever=_used(conn, user_id, guild_id, since=0, now=now),
        latest=tuple(read_jobs(conn, shown, newest=True, limit=latest)),
        reports=tuple(reports.about(conn, user_id, guild_id, limit=reports_max)),
    )


def links_of(conn: Connection, guild_id: int, lines: Iterable[AuditLine]) -> dict[str, str]:
    """Links to the latest messages in a guild that show the images of these lines, by job id."""
    shown = {job_id: messages.of_job(conn, job_id, guild_id=guild_id) for job_id in {line.job_id for line in lines} if job_id is not None}
    return {job_id: message_url(guild_id, found[-1].channel_id, found[-1].message_id) for job_id, found in shown.items() if found}


def _used(conn: Connection, user_id: int, guild_id: int, *, since: int, now: int) -> UsageSum:
    rows = usage.use(conn, guild_id, since=since, until=now + 1, user_id=user_id)
    return UsageSum(images=sum(row.images for row in rows), spent=sum(row.price - row.refunded for row in rows))
