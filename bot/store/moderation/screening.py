"""Results of checking prompts and images, with their effects. Each operation is one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, select, update

from bot.domain.guild.sections import Offence, Strikes
from bot.domain.job import Failure, GenerationState, Job, Outcome, ReplyTarget
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Cause
from bot.domain.moderation.strikes import StrikeGiven
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import delivery, history, messages, steps
from bot.store.engine.base import Topic, announce
from bot.store.moderation import audit_log, conduct
from bot.store.moderation.cases import latest_about, open_case
from bot.store.outbox import add
from bot.store.tables import generations
from bot.store.tables import jobs as jobs_table


@dataclass(frozen=True, kw_only=True)
class ScreeningVerdict:
    """Why a prompt or image was refused."""

    sentence: str  # for the user
    reason: str  # for moderators: a category, or that the check failed
    score: float = 0.0
    strikes: Strikes | None = None  # the guild's rules; None: no strike


@dataclass(frozen=True, kw_only=True)
class Question:
    """The case to open about a delivered job; its reason is why the job was flagged."""

    cause: Cause
    guild_id: int
    channel_id: int
    message_id: int | None


# --- prompts ---------------------------------------------------------------------------------------------------------


def mark_passed(conn: Connection, job_id: str, *, flagged: str | None = None, spoiler: bool = False) -> None:
    """The prompt was checked and its images may be made. An earlier flag stays."""
    conn.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(needs_check=False))
    flag(conn, job_id, flagged, spoiler=spoiler)
    announce(conn, Topic.QUEUE)


def postpone_check(conn: Connection, job_id: str, not_before: int) -> None:
    """The prompt could not be checked: try again at `not_before` (Unix ms), and submit nothing of the job before."""
    waits = and_(generations.c.job_id == job_id, generations.c.state == GenerationState.WAITING)
    conn.execute(update(generations).where(waits).values(not_before=not_before))


def refuse(conn: Connection, job: Job, verdict: ScreeningVerdict, *, failure: Failure, now: int) -> None:
    """End the job's open generations as failed, without charge. The user may get a strike."""
    refused = [steps.settle(conn, job.id, g.n, _failed(verdict, failure), now) for g in job.open]
    conn.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(needs_check=False))
    if any(refused):
        guild_id = job.generations[0].guild_id
        struck = _log_and_strike(conn, job, verdict, Offence.PROMPT_BLOCKED, now, guild_id=guild_id, of="prompt")
        _say(conn, job, verdict, struck)


def _failed(verdict: ScreeningVerdict, failure: Failure) -> Outcome:
    return Outcome(state=GenerationState.FAILED, failure=failure, error=verdict.sentence)


# --- results ---------------------------------------------------------------------------------------------------------


def flag(conn: Connection, job_id: str, reason: str | None, *, spoiler: bool) -> None:
    """Flag a job for its prompt or a result. The first reason is kept, and a spoiler is never removed."""
    values: dict[str, Any] = {"flagged": func.coalesce(jobs_table.c.flagged, reason)} if reason is not None else {}
    values |= {"spoiler": True} if spoiler else {}
    if values:
        conn.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(**values))


def withhold(conn: Connection, job: Job, n: int, verdict: ScreeningVerdict, now: int) -> bool:
    """Withhold a result and refund it. False if it was refunded before."""
    flag(conn, job.id, verdict.reason, spoiler=False)  # first, for the lock order of `bot.store.steps`
    given_back = steps.spoil(conn, job.id, n, verdict.sentence, now, failure=Failure.CONTENT)
    if given_back:
        guild_id = job.generations[0].guild_id
        struck = _log_and_strike(conn, job, verdict, Offence.RESULT_BLOCKED, now, guild_id=guild_id, of="result", n=n)
        _say(conn, job, verdict, struck, n=n)
    return given_back


# --- reposts ---------------------------------------------------------------------------------------------------------


def refuse_repost(
    conn: Connection, job: Job, verdict: ScreeningVerdict, offence: Offence, now: int, *, guild_id: int | None
) -> StrikeGiven | None:
    """A guild's checks did not allow a finished image in it. Its author may get a strike there."""
    of = "prompt" if offence is Offence.PROMPT_BLOCKED else "result"
    return _log_and_strike(conn, job, verdict, offence, now, guild_id=guild_id, of=of)


def record_repost(
    conn: Connection,
    job_id: str,
    place: ReplyTarget,
    message_id: int,
    now: int,
    *,
    spoiler: bool,
    question: Question | None,
    reason: str,
    is_logged: bool,
) -> bool:
    """As `history.record_repost`, with the guild's log post, and with a case if there is a `question` and the guild had none about it."""
    if not history.record_repost(conn, job_id, place, message_id, now, spoiler=spoiler):
        return False
    if spoiler and not place.private and place.guild_id is not None and latest_about(conn, job_id, place.guild_id) is not None:
        messages.ask_to_cover(conn, job_id, place.channel_id, message_id, now)  # which says who hid it
    if question is not None and latest_about(conn, job_id, question.guild_id) is None:
        _open_case(conn, question, author_id=place.user_id, job_id=job_id, reason=reason, now=now)
    if is_logged and place.guild_id is not None:
        add(conn, OutboxItem(kind=ItemKind.LOG, due_at=now, data={"job_id": job_id, "guild_id": place.guild_id}))
    return True


# --- both ------------------------------------------------------------------------------------------------------------


def mark_delivered(conn: Connection, /, job_id: str, *, question: Question | None, now: int, **shown: Any) -> bool:
    """As `delivery.mark_delivered`, which gets `shown`; and open a case if there is a `question`. Both happen once."""
    if not delivery.mark_delivered(conn, job_id, now=now, **shown):
        return False
    if question is not None:
        row = conn.execute(select(jobs_table.c.user_id, jobs_table.c.flagged).where(jobs_table.c.id == job_id)).one()
        _open_case(conn, question, author_id=row.user_id, job_id=job_id, reason=row.flagged or "", now=now)
    return True


def _open_case(conn: Connection, question: Question, *, author_id: int, job_id: str, reason: str, now: int) -> None:
    case = open_case(conn, **vars(question), author_id=author_id, job_id=job_id, reason=reason, now=now)
    if case is not None:
        add(conn, OutboxItem(kind=ItemKind.CASE, due_at=now, job_id=job_id, data={"case_id": case.id}))


def _log_and_strike(
    conn: Connection, job: Job, verdict: ScreeningVerdict, offence: Offence, now: int, *, guild_id: int | None, **details: Any
) -> StrikeGiven | None:
    """Write the guild's audit log, and give a strike there if the verdict says so. A DM tells of a lock-out."""
    user_id = job.place.user_id
    details |= {"reason": verdict.reason, "score": round(verdict.score, 3)}
    line = AuditLine(action=AuditAction.WITHHELD, at=now, guild_id=guild_id, target_id=user_id, job_id=job.id, details=details)
    audit_log.note(conn, line)
    if guild_id is None or verdict.strikes is None:
        return None
    struck = conduct.strike(conn, guild_id, user_id, offence, rules=verdict.strikes, now=now, job_id=job.id)
    if struck is not None and struck.block_id is not None:
        data = {"guild_id": guild_id, "until": struck.until, "reason": conduct.BY_STRIKES, "block_id": struck.block_id}
        add(conn, OutboxItem(kind=ItemKind.TELL_BLOCK, due_at=now, user_id=user_id, data=data))
    return struck


def _say(conn: Connection, job: Job, verdict: ScreeningVerdict, struck: StrikeGiven | None, *, n: int | None = None) -> None:
    """Add what a strike led to to the reason why there is no image, which its message shows: of one image, or of the whole job."""
    if struck is None:
        return
    of = generations.c.job_id == job.id if n is None else and_(generations.c.job_id == job.id, generations.c.n == n)
    told = f"{verdict.sentence} {struck.sentence}"
    conn.execute(update(generations).where(of, generations.c.error == verdict.sentence).values(error=told))
