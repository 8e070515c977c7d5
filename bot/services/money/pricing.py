"""What an image costs in a guild, and which accounts may pay for it. The store places the holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.core.clock import Clock
from bot.domain.actor import Actor
from bot.domain.allowance import Allowance, merge
from bot.domain.catalog.costs import cost_microcredits, price_microcredits
from bot.domain.catalog.models import ModelInfo
from bot.domain.guild.document import Policy
from bot.domain.money import quota
from bot.domain.money.accounts import AccountKind, AccountRef, kind_of, member_account, pool_account, user_account
from bot.domain.money.ledger import Statement
from bot.domain.money.payment import Payment, monthly_budget, monthly_limit, reserve_of
from bot.domain.money.quota import EMPTY
from bot.domain.order import OperatorLimits
from bot.domain.request import Request
from bot.store.engine.base import Store
from bot.store.money import ledger


@dataclass(frozen=True, kw_only=True)
class Pricing:
    """Applies a guild's rules on money; in direct messages only the operator's apply. Changes nothing."""

    store: Store
    limits: OperatorLimits
    credit_usd: float  # US dollars per credit
    clock: Clock

    # --- prices ------------------------------------------------------------------------------------------------------

    def price(self, model: ModelInfo, policy: Policy, params: Mapping[str, Any] | None = None) -> int | None:
        """The price of an image with these params, in microcredits; without params, of the model's default options.

        None: the model has no price, so it cannot be used.
        """
        own = policy.price_microcredits(model.id)
        if params is None:
            return model.price_microcredits if own is None else own
        if own is not None and cost_microcredits(model, params) is not None:
            return own
        return price_microcredits(model, params)

    def priced(self, model: ModelInfo, policy: Policy, params: Mapping[str, Any] | None = None) -> ModelInfo:
        """The model with its price under these rules, and with these params if there are any."""
        if params is None and policy.price_microcredits(model.id) is None:
            return model
        price = self.price(model, policy, params)
        return model if price is None else replace(model, price_microcredits=price, price_is_fixed=True)

    def offers(self, models: Iterable[ModelInfo], request: Request) -> tuple[ModelInfo, ...]:
        """The models that the actor may use here, with their prices here."""
        opened = merge(request.policy, request.actor.role_ids).models
        return tuple(self.priced(model, request.policy) for model in models if opened is None or model.id in opened)

    # --- accounts ----------------------------------------------------------------------------------------------------

    def payment(self, request: Request, allowance: Allowance) -> Payment:
        """The accounts that may pay for an order by this actor in this channel."""
        guild_id, policy = request.guild_id, request.policy
        return Payment(
            payer=self._account(request.actor.user_id, guild_id, allowance),
            granted=self.granted(request),
            sponsored_in=request.channel.channel_id,
            budget=self.budget(request),
            operator=monthly_limit(quota.from_usd(self.limits.monthly_usd, self.credit_usd), self.clock()),
            **_slow_lane(guild_id, policy),
        )

    def account(self, request: Request, member: Actor | None = None) -> AccountRef:
        """What the actor, or another member, pays from here: their own account or the guild's pool."""
        payer = member or request.actor
        return self._account(payer.user_id, request.guild_id, merge(request.policy, payer.role_ids))

    def own(self, request: Request, member: Actor | None = None) -> AccountRef:
        """The account of the actor, or another member, that grants, rewards and gifts go to: what a guild gives is good there only."""
        return self.granted(request, member) or self.account(request, member)

    def granted(self, request: Request, member: Actor | None = None) -> AccountRef | None:
        """That account, if it is another than `account`."""
        receiver = member or request.actor
        if request.guild_id is None or kind_of(self.account(request, receiver).name) is AccountKind.MEMBER:
            return None
        return AccountRef(name=member_account(request.guild_id, receiver.user_id), fills=EMPTY)

    def pool(self, request: Request) -> AccountRef | None:
        """The guild's shared pool, if it has one."""
        return _pool(request.guild_id, request.policy)

    def budget(self, request: Request) -> AccountRef | None:
        """The guild's budget for this month; None in direct messages."""
        return None if request.guild_id is None else self.budget_of(request.guild_id, request.policy)

    def budget_of(self, guild_id: int, policy: Policy) -> AccountRef:
        """What a guild may cost this month: what the operator allows each guild, or less if its managers say so."""
        return monthly_budget(guild_id, quota.from_usd(self.usd_per_month(policy), self.credit_usd), self.clock())

    def usd_per_month(self, policy: Policy) -> float:
        """The size of a guild's monthly budget, in US dollars."""
        most = self.limits.monthly_usd_per_guild
        return most if policy.usd_per_month is None else min(float(policy.usd_per_month), most)

    # --- statements --------------------------------------------------------------------------------------------------

    async def left(self, request: Request) -> int:
        """The most microcredits that one of the actor's accounts here has."""
        accounts = [account for account in (self.account(request), self.granted(request)) if account is not None]
        return await self.store.read(ledger.most_available, accounts, self.clock())

    async def statement_of(self, account: AccountRef, *, lines: int = 5) -> Statement:
        """The statement of any account. Raises `ValueError` if its refill is unknown (`account.fills` is None)."""
        if account.fills is None:
            raise ValueError(f"the refill of {account.name} is unknown")
        return await self.store.read(ledger.statement, account=account.name, bucket=account.fills, now=self.clock(), lines=lines)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _account(self, user_id: int, guild_id: int | None, allowance: Allowance) -> AccountRef:
        """A guild that gives its members credits has accounts of its own; elsewhere the member's global account pays."""
        if guild_id is None or allowance.bucket is None:
            return AccountRef(name=user_account(user_id), fills=self.limits.bucket)
        account = pool_account(guild_id) if allowance.from_pool else member_account(guild_id, user_id)
        return AccountRef(name=account, fills=allowance.bucket)


def _pool(guild_id: int | None, policy: Policy) -> AccountRef | None:
    if guild_id is None or policy.pool is None:
        return None
    return AccountRef(name=pool_account(guild_id), fills=policy.pool.bucket())


def _slow_lane(guild_id: int | None, policy: Policy) -> dict[str, Any]:
    """Keyword arguments of a `Payment`."""
    pool = _pool(guild_id, policy)
    if pool is None or policy.pool is None or not policy.slow_lane.on:
        return {}
    return {"slow_lane": pool, "reserve": reserve_of(policy.pool.bucket(), policy.slow_lane.share_percent / 100)}
