"""What is kept of a member, table by table: each table has its place in `HOLDINGS`, which telling (here) and erasing follow.

Two things stay behind when a member's rows are erased (`bot.store.erasing`), and neither says whose they were: the ledger's sums, under a
name drawn by chance, and reports about pictures of others, whose reporter becomes a number drawn by chance.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, LargeBinary, Select, String, Table, and_, cast, func, or_, select

from bot.jobs.job import JobState, message_url
from bot.store.errands import ErrandKind
from bot.store.history import POSTED
from bot.store.tables import (
    accounts,
    errands,
    generations,
    jobs,
    keepsakes,
    ledger,
    members,
    pictures,
    reactions,
    references,
    reports,
    servers,
    thumbnails,
    tray,
)

PEOPLE = frozenset({"user_id", "owner_id", "author_id", "by_id", "host_id"})  # columns that say who somebody is, in any table


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
    def owns_account(self) -> ColumnElement[bool]:
        """Theirs alone are `user:<id>` and, for each server that keeps accounts of its own, `member:<server>:<id>`."""
        return or_(accounts.c.name == f"user:{self.id}", accounts.c.name.like(f"member:%:{self.id}"))


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
    unless_own: frozenset[str] = frozenset()  # columns that are told only where `user_id` is the member's


def _of_jobs(table: Table, *erased: Erasing) -> Holding:
    """A table whose rows belong to jobs, whatever state these are in."""
    mine: Condition = lambda me: table.c.job_id.in_(me.jobs)  # noqa: E731  named twice
    return Holding(table=table, mine=mine, erased=(*erased, Erasing(where=mine)))


def _whole(table: Table, mine: Condition, *more: Erasing) -> Holding:
    """A table whose rows go with the member."""
    return Holding(table=table, mine=mine, erased=(Erasing(where=mine), *more))


def _unfinished(me: Member) -> dict[str, Any]:
    """What stays of a job that the image API still makes: its words, to know a lost answer by. Nobody is shown what comes of it."""
    place = {"channel_id": 0, "guild_id": None, "message_id": None, "token": None, "application_id": None, "locale": None, "reply_to": None}
    origin = {"parent_id": None, "parent_n": None, "origin_channel_id": None, "origin_message_id": None, "reaction": None}
    return {**place, **origin, "user_id": me.nobody, "state": JobState.DELETED}


def _promised(me: Member) -> ColumnElement[bool]:
    return or_(errands.c.user_id == me.id, errands.c.job_id.in_(me.jobs))


def _works_with_mine(me: Member) -> ColumnElement[bool]:
    """All references of the ended jobs of others that have a copy of this member's picture among them: a part would be another request."""
    ended = select(jobs.c.id).where(jobs.c.state != JobState.OPEN)
    touched = select(references.c.job_id).where(references.c.owner_id == me.id)
    return references.c.job_id.in_(touched) & references.c.job_id.in_(ended)


# Erased in this order: generations and jobs last, since the others are found by them.
HOLDINGS: tuple[Holding, ...] = (
    Holding(table=servers, mine=None),
    _whole(members, lambda me: members.c.user_id == me.id),
    _whole(reactions, lambda me: reactions.c.user_id == me.id),
    _whole(tray, lambda me: tray.c.user_id == me.id, Erasing(where=lambda me: tray.c.owner_id == me.id)),
    Holding(
        table=errands,
        mine=_promised,
        erased=(
            Erasing(  # a message that was to be taken away still is
                where=lambda me: and_(_promised(me), errands.c.kind == ErrandKind.REMOVE),
                becomes=lambda _me: {"user_id": None, "job_id": None},
            ),
            Erasing(where=_promised),
        ),
    ),
    _whole(
        keepsakes,
        lambda me: or_(
            keepsakes.c.name.like(f"%:{me.id}"),
            keepsakes.c.name.like(f"%:{me.id}:%"),
            keepsakes.c.name.in_(select(POSTED + jobs.c.id).where(jobs.c.user_id == me.id)),
            and_(keepsakes.c.name.startswith("tray:"), cast(keepsakes.c.value["user_id"].as_string(), String) == str(me.id)),  # open forms
        ),
    ),
    Holding(  # a report is the moderators' as well
        table=reports,
        mine=lambda me: or_(reports.c.user_id == me.id, reports.c.author_id == me.id),
        erased=(
            Erasing(where=lambda me: reports.c.user_id == me.id, becomes=lambda me: {"user_id": me.nobody}),
            Erasing(
                where=lambda me: or_(reports.c.author_id == me.id, reports.c.job_id.in_(me.jobs)),
                becomes=lambda _me: {"author_id": None, "job_id": None},
            ),
        ),
        unless_own=frozenset({"reason"}),
    ),
    _of_jobs(
        references,
        Erasing(where=_works_with_mine),
        # A request under way keeps the copy that it works from until references are forgotten anyway.
        Erasing(where=lambda me: references.c.owner_id == me.id, becomes=lambda _me: {"owner_id": None}),
    ),
    _of_jobs(pictures),
    _of_jobs(thumbnails),
    Holding(table=accounts, mine=lambda me: me.owns_account),  # left behind under another name: `_leave_accounts`
    Holding(
        table=ledger,
        mine=lambda me: ledger.c.account.in_(select(accounts.c.name).where(me.owns_account)),
        erased=(Erasing(where=lambda me: ledger.c.job_id.in_(me.ended), becomes=lambda _me: {"job_id": None, "n": None}),),
    ),
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


def tell(conn: Connection, user_id: int) -> dict[str, list[dict[str, Any]]]:
    """Everything that is kept of a member, by table: rows as they stand, pictures as their size, other people left out."""
    me = Member(id=user_id)
    return {each.table.name: _rows(conn, each, each.mine(me), me) for each in HOLDINGS if each.mine is not None}


def links(conn: Connection, user_id: int) -> list[str]:
    """Discord's links to the messages that show a member's pictures, oldest first."""
    shown = select(jobs.c.guild_id, jobs.c.channel_id, jobs.c.message_id).where(jobs.c.user_id == user_id, jobs.c.message_id.is_not(None))
    return [message_url(*row) for row in conn.execute(shown.order_by(jobs.c.created_at, jobs.c.id))]


def _rows(conn: Connection, holding: Holding, mine: ColumnElement[bool], me: Member) -> list[dict[str, Any]]:
    table = holding.table
    columns = [
        func.length(column).label(f"{column.name}_bytes") if isinstance(column.type, LargeBinary) else column
        for column in table.c
        if column.name not in holding.secret
    ]
    rows = conn.execute(select(*columns).where(mine).order_by(*table.primary_key)).mappings()
    return [{name: _told(holding, dict(row), name, me) for name in row} for row in rows]


def _told(holding: Holding, row: Mapping[str, Any], name: str, me: Member) -> Any:
    value = row[name]
    if (name in PEOPLE and value != me.id) or (name in holding.unless_own and row["user_id"] != me.id):
        return None
    return str(value) if name.endswith("_id") and isinstance(value, int) else value  # ids are too large for many readers of JSON
