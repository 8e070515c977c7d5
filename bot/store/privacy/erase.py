"""Erasing a member's data, as listed in `bot.store.privacy.holdings`. Each operation is one transaction.

A member's account keeps its balance, without history, until its refill would have filled it: deleting it at once would give the member
a full bucket. Any amount above a full bucket is lost then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, exists, insert, or_, select, text, true, update

from bot.domain.guild.document import Policy
from bot.domain.job import ENDED, GenerationState, JobState, fingerprint_of
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import CaseState
from bot.domain.money.accounts import AccountKind, kind_of, sponsor_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY, Bucket, available_at
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import documents, kv, messages, outbox, steps, sweeps, usage
from bot.store.engine.base import Topic, announce
from bot.store.moderation import audit_log
from bot.store.money import folding, sponsorships
from bot.store.privacy.holdings import ACCOUNT_NAMES, HOLDINGS, Erasing, Member
from bot.store.sweeps import Found, Key
from bot.store.tables import accounts, blocks, cases, generations, job_messages, jobs, ledger, metadata, strikes
from bot.store.tables import kv as kv_table
from bot.store.tables.money import UNUSED

_AT_ONCE, _LINES_AT_ONCE = 10, 100  # jobs, and lines of the ledger, in one write of some milliseconds
_ERASING = "erasing:"  # key in the key-value table, followed by the member's id
UNCLEAN = "erased"  # the entry of the key-value table that says since when the files hold something erased


def erase(conn: Connection, user_id: int, now: int) -> dict[str, int]:
    """Delete or pseudonymise a member's data. Returns the number of affected rows by table.

    Waiting generations are cancelled and the member's sponsorships end. Generations that the image API already has may still be paid for,
    but are not shown; their rows lose every word, and are deleted later by `forget_unfinished`. Messages with the member's images are
    deleted by the outbox.
    """
    me = Member(id=user_id)
    paying = [each.id for each in sponsorships.of_host(conn, me.id)]
    _lock(conn, me, paying)
    for sponsorship_id in paying:
        sponsorships.close(conn, sponsorship_id, now)
    for job_id in conn.scalars(me.jobs.where(jobs.c.state == JobState.OPEN)).all():
        steps.request_cancel(conn, job_id, now)
    _keep_fingerprints(conn, me)
    shown = conn.execute(select(job_messages.c.channel_id, job_messages.c.message_id).where(me.messages)).all()
    _pseudonymise_accounts(conn, me, now)
    announce(conn, Topic.PREFERENCES, f"{user_id}:{documents.ERASED}")
    usage.forget_member(conn, me.id)
    counts = {each.table.name: sum(_carry_out(conn, each.table, part, me) for part in each.erased) for each in HOLDINGS}
    _ask_to_remove(conn, shown, now)
    _notify_moderators(conn, me, now)
    return _found(counts, shown)


def erase_some(conn: Connection, user_id: int, now: int) -> dict[str, int]:
    """Erase a few of the member's ended jobs, with what belongs to them. Returns the number of affected rows by table.

    Call it until that is empty, then `erase`: all jobs of a busy member at once would hold up other writes for seconds. The member's own
    ledger lines become sums, because moving many to another account takes as long.
    """
    kv.put(conn, f"{_ERASING}{user_id}", now, now)  # `erase` deletes it, as everything that ends with the member's id
    ended = conn.scalars(Member(id=user_id).ended.limit(_AT_ONCE + 1)).all()
    if len(ended) > _AT_ONCE:
        return _erase_jobs(conn, Member(id=user_id, some_jobs=tuple(ended[:_AT_ONCE])), now)
    return _fold_own_lines(conn, Member(id=user_id))


def interrupted(conn: Connection) -> list[int]:
    """The members whose erasure was begun and not finished."""
    names = conn.scalars(select(kv_table.c.name).where(kv_table.c.name.startswith(_ERASING)))
    return [int(name.removeprefix(_ERASING)) for name in names]


def erase_and_note(conn: Connection, user_id: int, now: int) -> dict[str, int]:
    """`erase`, and note that the database's files must be cleaned of what was erased."""
    counts = erase(conn, user_id, now)
    kv.put(conn, UNCLEAN, now, now)
    return counts


def forget_unfinished(conn: Connection, *, limit: int = 1) -> int:
    """Delete jobs of erased members that have ended since, with their images. Returns how many; call it until that is 0."""
    ended = unfinished(conn, limit=limit)
    conn.execute(update(ledger).where(ledger.c.job_id.in_(ended)).values(job_id=None, n=None))
    return conn.execute(jobs.delete().where(jobs.c.id.in_(ended))).rowcount  # cascades to generations, references and images


def unfinished(conn: Connection, *, limit: int = 1) -> Sequence[str]:
    """Jobs that `forget_unfinished` would delete."""
    running = exists().where(generations.c.job_id == jobs.c.id, generations.c.state.not_in(ENDED))
    return conn.scalars(select(jobs.c.id).where(jobs.c.user_id < 0, ~running).limit(limit)).all()


@dataclass(frozen=True, kw_only=True)
class Refilled:
    """Members' accounts that equal a new one: those of erased members, once they are full.

    `bucket` is the operator's; the accounts of a guild refill by its own rules.
    """

    bucket: Bucket
    now: int

    def find(self, conn: Connection, after: Key | None = None) -> Found:
        """As in `bot.store.sweeps.Sweep`."""
        (last,) = after or ("",)
        unused = select(accounts.c.name).where(text(UNUSED), accounts.c.name > last).order_by(accounts.c.name).limit(sweeps.FOUND_MAX)
        names = conn.scalars(unused).all()
        rows = conn.execute(_untouched().where(accounts.c.name.in_(names))).all()
        full = [(row.name,) for row in rows if _is_full(conn, row, self.bucket, self.now)]
        return Found(keys=full, after=(names[-1],) if len(names) == sweeps.FOUND_MAX else None)

    def delete(self, conn: Connection, key: Key) -> int:
        """As in `bot.store.sweeps.Sweep`."""
        this = accounts.c.name == key[0]
        row = conn.execute(_untouched().where(this).with_for_update()).one_or_none()
        if row is None or not _is_full(conn, row, self.bucket, self.now):
            return 0
        conn.execute(ledger.delete().where(ledger.c.account == row.name))
        return conn.execute(accounts.delete().where(this)).rowcount


def _untouched() -> Select[Any]:
    has_lines = exists().where(ledger.c.account == accounts.c.name, ledger.c.entry != Entry.OPEN)
    return select(accounts).where(_of_members(), accounts.c.held == 0, accounts.c.spent == 0, ~has_lines)


def _of_members() -> ColumnElement[bool]:
    return or_(*(accounts.c.name.startswith(f"{kind}:") for kind in (AccountKind.USER, AccountKind.MEMBER)))


def _is_full(conn: Connection, row: Row[Any], own: Bucket, now: int) -> bool:
    fills = own
    if kind_of(row.name) is AccountKind.MEMBER:
        fills = _slowest_bucket(documents.guild_settings(conn, int(row.name.split(":")[1])).policy)
    return available_at(fills, available=row.available, held=0, as_of=row.as_of, now=now) >= fills.size


def _slowest_bucket(policy: Policy) -> Bucket:
    """The member's roles are unknown here, so assume the guild's largest bucket and its slowest refill."""
    settings = (policy.everyone.bucket, *(rule.bucket for rule in policy.roles.values()))
    buckets = [setting.bucket() for setting in settings if setting is not None] or [EMPTY]
    return Bucket(size=max(each.size for each in buckets), refill_per_day=min(each.refill_per_day for each in buckets))


def _lock(conn: Connection, me: Member, paying: list[str]) -> None:
    """Lock all rows that money depends on, in the common order: sponsorships, jobs, accounts by name."""
    sponsorships.lock(conn, paying)
    conn.execute(me.jobs.with_for_update())
    of_open = select(generations.c.account, generations.c.budget, generations.c.operator).where(
        generations.c.job_id.in_(me.jobs.where(jobs.c.state == JobState.OPEN))
    )
    charged = {name for row in conn.execute(of_open) for name in row if name is not None}
    names = accounts.c.name.in_(charged | {sponsor_account(each) for each in paying})
    conn.execute(select(accounts.c.name).where(or_(names, me.owns_account)).order_by(accounts.c.name).with_for_update())


def _keep_fingerprints(conn: Connection, me: Member) -> None:
    """Replace the prompts of generations that are being sent: if the answer is lost, they are found by these."""
    sending = and_(generations.c.job_id.in_(me.jobs), generations.c.state == GenerationState.SUBMITTING, generations.c.prompt != "")
    for row in conn.execute(select(generations.c.job_id, generations.c.n, generations.c.prompt).where(sending)).all():
        this = and_(generations.c.job_id == row.job_id, generations.c.n == row.n)
        conn.execute(update(generations).where(this).values(prompt=fingerprint_of(row.prompt)))


def _erase_jobs(conn: Connection, me: Member, now: int) -> dict[str, int]:
    """Erase the member's `some_jobs`, which have ended."""
    shown = conn.execute(select(job_messages.c.channel_id, job_messages.c.message_id).where(me.messages)).all()
    parts = {each.table: [part for part in each.erased if part.by_job] for each in HOLDINGS}
    counts = {table.name: sum(_carry_out(conn, table, part, me) for part in some) for table, some in parts.items()}
    _ask_to_remove(conn, shown, now)
    return _found(counts, shown)


def _fold_own_lines(conn: Connection, me: Member) -> dict[str, int]:
    """Fold some lines without a job of the member's accounts. Those that have a key stay: their action could be booked again."""
    own = ledger.c.account.in_(select(accounts.c.name).where(me.owns_account))
    lines = select(ledger.c.id).where(own, ledger.c.job_id.is_(None), ledger.c.key.is_(None)).limit(_LINES_AT_ONCE)
    ids = conn.scalars(lines).all()
    if len(ids) < _LINES_AT_ONCE:
        return {}
    folding.fold_lines(conn, ids)
    return {"ledger": len(ids)}


def _ask_to_remove(conn: Connection, shown: Sequence[Row[int, int]], now: int) -> None:
    for channel_id, message_id in sorted((row.channel_id, row.message_id) for row in shown):
        messages.ask_to_remove(conn, channel_id, message_id, now)


def _found(counts: Mapping[str, int], shown: Sequence[Row[int, int]]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count} | ({"messages": len(shown)} if shown else {})


def _carry_out(conn: Connection, table: Table, part: Erasing, me: Member) -> int:
    where = part.where(me)
    statement = table.delete().where(where) if part.becomes is None else update(table).where(where).values(dict(part.becomes(me)))
    return conn.execute(statement).rowcount


def _notify_moderators(conn: Connection, me: Member, now: int) -> None:
    """Write the audit log of guilds with cases, blocks or strikes of the member, and update the posts of their open cases."""
    about = (cases.c.author_id, blocks.c.user_id, strikes.c.user_id)
    guilds = {guild for column in about for guild in conn.scalars(select(column.table.c.guild_id).where(column == me.id).distinct())}
    for guild_id in sorted(guilds):
        audit_log.note(conn, AuditLine(action=AuditAction.ERASED, at=now, guild_id=guild_id, actor_id=me.id, target_id=me.id))
    for case_id in conn.scalars(select(cases.c.id).where(cases.c.author_id == me.id, cases.c.state != CaseState.DECIDED)).all():
        outbox.add(conn, OutboxItem(kind=ItemKind.CASE, due_at=now, data={"case_id": case_id}))


def _pseudonymise_accounts(conn: Connection, me: Member, now: int) -> None:
    """Move the member's ledger lines to accounts under their pseudonym; their own accounts keep only the balance."""
    for row in conn.execute(select(accounts).where(me.owns_account).with_for_update()).all():
        pseudonym = f"{row.name.rpartition(':')[0]}:{me.pseudonym}"
        conn.execute(insert(accounts).values({**row._mapping, "name": pseudonym}))  # noqa: SLF001  a row's public view
        for table in metadata.sorted_tables:
            for column in (column for column in table.c if column.name in ACCOUNT_NAMES):
                charged = generations.c.job_id.in_(select(ledger.c.job_id).where(ledger.c.account.in_((row.name, pseudonym))))
                found = charged if table is generations else true()  # only their jobs have an index
                conn.execute(update(table).where(column == row.name, found).values({column.name: pseudonym}))
        _reset(conn, row, now)


def _reset(conn: Connection, row: Row[Any], now: int) -> None:
    """Start an account with its available amount. Holds stay in the pseudonymous account, so they only come back by refill."""
    conn.execute(update(accounts).where(accounts.c.name == row.name).values(held=0, spent=0))
    line = {"account": row.name, "at": now, "entry": Entry.OPEN, "available": row.available, "held": 0, "spent": 0}
    conn.execute(insert(ledger).values(line))
