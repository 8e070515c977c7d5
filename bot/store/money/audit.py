"""Audit of the ledger: compares accounts with their lines, images with what was booked for them, and both ends of transfers.

A finding means that rows were changed by hand or that there is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, false, func, literal, or_, select, union_all

from bot.domain.job import ENDED, GenerationState
from bot.domain.money.ledger import Entry
from bot.store.money.ledger import TRANSFERS, audit
from bot.store.tables import accounts, generations, ledger

_AMOUNTS = ("available", "held", "spent")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Row counts, and a sentence for each finding."""

    accounts: int
    lines: int
    images: int
    wrong: tuple[str, ...]


def prove(conn: Connection) -> Proof:
    """Check every account, line and image. Reads only."""
    counts = [conn.scalar(select(func.count()).select_from(table)) or 0 for table in (accounts, ledger, generations)]
    wrong = [sentence for check in _CHECKS for sentence in check(conn)]
    return Proof(accounts=counts[0], lines=counts[1], images=counts[2], wrong=tuple(wrong))


def _accounts_and_lines(conn: Connection) -> Iterator[str]:
    for each in audit(conn):
        yield f"{each.account}: available, held and spent are {_row(each.booked)}, and its lines add up to {_row(each.summed)}."


def _below_zero(conn: Connection) -> Iterator[str]:
    below = or_(*(accounts.c[name] < 0 for name in _AMOUNTS))
    for row in conn.execute(select(accounts).where(below).order_by(accounts.c.name)):
        yield f"{row.name}: an amount is below zero: {_row((row.available, row.held, row.spent))}."


def _images_and_lines(conn: Connection) -> Iterator[str]:
    """Each image has one hold of its price in each of its accounts, and one settle or release there once it has ended."""
    due, booked = _due(), _booked()
    here = and_(due.c.job_id == booked.c.job_id, due.c.n == booked.c.n, due.c.account == booked.c.account)
    counted = {name: func.coalesce(booked.c[name], 0) for name in (*_COUNTED, *_AMOUNTS)}
    differs = or_(*(counted[name] != due.c[name] for name in counted))
    query = select(due.c.job_id, due.c.n, due.c.account, due.c.state, *(counted[name].label(name) for name in _COUNTED))
    for row in conn.execute(query.join_from(due, booked, here, isouter=True).where(differs).order_by(due.c.job_id, due.c.n)):
        has = ", ".join(f"{getattr(row, name)} {name}" for name in _COUNTED)
        yield f"{row.account}: image {row.job_id}/{row.n}, which is {row.state}, has {has} there, or the amounts differ from its price."


def _lines_and_images(conn: Connection) -> Iterator[str]:
    """No account has lines for an image that is charged to others, or a hold for one that does not exist."""
    due, booked = _due(), _booked()
    here = and_(due.c.job_id == booked.c.job_id, due.c.n == booked.c.n, due.c.account == booked.c.account)
    kept = select(generations.c.n).where(generations.c.job_id == booked.c.job_id, generations.c.n == booked.c.n).exists()
    stray = and_(due.c.account.is_(None), or_(kept, booked.c.held != 0))
    query = select(booked.c.job_id, booked.c.n, booked.c.account).join_from(booked, due, here, isouter=True).where(stray)
    for row in conn.execute(query.order_by(booked.c.job_id, booked.c.n)):
        yield f"{row.account}: it has lines for image {row.job_id}/{row.n}, which does not exist or is charged to other accounts."


def _transfers(conn: Connection) -> Iterator[str]:
    total = func.sum(ledger.c.available)
    moved = select(ledger.c.entry, total.label("total")).where(ledger.c.entry.in_(TRANSFERS)).group_by(ledger.c.entry)
    for row in conn.execute(moved.having(total != 0).order_by(ledger.c.entry)):
        yield f"all lines of kind {row.entry} add up to {int(row.total)} instead of 0."


_CHECKS = (_accounts_and_lines, _below_zero, _images_and_lines, _lines_and_images, _transfers)


# --- expected and booked ---------------------------------------------------------------------------------------------

_COUNTED = (Entry.HOLD, Entry.SETTLE, Entry.RELEASE, Entry.REFUND)


def _due() -> Subquery:
    """The expected number of lines of each kind, and their sums, for each image and account that it is charged to."""
    g = generations.c
    made = g.state == GenerationState.SUCCEEDED
    given_back = and_(g.state.in_(ENDED), ~made)

    def charged(account: ColumnElement[str], back: ColumnElement[bool]) -> Any:
        """`back` says which images were refunded; a budget is never refunded."""
        counts: dict[str, Any] = {
            Entry.HOLD: literal(1),
            Entry.SETTLE: _one(made),
            Entry.RELEASE: _one(given_back),
            Entry.REFUND: _one(back),
        }
        amounts = {
            "available": case((or_(given_back, back), 0), else_=-g.price),
            "held": case((g.state.in_(ENDED), 0), else_=g.price),
            "spent": case((and_(made, ~back), g.price), else_=0),
        }
        values = (value.label(name) for name, value in (counts | amounts).items())
        return select(g.job_id, g.n, account.label("account"), g.state, *values).where(account.is_not(None))

    return union_all(charged(g.account, g.refunded_at.is_not(None)), charged(g.budget, false())).subquery("due")


def _booked() -> Subquery:
    """The same counts and sums from the ledger."""
    one = (ledger.c.job_id, ledger.c.n, ledger.c.account)
    counts = (func.sum(_one(ledger.c.entry == name)).label(name) for name in _COUNTED)
    sums = (func.sum(ledger.c[name]).label(name) for name in _AMOUNTS)
    return select(*one, *counts, *sums).where(ledger.c.job_id.is_not(None)).group_by(*one).subquery("booked")


def _one(where: ColumnElement[bool]) -> ColumnElement[int]:
    return case((where, 1), else_=0)


def _row(amounts: tuple[int, ...]) -> str:
    return ", ".join(str(amount) for amount in amounts)
