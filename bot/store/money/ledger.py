"""The ledger: accounts and their lines. Amounts are microcredits, times Unix milliseconds.

An image's price is held when it is ordered, on each account that it is charged to, then settled if the image was made or released if
it was not. Each of these is booked at most once, as a line, in the caller's transaction. So an account always equals the sum of its
lines, and money always matches the state of the jobs.

An operation that moves money first locks every account that it may change, in the order of their names. Parallel transactions then
run one after the other, each sees the balances that the previous one left, and there are no deadlocks.

Refill is computed from the time of the last booking, not stored; the next booking adds it as a `refill` line. A settled price starts
to refill at its hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, insert, or_, select, update

from bot.core.errors import OutOfCredit
from bot.core.i18n import _
from bot.domain.money import quota
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Entry, LedgerLine, Statement
from bot.domain.money.quota import Bucket, Limit
from bot.store.engine.base import upsert
from bot.store.tables import accounts, ledger

TRANSFERS = (Entry.GIFT, Entry.SPONSOR, Entry.RETURN)  # from one account to another: all lines of a kind add up to 0


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """An account that differs from the sum of its lines."""

    account: str
    booked: tuple[int, ...]  # available, held, spent as the account says
    summed: tuple[int, ...]  # the same as the lines say


@dataclass(frozen=True, kw_only=True)
class Balance:
    """An account's amounts now. Its row is locked until the transaction ends. Valid for one booking only."""

    account: AccountRef
    available: int
    held: int
    spent: int
    as_of: int
    due: Entry | None  # the line that the next booking adds first, for refill or a changed limit; None: nothing to add
    due_amount: int  # the amount of that line, included in `available`; negative if a limit was reduced


@dataclass(frozen=True, kw_only=True)
class _Step:
    """How an entry moves an amount: the line it requires, the lines that exclude it, and a sign for each of the account's amounts."""

    after: Entry
    unless: frozenset[Entry]
    available: int = 0
    held: int = 0
    spent: int = 0


# Built once, because building a statement takes longer than running it.
_AMOUNTS = ("available", "held", "spent")
_THEN = {name: accounts.c[name] + bindparam(f"add_{name}", type_=BigInteger) for name in _AMOUNTS}
_LOCK = select(accounts).where(accounts.c.name == bindparam("name")).with_for_update()
_ADD = (
    update(accounts)
    .where(accounts.c.name == bindparam("account"), *(then >= 0 for then in _THEN.values()))
    .values(**_THEN, as_of=bindparam("then"))
)
_APPEND = insert(ledger)
_LINES_OF = select(ledger.c.entry, ledger.c.held, ledger.c.spent).where(
    ledger.c.account == bindparam("name"), ledger.c.job_id == bindparam("job_id"), ledger.c.n == bindparam("n")
)

_ENDS = frozenset({Entry.SETTLE, Entry.RELEASE})
_STEPS: Mapping[Entry, _Step] = MappingProxyType(
    {
        Entry.SETTLE: _Step(after=Entry.HOLD, unless=_ENDS, held=-1, spent=+1),
        Entry.RELEASE: _Step(after=Entry.HOLD, unless=_ENDS, held=-1, available=+1),
        Entry.REFUND: _Step(after=Entry.SETTLE, unless=frozenset({Entry.REFUND}), spent=-1, available=+1),
    }
)


# --- moving money ----------------------------------------------------------------------------------------------------


def lock(conn: Connection, accounts: Iterable[AccountRef], now: int) -> dict[str, Balance]:
    """Lock the accounts until the transaction ends. Returns their balances at `now` by name; new accounts are opened and filled.

    Call it once in a transaction, with every account that may change: a second call could deadlock.
    """
    wanted = sorted(accounts, key=lambda account: account.name)
    return {account.name: _balance(account, _locked(conn, account.name) or _opened(conn, account, now), now) for account in wanted}


def hold(conn: Connection, balances: Iterable[Balance], amounts: Sequence[tuple[str, int, int]], now: int) -> None:
    """Hold each (job_id, n, amount) in each of the locked accounts. Raises `OutOfCredit` if one of them has too little."""
    lines = [line(Entry.HOLD, available=-amount, held=amount, job_id=job_id, n=n) for job_id, n, amount in amounts]
    for balance in balances:
        book(conn, balance, lines, now)


def settle(conn: Connection, *, accounts: Iterable[str], job_id: str, n: int, amount: int, now: int) -> bool:
    """Spend the `amount` held in each of the accounts. False, without a change, if there is no hold or it has ended."""
    return _move(conn, Entry.SETTLE, accounts, job_id=job_id, n=n, amount=amount, now=now)


def release(conn: Connection, *, accounts: Iterable[str], job_id: str, n: int, amount: int, now: int) -> bool:
    """Return the `amount` held in each of the accounts. False, without a change, if there is no hold or it has ended."""
    return _move(conn, Entry.RELEASE, accounts, job_id=job_id, n=n, amount=amount, now=now)


def refund(
    conn: Connection, *, account: str, job_id: str, n: int, amount: int, now: int, by_id: int | None = None, note: str | None = None
) -> bool:
    """Return a settled `amount`, even above the bucket's size. False if it was not settled or was refunded before."""
    return _move(conn, Entry.REFUND, [account], job_id=job_id, n=n, amount=amount, now=now, by_id=by_id, note=note)


def line(
    entry: Entry,
    *,
    available: int = 0,
    held: int = 0,
    spent: int = 0,
    job_id: str | None = None,
    n: int | None = None,
    other: str | None = None,
    by_id: int | None = None,
    note: str | None = None,
    key: str | None = None,
) -> dict[str, Any]:
    """A line for `book`. A `key` is unique in an account."""
    about = {"job_id": job_id, "n": n, "other": other, "by_id": by_id, "note": note, "key": key}
    return {"entry": entry, "available": available, "held": held, "spent": spent, **about}


def book(conn: Connection, balance: Balance, lines: Sequence[dict[str, Any]], now: int) -> None:
    """Book lines in a locked account, after its due line. Raises `OutOfCredit` if an amount would become negative."""
    due = [] if balance.due is None else [line(balance.due, available=balance.due_amount)]
    _book(conn, balance.account.name, [*due, *lines], now, as_of=balance.as_of)


# --- reading ---------------------------------------------------------------------------------------------------------


def statement(conn: Connection, *, account: str, bucket: Bucket | Limit, now: int, lines: int = 5) -> Statement:
    """The account at `now`, with its last `lines` lines, newest first. An account that was never used is full."""
    row = conn.execute(select(accounts).where(accounts.c.name == account)).one_or_none()
    if row is None:
        return Statement(available=bucket.size, held=0, spent=0, full_at=now, lines=())
    full_at = None
    if isinstance(bucket, Bucket):
        full_at = quota.full_at(bucket, available=row.available, held=row.held, as_of=row.as_of, now=now)
    available = _available(bucket, row, now)
    latest = _lines(conn, account, lines) if lines else ()
    return Statement(available=available, held=row.held, spent=row.spent, full_at=full_at, lines=latest)


def audit(conn: Connection) -> list[Discrepancy]:
    """Every account that differs from the sum of its lines. A finding means rows changed by hand or a bug."""
    booked = [accounts.c[name] for name in _AMOUNTS]
    summed = [func.coalesce(func.sum(ledger.c[name]), 0) for name in _AMOUNTS]
    differs = or_(*(amount != total for amount, total in zip(booked, summed, strict=True)))
    query = select(accounts.c.name, *booked, *summed).join_from(accounts, ledger, accounts.c.name == ledger.c.account, isouter=True)
    rows = conn.execute(query.group_by(accounts.c.name).having(differs).order_by(accounts.c.name))
    found = ((name, tuple(int(amount) for amount in amounts)) for name, *amounts in rows)  # PostgreSQL's sums of integers are Decimal
    return [Discrepancy(account=name, booked=amounts[:3], summed=amounts[3:]) for name, amounts in found]


# --- rows ------------------------------------------------------------------------------------------------------------


def _locked(conn: Connection, account: str) -> Row[Any] | None:
    return conn.execute(_LOCK, {"name": account}).one_or_none()


def _opened(conn: Connection, account: AccountRef, now: int) -> Row[Any]:
    """The row of a new account, inserted here or by a concurrent transaction. Raises `LookupError` if its refill is unknown."""
    if account.fills is None:
        raise LookupError(f"there is no account {account.name}")
    empty = {"name": account.name, "available": 0, "held": 0, "spent": 0, "as_of": now}
    if conn.execute(upsert(conn, accounts).values(empty).on_conflict_do_nothing()).rowcount == 1:
        _book(conn, account.name, [line(Entry.OPEN, available=account.fills.size)], now, as_of=now)
    return conn.execute(_LOCK, {"name": account.name}).one()


def _balance(account: AccountRef, row: Row[Any], now: int) -> Balance:
    available = row.available if account.fills is None else _available(account.fills, row, now)
    due = None if available == row.available else Entry.SIZE if isinstance(account.fills, Limit) else Entry.REFILL
    # If the refill is unknown, keep `as_of`: a later booking still has to count the time since then.
    as_of = row.as_of if account.fills is None else max(row.as_of, now)
    due_amount = available - row.available
    return Balance(account=account, available=available, held=row.held, spent=row.spent, as_of=as_of, due=due, due_amount=due_amount)


def _available(fills: Bucket | Limit, row: Row[Any], now: int) -> int:
    if isinstance(fills, Limit):
        return fills.left(held=row.held, spent=row.spent)
    return quota.available_at(fills, available=row.available, held=row.held, as_of=row.as_of, now=now)


def _move(conn: Connection, entry: Entry, names: Iterable[str], *, job_id: str, n: int, amount: int, now: int, **about: Any) -> bool:
    """Book one step of an image's price in all its accounts or in none. Raises `ValueError` if it is due in only some of them."""
    step = _STEPS[entry]
    rows = [_locked(conn, name) for name in sorted(names)]  # the second of two callers waits here and sees the first one's lines
    ready = [row for row in rows if row is not None and _is_due(conn, entry, row.name, job_id=job_id, n=n, amount=amount)]
    if not ready:
        return False
    if len(ready) < len(rows):
        raise ValueError(f"{entry} of {job_id}/{n} is due in some of its accounts only")
    amounts = {name: getattr(step, name) * amount for name in _AMOUNTS}
    for row in ready:
        _book(conn, row.name, [line(entry, job_id=job_id, n=n, **amounts, **about)], now, as_of=row.as_of)
    return True


def _is_due(conn: Connection, entry: Entry, account: str, *, job_id: str, n: int, amount: int) -> bool:
    step = _STEPS[entry]
    seen = {each.entry: max(each.held, each.spent) for each in conn.execute(_LINES_OF, {"name": account, "job_id": job_id, "n": n})}
    if step.after not in seen or seen.keys() & step.unless:
        return False
    if seen[step.after] != amount:
        raise ValueError(f"{entry} of {amount} after a {step.after} of {seen[step.after]} for {job_id}/{n}")
    return True


def _book(conn: Connection, account: str, lines: Sequence[dict[str, Any]], now: int, *, as_of: int) -> None:
    """Append lines and update their account: the only statements that change either. Raises `OutOfCredit` below zero."""
    sums = {f"add_{name}": sum(each[name] for each in lines) for name in _AMOUNTS}
    if conn.execute(_ADD, {"account": account, **sums, "then": as_of}).rowcount != 1:
        raise OutOfCredit(_("There is not enough credit left."))
    if lines:
        conn.execute(_APPEND, [{**each, "account": account, "at": now} for each in lines])


def _lines(conn: Connection, account: str, limit: int) -> tuple[LedgerLine, ...]:
    columns = [column for column in ledger.c if column.name not in ("id", "account", "key")]
    rows = conn.execute(select(*columns).where(ledger.c.account == account).order_by(ledger.c.id.desc()).limit(limit)).mappings()
    return tuple(LedgerLine(**{**row, "entry": Entry(row["entry"])}) for row in rows)
