"""What a member's roles allow in one guild."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from bot.domain.guild.document import Policy
from bot.domain.guild.sections import BucketSetting, RoleRule
from bot.domain.money.quota import Bucket

Allowed = frozenset[str] | None  # None: all


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """A member's limits in one guild. None: no limit of the guild, so the operator's applies."""

    models: Allowed = None  # by id
    aspect_ratios: Allowed = None  # such as "16:9"
    max_megapixels: float | None = None  # of one image
    max_count: int  # images in one request
    private: bool  # may ask for answers that only they see
    from_pool: bool = False  # pays from the guild's pool, which `bucket` describes
    bucket: Bucket | None = None  # in microcredits
    running: int | None = None  # images made at a time
    waiting: int | None = None  # images in the queue


def merge(policy: Policy, role_ids: Collection[int]) -> Allowance:
    """The most permissive combination of the rules for everyone and for each role: a further role never reduces it.

    The bucket and the limits of running and waiting images replace the operator's as soon as one rule sets them. Members with a role
    that has a rule do not use the pool.
    """
    rules = [rule for role_id, rule in policy.roles.items() if role_id in role_ids]
    everyone = policy.everyone
    from_pool = policy.pool is not None and not rules
    return Allowance(
        models=_union(everyone.models, (rule.models for rule in rules)),
        aspect_ratios=_union(everyone.aspect_ratios, (rule.aspect_ratios for rule in rules)),
        max_megapixels=_highest(everyone.max_megapixels, (rule.max_megapixels for rule in rules)),
        max_count=max(everyone.max_count, *(rule.max_count or 1 for rule in rules), 1),
        private=everyone.private or any(rule.private for rule in rules),
        from_pool=from_pool,
        bucket=_bucket([policy.pool] if from_pool else [everyone.bucket, *(rule.bucket for rule in rules)]),
        running=_most(everyone.running, (rule.running for rule in rules)),
        waiting=_most(everyone.waiting, (rule.waiting for rule in rules)),
    )


def ineffective_settings(policy: Policy) -> tuple[tuple[int, str], ...]:
    """Settings of role rules that have no effect because everyone has as much already: pairs of role id and setting name."""
    plain = merge(policy, ())
    return tuple(
        (role_id, name)
        for role_id, rule in policy.roles.items()
        for name in ("models", "aspect_ratios", "max_megapixels", "max_count", "private")
        if getattr(rule, name) is not None and getattr(merge(_only(policy, role_id, rule), {role_id}), name) == getattr(plain, name)
    )


def _only(policy: Policy, role_id: int, rule: RoleRule) -> Policy:
    return policy.model_copy(update={"roles": {role_id: rule}})


def _union(everyone: Collection[str], roles: Iterable[Collection[str] | None]) -> Allowed:
    stated = [everyone, *(each for each in roles if each is not None)]
    return None if "all" in stated else frozenset().union(*stated)


def _highest(everyone: float | None, roles: Iterable[float | None]) -> float | None:
    """None for everyone means no limit; None in a role means that it is not set."""
    return None if everyone is None else max(everyone, *(each for each in roles if each is not None), 0.0)


def _most(everyone: int | None, roles: Iterable[int | None]) -> int | None:
    """The largest of the set numbers; None if none is set."""
    return max((each for each in (everyone, *roles) if each is not None), default=None)


def _bucket(settings: Iterable[BucketSetting | None]) -> Bucket | None:
    buckets = [setting.bucket() for setting in settings if setting is not None]
    if not buckets:
        return None
    return Bucket(size=max(each.size for each in buckets), refill_per_day=max(each.refill_per_day for each in buckets))
