"""Audit of the ledger: compares accounts with their lines, images with what was booked for them, and both ends of transfers.

A finding means that rows were changed by hand or that there is a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, false, func, literal, null, or_, select

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
    """Each image has one hold of its price or cost in each of its accounts, and one settle or release there once it has ended."""
    g = generations.c
    charges = (
        (g.account, g.price, null(), g.refunded_at.is_not(None)),
        *((each, g.cost, g.billed, false()) for each in (g.budget, g.operator)),
    )
    for account, amount, billed, was_refunded in charges:  # budgets and limits are never refunded
        due, booked = _due(amount, billed, was_refunded), _booked()
        its_lines = and_(ledger.c.job_id == g.job_id, ledger.c.n == g.n, ledger.c.account == account)
        columns = (g.job_id, g.n, account.label("account"), g.state, *(booked[name].label(name) for name in _COUNTED))
        query = select(*columns).join_from(generations, ledger, its_lines, isouter=True).where(account.is_not(None))
        differs = or_(*(booked[name] != due[name] for name in booked))
        for row in conn.execute(query.group_by(g.job_id, g.n).having(differs).order_by(g.job_id, g.n)):
            has = ", ".join(f"{getattr(row, name)} {name}" for name in _COUNTED)
            yield f"{row.account}: image {row.job_id}/{row.n}, which is {row.state}, has {has} there, or the amounts differ."


def _lines_and_images(conn: Connection) -> Iterator[str]:
    """No account has lines for an image that is charged to others, or a hold for one that does not exist."""
    image = and_(generations.c.job_id == ledger.c.job_id, generations.c.n == ledger.c.n)
    charged = (
        ledger.c.account.is_distinct_from(account) for account in (generations.c.account, generations.c.budget, generations.c.operator)
    )
    one = (ledger.c.job_id, ledger.c.n, ledger.c.account)
    query = select(*one).join_from(ledger, generations, image, isouter=True).where(ledger.c.job_id.is_not(None), *charged)
    stray = or_(func.max(generations.c.n).is_not(None), func.sum(ledger.c.held) != 0)
    for row in conn.execute(query.group_by(*one).having(stray).order_by(*one)):
        yield f"{row.account}: it has lines for image {row.job_id}/{row.n}, which does not exist or is charged to other accounts."


def _transfers(conn: Connection) -> Iterator[str]:
    total = func.sum(ledger.c.available)
    moved = select(ledger.c.entry, total.label("total")).where(ledger.c.entry.in_(TRANSFERS)).group_by(ledger.c.entry)
    for row in conn.execute(moved.having(total != 0).order_by(ledger.c.entry)):
        yield f"all lines of kind {row.entry} add up to {int(row.total)} instead of 0."


_CHECKS = (_accounts_and_lines, _below_zero, _images_and_lines, _lines_and_images, _transfers)


# --- expected and booked ---------------------------------------------------------------------------------------------

_COUNTED = (Entry.HOLD, Entry.SETTLE, Entry.RELEASE, Entry.REFUND)


def _due(amount: ColumnElement[int], billed: ColumnElement[Any], was_refunded: ColumnElement[bool]) -> dict[str, ColumnElement[int]]:
    """The expected number of lines of each kind, and their sums, of an image in one of its accounts."""
    g = generations.c
    made, ended = g.state == GenerationState.SUCCEEDED, g.state.in_(ENDED)
    given_back = and_(ended, ~made)
    counts: dict[str, ColumnElement[int]] = {
        Entry.HOLD: literal(1),
        Entry.SETTLE: _one(made),
        Entry.RELEASE: _one(given_back),
        Entry.REFUND: _one(was_refunded),
    }
    amounts = {
        "available": case((or_(given_back, was_refunded), 0), else_=-amount),
        "held": case((ended, 0), else_=amount),
        "spent": case((billed.is_not(None), billed), (and_(made, ~was_refunded), amount), else_=0),
    }
    return counts | amounts


def _booked() -> dict[str, ColumnElement[int]]:
    """The same counts and sums of its lines."""
    counts = {name: _sum(_one(ledger.c.entry == name)) for name in _COUNTED}
    # A correction takes from what is available only while there is some.
    moved = case((ledger.c.entry == Entry.CORRECT, 0), else_=ledger.c.available)
    return counts | {name: _sum(moved if name == "available" else ledger.c[name]) for name in _AMOUNTS}


def _sum(value: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(value), 0)


def _one(where: ColumnElement[bool]) -> ColumnElement[int]:
    return case((where, 1), else_=0)


def _row(amounts: tuple[int, ...]) -> str:
    return ", ".join(str(amount) for amount in amounts)
