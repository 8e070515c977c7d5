"""Which account pays for an order. Used at admission and again, with locked accounts, when the order is written.

The first account with enough credits pays the price: the thread's sponsor, what the guild granted the member, the payer, then the slow
lane, which uses spare credits of the pool. The cost, which is what the provider charges the operator, counts against two monthly limits:
the guild's budget and the operator's limit over all guilds. Once one of them is used up, nobody can order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.core.errors import OutOfCredit
from bot.core.i18n import N_, _
from bot.domain.job import Lane
from bot.domain.money import quota
from bot.domain.money.accounts import AccountKind, AccountRef, budget_account, kind_of, operator_account
from bot.domain.money.quota import Bucket, Limit


@dataclass(frozen=True, kw_only=True)
class Payment:
    """The accounts that may pay for an order."""

    payer: AccountRef  # the member's own account, or the guild's pool
    granted: AccountRef | None = None  # what the member was granted or given in this guild, if that is another account
    sponsored_in: int | None = None  # the channel whose sponsor pays first
    sponsor: AccountRef | None = None  # the sponsor's account, once it was read
    budget: AccountRef | None = None  # the guild's budget for this month; None: in direct messages
    operator: AccountRef | None = None  # the operator's limit for this month
    slow_lane: AccountRef | None = None  # the guild's pool, for members without credit; None: no slow lane
    reserve: int = 0  # microcredits that the slow lane must leave in the pool

    @property
    def accounts(self) -> tuple[AccountRef, ...]:
        """All of these accounts, each once."""
        accounts = {
            account.name: account
            for account in (self.slow_lane, self.payer, self.granted, self.sponsor, self.budget, self.operator)
            if account
        }
        return tuple(accounts.values())


class Funds(Protocol):
    """An account's current balance, in microcredits."""

    @property
    def available(self) -> int: ...
    @property
    def held(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Charge:
    """The accounts of an order: `account` pays the price, the others count the cost."""

    account: str
    budget: str | None
    operator: str | None
    lane: Lane

    def amounts(self, price: int, cost: int) -> dict[str, int]:
        """What each account is charged."""
        return charged(account=self.account, budget=self.budget, operator=self.operator, price=price, cost=cost)


def charged(*, account: str, budget: str | None, operator: str | None, price: int, cost: int) -> dict[str, int]:
    """What each account is charged for an image, in microcredits."""
    return {account: price, **{name: cost for name in (budget, operator) if name is not None}}


def monthly_limit(size: int, now: int) -> AccountRef:
    """The operator's limit of `size` microcredits for the month (UTC) of `now` (Unix ms)."""
    return AccountRef(name=operator_account(now), fills=Limit(size=size))


def monthly_budget(guild_id: int, size: int, now: int) -> AccountRef:
    """A guild's budget of `size` microcredits for the month (UTC) of `now` (Unix ms)."""
    return AccountRef(name=budget_account(guild_id, now), fills=Limit(size=size))


def reserve_of(pool: Bucket, share: float) -> int:
    """Microcredits that a slow lane which may use `share` (0 to 1) of the pool's size must leave in it."""
    return pool.size - int(pool.size * min(max(share, 0.0), 1.0))


def decide(payment: Payment, funds: Mapping[str, Funds], *, price: int, cost: int, now: int) -> Charge:
    """Which account pays `price`, if the limits allow `cost` (microcredits). `funds`: balances by account name.

    Raises `OutOfCredit` if there is none, or a limit is reached.
    """
    for counting, sentences in ((payment.budget, _BUDGET), (payment.operator, _LIMIT)):
        if counting is not None:
            _check_limit(funds[counting.name], sentences, cost=cost, now=now)
    able = (choice for choice in _choices(payment, funds) if choice[1] >= price)
    account, _spare, lane = next(able, (None, 0, Lane.PAID))
    if account is None:
        raise _too_little(payment.payer, funds[payment.payer.name], price=price, now=now)
    budget, operator = (None if each is None else each.name for each in (payment.budget, payment.operator))
    return Charge(account=account, budget=budget, operator=operator, lane=lane)


def _choices(payment: Payment, funds: Mapping[str, Funds]) -> Iterator[tuple[str, int, Lane]]:
    """In order: account, microcredits that it can spend, lane."""
    if payment.sponsor is not None:
        yield payment.sponsor.name, funds[payment.sponsor.name].available, Lane.PAID
    if payment.granted is not None:
        yield payment.granted.name, funds[payment.granted.name].available, Lane.PAID
    yield payment.payer.name, funds[payment.payer.name].available, Lane.PAID
    if payment.slow_lane is not None:
        pool = payment.slow_lane.name
        yield pool, funds[pool].available - payment.reserve, Lane.FREE


# --- sentences -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Sentences:
    """Parts of the message when a price cannot be paid: the costs, then what follows."""

    costs: str
    costs_beside_held: str
    never: str
    none: str
    no_refill: str


_OWN = _Sentences(
    costs=N_("This costs {price}, and you have {left}."),
    costs_beside_held=N_("This costs {price}, and you have {left} ({reserved} more are reserved for images in progress)."),
    never=N_("You can never have more than {size}. Choose fewer images or a cheaper model."),
    none=N_("You don't get any credits here."),
    no_refill=N_("Your credits don't refill on their own. Ask the people who run this bot."),
)
_POOL = _Sentences(
    costs=N_("This costs {price}, and this server's shared pool has {left}."),
    costs_beside_held=N_(
        "This costs {price}, and this server's shared pool has {left} ({reserved} more are reserved for images in progress)."
    ),
    never=N_("The pool can never have more than {size}. Choose fewer images or a cheaper model."),
    none=N_("The pool doesn't get any credits."),
    no_refill=N_("The pool doesn't refill on its own. Ask this server's managers."),
)
_ENOUGH_AT = N_("There will be enough <t:{at}:R>.")


_BUDGET = (
    N_("This server's budget for the month is used up. It renews <t:{renews}:R>."),
    N_("This costs more than what's left of this server's monthly budget. It renews <t:{renews}:R>."),
)
_LIMIT = (
    N_("The bot's budget for the month is used up. It renews <t:{renews}:R>."),
    N_("This costs more than what's left of the bot's monthly budget. It renews <t:{renews}:R>."),
)


def _check_limit(funds: Funds, sentences: tuple[str, str], *, cost: int, now: int) -> None:
    """Members are not told amounts: these are what the operator pays."""
    if funds.available < cost:
        sentence = _(sentences[1] if funds.available else sentences[0])
        raise OutOfCredit(sentence.format(renews=quota.next_month(now) // 1000))


def _too_little(payer: AccountRef, funds: Funds, *, price: int, now: int) -> OutOfCredit:
    sentences = _POOL if kind_of(payer.name) is AccountKind.POOL else _OWN
    costs = _(sentences.costs_beside_held if funds.held else sentences.costs)
    size = 0 if payer.fills is None else payer.fills.size
    then, at = sentences.no_refill, None
    if isinstance(payer.fills, Bucket):
        at = quota.affordable_at(payer.fills, available=funds.available, as_of=now, now=now, price=price)
    if at is not None:
        then = _ENOUGH_AT
    elif price > size:
        then = sentences.never if size else sentences.none
    amounts = {
        "price": quota.with_unit(price, up=True),
        "left": quota.in_credits(funds.available),
        "reserved": quota.in_credits(funds.held),
        "size": quota.with_unit(size),
        "at": 0 if at is None else -(-at // 1000),
    }
    reason = costs.format(**amounts)
    return OutOfCredit(f"{reason} {_(then).format(**amounts)}", reason=reason)
