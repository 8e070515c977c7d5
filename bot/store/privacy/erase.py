"""Erasing a member, as `bot.store.privacy.holdings` lists it table by table. Each operation is one transaction.

What is left of a member's credits stays under their own name, alone and without its history, until the rest has flowed back: an erased
account would begin anew with a full bucket. What is above a full one goes then.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, exists, insert, or_, select, update

from bot.domain.guild.document import Policy
from bot.domain.job import ENDED, JobState
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import CaseState
from bot.domain.money.accounts import AccountKind, kind_of, sponsor_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY, Bucket, available_at
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import documents, messages, outbox
from bot.store import jobs as operations
from bot.store.moderation import audit_log
from bot.store.money import sponsorships
from bot.store.privacy.holdings import ACCOUNT_NAMES, HOLDINGS, Erasing, Member
from bot.store.tables import accounts, blocks, cases, generations, job_messages, jobs, ledger, metadata, strikes


def erase(conn: Connection, user_id: int, now: int) -> dict[str, int]:
    """Remove what is a member's, or what in it leads to them; how many rows that was, by table.

    What waits is cancelled first, and what they pay for others ends. What the image API has already cannot be cancelled: it is taken back
    there, or paid, and shown to nobody; its rows lead nowhere and go with `forget_unfinished`. The messages with the member's images are
    taken away by the outbox.
    """
    me = Member(id=user_id)
    paying = [each.id for each in sponsorships.of_host(conn, me.id)]
    _lock(conn, me, paying)
    for sponsorship_id in paying:
        sponsorships.close(conn, sponsorship_id, now)
    for job_id in conn.scalars(me.jobs.where(jobs.c.state == JobState.OPEN)).all():
        operations.request_cancel(conn, job_id, now)
    shown = conn.execute(select(job_messages.c.channel_id, job_messages.c.message_id).where(me.messages)).all()
    _leave_accounts(conn, me, now)
    counts = {each.table.name: sum(_carry_out(conn, each.table, part, me) for part in each.erased) for each in HOLDINGS}
    for channel_id, message_id in sorted((row.channel_id, row.message_id) for row in shown):
        messages.ask_to_remove(conn, channel_id, message_id, now)
    _tell_moderators(conn, me, now)
    return {name: count for name, count in counts.items() if count} | ({"messages": len(shown)} if shown else {})


def forget_unfinished(conn: Connection) -> int:
    """Drop what was still being made when its member erased everything, and has ended since; how many jobs."""
    at_work = exists().where(generations.c.job_id == jobs.c.id, generations.c.state.not_in(ENDED))
    ended = select(jobs.c.id).where(jobs.c.user_id < 0, ~at_work)
    conn.execute(update(ledger).where(ledger.c.job_id.in_(ended)).values(job_id=None, n=None))
    return conn.execute(jobs.delete().where(jobs.c.id.in_(ended))).rowcount  # and all that belongs to them


def forget_refilled(conn: Connection, bucket: Bucket, now: int) -> int:
    """Drop members' accounts that say no more than a new one would: erased ones, once what was missing has flowed back; how many.

    `bucket` is the operator's; a server's accounts are filled as its rules say.
    """
    lived_in = exists().where(ledger.c.account == accounts.c.name, ledger.c.entry != Entry.OPEN)
    untouched = select(accounts).where(_of_members(), accounts.c.held == 0, accounts.c.spent == 0, ~lived_in)
    full = [row.name for row in conn.execute(untouched.with_for_update()).all() if _is_full(conn, row, bucket, now)]
    conn.execute(ledger.delete().where(ledger.c.account.in_(full)))
    return conn.execute(accounts.delete().where(accounts.c.name.in_(full))).rowcount


def _of_members() -> ColumnElement[bool]:
    return or_(*(accounts.c.name.startswith(f"{kind}:") for kind in (AccountKind.USER, AccountKind.MEMBER)))


def _is_full(conn: Connection, row: Row[Any], own: Bucket, now: int) -> bool:
    fills = own
    if kind_of(row.name) is AccountKind.MEMBER:
        fills = _surely_full(documents.guild_settings(conn, int(row.name.split(":")[1])).policy)
    return available_at(fills, available=row.available, held=0, as_of=row.as_of, now=now) >= fills.size


def _surely_full(policy: Policy) -> Bucket:
    """Nobody says any more which roles the member had: the largest of the server's buckets, filled as the slowest is."""
    settings = (policy.everyone.bucket, *(rule.bucket for rule in policy.roles.values()))
    buckets = [setting.bucket() for setting in settings if setting is not None] or [EMPTY]
    return Bucket(size=max(each.size for each in buckets), refill_per_day=min(each.refill_per_day for each in buckets))


def _lock(conn: Connection, me: Member, paying: list[str]) -> None:
    """Everything that money is moved by, in the order that all keep: sponsorships, jobs, accounts by their names."""
    sponsorships.lock(conn, paying)
    conn.execute(me.jobs.with_for_update())
    of_open = select(generations.c.account, generations.c.budget).where(
        generations.c.job_id.in_(me.jobs.where(jobs.c.state == JobState.OPEN))
    )
    charged = {name for row in conn.execute(of_open) for name in row if name is not None}
    names = accounts.c.name.in_(charged | {sponsor_account(each) for each in paying})
    conn.execute(select(accounts.c.name).where(or_(names, me.owns_account)).order_by(accounts.c.name).with_for_update())


def _carry_out(conn: Connection, table: Table, part: Erasing, me: Member) -> int:
    where = part.where(me)
    statement = table.delete().where(where) if part.becomes is None else update(table).where(where).values(dict(part.becomes(me)))
    return conn.execute(statement).rowcount


def _tell_moderators(conn: Connection, me: Member, now: int) -> None:
    """Where something is held against the member: a line in the server's audit log, and the open cases anew, without what was erased."""
    about = (cases.c.author_id, blocks.c.user_id, strikes.c.user_id)
    guilds = {guild for column in about for guild in conn.scalars(select(column.table.c.guild_id).where(column == me.id).distinct())}
    for guild_id in sorted(guilds):
        audit_log.note(conn, AuditLine(action=AuditAction.ERASED, at=now, guild_id=guild_id, actor_id=me.id, target_id=me.id))
    for case_id in conn.scalars(select(cases.c.id).where(cases.c.author_id == me.id, cases.c.state != CaseState.DECIDED)).all():
        outbox.add(conn, OutboxItem(kind=ItemKind.CASE, due_at=now, data={"case_id": case_id}))


def _leave_accounts(conn: Connection, me: Member, now: int) -> None:
    """The lines stay with an account that is nobody's; the member's own one keeps what is left in it, and begins anew."""
    for row in conn.execute(select(accounts).where(me.owns_account).with_for_update()).all():
        nobodys = f"{row.name.rpartition(':')[0]}:{me.nobody}"
        conn.execute(insert(accounts).values({**row._mapping, "name": nobodys}))  # noqa: SLF001  a row's public view
        for table in metadata.sorted_tables:
            for column in (column for column in table.c if column.name in ACCOUNT_NAMES):
                conn.execute(update(table).where(column == row.name).values({column.name: nobodys}))
        _begin_anew(conn, row, now)


def _begin_anew(conn: Connection, row: Row[Any], now: int) -> None:
    """What is held stays with the images being made, so it flows back only with time."""
    conn.execute(update(accounts).where(accounts.c.name == row.name).values(held=0, spent=0))
    line = {"account": row.name, "at": now, "entry": Entry.OPEN, "available": row.available, "held": 0, "spent": 0}
    conn.execute(insert(ledger).values(line))
