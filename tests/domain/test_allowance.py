"""Allowances: the most permissive combination of the rules for everyone and for the member's roles."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.allowance import Allowance, ineffective_settings, merge
from bot.domain.guild.document import Policy, read
from bot.domain.money.quota import Bucket

MODELS = st.none() | st.just("all") | st.lists(st.sampled_from("abc"))
NUMBERS = st.none() | st.integers(1, 4)
RULES = st.fixed_dictionaries(
    {
        "models": MODELS,
        "aspect_ratios": st.none() | st.just("all") | st.lists(st.sampled_from(["1:1", "16:9"])),
        "max_megapixels": st.none() | st.floats(0.1, 4),
        "max_count": NUMBERS,
        "private": st.none() | st.booleans(),
        "purse": st.none() | st.fixed_dictionaries({"size": st.integers(0, 9), "refill_per_day": st.integers(0, 9)}),
        "running": NUMBERS,
        "waiting": NUMBERS,
    }
)
EVERYONE = RULES.map(lambda rule: {name: value for name, value in rule.items() if value is not None})
ROLES = st.dictionaries(st.integers(1, 4), RULES)


def as_much(more: Allowance, less: Allowance) -> bool:
    """Whether `more` allows everything that `less` does, in the settings that only the guild decides."""
    return (
        (more.models is None or (less.models is not None and less.models <= more.models))
        and (more.aspect_ratios is None or (less.aspect_ratios is not None and less.aspect_ratios <= more.aspect_ratios))
        and (more.max_megapixels is None or (less.max_megapixels is not None and less.max_megapixels <= more.max_megapixels))
        and (more.max_count >= less.max_count)
        and (more.private or not less.private)
    )


def made(everyone: dict[str, Any] | None = None, roles: dict[int, dict[str, Any]] | None = None, **more: Any) -> Policy:
    return read({"everyone": everyone or {}, "roles": roles or {}, **more})


@given(EVERYONE, ROLES, st.sets(st.integers(1, 4)), st.integers(1, 4))
def test_another_role_never_reduces_the_allowance(everyone: Any, roles: Any, held: set[int], another: int) -> None:
    policy = made(everyone, roles)
    assert as_much(merge(policy, held | {another}), merge(policy, held))


@given(EVERYONE, ROLES, st.sets(st.integers(1, 4)))
def test_the_largest_number_that_is_set_applies(everyone: Any, roles: Any, held: set[int]) -> None:
    allowance = merge(made(everyone, roles), held)
    stated = [everyone, *(roles[each] for each in held & set(roles))]
    for name in ("running", "waiting"):
        assert getattr(allowance, name) == max((rule[name] for rule in stated if rule.get(name)), default=None)


def test_without_rules_the_operator_s_limits_apply() -> None:
    assert merge(Policy(), {1, 2}) == Allowance(max_count=4, private=True)


def test_roles_add_to_the_rules_for_everyone() -> None:
    policy = made({"models": ["a"], "private": False}, {1: {"models": ["b"]}, 2: {"private": True, "max_count": 1}})
    allowance = merge(policy, {1, 2, 3})
    assert (allowance.models, allowance.private, allowance.max_count) == (frozenset("ab"), True, 4)


def test_members_without_a_role_with_a_rule_share_the_pool() -> None:
    policy = made({"purse": {"size": 5}}, {1: {}, 2: {"purse": {"size": 1, "refill_per_day": 9}}}, pool={"size": 100})
    assert (merge(policy, ()).from_pool, merge(policy, ()).bucket) == (True, Bucket(size=100_000_000, refill_per_day=0))
    assert (merge(policy, {2}).from_pool, merge(policy, {2}).bucket) == (False, Bucket(size=5_000_000, refill_per_day=9_000_000))


def test_a_role_s_setting_without_effect_is_found() -> None:
    policy = made({"max_count": 2}, {1: {"models": ["a"], "max_count": 3}, 2: {"private": True, "max_count": 1}})
    assert ineffective_settings(policy) == ((1, "models"), (2, "max_count"), (2, "private"))
