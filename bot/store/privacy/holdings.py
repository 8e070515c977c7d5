"""Inventory of personal data, table by table: `HOLDINGS` is what export and erasure follow.

When a member is erased (`bot.store.privacy.erase`), two kinds of rows stay: ledger lines, under a random pseudonym; and moderation
records (blocks, strikes, flags, cases, decisions). These keep the member's id, because erasing would otherwise lift every penalty; they
lose the member's texts and the references to jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, String, Table, and_, cast, or_, select

from bot.domain.job import GenerationState, JobState
from bot.domain.moderation.audit import AuditAction
from bot.domain.money.accounts import AccountKind, owned_by_one, user_account
from bot.domain.outbox import ItemKind
from bot.store.tables import (
    accounts,
    audit,
    blocks,
    cases,
    daily_usage,
    gallery,
    generations,
    guilds,
    images,
    job_messages,
    jobs,
    kv,
    ledger,
    members,
    outbox,
    processes,
    provider_states,
    rates,
    reactions,
    references,
    reports,
    request_keys,
    sponsorships,
    strikes,
    thumbnails,
    tray,
)

# Columns with a user id, in any table.
PEOPLE = frozenset({"user_id", "owner_id", "author_id", "by_id", "host_id", "actor_id", "target_id", "decided_by", "lifted_by"})
ACCOUNT_NAMES = frozenset({"account", "other", "host_account"})  # columns with an account name, in any other table than `accounts`


@dataclass(frozen=True, kw_only=True)
class Member:
    """A user id and its pseudonym, a random negative number that is never a real id."""

    id: int
    some_jobs: tuple[str, ...] | None = None  # None: all of them
    pseudonym: int = field(default_factory=lambda: -1 - secrets.randbelow(2**62))

    @property
    def jobs(self) -> Select[Any]:
        return select(jobs.c.id).where(jobs.c.user_id == self.id if self.some_jobs is None else jobs.c.id.in_(self.some_jobs))

    @property
    def ended(self) -> Select[Any]:
        """The jobs without running generations."""
        return self.jobs.where(jobs.c.state != JobState.OPEN)

    @property
    def messages(self) -> ColumnElement[bool]:
        """Messages that show the member's jobs or are about them, including posts of cases."""
        about = select(cases.c.id).where(or_(cases.c.author_id == self.id, cases.c.job_id.in_(self.jobs)))
        return or_(job_messages.c.job_id.in_(self.jobs), job_messages.c.case_id.in_(about))

    @property
    def owns_account(self) -> ColumnElement[bool]:
        """The member's own accounts: `user:<id>` and, in guilds with their own accounts, `member:<guild>:<id>`."""
        return _accounts_of(self.id)

    @property
    def pseudonym_account(self) -> ColumnElement[bool]:
        """The same accounts under the pseudonym."""
        return _accounts_of(self.pseudonym)


def _accounts_of(user_id: int) -> ColumnElement[bool]:
    return or_(accounts.c.name == user_account(user_id), accounts.c.name.like(f"{AccountKind.MEMBER}:%:{user_id}"))


def owner_of(account: str) -> int | None:
    """The user id of a member's own account; None for accounts of guilds and sponsorships."""
    return int(account.rpartition(":")[2]) if owned_by_one(account) else None


Condition = Callable[[Member], ColumnElement[bool]]
Values = Callable[[Member], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Erasing:
    """Rows to change when a member is erased, and their new values; without values the rows are deleted."""

    where: Condition
    becomes: Values | None = None
    by_job: bool = False  # the rows are found by the member's jobs: they can be erased for a few jobs at a time


@dataclass(frozen=True, kw_only=True)
class Holding:
    """The personal data in one table."""

    table: Table
    owned: Condition | None  # the rows that a member's export contains; None: no personal data
    erased: tuple[Erasing, ...] = ()
    secret: frozenset[str] = frozenset()  # columns that are never exported
    words: Mapping[str, str] = field(default_factory=dict)  # text columns that are exported only to the user in another column


def _of_jobs(table: Table, *erased: Erasing) -> Holding:
    """A table whose rows belong to jobs, and are deleted with the member."""
    owned: Condition = lambda me: table.c.job_id.in_(me.jobs)  # noqa: E731  named twice
    return Holding(table=table, owned=owned, erased=(*erased, Erasing(where=owned, by_job=True)))


def _deleted(table: Table, owned: Condition, *more: Erasing) -> Holding:
    """A table whose rows are deleted with the member."""
    return Holding(table=table, owned=owned, erased=(Erasing(where=owned), *more))


def _deleted_by_job(table: Table, owned: Condition) -> Holding:
    return Holding(table=table, owned=owned, erased=(Erasing(where=owned, by_job=True),))


def _pseudonymised(table: Table, column: str) -> Holding:
    """A table whose rows stay under the pseudonym."""
    owned: Condition = lambda me: table.c[column] == me.id  # noqa: E731  named twice
    return Holding(table=table, owned=owned, erased=(Erasing(where=owned, becomes=lambda me: {column: me.pseudonym}),))


_OWN_ACTIONS = (AuditAction.GIFTED, AuditAction.SPONSORED, AuditAction.REWARDED, AuditAction.DELETED_OWN, AuditAction.SPOILERED_OWN)


def _own_actions(column: Column[Any]) -> Erasing:
    """Audit lines about what is not a moderator's decision: the member's id is replaced by the pseudonym."""
    those = audit.c.action.in_(_OWN_ACTIONS)
    return Erasing(where=lambda me: and_(column == me.id, those), becomes=lambda me: {column.name: me.pseudonym})


# The image API has the prompt already. Of generations that may have to be found there, `erase` keeps a fingerprint.
_WORDLESS = {"prompt": "", "params": {}}
_IS_LOST = generations.c.state == GenerationState.SUBMITTING


def _unfinished(me: Member) -> dict[str, Any]:
    """The values of a job that is still running at the image API. Its result is not shown."""
    place = {"channel_id": 0, "guild_id": None, "token": None, "application_id": None, "locale": None, "reply_to": None}
    origin = {"parent_id": None, "parent_n": None, "origin_channel_id": None, "origin_message_id": None, "reaction": None}
    return {**place, **origin, **_WORDLESS, "flagged": None, "user_id": me.pseudonym, "state": JobState.DELETED}


def _outbox_items(me: Member) -> ColumnElement[bool]:
    return or_(outbox.c.user_id == me.id, outbox.c.job_id.in_(me.jobs))


def _uses_own_image(me: Member) -> ColumnElement[bool]:
    """All references of other members' ended jobs that used an image of this member: some of them alone would be another request."""
    touched = select(references.c.job_id).join_from(references, jobs).where(references.c.owner_id == me.id, jobs.c.state != JobState.OPEN)
    return references.c.job_id.in_(touched)


# Erased in this order: generations and jobs last, because the rows of other tables are found through them.
HOLDINGS: tuple[Holding, ...] = (
    Holding(table=guilds, owned=None),
    Holding(table=request_keys, owned=None),  # an interaction's id names nobody
    *(Holding(table=table, owned=None) for table in (processes, provider_states, rates)),
    _deleted(members, lambda me: members.c.user_id == me.id),
    _deleted(reactions, lambda me: reactions.c.user_id == me.id),
    _deleted(tray, lambda me: tray.c.user_id == me.id, Erasing(where=lambda me: tray.c.owner_id == me.id)),
    Holding(
        table=outbox,
        owned=_outbox_items,
        erased=(
            Erasing(  # a pending deletion of a message stays
                where=lambda me: and_(_outbox_items(me), outbox.c.kind == ItemKind.REMOVE),
                becomes=lambda _me: {"user_id": None, "job_id": None},
                by_job=True,
            ),
            Erasing(where=_outbox_items, by_job=True),
        ),
        secret=frozenset({"owner"}),
    ),
    _deleted(
        kv,
        lambda me: or_(
            kv.c.name.like(f"%:{me.id}"),
            kv.c.name.like(f"%:{me.id}:%"),
            and_(kv.c.name.startswith("form:"), cast(kv.c.value["user_id"].as_string(), String) == str(me.id)),  # open forms
        ),
    ),
    # Moderation records stay with their guild: neither the members concerned nor the moderators can erase them.
    Holding(  # the flag's user id stays: nobody may flag twice, or lose the record of failed flags by erasing
        table=reports,
        owned=lambda me: or_(reports.c.user_id == me.id, reports.c.author_id == me.id),
        erased=(
            Erasing(where=lambda me: reports.c.user_id == me.id, becomes=lambda _me: {"reason": ""}),
            Erasing(where=lambda me: reports.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}, by_job=True),
        ),
        words={"reason": "user_id"},
    ),
    Holding(table=blocks, owned=lambda me: or_(blocks.c.user_id == me.id, blocks.c.by_id == me.id, blocks.c.lifted_by == me.id)),
    Holding(
        table=strikes,
        owned=lambda me: or_(strikes.c.user_id == me.id, strikes.c.by_id == me.id),
        erased=(Erasing(where=lambda me: strikes.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}, by_job=True),),
    ),
    _deleted_by_job(job_messages, lambda me: me.messages),  # before the cases, which lose their jobs; the outbox deletes the messages
    Holding(  # an open case stays in /imagemod
        table=cases,
        owned=lambda me: or_(cases.c.author_id == me.id, cases.c.decided_by == me.id),
        erased=(
            Erasing(
                where=lambda me: or_(cases.c.author_id == me.id, cases.c.job_id.in_(me.jobs)),
                becomes=lambda _me: {"appeal": None, "job_id": None},
                by_job=True,
            ),
            Erasing(where=lambda me: cases.c.decided_by == me.id, becomes=lambda _me: {"decision_reason": ""}),
        ),
        words={"appeal": "author_id", "decision_reason": "decided_by"},
    ),
    Holding(
        table=audit,
        owned=lambda me: or_(audit.c.actor_id == me.id, audit.c.target_id == me.id),
        erased=(
            Erasing(where=lambda me: audit.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}, by_job=True),
            *(_own_actions(column) for column in (audit.c.actor_id, audit.c.target_id)),
        ),
    ),
    _deleted(gallery, lambda me: gallery.c.author_id == me.id),
    _of_jobs(
        references,
        Erasing(where=_uses_own_image),
        # A running job keeps its copy until its references are deleted anyway.
        Erasing(where=lambda me: references.c.owner_id == me.id, becomes=lambda _me: {"owner_id": None}),
    ),
    _of_jobs(images),
    _of_jobs(thumbnails),
    Holding(table=accounts, owned=lambda me: me.owns_account),  # pseudonymised by `erase`
    Holding(
        table=ledger,
        owned=lambda me: or_(ledger.c.by_id == me.id, ledger.c.account.in_(select(accounts.c.name).where(me.owns_account))),
        erased=(
            Erasing(where=lambda me: ledger.c.job_id.in_(me.ended), becomes=lambda _me: {"job_id": None, "n": None}, by_job=True),
            # A line's key contains the user's id. Without it the same action could be booked again, at the expense of its actor.
            Erasing(where=lambda me: ledger.c.by_id == me.id, becomes=lambda me: {"by_id": me.pseudonym, "note": None, "key": None}),
            Erasing(
                where=lambda me: ledger.c.account.in_(select(accounts.c.name).where(me.pseudonym_account)),
                becomes=lambda _me: {"note": None},
            ),
        ),
        secret=frozenset({"key"}),
    ),
    _deleted(daily_usage, lambda me: daily_usage.c.user_id == me.id),  # counted to nobody before
    _pseudonymised(sponsorships, "host_id"),  # closed before; holds are returned to the pseudonymous account
    Holding(
        table=generations,
        owned=lambda me: generations.c.job_id.in_(me.jobs),
        erased=(
            Erasing(where=lambda me: generations.c.job_id.in_(me.ended), by_job=True),
            Erasing(
                where=lambda me: generations.c.job_id.in_(me.jobs),
                becomes=lambda me: {"user_id": me.pseudonym, "guild_id": None, "params": {}},
            ),
            Erasing(where=lambda me: and_(generations.c.job_id.in_(me.jobs), ~_IS_LOST), becomes=lambda _me: _WORDLESS),
        ),
        secret=frozenset({"owner"}),
    ),
    Holding(
        table=jobs,
        owned=lambda me: jobs.c.user_id == me.id,
        erased=(
            Erasing(where=lambda me: jobs.c.id.in_(me.ended), by_job=True),
            Erasing(where=lambda me: jobs.c.user_id == me.id, becomes=_unfinished),
        ),
        secret=frozenset({"token", "token_expires_at", "application_id", "owner"}),
    ),
)
