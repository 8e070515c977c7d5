"""Reactions that were handled, once for each message, member, emoji and kind. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, text, true, update

from bot.domain.gestures import BatchEntry, BatchPace, Claim, Reaction, Reactors, normalized_emoji
from bot.domain.job import GenerationState, Job, JobState
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import kv, outbox, steps
from bot.store.engine.base import upsert
from bot.store.rows import read_jobs
from bot.store.sweeps import Expired
from bot.store.tables import generations, jobs, reactions
from bot.store.tables import outbox as outbox_items
from bot.store.tables.members import NO_STARS, STARS
from bot.store.tables.work import OPEN

PAUSE_MS = 10_000  # a reaction that was removed and added again is a new request after this time
REPEAT_MS = 60_000  # the same if its removal was not seen; duplicate events arrive within seconds
BURST_MS = 60_000  # the window in which a member's reactions are counted
_PREFIX = "form:"  # entries with this prefix are deleted after a day


def claim(
    conn: Connection, reaction: Reaction, entry: BatchEntry | None, *, burst: int, pace: BatchPace, now: int, pause_ms: int = PAUSE_MS
) -> Claim:
    """Claim a reaction before handling it. Only one caller gets `NEW`, and must handle it.

    A removed reaction that is added again is new after `pause_ms`. At most `burst` of a member's reactions are new within `BURST_MS`;
    others are `TOO_MANY` and stored as removed, and their member is told at most once in that time. One caller at a time for each member.
    `entry`: of the answer to several reactions; without it the caller answers, and only the first one of a burst is `TOO_MANY`.
    """
    before = conn.execute(select(reactions.c.at, reactions.c.taken_back_at).where(_is(reaction)).with_for_update()).one_or_none()
    if before is not None and not _is_past(before.at, before.taken_back_at, now, pause_ms):
        return Claim.KNOWN
    acted_on = reactions.c.at != func.coalesce(reactions.c.taken_back_at, 0)
    lately = select(func.count()).where(reactions.c.user_id == reaction.user_id, reactions.c.at > now - BURST_MS, acted_on)
    too_many = conn.execute(lately).scalar_one() >= burst
    if before is not None:  # the row is locked, or gone; `at` keeps this from deleting the row of a duplicate event
        conn.execute(delete(reactions).where(_is(reaction), reactions.c.at == before.at))
    row = upsert(conn.dialect, reactions).values(**vars(reaction), at=now, taken_back_at=now if too_many else None)
    if not conn.execute(row.on_conflict_do_nothing()).rowcount:
        return Claim.KNOWN  # a duplicate event was faster (PostgreSQL)
    if not too_many:
        if entry is not None:
            outbox.add_reaction(conn, reaction.user_id, entry, now=now, pace=pace)
        return Claim.NEW
    tells = first_in(conn, f"too-many:{reaction.user_id}", BURST_MS, now)
    if entry is not None:
        outbox.count_reaction(conn, reaction.user_id, entry, limit=burst, tells=tells, now=now, pace=pace)
    return Claim.TOO_MANY if tells or entry is not None else Claim.KNOWN


def note_job(conn: Connection, reaction: Reaction, job_id: str) -> bool:
    """Record the job that a reaction ordered. False if the reaction was removed in the meantime."""
    conn.execute(update(reactions).where(_is(reaction)).values(job_id=job_id))
    return is_present(conn, reaction)


def is_used(conn: Connection, message_id: int) -> bool:
    """Whether something is being made from the image of a message, by reactions to it."""
    asked = and_(jobs.c.reply_to == message_id, jobs.c.reaction.is_not(None))
    waiting = select(jobs.c.id).where(text(OPEN), asked)
    ended = select(jobs.c.id).join(outbox_items, outbox_items.c.job_id == jobs.c.id).where(outbox_items.c.kind == ItemKind.DELIVER, asked)
    return any(conn.execute(each.limit(1)).first() is not None for each in (waiting, ended))


def take_back(conn: Connection, reaction: Reaction, now: int) -> Job | None:
    """A member removed a reaction: cancel its job if nothing of it was sent to the image API. Returns the cancelled job."""
    conn.execute(update(reactions).where(_is(reaction), reactions.c.taken_back_at.is_(None)).values(taken_back_at=now))
    # Search by `reply_to`: after a crash before `note_job` the reaction has no job id.
    others = select(reactions.c.job_id).where(*_on(reaction.message_id), ~_is(reaction), reactions.c.job_id.is_not(None))
    asked = and_(
        jobs.c.user_id == reaction.user_id,
        jobs.c.reply_to == reaction.message_id,
        jobs.c.state == JobState.OPEN,
        jobs.c.id.not_in(others),
    )
    for job in read_jobs(conn, asked):
        if normalized_emoji(job.reaction or "") == reaction.emoji and _is_unsent(conn, job.id):
            return steps.request_cancel(conn, job.id, now)
    return None


def clear(conn: Connection, message_id: int, emoji: str | None, now: int) -> list[Reaction]:
    """All reactions to a message were removed, or those with one emoji. What they ordered stays ordered. Returns them."""
    given = and_(*_on(message_id), true() if emoji is None else reactions.c.emoji == emoji)
    key = (reactions.c.message_id, reactions.c.user_id, reactions.c.emoji, reactions.c.burst)
    return [Reaction(**row) for row in conn.execute(update(reactions).where(given).values(taken_back_at=now).returning(*key)).mappings()]


def agree(conn: Connection, message_id: int, emoji: str, present: Reactors, now: int) -> None:
    """Exactly these members have this reaction on the message, also those of whom no event told."""
    others = and_(reactions.c.user_id.not_in(present.user_ids), reactions.c.at <= present.at)
    conn.execute(update(reactions).where(*_on(message_id), reactions.c.emoji == emoji, others).values(taken_back_at=now))
    row = {"message_id": message_id, "emoji": emoji, "burst": False, "at": now}
    if present.user_ids:
        rows = upsert(conn.dialect, reactions).values([{**row, "user_id": user_id} for user_id in present.user_ids])
        conn.execute(rows.on_conflict_do_nothing())


def seen(conn: Connection, message_id: int) -> set[tuple[int, str, bool]]:
    """The reactions to a message that were handled or ignored, also those that were removed: member, emoji, and whether it is super."""
    row = select(reactions.c.user_id, reactions.c.emoji, reactions.c.burst).where(reactions.c.message_id == message_id)
    return {(user_id, emoji, burst) for user_id, emoji, burst in conn.execute(row)}


def asking(conn: Connection, message_ids: Collection[int]) -> list[Reaction]:
    """Those of these messages that asked for something by mentioning the bot."""
    rows = select(reactions.c.message_id, reactions.c.user_id).where(reactions.c.message_id.in_(message_ids), reactions.c.emoji == "")
    return [Reaction.of_message(message_id=message_id, user_id=user_id) for message_id, user_id in conn.execute(rows)]


def remains(conn: Connection, reaction: Reaction) -> bool:
    """Whether a member who removed a reaction still has the other kind of it, normal or super."""
    return is_present(conn, replace(reaction, burst=not reaction.burst))


def is_present(conn: Connection, reaction: Reaction) -> bool:
    """Whether a reaction was handled and not removed since."""
    return conn.scalar(select(func.count()).where(_is(reaction), reactions.c.taken_back_at.is_(None))) == 1


def count(conn: Connection, message_id: int, emoji: str) -> int:
    """How many members have this reaction on the message."""
    return conn.scalar(select(func.count(reactions.c.user_id.distinct())).where(*_on(message_id), reactions.c.emoji == emoji)) or 0


def old(before: int, *, stars: bool = False) -> Expired:
    """Reactions from before `before` (Unix ms): those that are stars, which count for longer, or the others."""
    return Expired(
        table=reactions,
        by=("at", "message_id", "user_id", "emoji"),
        among=text(STARS if stars else NO_STARS),
        until=reactions.c.at < before,
    )


def first_in(conn: Connection, what: str, period_ms: int, now: int) -> bool:
    """Whether this is the first call for `what` within the period (at most a day). `what` must include the member's id."""
    last = kv.get(conn, f"{_PREFIX}{what}")
    if isinstance(last, int) and now - last < period_ms:
        return False
    kv.put(conn, f"{_PREFIX}{what}", now, now)
    return True


def keep_note(conn: Connection, reaction: Reaction, removal: OutboxItem, now: int) -> None:
    """Record Easel's note about this reaction, and add the outbox item that removes it later."""
    outbox.add(conn, removal)
    kv.put(conn, _note(reaction), {**removal.data, "errand_id": removal.id}, now)


def take_note(conn: Connection, reaction: Reaction, now: int) -> dict[str, Any] | None:
    """The note about this reaction (channel_id, message_id), returned once: the caller must delete that message."""
    kept: dict[str, Any] | None = kv.get(conn, _note(reaction))
    if kept is None:
        return None
    kv.put(conn, _note(reaction), None, now)
    return kept if outbox.done(conn, kept["errand_id"]) else None


def _note(reaction: Reaction) -> str:
    return f"{_PREFIX}note:{reaction.message_id}:{reaction.user_id}"


def _on(message_id: int) -> tuple[ColumnElement[bool], ...]:
    """The reactions that a message has."""
    return reactions.c.message_id == message_id, reactions.c.taken_back_at.is_(None)


def _is(reaction: Reaction) -> ColumnElement[bool]:
    return and_(*(reactions.c[name] == value for name, value in vars(reaction).items()))


def _is_past(at: int, taken_back_at: int | None, now: int, pause_ms: int) -> bool:
    """Whether a handled reaction is old enough for the same one to be a new request."""
    return at <= now - (REPEAT_MS if taken_back_at is None else pause_ms)


def _is_unsent(conn: Connection, job_id: str) -> bool:
    """Whether all generations wait. They are locked: none is sent before this transaction ends."""
    conn.execute(select(jobs.c.id).where(jobs.c.id == job_id).with_for_update())
    states = conn.scalars(select(generations.c.state).where(generations.c.job_id == job_id).with_for_update())
    return all(state == GenerationState.WAITING for state in states)
