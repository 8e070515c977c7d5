"""The ledger: accounts and their lines. Amounts are microcredits, times Unix milliseconds.

An image is charged to several accounts: its price to the one that pays, its cost to the monthly limits. The amount is held there when it
is ordered, then settled if the image was made or released if it was not. Each of these is booked at most once, as a line, in the caller's
transaction. So an account always equals the sum of its lines, and money always matches the state of the jobs.

An operation that moves money first locks every account that it may change, in the order of their names. Parallel transactions then
run one after the other, each sees the balances that the previous one left, and there are no deadlocks.

Refill is computed from the time of the last booking, not stored; the next booking adds it as a `refill` line. A settled price starts
to refill at its hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import starmap
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, String, bindparam, case, func, insert, or_, select, text, update

from bot.core.errors import OutOfCredit
from bot.core.i18n import _
from bot.domain.money import quota
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Entry, LedgerLine, Statement
from bot.domain.money.quota import EMPTY, Bucket, Limit
from bot.store.engine.statements import Change, Prepared, write
from bot.store.tables import accounts, ledger
from bot.store.tables.money import MOVED

CARRIED = "carry:"  # the keys of carry lines begin with it: `bot.store.money.folding` makes them
TRANSFERS = (Entry.GIFT, Entry.SPONSOR, Entry.RETURN)  # from one account to another: all lines of a kind add up to 0


def is_carried() -> ColumnElement[bool]:
    """Whether a line is the sum of older ones."""
    return func.coalesce(ledger.c.key, "").startswith(CARRIED)


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """An account that differs from the sum of its lines."""

    account: str
    booked: tuple[int, ...]  # available, held, spent as the account says
    summed: tuple[int, ...]  # the same as the lines say


class _Row(NamedTuple):
    """An account as it is stored."""

    name: str
    available: int
    held: int
    spent: int
    as_of: int


_Booking = tuple[_Row, int, Sequence[dict[str, Any]]]  # an account, its new `as_of`, the lines


@dataclass(frozen=True, kw_only=True)
class Balance:
    """An account's amounts now. Its row is locked until the transaction ends. Valid for one booking only."""

    account: AccountRef
    stored: _Row
    available: int  # with the refill since the last booking, or after a change of the limit
    as_of: int
    due: Entry | None  # the line that the next booking adds first for that difference; None: there is none

    @property
    def held(self) -> int:
        return self.stored.held


@dataclass(frozen=True, kw_only=True)
class _Step:
    """How an entry moves an amount: the line it requires, the lines that exclude it, and a sign for each of the account's amounts."""

    after: Entry
    unless: frozenset[Entry]
    available: int = 0
    held: int = 0
    spent: int = 0


_AMOUNTS = ("available", "held", "spent")
_COLUMNS = [accounts.c[name] for name in _Row._fields]
_READ = Prepared(select(*_COLUMNS).where(accounts.c.name == bindparam("of_account")))
_OPEN = Prepared(insert(accounts))
_THEN = {name: accounts.c[name] + bindparam(f"add_{name}", type_=BigInteger) for name in _AMOUNTS}
# An amount below zero becomes NULL, which the column does not allow. `_changes` checks it before.
_ADD = Prepared(
    update(accounts)
    .where(accounts.c.name == bindparam("of_account"))
    .values(**{name: case((then >= 0, then)) for name, then in _THEN.items()}, as_of=bindparam("then"))
)
_APPEND = Prepared(insert(ledger))
_LINES_OF = Prepared(
    select(ledger.c.account, ledger.c.entry, ledger.c.held, ledger.c.spent).where(
        ledger.c.job_id == bindparam("of_job"), ledger.c.n == bindparam("of_n")
    )
)
_LATEST = (
    select(*(column for column in ledger.c if column.name not in ("id", "account", "key")))
    .where(ledger.c.account == bindparam("of_account"), ~is_carried())
    .order_by(ledger.c.id.desc())
    .limit(bindparam("most"))
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
    wanted = {account.name: account for account in accounts}
    return _balances(conn, wanted, _locked(conn, wanted), now)


def lock_and_count(
    conn: Connection, accounts: Iterable[AccountRef], now: int, counting: Prepared, **values: Any
) -> tuple[dict[str, Balance], int]:
    """`lock`, and in the same round trip a query for one number with these values."""
    wanted = {account.name: account for account in accounts}
    rows = _lock_beside(len(wanted), counting).rows(conn, {**_numbered(wanted), **values})
    balances = _balances(conn, wanted, {row[0]: _Row(*row[:-1]) for row in rows}, now)
    return balances, (rows or counting.rows(conn, values))[0][-1]


def hold(amounts: Iterable[tuple[Balance, Sequence[tuple[str, int, int]]]], now: int) -> list[Change]:
    """The changes that hold in each of the locked accounts its amounts, as (job_id, n, amount); pass them to `write`.

    Raises `OutOfCredit` if one of them has too little.
    """
    held = ((balance, [line(Entry.HOLD, available=-each, held=each, job_id=job, n=n) for job, n, each in own]) for balance, own in amounts)
    return _changes([_after_due(balance, lines) for balance, lines in held], now)


def settle(conn: Connection, amounts: Mapping[str, int], *, job_id: str, n: int, now: int) -> bool:
    """Spend what is held in each account, by name. False, without a change, if there is no hold or it has ended."""
    return _move(conn, Entry.SETTLE, amounts, job_id=job_id, n=n, now=now)


def release(conn: Connection, amounts: Mapping[str, int], *, job_id: str, n: int, now: int) -> bool:
    """Return what is held in each account, by name. False, without a change, if there is no hold or it has ended."""
    return _move(conn, Entry.RELEASE, amounts, job_id=job_id, n=n, now=now)


def refund(
    conn: Connection, *, account: str, job_id: str, n: int, amount: int, now: int, by_id: int | None = None, note: str | None = None
) -> bool:
    """Return a settled `amount`, even above the bucket's size. False if it was not settled or was refunded before."""
    return _move(conn, Entry.REFUND, {account: amount}, job_id=job_id, n=n, now=now, by_id=by_id, note=note)


def correct(conn: Connection, names: Collection[str], *, job_id: str, n: int, amount: int, now: int) -> None:
    """Count `amount` more, or less if negative, as spent on an image in each of the accounts. It was charged, so it may exceed a limit."""
    if amount:
        rows = _locked(conn, names).values()
        moved = ((row, line(Entry.CORRECT, available=-min(amount, row.available), spent=amount, job_id=job_id, n=n)) for row in rows)
        write(conn, *_changes([(row, row.as_of, [each]) for row, each in moved], now))


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


def book(conn: Connection, bookings: Iterable[tuple[Balance, Sequence[dict[str, Any]]]], now: int) -> None:
    """Book lines in locked accounts, in each after its due line. Raises `OutOfCredit` if an amount would become negative."""
    write(conn, *_changes([_after_due(balance, lines) for balance, lines in bookings], now))


# --- reading ---------------------------------------------------------------------------------------------------------


def statement(conn: Connection, *, account: str, bucket: Bucket | Limit, now: int, lines: int = 5) -> Statement:
    """The account at `now`, with its last `lines` lines, newest first. An account that was never used is full."""
    row = next((_Row(*row) for row in _READ.rows(conn, {"of_account": account})), None)
    if row is None:
        return Statement(available=bucket.size, held=0, spent=0, full_at=now, lines=())
    full_at = None
    if isinstance(bucket, Bucket):
        full_at = quota.full_at(bucket, available=row.available, held=row.held, as_of=row.as_of, now=now)
    available = _available(bucket, row, now)
    latest = _lines(conn, account, lines) if lines else ()
    return Statement(available=available, held=row.held, spent=row.spent, full_at=full_at, lines=latest)


def most_available(conn: Connection, accounts: Iterable[AccountRef], now: int) -> int:
    """The most that one of these accounts, whose refills are known, has at `now`."""
    known = [(account.name, account.fills) for account in accounts if account.fills is not None]
    return max([statement(conn, account=name, bucket=fills, now=now, lines=0).available for name, fills in known], default=0)


def exists(conn: Connection, account: str) -> bool:
    """Whether the account was ever used."""
    return bool(_READ.rows(conn, {"of_account": account}))


def earned(conn: Connection, account: str) -> int:
    """What came into an account from managers and members, without what went to others. Refills and the first filling do not count."""
    return int(conn.scalar(select(func.coalesce(func.sum(ledger.c.available), 0)).where(ledger.c.account == account, text(MOVED))) or 0)


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


def _locked(conn: Connection, names: Collection[str]) -> dict[str, _Row]:
    """The rows of these accounts, locked in the order of their names. An account that does not exist is left out."""
    found = _lock_of(len(names)).rows(conn, _numbered(names)) if names else ()
    return {row.name: row for row in starmap(_Row, found)}


@cache
def _lock_of(count: int) -> Prepared:
    names = [bindparam(f"account_{n}", type_=String) for n in range(count)]
    return Prepared(select(*_COLUMNS).where(accounts.c.name.in_(names)).order_by(accounts.c.name).with_for_update())


@cache
def _lock_beside(count: int, counting: Prepared) -> Prepared:
    return _lock_of(count).beside(counting)


def _numbered(names: Iterable[str]) -> dict[str, str]:
    return {f"account_{n}": name for n, name in enumerate(names)}


def _opened(conn: Connection, account: AccountRef, now: int) -> _Row:
    """The row of a new account. Raises `LookupError` if its refill is unknown."""
    if account.fills is None:
        raise LookupError(f"there is no account {account.name}")
    row = _Row(name=account.name, available=account.fills.size, held=0, spent=0, as_of=now)
    opening = line(Entry.OPEN, available=row.available)
    write(conn, (_OPEN, [row._asdict()]), (_APPEND, [{**opening, "account": row.name, "at": now}]))
    return row


def _balances(conn: Connection, wanted: Mapping[str, AccountRef], rows: Mapping[str, _Row], now: int) -> dict[str, Balance]:
    return {name: _balance(account, rows.get(name) or _opened(conn, account, now), now) for name, account in wanted.items()}


def _balance(account: AccountRef, row: _Row, now: int) -> Balance:
    if account.fills in (None, EMPTY):  # keep `as_of`: a later booking, with another refill, still has to count the time since then
        return Balance(account=account, stored=row, available=row.available, as_of=row.as_of, due=None)
    available = _available(account.fills, row, now)
    due = None if available == row.available else Entry.SIZE if isinstance(account.fills, Limit) else Entry.REFILL
    return Balance(account=account, stored=row, available=available, as_of=max(row.as_of, now), due=due)


def _after_due(balance: Balance, lines: Sequence[dict[str, Any]]) -> _Booking:
    due = [] if balance.due is None else [line(balance.due, available=balance.available - balance.stored.available)]
    return balance.stored, balance.as_of, [*due, *lines]


def _available(fills: Bucket | Limit, row: _Row, now: int) -> int:
    if isinstance(fills, Limit):
        return fills.left(held=row.held, spent=row.spent)
    return quota.available_at(fills, available=row.available, held=row.held, as_of=row.as_of, now=now)


def _move(conn: Connection, entry: Entry, due: Mapping[str, int], *, job_id: str, n: int, now: int, **about: Any) -> bool:
    """Book one step of an image in all its accounts or in none; `due`: the amount in each. Raises `ValueError` if some of them differ."""
    step = _STEPS[entry]
    rows = _locked(conn, due)  # the second of two callers waits here and sees the first one's lines
    seen = defaultdict[str, dict[str, int]](dict)
    for account, each, held, spent in _LINES_OF.rows(conn, {"of_job": job_id, "of_n": n}):
        seen[account][each] = max(held, spent)
    ready = [row for name, row in rows.items() if step.after in seen[name] and not seen[name].keys() & step.unless]
    if not ready:
        return False
    if len(ready) < len(due):
        raise ValueError(f"{entry} of {job_id}/{n} is due in some of its accounts only")
    if wrong := {row.name for row in ready if seen[row.name][step.after] != due[row.name]}:
        raise ValueError(f"{entry} for {job_id}/{n} in {wrong.pop()} differs from its {step.after}")
    moved = [(row, {name: getattr(step, name) * due[row.name] for name in _AMOUNTS}) for row in ready]
    write(conn, *_changes([(row, row.as_of, [line(entry, job_id=job_id, n=n, **amounts, **about)]) for row, amounts in moved], now))
    return True


def _changes(bookings: Sequence[_Booking], now: int) -> list[Change]:
    """The changes that book lines in accounts. Raises `OutOfCredit` if an amount would become negative."""
    updates, entered = list[dict[str, Any]](), list[dict[str, Any]]()
    for row, as_of, lines in bookings:
        added = {name: sum(each[name] for each in lines) for name in _AMOUNTS}
        if any(getattr(row, name) + amount < 0 for name, amount in added.items()):
            raise OutOfCredit(_("There aren't enough credits left."))
        updates.append({"of_account": row.name, "then": as_of, **{f"add_{name}": amount for name, amount in added.items()}})
        entered += [{**each, "account": row.name, "at": now} for each in lines]
    return [(_ADD, updates), (_APPEND, entered)]


def _lines(conn: Connection, account: str, limit: int) -> tuple[LedgerLine, ...]:
    rows = conn.execute(_LATEST, {"of_account": account, "most": limit}).mappings()
    return tuple(LedgerLine(**{**row, "entry": Entry(row["entry"])}) for row in rows)
