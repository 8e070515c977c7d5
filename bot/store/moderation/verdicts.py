"""Decisions on cases, each with all its effects in one transaction. Changes on Discord are outbox items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from types import MappingProxyType

from sqlalchemy import Connection, and_, exists, or_, select

from bot.core.i18n import N_
from bot.domain.guild.sections import Offence, Strikes
from bot.domain.job import Job, JobState
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, CaseState, Cause, Decision
from bot.domain.moderation.strikes import StrikeGiven
from bot.domain.money.quota import DAY_MS
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import history, messages, outbox, steps
from bot.store import jobs as job_rows
from bot.store.moderation import audit_log, block_appeals, cases, conduct, flagging
from bot.store.rows import read_jobs
from bot.store.tables import generations, jobs

BLOCK_MS = DAY_MS
BLOCK_REASON = N_("an image was deleted by a moderator")
_PURGED_AT_A_TIME = 100  # jobs in one transaction


class _JobImage(Enum):
    SHOWN = auto()
    COVERED = auto()
    AWAY = auto()


@dataclass(frozen=True, kw_only=True)
class _Effects:
    """The state after a decision, whatever it was before."""

    image: _JobImage
    strike: bool = False
    block: bool = False
    refund: bool = False


_EFFECTS: Mapping[Decision, _Effects] = MappingProxyType(
    {
        Decision.KEEP: _Effects(image=_JobImage.SHOWN),
        Decision.SPOILER: _Effects(image=_JobImage.COVERED),
        Decision.DELETE: _Effects(image=_JobImage.AWAY, strike=True),
        Decision.BLOCK: _Effects(image=_JobImage.AWAY, strike=True, block=True),
        Decision.REFUND: _Effects(image=_JobImage.AWAY, refund=True),
    }
)


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """A moderator's decision, with the strike rules of the guild."""

    decision: Decision
    by_id: int
    strikes: Strikes
    now: int  # Unix ms
    reason: str = ""  # the moderator's own text

    @property
    def effects(self) -> _Effects:
        return _EFFECTS[self.decision]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The decided case. `is_new` is False if another moderator had decided it before."""

    case: Case
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class PurgeResult:
    """How many of a member's jobs were deleted, and which are still open."""

    taken_away: int
    open_jobs: tuple[str, ...]


def decide(conn: Connection, case_id: int, ruling: Ruling) -> Judgement | None:
    """Decide a case. `is_new` is False if it was decided before. None if there is no such case."""
    before = cases.get(conn, case_id)
    if before is not None:
        conn.execute(select(jobs.c.id).where(jobs.c.id == before.job_id).with_for_update())  # lock order: the job before its cases
    decided = cases.decide(conn, case_id, ruling.decision, by_id=ruling.by_id, now=ruling.now, reason=ruling.reason)
    if decided is None:
        there = cases.get(conn, case_id)
        return None if there is None else Judgement(case=there, is_new=False)
    struck = _carry_out(conn, decided, ruling)
    was_appealed = before is not None and before.state is CaseState.APPEALED
    is_news = ruling.decision is not Decision.KEEP or was_appealed or _is_withheld(conn, decided.job_id)
    # Whoever posted an image that Easel did not make may never have used Easel, and gets no messages from it then.
    if is_news and (
        decided.job_id is not None or decided.cause is Cause.BLOCK or conduct.has_used(conn, decided.guild_id, decided.author_id)
    ):
        told = {"case_id": case_id} if struck is None else {"case_id": case_id, "strike": vars(struck)}
        notice = OutboxItem(kind=ItemKind.TELL_AUTHOR, due_at=ruling.now, user_id=decided.author_id, data=told)
        outbox.add(conn, notice)
    flagging.show(conn, decided, ruling.now)
    messages.log_changed(conn, decided.job_id, ruling.now)
    return Judgement(case=decided, is_new=True)


def decide_on_job(conn: Connection, job_id: str, guild_id: int, ruling: Ruling) -> Judgement | None:
    """Decide about a job, by its undecided case or a new one. None if this guild has no such job.

    Repeating the latest decision is not a new one, as two moderators may press at the same moment; unless a message posted since then
    does not match it.
    """
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    job = job_rows.get(conn, job_id)
    if job is None or not messages.belongs_to(conn, job_id, guild_id):
        return None
    latest = next(iter(cases.of_job(conn, job_id, guild_id=guild_id, limit=1)), None)
    if latest is not None and latest.state is not CaseState.DECIDED:
        return decide(conn, latest.id, ruling)
    if latest is not None and latest.decision is ruling.decision and _is_in_effect(conn, job_id, guild_id, ruling):
        return Judgement(case=latest, is_new=False)
    channel_id, message_id = _shown_in(conn, job, guild_id)
    opened = cases.open_case(
        conn,
        guild_id=guild_id,
        cause=Cause.REPORT,
        author_id=job.place.user_id,
        channel_id=channel_id,
        message_id=message_id,
        job_id=job_id,
        reason="",
        now=ruling.now,
        by_id=ruling.by_id,
    )
    return None if opened is None else decide(conn, opened.id, ruling)


def appeal(conn: Connection, case_id: int, *, words: str, now: int) -> Case | None:
    """Record the author's appeal and post the case again. None if it cannot be appealed."""
    before = cases.get(conn, case_id)
    appealed = cases.appeal(conn, case_id, words=words, now=now)
    if before is None or appealed is None:
        return None
    # Editing the old post would notify nobody, so post the case again, as a reply to the old post.
    flagging.show(conn, appealed, now, reply_to=before.post_message_id)
    return appealed


def find(conn: Connection, guild_id: int, *, message_id: int | None = None, job_id: str | None = None) -> Job | None:
    """The job with this message, or else with this id. None if this guild has no such job."""
    job = None if message_id is None else messages.job_of(conn, message_id)
    job = job_rows.get(conn, job_id) if job is None and job_id is not None else job
    return job if job is not None and messages.belongs_to(conn, job.id, guild_id) else None


def refund(conn: Connection, job_id: str, guild_id: int, *, by_id: int, now: int, reason: str = "") -> int | None:
    """Refund a job and keep its images. Returns the microcredits, or None if no such job was ordered in this guild."""
    job = job_rows.get(conn, job_id)
    if job is None or not messages.was_ordered_in(conn, job_id, guild_id):
        return None
    return _give_back(conn, job, guild_id=guild_id, by_id=by_id, now=now, reason=reason)


def purge(conn: Connection, guild_id: int, user_id: int, *, by_id: int, now: int) -> PurgeResult:
    """Delete a batch of a member's jobs in a guild. Call it until `taken_away` is 0."""
    here = exists().where(generations.c.job_id == jobs.c.id, generations.c.guild_id == guild_id)
    is_shown = messages.shown_in(guild_id)
    theirs = and_(jobs.c.user_id == user_id, or_(here, is_shown))
    # Only jobs that this changes: the next batch must not find the same ones.
    is_kept = and_(here, jobs.c.state != JobState.DELETED, ~messages.shown_elsewhere(guild_id))
    ended = and_(jobs.c.user_id == user_id, jobs.c.state != JobState.OPEN, or_(is_shown, is_kept))
    gone = sum(history.take_away(conn, job.id, now, guild_id=guild_id) for job in read_jobs(conn, ended, limit=_PURGED_AT_A_TIME))
    open_jobs = tuple(conn.scalars(select(jobs.c.id).where(theirs, jobs.c.state == JobState.OPEN)))
    if gone:
        details = {"pictures": gone}
        audit_log.note(
            conn, AuditLine(action=AuditAction.PURGED, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id, details=details)
        )
    return PurgeResult(taken_away=gone, open_jobs=open_jobs)


def log_deletion(conn: Connection, message_id: int, guild_id: int, *, job: Job | None, by_id: int, now: int) -> None:
    """Write to the audit log that a moderator deleted a message that is not known to show its job, or whose job is not known (None)."""
    details = {"message_id": message_id}
    line = AuditLine(action=AuditAction.DELETED, at=now, guild_id=guild_id, actor_id=by_id, details=details)
    audit_log.note(conn, line if job is None else replace(line, target_id=job.place.user_id, job_id=job.id))


# --- parts -----------------------------------------------------------------------------------------------------------


def _is_in_effect(conn: Connection, job_id: str, guild_id: int, ruling: Ruling) -> bool:
    """Whether all messages in this guild that show the job match the decision."""
    image = ruling.effects.image
    shown = messages.of_job(conn, job_id, guild_id=guild_id)
    return image is _JobImage.SHOWN or all(message.spoiler and image is _JobImage.COVERED for message in shown)


def _is_withheld(conn: Connection, job_id: str | None) -> bool:
    """Whether a check withheld images of the job, which its author gets if a moderator keeps them."""
    job = None if job_id is None else job_rows.get(conn, job_id)
    return job is not None and bool(job.withheld)


def _shown_in(conn: Connection, job: Job, guild_id: int) -> tuple[int, int | None]:
    """Channel and message of a job in a guild: its own message, else the latest that shows it there."""
    place, there = job.place, messages.of_job(conn, job.id, guild_id=guild_id)
    if place.guild_id == guild_id or not there:
        return place.channel_id, place.message_id if place.guild_id == guild_id else None
    return there[-1].channel_id, there[-1].message_id


def _carry_out(conn: Connection, case: Case, ruling: Ruling) -> StrikeGiven | None:
    """Returns what a new strike led to."""
    if case.cause is Cause.BLOCK:
        block_appeals.carry_out(conn, case, ruling.decision, by_id=ruling.by_id, now=ruling.now)
        return None
    effects, now = ruling.effects, ruling.now
    who = {"by_id": ruling.by_id, "now": now}
    job = None if case.job_id is None else job_rows.get(conn, case.job_id)
    if effects.refund and job is not None:
        _give_back(conn, job, guild_id=case.guild_id, case_id=case.id, by_id=ruling.by_id, now=now)
    if effects.image is _JobImage.AWAY:
        _take_away(conn, case, now)
    elif effects.image is _JobImage.COVERED:
        flagging.cover(conn, case, **who)
    else:
        flagging.uncover(conn, case, **who)
    if not effects.block or not effects.strike:
        conduct.lift_blocks_of(conn, case.id, also_automatic=not effects.strike, **who)
    if not effects.strike:
        conduct.pardon(conn, case.guild_id, case.author_id, case_id=case.id, job_id=case.job_id, **who)
        return None
    return _punish(conn, case, ruling)


def _punish(conn: Connection, case: Case, ruling: Ruling) -> StrikeGiven | None:
    """Block before the strike: an automatic block never shortens a moderator's, but may be longer."""
    guild_id, author_id, by_id, now = case.guild_id, case.author_id, ruling.by_id, ruling.now
    if ruling.effects.block:
        conduct.block(conn, guild_id, author_id, until=now + BLOCK_MS, reason=BLOCK_REASON, by_id=by_id, now=now, case_id=case.id)
    if conduct.has_strike(conn, guild_id, case_id=case.id, job_id=case.job_id):  # a check may have given it
        return None
    strike = partial(conduct.strike, conn, guild_id, author_id, Offence.PICTURE_DELETED, job_id=case.job_id, case_id=case.id)
    return strike(rules=ruling.strikes, by_id=by_id, now=now)


def _take_away(conn: Connection, case: Case, now: int) -> None:
    """Delete the job with its messages in this guild, and the case's message if it is not one of these."""
    if case.job_id is not None:
        history.take_away(conn, case.job_id, now, guild_id=case.guild_id)
    if case.message_id is not None and messages.get(conn, case.message_id) is None:
        messages.ask_to_remove(conn, case.channel_id, case.message_id, now)


def _give_back(conn: Connection, job: Job, *, guild_id: int, by_id: int, now: int, case_id: int | None = None, reason: str = "") -> int:
    """Refund what was paid in this guild, once."""
    if not messages.was_ordered_in(conn, job.id, guild_id):
        return 0
    back = sum(g.price for g in job.succeeded if steps.refund(conn, job.id, g.n, now, by_id=by_id))
    if back:
        details = {"amount": back, "reason": reason}
        line = AuditLine(action=AuditAction.REFUNDED, at=now, guild_id=guild_id, actor_id=by_id, target_id=job.place.user_id)
        audit_log.note(conn, replace(line, job_id=job.id, case_id=case_id, details=details))
        messages.log_changed(conn, job.id, now)
    return back
