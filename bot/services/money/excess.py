"""What a change of a guild's limits means at once: who is over them already, and what the default model cannot do under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.core.clock import Clock
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.image_properties import megapixels
from bot.domain.catalog.models import ModelInfo
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import BucketSetting
from bot.domain.money import quota
from bot.domain.money.accounts import member_account, transfer_group_of
from bot.domain.request import Request
from bot.services.catalog import Models
from bot.services.money.pricing import Pricing
from bot.store.engine.base import Store
from bot.store.figures import excess


class ExcessKind(StrEnum):
    """What is exceeded, or cannot be met."""

    BUDGET = "budget"  # nothing can be paid from it until `at`
    POOL = "pool"  # the same, of the shared pool
    CREDITS = "credits"  # `count` members cannot pay for an image; the first can at `at`
    NEVER = "never"  # an image with `model` costs more than anybody can have
    QUEUE = "queue"  # `count` members have more in the queue
    MODEL = "model"  # `model`, the default, is not open to everyone
    SIZE = "size"  # the default size of `model` is above the limit
    SHAPE = "shape"  # `model` can do none of the aspect ratios


@dataclass(frozen=True, kw_only=True)
class Excess:
    """One fact about the new limits. Times are Unix ms; None: never."""

    kind: ExcessKind
    count: int = 0
    at: int | None = None
    model: str = ""  # its title


@dataclass(frozen=True, kw_only=True)
class Excesses:
    """Compares settings with what is there."""

    store: Store
    pricing: Pricing
    models: Models
    default_model: str
    clock: Clock

    async def of(self, request: Request, *, before: Policy) -> list[Excess]:
        """What is exceeded of the limits that changed from `before` to the request's settings."""
        model, policy = self._model(), request.policy
        found = [] if model is None else list(_unmet(model, self.pricing.price(model, policy), before, policy))
        price = None if model is None else self.pricing.price(model, policy)
        if before.usd_per_month != policy.usd_per_month:
            found += await self._budget(request, 0 if model is None else cost_microcredits(model, {}) or 0)
        if price is not None and before.pool != policy.pool:
            found += await self._pool(request, price)
        if price is not None and _changes(before, policy, lambda each: each.everyone.bucket, lambda rule: rule.bucket):
            found += await self._credits(request, price)
        if _changes(before, policy, lambda each: each.everyone.waiting, lambda rule: rule.waiting):
            found += await self._queue(request)
        return found

    def _model(self) -> ModelInfo | None:
        return next((each for each in self.models.offered if self.default_model in (each.id, each.title)), None)

    async def _budget(self, request: Request, cost: int) -> list[Excess]:
        budget = await self.pricing.statement_of(self.pricing.budget_of(request.required_guild_id, request.policy), lines=0)
        is_used_up = budget.available < max(cost, 1)
        return [Excess(kind=ExcessKind.BUDGET, at=quota.next_month(self.clock()))] if is_used_up else []

    async def _pool(self, request: Request, price: int) -> list[Excess]:
        pool = self.pricing.pool(request)
        if pool is None or not isinstance(pool.fills, quota.Bucket) or pool.fills.size < price:
            return []
        return await self._short(ExcessKind.POOL, pool.fills, price, name=pool.name)

    async def _credits(self, request: Request, price: int) -> list[Excess]:
        setting = request.policy.everyone.bucket
        if setting is None or setting.bucket().size < price:
            return []
        group = transfer_group_of(member_account(request.required_guild_id, 0))
        return await self._short(ExcessKind.CREDITS, setting.bucket(), price, group=group)

    async def _short(self, kind: ExcessKind, bucket: quota.Bucket, price: int, **which: str) -> list[Excess]:
        count, at = await self.store.read(excess.short_accounts, bucket, price=price, now=self.clock(), **which)
        return [Excess(kind=kind, count=count, at=at)] if count else []

    async def _queue(self, request: Request) -> list[Excess]:
        most = request.policy.everyone.waiting
        count = 0 if most is None else await self.store.read(excess.longer_queues, request.required_guild_id, most)
        return [Excess(kind=ExcessKind.QUEUE, count=count)] if count else []


def _changes(before: Policy, after: Policy, of: Callable[[Policy], object], of_role: Callable[..., object]) -> bool:
    """Whether this limit for everyone changed, and no role has its own: whose roles are which is not known here."""
    return of(before) != of(after) and all(of_role(rule) is None for rule in after.roles.values())


def _unmet(model: ModelInfo, price: int | None, before: Policy, after: Policy) -> Iterator[Excess]:
    """What the default model cannot do for everyone under the new limits, though it could before."""
    checks: tuple[tuple[ExcessKind, Callable[[Policy], bool]], ...] = (
        (ExcessKind.MODEL, lambda policy: policy.everyone.models != "all" and model.id not in policy.everyone.models),
        (ExcessKind.SIZE, lambda policy: _is_too_large(model, policy.everyone.max_megapixels)),
        (ExcessKind.SHAPE, lambda policy: _is_misshapen(model, policy)),
        (ExcessKind.NEVER, lambda policy: price is not None and any(_is_too_small(each, price) for each in _buckets(policy))),
    )
    for kind, is_so in checks:
        if _section(kind, before) != _section(kind, after) and is_so(after):
            yield Excess(kind=kind, model=model.title)


def _section(kind: ExcessKind, policy: Policy) -> object:
    """The settings that decide about it."""
    return (policy.everyone.bucket, policy.pool, policy.prices) if kind is ExcessKind.NEVER else policy.everyone


def _is_too_large(model: ModelInfo, limit: float | None) -> bool:
    usual = megapixels(model, {})
    return limit is not None and usual is not None and usual > limit


def _is_misshapen(model: ModelInfo, policy: Policy) -> bool:
    allowed = policy.everyone.aspect_ratios
    offered = {choice.value for choice in model.choices(Idea.ASPECT_RATIO)}
    return allowed != "all" and bool(offered) and offered.isdisjoint(allowed)


def _buckets(policy: Policy) -> list[BucketSetting]:
    return [each for each in (policy.everyone.bucket, policy.pool) if each is not None]


def _is_too_small(setting: BucketSetting, price: int) -> bool:
    return setting.bucket().size < price
