"""Blocks and strikes of members in a guild. Each operation is one transaction and writes a line to the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, insert, or_, select, update

from bot.core.i18n import N_
from bot.domain.guild.sections import Offence, Strikes
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.conduct import BlockRow
from bot.domain.moderation.strikes import Strike, StrikeGiven, given, points
from bot.domain.money.quota import DAY_MS
from bot.store.moderation import audit_log
from bot.store.tables import blocks, generations, jobs, strikes

BY_STRIKES = N_("too many strikes")  # the reason of an automatic block


_IN_FORCE = and_(blocks.c.lifted_at.is_(None), or_(blocks.c.until.is_(None), blocks.c.until > bindparam("now")))
_THEIRS = and_(blocks.c.guild_id == bindparam("guild"), blocks.c.user_id == bindparam("user"))
_BLOCK = select(blocks).where(_THEIRS, _IN_FORCE).order_by(blocks.c.id.desc()).limit(1)


def block(
    conn: Connection,
    guild_id: int,
    user_id: int,
    *,
    until: int | None,
    reason: str,
    by_id: int | None,
    now: int,
    case_id: int | None = None,
) -> BlockRow:
    """Block a member, replacing a current block. An automatic block (`by_id` None) never shortens a longer one."""
    there = blocked(conn, guild_id, user_id, now)
    if there is not None and by_id is None and (there.until is None or (until is not None and there.until >= until)):
        return there
    _lift(conn, guild_id, user_id, by_id=by_id, now=now)
    row: dict[str, Any] = {
        "guild_id": guild_id,
        "user_id": user_id,
        "at": now,
        "until": until,
        "reason": reason,
        "by_id": by_id,
        "case_id": case_id,
    }
    new_id = conn.execute(insert(blocks).values(**row).returning(blocks.c.id)).scalar_one()
    details = {"until": until, "reason": reason}
    line = AuditLine(
        action=AuditAction.BLOCKED, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id, case_id=case_id, details=details
    )
    audit_log.note(conn, line)
    return BlockRow(**row, id=new_id, lifted_at=None, lifted_by=None)


def unblock(conn: Connection, guild_id: int, user_id: int, *, by_id: int, now: int) -> bool:
    """Lift the current block. False if there is none."""
    if not _lift(conn, guild_id, user_id, by_id=by_id, now=now):
        return False
    audit_log.note(conn, AuditLine(action=AuditAction.UNBLOCKED, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id))
    return True


def blocked(conn: Connection, guild_id: int | None, user_id: int, now: int) -> BlockRow | None:
    """The block in force at `now` in this guild. Leaving the guild and rejoining does not end it.

    Nobody is blocked in direct messages (`guild_id` None): a guild decides about itself only.
    """
    if guild_id is None:
        return None
    row = conn.execute(_BLOCK, {"guild": guild_id, "user": user_id, "now": now}).mappings().one_or_none()
    return None if row is None else BlockRow(**row)


def has_used(conn: Connection, guild_id: int, user_id: int) -> bool:
    """Whether a member has asked for images in this guild, also for such that its rules refused with a strike."""
    ordered = exists().where(jobs.c.user_id == user_id, generations.c.job_id == jobs.c.id, generations.c.guild_id == guild_id)
    offended = exists().where(strikes.c.user_id == user_id, strikes.c.guild_id == guild_id)
    return bool(conn.scalar(select(or_(ordered, offended))))


def may_be_told(conn: Connection, guild_id: int, user_id: int, now: int) -> bool:
    """Whether a member may be told of a new block by direct message: only if they have used the guild, and once a day for all guilds."""
    lately = exists().where(blocks.c.user_id == user_id, blocks.c.by_id.is_not(None), blocks.c.at > now - DAY_MS)
    return has_used(conn, guild_id, user_id) and not conn.scalar(select(lately))


def blocked_now(conn: Connection, guild_id: int, now: int, *, limit: int = 50) -> list[BlockRow]:
    """A guild's blocks in force at `now`, newest first."""
    rows = conn.execute(select(blocks).where(_active(guild_id, None, now)).order_by(blocks.c.id.desc()).limit(limit)).mappings()
    return [BlockRow(**row) for row in rows]


def strike(
    conn: Connection,
    guild_id: int,
    user_id: int,
    offence: Offence,
    *,
    rules: Strikes,
    now: int,
    by_id: int | None = None,
    job_id: str | None = None,
    case_id: int | None = None,
) -> StrikeGiven | None:
    """Give a strike, and block the member if their points reach a step of the rules. None if the offence gives no strike here."""
    weight = rules.weight(offence)
    if weight <= 0:
        return None
    before = current_points(conn, guild_id, user_id, rules=rules, now=now)
    row = {"guild_id": guild_id, "user_id": user_id, "at": now, "offence": offence, "weight": weight}
    conn.execute(insert(strikes).values(**row, job_id=job_id, case_id=case_id, by_id=by_id))
    details = {"offence": offence, "points": round(before + weight, 2)}
    line = AuditLine(action=AuditAction.STRUCK, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id, details=details)
    audit_log.note(conn, replace(line, job_id=job_id, case_id=case_id))
    led_to = given(before, weight, rules.steps, now=now)
    if led_to.until is None:
        return led_to
    blocked_by = block(conn, guild_id, user_id, until=led_to.until, reason=BY_STRIKES, by_id=None, now=now, case_id=case_id)
    return replace(led_to, until=blocked_by.until or led_to.until, block_id=blocked_by.id)


def pardon(conn: Connection, guild_id: int, user_id: int, *, case_id: int, job_id: str | None, by_id: int, now: int) -> bool:
    """Take back the strikes for a case or its job, by an opposite line with the same time for each, so that both decay equally.

    False if there is nothing to take back. The same case may add strikes again later.
    """
    theirs = and_(strikes.c.guild_id == guild_id, strikes.c.user_id == user_id, _earned_by(case_id, job_id))
    left = func.sum(strikes.c.weight)
    query = select(strikes.c.at, strikes.c.offence, left.label("left")).where(theirs).group_by(strikes.c.at, strikes.c.offence)
    rows = conn.execute(query.having(left > 0)).all()
    if not rows:
        return False
    for row in rows:
        back = {"guild_id": guild_id, "user_id": user_id, "at": row.at, "offence": row.offence, "weight": -row.left}
        conn.execute(insert(strikes).values(**back, job_id=job_id, case_id=case_id, by_id=by_id))
    line = AuditLine(action=AuditAction.PARDONED, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id, case_id=case_id)
    audit_log.note(conn, replace(line, job_id=job_id, details={"points": round(sum(row.left for row in rows), 2)}))
    return True


def has_strike(conn: Connection, guild_id: int, *, case_id: int, job_id: str | None) -> bool:
    """Whether a guild gave a strike for a case or its job that was not taken back."""
    given = and_(strikes.c.guild_id == guild_id, _earned_by(case_id, job_id))
    return (conn.scalar(select(func.sum(strikes.c.weight)).where(given)) or 0) > 0


def _earned_by(case_id: int, job_id: str | None) -> ColumnElement[bool]:
    return strikes.c.case_id == case_id if job_id is None else or_(strikes.c.case_id == case_id, strikes.c.job_id == job_id)


def lift_blocks_of(conn: Connection, case_id: int, *, by_id: int, now: int, also_automatic: bool) -> bool:
    """Lift a case's blocks: a moderator's, and with `also_automatic` those by strikes. False if none is in force."""
    of_case = and_(blocks.c.case_id == case_id, _active(None, None, now))
    of_case = of_case if also_automatic else and_(of_case, blocks.c.by_id.is_not(None))
    row = conn.execute(select(blocks.c.guild_id, blocks.c.user_id).where(of_case)).first()
    if row is None:
        return False
    conn.execute(update(blocks).where(of_case).values(lifted_at=now, lifted_by=by_id))
    line = AuditLine(action=AuditAction.UNBLOCKED, at=now, guild_id=row.guild_id, actor_id=by_id, target_id=row.user_id, case_id=case_id)
    audit_log.note(conn, line)
    return True


def current_points(conn: Connection, guild_id: int, user_id: int, *, rules: Strikes, now: int) -> float:
    """A member's strike points at `now`, with decay."""
    return points(strikes_of(conn, guild_id, user_id), now, half_life_ms=rules.half_life_ms)


def strikes_of(conn: Connection, guild_id: int, user_id: int) -> Sequence[Strike]:
    """All strikes of a member, oldest first."""
    query = select(strikes.c.at, strikes.c.weight).where(strikes.c.guild_id == guild_id, strikes.c.user_id == user_id)
    return [Strike(at=row.at, weight=row.weight) for row in conn.execute(query.order_by(strikes.c.id))]


def _lift(conn: Connection, guild_id: int, user_id: int, *, by_id: int | None, now: int) -> bool:
    lifted = update(blocks).where(_active(guild_id, user_id, now)).values(lifted_at=now, lifted_by=by_id)
    return conn.execute(lifted).rowcount > 0


def _active(guild_id: int | None, user_id: int | None, now: int) -> ColumnElement[bool]:
    of = [column == value for column, value in ((blocks.c.guild_id, guild_id), (blocks.c.user_id, user_id)) if value is not None]
    return and_(*of, blocks.c.lifted_at.is_(None), or_(blocks.c.until.is_(None), blocks.c.until > now))
