"""A guild's gallery: stars, and the images that were shown there. Each operation is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, func, or_, select

from bot.domain.gestures import Reactors
from bot.domain.guild import sections
from bot.domain.job import GalleryEntry, Job, JobMessage, JobState, MessageRole
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import AGAINST, CaseState
from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import jobs, messages, outbox
from bot.store import reactions as reactions_given
from bot.store.engine.base import upsert
from bot.store.moderation import audit_log, cases
from bot.store.money import transfers
from bot.store.tables import gallery, job_messages, reactions

STAR = "⭐"


def stars(conn: Connection, message_id: int, *, author_id: int | None) -> int:
    """How many members starred this message; its author's own star does not count."""
    given = select(func.count(reactions.c.user_id.distinct())).where(
        reactions.c.message_id == message_id,
        reactions.c.emoji == STAR,
        reactions.c.taken_back_at.is_(None),
        reactions.c.user_id != (author_id or 0),
    )
    return conn.scalar(given) or 0


def show_if_starred(
    conn: Connection,
    job_id: str,
    message_id: int,
    *,
    guild_id: int,
    rules: sections.GalleryRules,
    now: int,
    present: Reactors | None = None,
) -> bool:
    """If a message has enough stars, let its image be shown in the gallery, once.

    `present` is who stars it on Discord now, if Discord was asked.

    False if there are too few, the gallery has it already, or it may not be shown: hidden, private, deleted, or part of a case that is
    open or was decided against it.
    """
    job = jobs.get(conn, job_id)
    if job is None or rules.channel_id is None or not _may_be_shown(conn, job):
        return False
    author_id = job.place.user_id
    if present is not None:
        reactions_given.agree(conn, message_id, STAR, present, now)
    given = stars(conn, message_id, author_id=author_id)
    if given < rules.stars:
        return False
    if not record(conn, message_id, guild_id=guild_id, job_id=job.id, author_id=author_id, stars=given, now=now):
        return False
    outbox.add(conn, OutboxItem(kind=ItemKind.GALLERY, due_at=now, job_id=job.id, data={"message_id": message_id}))
    return True


def record_post(conn: Connection, entry: GalleryEntry, post: JobMessage, *, reward: int) -> bool:
    """Record an entry's post, and reward its author with this amount (microcredits), once. False if the author has erased their data."""
    if not messages.record(conn, post):
        return False
    to = AccountRef(name=member_account(entry.guild_id, entry.author_id), fills=EMPTY)
    if reward and transfers.grant(conn, to=to, amount=reward, key=f"gallery:{entry.job_id}", now=post.at, entry=Entry.REWARD):
        line = AuditLine(
            action=AuditAction.REWARDED,
            at=post.at,
            guild_id=entry.guild_id,
            target_id=entry.author_id,
            job_id=entry.job_id,
            details={"amount": reward, "stars": entry.stars},
        )
        audit_log.note(conn, line)
    return True


def forget(conn: Connection, message_id: int) -> None:
    """Forget an entry that was not posted, so that a further star can bring it to the gallery."""
    conn.execute(delete(gallery).where(gallery.c.message_id == message_id))


def record(conn: Connection, message_id: int, *, guild_id: int, job_id: str | None, author_id: int, stars: int, now: int) -> bool:
    """Record an image in the gallery. False if the gallery has it already, from this or another message."""
    has = or_(gallery.c.message_id == message_id, gallery.c.job_id == job_id) if job_id else gallery.c.message_id == message_id
    if conn.execute(select(gallery.c.message_id).where(has)).first() is not None:
        return False
    row = {"message_id": message_id, "guild_id": guild_id, "job_id": job_id, "author_id": author_id, "at": now, "stars": stars}
    return conn.execute(upsert(conn.dialect, gallery).values(**row).on_conflict_do_nothing()).rowcount == 1


def get(conn: Connection, message_id: int) -> GalleryEntry | None:
    """The gallery's entry for this message."""
    post = and_(job_messages.c.job_id == gallery.c.job_id, job_messages.c.role == MessageRole.GALLERY)
    query = select(gallery, job_messages.c.message_id.label("post_message_id")).outerjoin_from(gallery, job_messages, post)
    row = conn.execute(query.where(gallery.c.message_id == message_id)).mappings().one_or_none()
    return None if row is None else GalleryEntry(**row)


def _may_be_shown(conn: Connection, job: Job) -> bool:
    if job.spoiler or job.place.private or job.state is JobState.DELETED:
        return False
    latest = next(iter(cases.of_job(conn, job.id, limit=1)), None)
    return latest is None or (latest.decision is not None and latest.decision not in AGAINST and latest.state is CaseState.DECIDED)
