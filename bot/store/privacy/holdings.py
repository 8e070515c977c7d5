"""What is kept of a member, table by table: each table has its place in `HOLDINGS`, which telling and erasing follow.

When a member erases what is theirs (`bot.store.privacy.erase`), two things stay behind. Sums of credits and who moved them, under a
name and a number drawn by chance. And what moderators go by: blocks, strikes, flags, cases, decisions. Those keep the member's id, or
leaving would be an amnesty; they lose the member's words, and what led to requests and images.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, String, Table, and_, cast, or_, select

from bot.domain.job import JobState
from bot.domain.moderation.audit import AuditAction
from bot.domain.money.accounts import AccountKind, owned_by_one, user_account
from bot.domain.outbox import ItemKind
from bot.store.tables import (
    accounts,
    audit,
    blocks,
    cases,
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
    reactions,
    references,
    reports,
    sponsorships,
    strikes,
    thumbnails,
    tray,
)

# Columns that say who somebody is, in any table.
PEOPLE = frozenset({"user_id", "owner_id", "author_id", "by_id", "host_id", "actor_id", "target_id", "decided_by", "lifted_by"})
ACCOUNT_NAMES = frozenset({"account", "other", "host_account"})  # columns that name an account, in any table but their own


@dataclass(frozen=True, kw_only=True)
class Member:
    """Somebody, and the number that takes their place: negative, so that it is nobody's."""

    id: int
    nobody: int = field(default_factory=lambda: -1 - secrets.randbelow(2**62))

    @property
    def jobs(self) -> Select[Any]:
        return select(jobs.c.id).where(jobs.c.user_id == self.id)

    @property
    def ended(self) -> Select[Any]:
        """The jobs that nothing is at work on any more."""
        return self.jobs.where(jobs.c.state != JobState.OPEN)

    @property
    def messages(self) -> ColumnElement[bool]:
        """Those that show what is theirs, or tell moderators of it."""
        about = select(cases.c.id).where(or_(cases.c.author_id == self.id, cases.c.job_id.in_(self.jobs)))
        return or_(job_messages.c.job_id.in_(self.jobs), job_messages.c.case_id.in_(about))

    @property
    def owns_account(self) -> ColumnElement[bool]:
        """Theirs alone are `user:<id>` and, for each server that keeps accounts of its own, `member:<server>:<id>`."""
        return _accounts_of(self.id)

    @property
    def left_account(self) -> ColumnElement[bool]:
        """The same once they were left behind."""
        return _accounts_of(self.nobody)


def _accounts_of(user_id: int) -> ColumnElement[bool]:
    return or_(accounts.c.name == user_account(user_id), accounts.c.name.like(f"{AccountKind.MEMBER}:%:{user_id}"))


def owner_of(account: str) -> int | None:
    """Whose an account is alone; None for those of servers and sponsorships."""
    return int(account.rpartition(":")[2]) if owned_by_one(account) else None


Condition = Callable[[Member], ColumnElement[bool]]
Values = Callable[[Member], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Erasing:
    """Rows that lead to a member, and the values that take the place of what does; without any the rows go."""

    where: Condition
    becomes: Values | None = None


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What one table holds of members."""

    table: Table
    mine: Condition | None  # the rows that are told to a member; None: it says nothing about members
    erased: tuple[Erasing, ...] = ()
    secret: frozenset[str] = frozenset()  # columns that are told to nobody
    words: Mapping[str, str] = field(default_factory=dict)  # columns that are told only to whom another column names


def _of_jobs(table: Table, *erased: Erasing) -> Holding:
    """A table whose rows belong to jobs, whatever state these are in."""
    mine: Condition = lambda me: table.c.job_id.in_(me.jobs)  # noqa: E731  named twice
    return Holding(table=table, mine=mine, erased=(*erased, Erasing(where=mine)))


def _whole(table: Table, mine: Condition, *more: Erasing) -> Holding:
    """A table whose rows go with the member."""
    return Holding(table=table, mine=mine, erased=(Erasing(where=mine), *more))


def _renamed(table: Table, column: str) -> Holding:
    """A table whose rows stay without their member."""
    mine: Condition = lambda me: table.c[column] == me.id  # noqa: E731  named twice
    return Holding(table=table, mine=mine, erased=(Erasing(where=mine, becomes=lambda me: {column: me.nobody}),))


def _merely_credits(column: Column[Any]) -> Erasing:
    """What no moderator decided: members did it among themselves, or a rule gave it."""
    those = audit.c.action.in_((AuditAction.GIFTED, AuditAction.SPONSORED, AuditAction.REWARDED))
    return Erasing(where=lambda me: and_(column == me.id, those), becomes=lambda me: {column.name: me.nobody})


def _unfinished(me: Member) -> dict[str, Any]:
    """What stays of a job that the image API still makes: its words, to know a lost answer by. Nobody is shown what comes of it."""
    place = {"channel_id": 0, "guild_id": None, "token": None, "application_id": None, "locale": None, "reply_to": None}
    origin = {"parent_id": None, "parent_n": None, "origin_channel_id": None, "origin_message_id": None, "reaction": None}
    return {**place, **origin, "flagged": None, "user_id": me.nobody, "state": JobState.DELETED}


def _promised(me: Member) -> ColumnElement[bool]:
    return or_(outbox.c.user_id == me.id, outbox.c.job_id.in_(me.jobs))


def _works_with_mine(me: Member) -> ColumnElement[bool]:
    """All references of the ended jobs of others that have a copy of this member's image among them: a part would be another request."""
    ended = select(jobs.c.id).where(jobs.c.state != JobState.OPEN)
    touched = select(references.c.job_id).where(references.c.owner_id == me.id)
    return references.c.job_id.in_(touched) & references.c.job_id.in_(ended)


# Erased in this order: generations and jobs last, since the others are found by them.
HOLDINGS: tuple[Holding, ...] = (
    Holding(table=guilds, mine=None),
    _whole(members, lambda me: members.c.user_id == me.id),
    _whole(reactions, lambda me: reactions.c.user_id == me.id),
    _whole(tray, lambda me: tray.c.user_id == me.id, Erasing(where=lambda me: tray.c.owner_id == me.id)),
    Holding(
        table=outbox,
        mine=_promised,
        erased=(
            Erasing(  # a message that was to be taken away still is
                where=lambda me: and_(_promised(me), outbox.c.kind == ItemKind.REMOVE),
                becomes=lambda _me: {"user_id": None, "job_id": None},
            ),
            Erasing(where=_promised),
        ),
    ),
    _whole(
        kv,
        lambda me: or_(
            kv.c.name.like(f"%:{me.id}"),
            kv.c.name.like(f"%:{me.id}:%"),
            and_(kv.c.name.startswith("form:"), cast(kv.c.value["user_id"].as_string(), String) == str(me.id)),  # open forms
        ),
    ),
    # What moderators go by. It stays with its server: neither its members nor those who decided can erase what was decided.
    Holding(  # whose flag it is stays: nobody flags twice, or starts anew after flags that failed
        table=reports,
        mine=lambda me: or_(reports.c.user_id == me.id, reports.c.author_id == me.id),
        erased=(
            Erasing(where=lambda me: reports.c.user_id == me.id, becomes=lambda _me: {"reason": ""}),
            Erasing(where=lambda me: reports.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}),
        ),
        words={"reason": "user_id"},
    ),
    Holding(table=blocks, mine=lambda me: or_(blocks.c.user_id == me.id, blocks.c.by_id == me.id, blocks.c.lifted_by == me.id)),
    Holding(
        table=strikes,
        mine=lambda me: or_(strikes.c.user_id == me.id, strikes.c.by_id == me.id),
        erased=(Erasing(where=lambda me: strikes.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}),),
    ),
    _whole(job_messages, lambda me: me.messages),  # before the cases, which lose their jobs; the outbox takes the messages themselves away
    Holding(  # an open case waits in /imagemod
        table=cases,
        mine=lambda me: or_(cases.c.author_id == me.id, cases.c.decided_by == me.id),
        erased=(
            Erasing(
                where=lambda me: or_(cases.c.author_id == me.id, cases.c.job_id.in_(me.jobs)),
                becomes=lambda _me: {"appeal": None, "job_id": None},
            ),
        ),
        words={"appeal": "author_id"},
    ),
    Holding(
        table=audit,
        mine=lambda me: or_(audit.c.actor_id == me.id, audit.c.target_id == me.id),
        erased=(
            Erasing(where=lambda me: audit.c.job_id.in_(me.jobs), becomes=lambda _me: {"job_id": None}),
            *(_merely_credits(column) for column in (audit.c.actor_id, audit.c.target_id)),
        ),
    ),
    _whole(gallery, lambda me: gallery.c.author_id == me.id),
    _of_jobs(
        references,
        Erasing(where=_works_with_mine),
        # A request under way keeps the copy that it works from until references are forgotten anyway.
        Erasing(where=lambda me: references.c.owner_id == me.id, becomes=lambda _me: {"owner_id": None}),
    ),
    _of_jobs(images),
    _of_jobs(thumbnails),
    Holding(table=accounts, mine=lambda me: me.owns_account),  # left behind under another name: `_leave_accounts`
    Holding(
        table=ledger,
        mine=lambda me: or_(ledger.c.by_id == me.id, ledger.c.account.in_(select(accounts.c.name).where(me.owns_account))),
        erased=(
            Erasing(where=lambda me: ledger.c.job_id.in_(me.ended), becomes=lambda _me: {"job_id": None, "n": None}),
            # A deed's key names who did it; without it the same deed counts anew, at the expense of whoever does it.
            Erasing(where=lambda me: ledger.c.by_id == me.id, becomes=lambda me: {"by_id": me.nobody, "note": None, "key": None}),
            Erasing(
                where=lambda me: ledger.c.account.in_(select(accounts.c.name).where(me.left_account)),
                becomes=lambda _me: {"note": None},
            ),
        ),
        secret=frozenset({"key"}),
    ),
    _renamed(sponsorships, "host_id"),  # closed before; what is on hold follows into the account that was left behind
    Holding(
        table=generations,
        mine=lambda me: generations.c.user_id == me.id,
        erased=(
            Erasing(where=lambda me: generations.c.job_id.in_(me.ended)),
            Erasing(where=lambda me: generations.c.user_id == me.id, becomes=lambda me: {"user_id": me.nobody, "guild_id": None}),
        ),
    ),
    Holding(
        table=jobs,
        mine=lambda me: jobs.c.user_id == me.id,
        erased=(Erasing(where=lambda me: jobs.c.id.in_(me.ended)), Erasing(where=lambda me: jobs.c.user_id == me.id, becomes=_unfinished)),
        secret=frozenset({"token", "token_expires_at", "application_id"}),
    ),
)
