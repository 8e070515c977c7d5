"""Who may pay for an order, and who does: decided once, for what is read before an order and for what is locked when it is written.

In this order: the thread's sponsor, the payer, and where both have too little and the pool has something to spare, the slow lane.
A server's budget is charged beside whoever it is; where that is used up, nobody can pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.core.errors import OutOfCredit
from bot.core.i18n import N_, _
from bot.domain.job import Lane
from bot.domain.money import quota
from bot.domain.money.accounts import AccountKind, AccountRef, budget_account, kind_of
from bot.domain.money.quota import Bucket, Limit


@dataclass(frozen=True, kw_only=True)
class Payment:
    """Who may pay for an order."""

    payer: AccountRef  # the member's own, or the pool of a server
    sponsored_in: int | None = None  # the channel whose sponsor is asked first
    sponsor: AccountRef | None = None  # that sponsor's, once it was looked up
    budget: AccountRef | None = None  # the server's, for this month
    slow_lane: AccountRef | None = None  # the server's pool, for members who are out of credit; None: there is no slow lane
    reserve: int = 0  # microcredits that the slow lane leaves in the pool for paying requests

    @property
    def accounts(self) -> tuple[AccountRef, ...]:
        """All that may be asked, each account once."""
        accounts = {account.name: account for account in (self.slow_lane, self.payer, self.sponsor, self.budget) if account is not None}
        return tuple(accounts.values())


class Funds(Protocol):
    """What an account has, in microcredits, at the moment of deciding."""

    @property
    def available(self) -> int: ...
    @property
    def held(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Charge:
    """Who pays: the accounts that the price is held in."""

    account: str
    budget: str | None
    lane: Lane

    @property
    def accounts(self) -> tuple[str, ...]:
        return (self.account,) if self.budget is None else (self.account, self.budget)


def monthly_budget(guild_id: int, size: int, now: int) -> AccountRef:
    """A server's budget, in microcredits, for the month of `now` in UTC."""
    return AccountRef(name=budget_account(guild_id, now), fills=Limit(size=size))


def reserve_of(pool: Bucket, share: float) -> int:
    """What a slow lane that may use `share` (0 to 1) of the pool's size leaves in it, in microcredits."""
    return pool.size - int(pool.size * min(max(share, 0.0), 1.0))


def decide(payment: Payment, funds: Mapping[str, Funds], *, price: int, now: int) -> Charge:
    """Who pays `price`, out of what the accounts have, by name. Raises OutOfCredit with the sentence that says why nobody can."""
    if payment.budget is not None:
        _check_budget(funds[payment.budget.name], price=price, now=now)
    able = (choice for choice in _choices(payment, funds) if choice[1] >= price)
    account, _spare, lane = next(able, (None, 0, Lane.PAID))
    if account is None:
        raise OutOfCredit(_too_little(payment.payer, funds[payment.payer.name], price=price, now=now))
    return Charge(account=account, budget=None if payment.budget is None else payment.budget.name, lane=lane)


def _choices(payment: Payment, funds: Mapping[str, Funds]) -> Iterator[tuple[str, int, Lane]]:
    """Who is asked, in this order: account, what it can spare, lane."""
    if payment.sponsor is not None:
        yield payment.sponsor.name, funds[payment.sponsor.name].available, Lane.PAID
    yield payment.payer.name, funds[payment.payer.name].available, Lane.PAID
    if payment.slow_lane is not None:
        pool = payment.slow_lane.name
        yield pool, funds[pool].available - payment.reserve, Lane.FREE


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


def _check_budget(funds: Funds, *, price: int, now: int) -> None:
    if funds.available >= price:
        return
    renews = quota.next_month(now) // 1000
    if funds.available == 0:
        raise OutOfCredit(_("This server's budget for the month is used up; the next one begins <t:{renews}:R>.").format(renews=renews))
    raise OutOfCredit(
        _("This costs {price} credits, and this server's budget for the month has {left} left; the next one begins <t:{renews}:R>.").format(
            price=quota.in_credits(price, up=True), left=quota.in_credits(funds.available), renews=renews
        )
    )


def _too_little(payer: AccountRef, funds: Funds, *, price: int, now: int) -> str:
    sentences = _POOL if kind_of(payer.name) is AccountKind.POOL else _OWN
    costs = _(sentences.costs_beside_held if funds.held else sentences.costs)
    size = 0 if payer.fills is None else payer.fills.size
    then, at = sentences.no_refill, None
    if isinstance(payer.fills, Bucket):
        at = quota.affordable_at(payer.fills, available=funds.available, as_of=now, now=now, price=price)
    if at is not None:
        then = _ENOUGH_AT
    elif price > size:
        then = sentences.never
    # Two whole sentences, one after the other.
    return f"{costs} {_(then)}".format(
        price=quota.in_credits(price, up=True),
        left=quota.in_credits(funds.available),
        held=quota.in_credits(funds.held),
        size=quota.in_credits(size),
        at=0 if at is None else -(-at // 1000),
    )
