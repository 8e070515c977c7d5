"""Decisions on cases, each with everything that follows from it in one transaction; what is to be done on Discord goes into the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from types import MappingProxyType

from sqlalchemy import Connection, and_, exists, or_, select

from bot.core.i18n import N_
from bot.domain.guild.sections import Offence, Strikes
from bot.domain.job import Job, JobState
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, CaseState, Cause, Decision
from bot.domain.money.quota import DAY_MS
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import history, messages, outbox
from bot.store import jobs as job_rows
from bot.store.moderation import audit_log, cases, conduct, flagging
from bot.store.rows import read_jobs
from bot.store.tables import generations, jobs

BLOCK_MS = DAY_MS
BLOCK_REASON = N_("a picture of yours was deleted by a moderator")
_PURGED_AT_A_TIME = 100  # jobs in one transaction


class _JobImage(Enum):
    SHOWN = auto()
    COVERED = auto()
    AWAY = auto()


@dataclass(frozen=True, kw_only=True)
class _Effects:
    """What holds after a decision, whatever held before."""

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
    """What a moderator decides, and what a strike means where it is decided."""

    decision: Decision
    by_id: int
    strikes: Strikes
    now: int  # Unix ms

    @property
    def effects(self) -> _Effects:
        return _EFFECTS[self.decision]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The case after a decision, or as somebody else had decided it."""

    case: Case
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class PurgeResult:
    """What became of a member's images: taken away, and still being made."""

    taken_away: int
    open_jobs: tuple[str, ...]


def decide(conn: Connection, case_id: int, verdict: Ruling) -> Judgement | None:
    """Decide a case that waits; with `is_new` False somebody else has. None where there is no such case."""
    before = cases.get(conn, case_id)
    if before is not None:
        conn.execute(select(jobs.c.id).where(jobs.c.id == before.job_id).with_for_update())  # a job before its cases, as everywhere
    decided = cases.decide(conn, case_id, verdict.decision, by_id=verdict.by_id, now=verdict.now)
    if decided is None:
        there = cases.get(conn, case_id)
        return None if there is None else Judgement(case=there, is_new=False)
    _carry_out(conn, decided, verdict)
    was_appealed = before is not None and before.state is CaseState.APPEALED
    if verdict.decision is not Decision.KEEP or was_appealed:
        told = OutboxItem(kind=ItemKind.TELL_AUTHOR, due_at=verdict.now, user_id=decided.author_id, data={"case_id": case_id})
        outbox.add(conn, told)
    flagging.show(conn, decided, verdict.now)
    messages.log_changed(conn, decided.job_id, verdict.now)
    return Judgement(case=decided, is_new=True)


def decide_on_job(conn: Connection, job_id: str, guild_id: int, verdict: Ruling, *, reason: str = "") -> Judgement | None:
    """Decide about an image that nobody asked about, or that a case waits for. None where this server has no such job.

    The same decision once more is no new one: two moderators may press at the same moment. It is where a message that was posted since
    shows the image otherwise.
    """
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    job = job_rows.get(conn, job_id)
    if job is None or not messages.belongs_to(conn, job_id, guild_id):
        return None
    latest = next(iter(cases.of_job(conn, job_id, guild_id=guild_id, limit=1)), None)
    if latest is not None and latest.state is not CaseState.DECIDED:
        return decide(conn, latest.id, verdict)
    if latest is not None and latest.decision is verdict.decision and _holds(conn, job_id, guild_id, verdict):
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
        reason=reason,
        now=verdict.now,
        by_id=verdict.by_id,
    )
    return None if opened is None else decide(conn, opened.id, verdict)


def appeal(conn: Connection, case_id: int, *, words: str, now: int) -> Case | None:
    """The author asks for another look: the moderators see it anew. None where that is not open to them."""
    before = cases.get(conn, case_id)
    appealed = cases.appeal(conn, case_id, words=words, now=now)
    if before is None or appealed is None:
        return None
    # An old message that changes calls nobody: the case is posted once more, as a reply to what was said.
    flagging.show(conn, appealed, now, reply_to=before.post_message_id)
    return appealed


def find(conn: Connection, guild_id: int, *, message_id: int | None = None, job_id: str | None = None) -> Job | None:
    """The job that any of its messages leads to, or else its id. None where this server has no such job."""
    job = None if message_id is None else messages.job_of(conn, message_id)
    job = job_rows.get(conn, job_id) if job is None and job_id is not None else job
    return job if job is not None and messages.belongs_to(conn, job.id, guild_id) else None


def refund(conn: Connection, job_id: str, guild_id: int, *, by_id: int, now: int) -> int | None:
    """Give back what a job cost, and leave its images; how many microcredits. None where this server has no such job."""
    job = job_rows.get(conn, job_id)
    if job is None or not messages.belongs_to(conn, job_id, guild_id):
        return None
    return _give_back(conn, job, guild_id=guild_id, by_id=by_id, now=now)


def purge(conn: Connection, guild_id: int, user_id: int, *, by_id: int, now: int) -> PurgeResult:
    """Take away a member's images on a server, as many as one transaction should hold: call it until none was."""
    here = exists().where(generations.c.job_id == jobs.c.id, generations.c.guild_id == guild_id)
    stands = messages.shown_in(guild_id)
    theirs = and_(jobs.c.user_id == user_id, or_(here, stands))
    ended = and_(theirs, jobs.c.state != JobState.OPEN, or_(jobs.c.state != JobState.DELETED, stands))
    gone = sum(history.take_away(conn, job.id, now, guild_id=guild_id) for job in read_jobs(conn, ended, limit=_PURGED_AT_A_TIME))
    open_jobs = tuple(conn.scalars(select(jobs.c.id).where(theirs, jobs.c.state == JobState.OPEN)))
    if gone:
        details = {"pictures": gone}
        audit_log.note(
            conn, AuditLine(action=AuditAction.PURGED, at=now, guild_id=guild_id, actor_id=by_id, target_id=user_id, details=details)
        )
    return PurgeResult(taken_away=gone, open_jobs=open_jobs)


def deleted(conn: Connection, message_id: int, guild_id: int, *, by_id: int, now: int) -> None:
    """A moderator deletes a message whose job is not known any more: nothing else is left to decide about."""
    details = {"message_id": message_id}
    audit_log.note(conn, AuditLine(action=AuditAction.DELETED, at=now, guild_id=guild_id, actor_id=by_id, details=details))


# --- parts -----------------------------------------------------------------------------------------------------------


def _holds(conn: Connection, job_id: str, guild_id: int, verdict: Ruling) -> bool:
    """Whether everything on this server that shows the job is as the decision has it."""
    image = verdict.effects.image
    shown = messages.of_job(conn, job_id, guild_id=guild_id)
    return image is _JobImage.SHOWN or all(message.spoiler and image is _JobImage.COVERED for message in shown)


def _shown_in(conn: Connection, job: Job, guild_id: int) -> tuple[int, int | None]:
    """Channel and message of a job on a server: its own message, else the latest that shows it there."""
    place, there = job.place, messages.of_job(conn, job.id, guild_id=guild_id)
    if place.guild_id == guild_id or not there:
        return place.channel_id, place.message_id if place.guild_id == guild_id else None
    return there[-1].channel_id, there[-1].message_id


def _carry_out(conn: Connection, case: Case, verdict: Ruling) -> None:
    effects, now = verdict.effects, verdict.now
    who = {"by_id": verdict.by_id, "now": now}
    job = None if case.job_id is None else job_rows.get(conn, case.job_id)
    if effects.refund and job is not None:
        _give_back(conn, job, guild_id=case.guild_id, **who)
    if effects.image is _JobImage.AWAY:
        _take_away(conn, case, now)
    elif effects.image is _JobImage.COVERED:
        flagging.cover(conn, case, **who)
    else:
        flagging.uncover(conn, case, now=now)
    if not effects.block or not effects.strike:
        conduct.unblock_of(conn, case.id, also_automatic=not effects.strike, **who)
    if not effects.strike:
        conduct.pardon(conn, case.guild_id, case.author_id, case_id=case.id, job_id=case.job_id, **who)
        return
    _punish(conn, case, verdict)


def _punish(conn: Connection, case: Case, verdict: Ruling) -> None:
    """The block first: a rule's block never shortens a moderator's, but may be longer."""
    guild_id, author_id, by_id, now = case.guild_id, case.author_id, verdict.by_id, verdict.now
    if verdict.effects.block:
        conduct.block(conn, guild_id, author_id, until=now + BLOCK_MS, reason=BLOCK_REASON, by_id=by_id, now=now, case_id=case.id)
    if not conduct.struck_by(conn, case.id):
        strike = partial(conduct.strike, conn, guild_id, author_id, Offence.PICTURE_DELETED, job_id=case.job_id, case_id=case.id)
        strike(rules=verdict.strikes, by_id=by_id, now=now)


def _take_away(conn: Connection, case: Case, now: int) -> None:
    """The job with every message of this server that shows it, and the case's own message where that is none of these."""
    if case.job_id is not None:
        history.take_away(conn, case.job_id, now, guild_id=case.guild_id)
    if case.message_id is not None and messages.get(conn, case.message_id) is None:
        messages.ask_to_remove(conn, case.channel_id, case.message_id, now)


def _give_back(conn: Connection, job: Job, *, guild_id: int, by_id: int, now: int) -> int:
    back = sum(g.price for g in job.succeeded if job_rows.refund(conn, job.id, g.n, now, by_id=by_id))
    if back:
        line = AuditLine(action=AuditAction.REFUNDED, at=now, guild_id=guild_id, actor_id=by_id, target_id=job.place.user_id, job_id=job.id)
        audit_log.note(conn, AuditLine(**{**vars(line), "details": {"amount": back}}))
        messages.log_changed(conn, job.id, now)
    return back
