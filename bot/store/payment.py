"""Who pays for an order: decided in the transaction that takes it in, with every account that may be asked locked.

In this order: the thread's sponsor, the payer, and where both have too little and the pool has something to spare, the slow lane.
A server's budget is charged beside whoever it is; where that is used up, nobody can pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bot import quota
from bot.errors import OutOfCredit
from bot.i18n import N_, _
from bot.jobs.job import Lane
from bot.quota import Bucket, Limit
from bot.store import ledger, sponsorships
from bot.store.ledger import Balance
from bot.store.purse import Kind, Purse, budget_account, kind_of, pool_account
from bot.store.sponsorships import Sponsorship


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a server may spend in a month."""

    purse: Purse
    renews_at: int  # Unix ms


@dataclass(frozen=True, kw_only=True)
class FreeLane:
    """What a server's pool pays for members who are out of credit."""

    pool: Purse
    reserve: int  # microcredits that stay in the pool for paying requests


@dataclass(frozen=True, kw_only=True)
class Payment:
    """Who may pay for an order."""

    payer: Purse  # the member's own, or the pool of a server
    sponsored_in: int | None = None  # the channel whose sponsor is asked first
    budget: Budget | None = None
    free: FreeLane | None = None  # None: there is no slow lane


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Who pays: the accounts that the price is held in."""

    account: str
    budget: str | None
    lane: Lane

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.account,) if self.budget is None else (self.account, self.budget)


def monthly_budget(guild_id: int, size: int, now: int) -> Budget:
    """A server's budget, in microcredits, for the month of `now` in UTC."""
    return Budget(purse=Purse(account=budget_account(guild_id, now), fills=Limit(size=size)), renews_at=quota.next_month(now))


def free_lane(guild_id: int, bucket: Bucket, share: float) -> FreeLane:
    """The slow lane of a server whose pool is `bucket`; it may use `share` (0 to 1) of the pool's size."""
    reserve = bucket.size - int(bucket.size * min(max(share, 0.0), 1.0))
    return FreeLane(pool=Purse(account=pool_account(guild_id), fills=bucket), reserve=reserve)


def pay(conn: Connection, payment: Payment, amounts: Sequence[tuple[str, int, int]], now: int) -> Paid:
    """Hold the amounts, each for a (job_id, n, amount), in all accounts or in none. Raises OutOfCredit."""
    price = sum(amount for _job, _n, amount in amounts)
    sponsor = None if payment.sponsored_in is None else sponsorships.current(conn, payment.sponsored_in, now)
    balances = ledger.lock(conn, _purses(payment, sponsor), now)
    if payment.budget is not None:
        _check_budget(payment.budget, balances[payment.budget.purse.account], price)
    able = (choice for choice in _choices(payment, sponsor, balances) if choice[1] >= price)
    payer, _spare, lane = next(able, (None, 0, Lane.PAID))
    if payer is None:
        raise OutOfCredit(_too_little(balances[payment.payer.account], price=price, now=now))
    budget = None if payment.budget is None else payment.budget.purse.account
    paid = Paid(account=payer, budget=budget, lane=lane)
    ledger.hold(conn, [balances[name] for name in paid.accounts], amounts, now)
    return paid


def _purses(payment: Payment, sponsor: Sponsorship | None) -> list[Purse]:
    """All that may be asked: locked before any is looked at."""
    purses = {payment.payer.account: payment.payer}
    if payment.free is not None:
        purses.setdefault(payment.free.pool.account, payment.free.pool)
    if sponsor is not None:
        purses[sponsor.purse.account] = sponsor.purse
    if payment.budget is not None:
        purses[payment.budget.purse.account] = payment.budget.purse
    return list(purses.values())


def _choices(payment: Payment, sponsor: Sponsorship | None, balances: dict[str, Balance]) -> Iterator[tuple[str, int, Lane]]:
    """Who is asked, in this order: account, what it can spare, lane."""
    if sponsor is not None:
        yield sponsor.purse.account, balances[sponsor.purse.account].available, Lane.PAID
    yield payment.payer.account, balances[payment.payer.account].available, Lane.PAID
    if payment.free is not None:
        pool = payment.free.pool.account
        yield pool, balances[pool].available - payment.free.reserve, Lane.FREE


# --- sentences -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Sentences:
    """Why somebody cannot pay: what it costs, then what comes of it."""

    costs: str
    costs_beside_held: str
    never: str
    no_refill: str


_OWN = _Sentences(
    costs=N_("This costs {price} credits and you have {left} left."),
    costs_beside_held=N_("This costs {price} credits and you have {left} left ({held} more are on hold for pictures being made)."),
    never=N_("Your quota never holds more than {size}: ask for fewer or cheaper pictures."),
    no_refill=N_("This quota does not refill by itself; the people who run this bot can help."),
)
_POOL = _Sentences(
    costs=N_("This costs {price} credits and this server's shared pool has {left} left."),
    costs_beside_held=N_(
        "This costs {price} credits and this server's shared pool has {left} left ({held} more are on hold for pictures being made)."
    ),
    never=N_("The pool never holds more than {size}: ask for fewer or cheaper pictures."),
    no_refill=N_("The pool does not refill by itself; the people who manage this server can help."),
)
_ENOUGH_AT = N_("There will be enough <t:{at}:R>.")


def _check_budget(budget: Budget, balance: Balance, price: int) -> None:
    if balance.available >= price:
        return
    renews = budget.renews_at // 1000
    if balance.available == 0:
        raise OutOfCredit(_("This server's budget for the month is used up; the next one begins <t:{renews}:R>.").format(renews=renews))
    raise OutOfCredit(
        _("This costs {price} credits, and this server's budget for the month has {left} left; the next one begins <t:{renews}:R>.").format(
            price=quota.in_credits(price, up=True), left=quota.in_credits(balance.available), renews=renews
        )
    )


def _too_little(balance: Balance, *, price: int, now: int) -> str:
    sentences = _POOL if kind_of(balance.purse.account) is Kind.POOL else _OWN
    costs = _(sentences.costs_beside_held if balance.held else sentences.costs)
    size = 0 if balance.purse.fills is None else balance.purse.fills.size
    then, at = sentences.no_refill, None
    if isinstance(balance.purse.fills, Bucket):
        at = quota.affordable_at(balance.purse.fills, available=balance.available, as_of=now, now=now, price=price)
    if at is not None:
        then = _ENOUGH_AT
    elif price > size:
        then = sentences.never
    # Two whole sentences, one after the other.
    return f"{costs} {_(then)}".format(
        price=quota.in_credits(price, up=True),
        left=quota.in_credits(balance.available),
        held=quota.in_credits(balance.held),
        size=quota.in_credits(size),
        at=0 if at is None else -(-at // 1000),
    )
