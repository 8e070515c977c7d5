"""The ledger: who may spend how much, and every line that led there. Amounts are microcredits, times Unix milliseconds.

A picture's price is held when it is ordered, then settled when it was made or released when it was not. Each of these is booked
at most once, by a line, in the transaction of whoever calls; so the account and its lines always agree, and so do money and work.

What has flowed back since an account was last held from is counted, not stored; the next hold books it as a `refill` line.
A settled price flows back from its hold on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, bindparam, func, insert, select, update

from bot import quota
from bot.errors import OutOfCredit
from bot.quota import Bucket
from bot.store.base import upsert
from bot.store.tables import accounts, ledger


class Entry(StrEnum):
    OPEN = "open"  # the account began, with a full bucket
    REFILL = "refill"  # what flowed back since the last one
    HOLD = "hold"  # set aside for a picture that was ordered
    SETTLE = "settle"  # the held price was paid
    RELEASE = "release"  # the held price went back: no picture
    REFUND = "refund"  # a paid price went back: the picture proved unusable


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """One line: what it added to each of the account's three amounts."""

    at: int
    entry: Entry
    available: int
    held: int
    spent: int
    job_id: str | None
    n: int | None


@dataclass(frozen=True, kw_only=True)
class Statement:
    """An account as it is at one moment, with its latest lines, newest first."""

    available: int
    held: int
    spent: int
    full_at: int | None  # Unix ms, not after the moment of asking where it is full now; None where nothing flows back
    lines: tuple[LedgerLine, ...]


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """An account that is not what its lines add up to. This cannot happen; a doctor looks for it all the same."""

    account: str
    booked: tuple[int, ...]  # available, held, spent as the account says
    summed: tuple[int, ...]  # the same as the lines say


@dataclass(frozen=True, kw_only=True)
class _Step:
    """How one entry moves an amount: the line it needs, the lines that rule it out, and a sign for each of the account's amounts."""

    after: Entry
    unless: frozenset[Entry]
    available: int = 0
    held: int = 0
    spent: int = 0


# Built once: building a statement takes longer than running it.
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


def user_account(user_id: int) -> str:
    """The name of a member's own account."""
    return f"user:{user_id}"


# --- moving money ----------------------------------------------------------------------------------------------------


def hold(conn: Connection, *, account: str, bucket: Bucket, amounts: Sequence[tuple[str, int, int]], now: int) -> None:
    """Sets amounts aside, each for a (job_id, n, amount), all or none; opens the account at its first. Raises OutOfCredit.

    The account's row stays locked until the transaction ends, so parallel holds queue up and each sees what the one before left.
    """
    row = _locked(conn, account) or _opened(conn, account, bucket, now)
    price = sum(amount for _, _, amount in amounts)
    available = quota.available_at(bucket, available=row.available, held=row.held, as_of=row.as_of, now=now)
    if available < price:
        raise OutOfCredit(_too_little(bucket, price=price, available=available, held=row.held, now=now))
    lines = [_line(Entry.REFILL, available=available - row.available)] if available > row.available else []
    lines += [_line(Entry.HOLD, available=-amount, held=amount, job_id=job_id, n=n) for job_id, n, amount in amounts]
    _book(conn, account, lines, now, as_of=max(row.as_of, now))


def settle(conn: Connection, *, account: str, job_id: str, n: int, amount: int, now: int) -> bool:
    """The held `amount` is spent. False, and nothing changed, where nothing is held for it (any more)."""
    return _move(conn, Entry.SETTLE, account=account, job_id=job_id, n=n, amount=amount, now=now)


def release(conn: Connection, *, account: str, job_id: str, n: int, amount: int, now: int) -> bool:
    """The held `amount` can be spent again. False, and nothing changed, where nothing is held for it (any more)."""
    return _move(conn, Entry.RELEASE, account=account, job_id=job_id, n=n, amount=amount, now=now)


def refund(conn: Connection, *, account: str, job_id: str, n: int, amount: int, now: int) -> bool:
    """The settled `amount` can be spent again, even above the bucket's size. False where it was not settled, or refunded before."""
    return _move(conn, Entry.REFUND, account=account, job_id=job_id, n=n, amount=amount, now=now)


# --- reading ---------------------------------------------------------------------------------------------------------


def statement(conn: Connection, *, account: str, bucket: Bucket, now: int, lines: int = 5) -> Statement:
    """The account at `now`, with its last `lines` lines; a full bucket where it was never touched."""
    row = conn.execute(select(accounts).where(accounts.c.name == account)).one_or_none()
    if row is None:
        return Statement(available=bucket.size, held=0, spent=0, full_at=now, lines=())
    available = quota.available_at(bucket, available=row.available, held=row.held, as_of=row.as_of, now=now)
    full_at = quota.full_at(bucket, available=row.available, held=row.held, as_of=row.as_of, now=now)
    return Statement(available=available, held=row.held, spent=row.spent, full_at=full_at, lines=_lines(conn, account, lines))


def audit(conn: Connection) -> list[Discrepancy]:
    """Every account that differs from the sum of its lines; none, unless rows were changed by hand."""
    sums = select(ledger.c.account, *(func.sum(ledger.c[name]).label(name) for name in _AMOUNTS)).group_by(ledger.c.account).subquery()
    booked = [accounts.c[name] for name in _AMOUNTS]
    summed = [func.coalesce(sums.c[name], 0).label(f"sum_{name}") for name in _AMOUNTS]
    query = select(accounts.c.name, *booked, *summed).join_from(accounts, sums, accounts.c.name == sums.c.account, isouter=True)
    found = []
    for name, *amounts in conn.execute(query.order_by(accounts.c.name)):
        whole = tuple(int(amount) for amount in amounts)  # PostgreSQL's sums of integers are decimals
        if whole[:3] != whole[3:]:
            found.append(Discrepancy(account=name, booked=whole[:3], summed=whole[3:]))
    return found


# --- rows ------------------------------------------------------------------------------------------------------------


def _locked(conn: Connection, account: str) -> Row[Any] | None:
    return conn.execute(_LOCK, {"name": account}).one_or_none()


def _opened(conn: Connection, account: str, bucket: Bucket, now: int) -> Row[Any]:
    """The account's row, made here or, at the same moment, by another transaction."""
    empty = {"name": account, "available": 0, "held": 0, "spent": 0, "as_of": now}
    if conn.execute(upsert(conn, accounts).values(empty).on_conflict_do_nothing()).rowcount == 1:
        _book(conn, account, [_line(Entry.OPEN, available=bucket.size)], now, as_of=now)
    return conn.execute(_LOCK, {"name": account}).one()


def _move(conn: Connection, entry: Entry, *, account: str, job_id: str, n: int, amount: int, now: int) -> bool:
    step = _STEPS[entry]
    row = _locked(conn, account)  # whoever comes second sees the first one's line
    seen = {line.entry: max(line.held, line.spent) for line in conn.execute(_LINES_OF, {"name": account, "job_id": job_id, "n": n})}
    if row is None or step.after not in seen or seen.keys() & step.unless:
        return False
    if seen[step.after] != amount:
        raise ValueError(f"{entry} of {amount} after a {step.after} of {seen[step.after]} for {job_id}/{n}")
    line = _line(entry, available=step.available * amount, held=step.held * amount, spent=step.spent * amount, job_id=job_id, n=n)
    _book(conn, account, [line], now, as_of=row.as_of)
    return True


def _line(
    entry: Entry, *, available: int = 0, held: int = 0, spent: int = 0, job_id: str | None = None, n: int | None = None
) -> dict[str, Any]:
    return {"entry": entry, "available": available, "held": held, "spent": spent, "job_id": job_id, "n": n}


def _book(conn: Connection, account: str, lines: Sequence[dict[str, Any]], now: int, *, as_of: int) -> None:
    """Lines, and the account moved by them: the only statements that change either. Refuses to bring an amount below zero."""
    sums = {f"add_{name}": sum(line[name] for line in lines) for name in _AMOUNTS}
    if conn.execute(_ADD, {"account": account, **sums, "then": as_of}).rowcount != 1:
        raise OutOfCredit("There is not enough credit left.")
    if lines:
        conn.execute(_APPEND, [{**line, "account": account, "at": now} for line in lines])


def _lines(conn: Connection, account: str, limit: int) -> tuple[LedgerLine, ...]:
    columns = [column for column in ledger.c if column.name not in ("id", "account")]
    rows = conn.execute(select(*columns).where(ledger.c.account == account).order_by(ledger.c.id.desc()).limit(limit)).mappings()
    return tuple(LedgerLine(**{**row, "entry": Entry(row["entry"])}) for row in rows)


def _too_little(bucket: Bucket, *, price: int, available: int, held: int, now: int) -> str:
    costs = f"This costs {quota.in_credits(price, up=True)} credits and you have {quota.in_credits(available)} left"
    on_hold = f" ({quota.in_credits(held)} more are on hold for pictures being made)" if held else ""
    at = quota.affordable_at(bucket, available=available, as_of=now, now=now, price=price)
    if at is not None:
        return f"{costs}{on_hold}. There will be enough <t:{-(-at // 1000)}:R>."
    if price > bucket.size:
        return f"{costs}{on_hold}. Your quota never holds more than {quota.in_credits(bucket.size)}: ask for fewer or cheaper pictures."
    return f"{costs}{on_hold}. This quota does not refill by itself; the people who run this bot can help."
