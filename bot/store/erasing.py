"""Erasing a member, as `bot.store.privacy` lists it table by table. Each operation is one transaction.

What is left of a member's credits stays under their own name, alone and without its history, until the rest has flowed back: an erased
account would begin anew with a full bucket.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Table, exists, insert, select, update

from bot.jobs.job import ENDED, JobState
from bot.quota import Bucket, available_at
from bot.store import errands as promises
from bot.store import jobs as operations
from bot.store.errands import Errand, ErrandKind
from bot.store.history import POSTED
from bot.store.ledger import Entry
from bot.store.privacy import HOLDINGS, Erasing, Member
from bot.store.tables import accounts, generations, jobs, keepsakes, ledger, metadata

ACCOUNT_NAMES = frozenset({"account", "other", "host_account"})  # columns that name an account, in any table but their own


def erase(conn: Connection, user_id: int, now: int) -> dict[str, int]:
    """Remove what is a member's, or what in it leads to them; how many rows that was, by table.

    What waits is cancelled first. What the image API has already cannot be: it is taken back there, or paid, and shown to nobody; its rows
    lead nowhere and go with `forget_unfinished`. The messages with the member's pictures are taken away by errands: ring for them.
    """
    me = Member(id=user_id)
    own = conn.execute(select(jobs.c.id, jobs.c.state).where(jobs.c.user_id == me.id).with_for_update())  # before any account
    for job_id in [row.id for row in own if row.state == JobState.OPEN]:
        operations.request_cancel(conn, job_id, now)
    messages = _messages(conn, me)
    _leave_accounts(conn, me, now)
    counts = {each.table.name: sum(_carry_out(conn, each.table, part, me) for part in each.erased) for each in HOLDINGS}
    for channel_id, message_id in sorted(messages):
        data = {"channel_id": channel_id, "message_id": message_id}
        promises.add(conn, Errand(kind=ErrandKind.REMOVE, due_at=now, data=data))
    return {name: count for name, count in counts.items() if count} | ({"messages": len(messages)} if messages else {})


def forget_unfinished(conn: Connection) -> int:
    """Drop what was still being made when its member erased everything, and has ended since; how many jobs."""
    at_work = exists().where(generations.c.job_id == jobs.c.id, generations.c.state.not_in(ENDED))
    ended = select(jobs.c.id).where(jobs.c.user_id < 0, ~at_work)
    conn.execute(update(ledger).where(ledger.c.job_id.in_(ended)).values(job_id=None, n=None))
    return conn.execute(jobs.delete().where(jobs.c.id.in_(ended))).rowcount  # and all that belongs to them


def forget_refilled(conn: Connection, bucket: Bucket, now: int) -> int:
    """Drop members' accounts that say no more than a new one would: erased ones, once what was missing has flowed back; how many."""
    lived_in = exists().where(ledger.c.account == accounts.c.name, ledger.c.entry != Entry.OPEN)
    untouched = select(accounts).where(accounts.c.name.like("user:%"), accounts.c.held == 0, accounts.c.spent == 0, ~lived_in)
    full = [
        row.name
        for row in conn.execute(untouched.with_for_update())
        if available_at(bucket, available=row.available, held=0, as_of=row.as_of, now=now) == bucket.size
    ]
    conn.execute(ledger.delete().where(ledger.c.account.in_(full)))
    return conn.execute(accounts.delete().where(accounts.c.name.in_(full))).rowcount


def _carry_out(conn: Connection, table: Table, part: Erasing, me: Member) -> int:
    where = part.where(me)
    statement = table.delete().where(where) if part.becomes is None else update(table).where(where).values(dict(part.becomes(me)))
    return conn.execute(statement).rowcount


def _messages(conn: Connection, me: Member) -> set[tuple[int, int]]:
    """The messages that show the member's jobs, now or before they were posted once more."""
    present = select(jobs.c.channel_id, jobs.c.message_id).where(jobs.c.user_id == me.id, jobs.c.message_id.is_not(None))
    earlier = conn.scalars(select(keepsakes.c.value).where(keepsakes.c.name.in_(select(POSTED + jobs.c.id).where(jobs.c.user_id == me.id))))
    return {(row.channel_id, row.message_id) for row in conn.execute(present)} | {(c, m) for kept in earlier for c, m in kept}


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
    """What is held stays with the pictures being made, so it flows back only with time."""
    conn.execute(update(accounts).where(accounts.c.name == row.name).values(held=0, spent=0))
    line = {"account": row.name, "at": now, "entry": Entry.OPEN, "available": row.available, "held": 0, "spent": 0}
    conn.execute(insert(ledger).values(line))
