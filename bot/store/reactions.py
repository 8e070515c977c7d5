"""Reactions that were acted on: each once for its message, member and emoji. Each operation is one transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from bot.domain.gestures import Claim, Reaction, normalized_emoji
from bot.domain.job import GenerationState, Job, JobState
from bot.domain.outbox import OutboxItem
from bot.store import jobs as job_rows
from bot.store import kv, outbox
from bot.store.engine.base import upsert
from bot.store.rows import read_jobs
from bot.store.tables import generations, jobs, reactions

PAUSE_MS = 10_000  # a reaction that was taken back counts as a new request after this time
UNHEARD_MS = 60_000  # the same where nothing was heard of its being taken back: doubled events come at once, not after a minute
BURST_MS = 10_000  # the time in which a member's reactions are counted
_BETWEEN = "form:"  # of keys that are kept between two steps of a member, which are kept for a day


def claim(conn: Connection, reaction: Reaction, *, burst: int, now: int, pause_ms: int = PAUSE_MS) -> Claim:
    """Before anything is done for a reaction: whoever gets `NEW` is alone in acting on it.

    One that was taken back is new after `pause_ms`.

    At most `burst` of a member's reactions are new within `BURST_MS`. The first one above is kept as one that was taken back at once.
    They are counted without a lock: of those that come in the same moment one more may pass (PostgreSQL).
    """
    before = conn.execute(select(reactions.c.at, reactions.c.taken_back_at).where(_is(reaction)).with_for_update()).one_or_none()
    if before is not None and not _is_past(before.at, before.taken_back_at, now, pause_ms):
        return Claim.KNOWN
    lately = conn.execute(
        select(reactions.c.at, reactions.c.taken_back_at).where(reactions.c.user_id == reaction.user_id, reactions.c.at > now - BURST_MS)
    ).all()
    too_many = len(lately) >= burst
    if too_many and any(row.at == row.taken_back_at for row in lately):
        return Claim.KNOWN
    if before is not None:  # locked since it was read, or gone: a double's row is never deleted
        conn.execute(delete(reactions).where(_is(reaction), reactions.c.at == before.at))
    row = upsert(conn, reactions).values(**vars(reaction), at=now, taken_back_at=now if too_many else None)
    if not conn.execute(row.on_conflict_do_nothing()).rowcount:
        return Claim.KNOWN  # its double was a moment earlier (PostgreSQL)
    return Claim.TOO_MANY if too_many else Claim.NEW


def note_job(conn: Connection, reaction: Reaction, job_id: str) -> bool:
    """What a reaction asked for. False where it was taken back meanwhile."""
    conn.execute(update(reactions).where(_is(reaction)).values(job_id=job_id))
    return stands(conn, reaction)


def take_back(conn: Connection, reaction: Reaction, now: int) -> Job | None:
    """The member took a reaction away: cancel what it asked for, if nothing of it was sent to the image API. That job, as it is then."""
    conn.execute(update(reactions).where(_is(reaction), reactions.c.taken_back_at.is_(None)).values(taken_back_at=now))
    # Found by what it answers: a job counts also where a crash came before `note_job`.
    asked = and_(jobs.c.user_id == reaction.user_id, jobs.c.reply_to == reaction.message_id, jobs.c.state == JobState.OPEN)
    for job in read_jobs(conn, asked):
        if normalized_emoji(job.reaction or "") == reaction.emoji and _is_unsent(conn, job.id):
            return job_rows.request_cancel(conn, job.id, now)
    return None


def stands(conn: Connection, reaction: Reaction) -> bool:
    """Whether a reaction was acted on and not taken back."""
    return conn.scalar(select(func.count()).where(_is(reaction), reactions.c.taken_back_at.is_(None))) == 1


def count(conn: Connection, message_id: int, emoji: str) -> int:
    """How many members stand by this reaction."""
    standing = and_(reactions.c.message_id == message_id, reactions.c.emoji == emoji, reactions.c.taken_back_at.is_(None))
    return conn.scalar(select(func.count()).where(standing)) or 0


def forget(conn: Connection, before: int, *, but: str) -> int:
    """Drop what was reacted before `before` (Unix ms), all emoji but one, which is still counted; how many rows."""
    return conn.execute(delete(reactions).where(reactions.c.at < before, reactions.c.emoji != but)).rowcount


def first_in(conn: Connection, what: str, period_ms: int, now: int) -> bool:
    """Whether this happens for the first time within a period, of a day at most. `what` names the member too."""
    last = kv.get(conn, f"{_BETWEEN}{what}")
    if isinstance(last, int) and now - last < period_ms:
        return False
    kv.put(conn, f"{_BETWEEN}{what}", now, now)
    return True


def keep_note(conn: Connection, reaction: Reaction, removal: OutboxItem, now: int) -> None:
    """A note of ours answers this reaction; its removal is promised."""
    outbox.add(conn, removal)
    kv.put(conn, _note(reaction), {**removal.data, "errand_id": removal.id}, now)


def take_note(conn: Connection, reaction: Reaction, now: int) -> dict[str, Any] | None:
    """The note that answers this reaction (channel_id, message_id), once: whoever gets it takes it away, and nobody else is to."""
    kept: dict[str, Any] | None = kv.get(conn, _note(reaction))
    if kept is None:
        return None
    kv.put(conn, _note(reaction), None, now)
    return kept if outbox.done(conn, kept["errand_id"]) else None


def _note(reaction: Reaction) -> str:
    return f"{_BETWEEN}note:{reaction.message_id}:{reaction.user_id}"


def _is(reaction: Reaction) -> ColumnElement[bool]:
    return and_(*(reactions.c[name] == value for name, value in vars(reaction).items()))


def _is_past(at: int, taken_back_at: int | None, now: int, pause_ms: int) -> bool:
    """Whether a reaction that was acted on is so long ago that the same one is a new request."""
    return at <= now - (UNHEARD_MS if taken_back_at is None else pause_ms)


def _is_unsent(conn: Connection, job_id: str) -> bool:
    """What waits now, locked as `request_cancel` locks it, is not sent before this transaction ends."""
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    states = conn.scalars(select(generations.c.state).where(generations.c.job_id == job_id).with_for_update())
    return all(state == GenerationState.WAITING for state in states)
