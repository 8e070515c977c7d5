"""What an image costs in a guild and who pays for it, by the guild's rules."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import OutOfCredit, TooManyWaiting
from bot.domain.actor import Actor
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.job import Job, Lane, ReplyTarget
from bot.domain.money.accounts import budget_account
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship
from bot.domain.request import Request
from bot.store.money import sponsorships
from tests.env.guild_rules import change_rules
from tests.env.jobs import request
from tests.env.models import model_of
from tests.services.conftest import BUCKET, MODEL, Pipeline
from tests.store.money.accounts import member

PAINTER = 77  # a role
ROLE: dict[str, Any] = {"roles": {PAINTER: {"purse": {"size": 2}}}}
POOL: dict[str, Any] = {"pool": {"size": 4}}


async def request_of(pipeline: Pipeline, *roles: int, guild_id: int | None = 1) -> Request:
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=guild_id)
    return await request(pipeline, place, actor=Actor(user_id=7, role_ids=frozenset(roles)))


async def order(pipeline: Pipeline, *roles: int, user_id: int = 7, guild_id: int | None = 1, channel_id: int = 5, **more: Any) -> Job:
    place = ReplyTarget(user_id=user_id, channel_id=channel_id, guild_id=guild_id)
    return await pipeline.order(place=place, actor=Actor(user_id=user_id, role_ids=frozenset(roles)), **more)


async def payer(pipeline: Pipeline, *roles: int, **more: Any) -> tuple[str, str | None, Lane]:
    first = (await order(pipeline, *roles, **more)).generations[0]
    return first.account, first.budget, first.lane


def spending_account(pipeline: Pipeline, guild_id: int) -> str:
    """The account that counts a guild's spending of this month."""
    return budget_account(guild_id, pipeline.clock())


async def test_without_rules_on_money_the_operators_bucket_pays(pipeline: Pipeline) -> None:
    assert await payer(pipeline) == ("user:7", spending_account(pipeline, 1), Lane.PAID)
    assert await payer(pipeline, guild_id=None) == ("user:7", None, Lane.PAID)


async def test_a_bucket_of_a_role_pays_in_its_guild_only(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ROLE)
    assert [await payer(pipeline, PAINTER), await payer(pipeline, PAINTER, guild_id=2)] == [
        ("member:1:7", spending_account(pipeline, 1), Lane.PAID),
        ("user:7", spending_account(pipeline, 2), Lane.PAID),
    ]


async def test_members_without_a_bucket_pay_from_the_pool(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ROLE, **POOL)
    assert [(await payer(pipeline, *roles))[0] for roles in ((), (PAINTER,))] == ["pool:1", "member:1:7"]


async def test_members_out_of_credit_use_the_spare_part_of_the_pool(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ROLE, **POOL, slow_lane={"share_percent": 50})
    lanes = [(await payer(pipeline, PAINTER))[2] for _ in range(4)]
    assert lanes == [Lane.PAID, Lane.PAID, Lane.FREE, Lane.FREE]
    with pytest.raises(OutOfCredit):  # the rest of the pool is for those who pay from it
        await order(pipeline, PAINTER)


async def test_the_slow_lane_can_be_turned_off(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ROLE, **POOL, slow_lane={"on": False})
    await order(pipeline, PAINTER, count=2)
    with pytest.raises(OutOfCredit):
        await order(pipeline, PAINTER)


async def test_the_monthly_budget_is_set_in_dollars(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, usd_per_month="0.05")  # an image costs 1.4 cents
    budget = pipeline.pricing.budget(await request_of(pipeline))
    assert budget is not None
    assert (await payer(pipeline, count=3))[1] == budget.name
    with pytest.raises(OutOfCredit, match="more than what's left of this server's monthly budget"):
        await order(pipeline, user_id=8)
    assert (await payer(pipeline, user_id=8, guild_id=2))[0] == "user:8"


async def test_a_new_budget_counts_the_whole_month(pipeline: Pipeline) -> None:
    await payer(pipeline, count=3)
    await change_rules(pipeline.guilds, usd_per_month="0.03")
    with pytest.raises(OutOfCredit, match="budget for the month is used up"):
        await order(pipeline, user_id=8)


async def test_a_sponsor_pays_first_and_is_named(pipeline: Pipeline) -> None:
    host = member(9, 10, guild_id=1)
    sponsorship = Sponsorship(id="abc", guild_id=1, channel_id=5, host_id=9, cap=2 * MICRO, until=pipeline.clock() + 10**6, opened_at=0)
    await pipeline.store.write(sponsorships.begin, sponsorship, host=host, now=pipeline.clock())
    assert [(await payer(pipeline))[0], (await payer(pipeline, channel_id=6))[0]] == ["sponsor:abc", "user:7"]
    assert (await pipeline.orders.waiting_for(await order(pipeline))).host_id == 9


async def test_a_guilds_own_price_is_held_and_shown(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, prices={MODEL: "2.5"})
    assert (await order(pipeline)).generations[0].price == 2_500_000
    models = pipeline.models.offered
    prices = {model.id: model.price_microcredits for model in pipeline.pricing.offers(models, await request_of(pipeline))}
    assert prices == {model.id: model.price_microcredits for model in models} | {MODEL: 2_500_000}


async def test_a_guilds_own_price_is_never_taken_as_the_cost(pipeline: Pipeline) -> None:
    unknown = model_of(pricing={"method": "time"})
    await change_rules(pipeline.guilds, prices={"one": "2.5"})
    policy = (await request_of(pipeline)).policy
    assert cost_microcredits(pipeline.pricing.priced(unknown, policy), {}) is None
    assert pipeline.pricing.price(unknown, policy, {}) is None


async def test_only_models_allowed_for_a_members_roles_are_offered(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, everyone={"models": []}, roles={PAINTER: {"models": [MODEL]}})
    offered = [pipeline.pricing.offers(pipeline.models.offered, await request_of(pipeline, *roles)) for roles in ((), (PAINTER,))]
    assert [[model.id for model in each] for each in offered] == [[], [MODEL]]


async def test_the_rules_limit_how_much_may_wait(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, everyone={"waiting": 1}, roles={PAINTER: {"waiting": 3}})
    await order(pipeline, PAINTER, count=3)
    await order(pipeline, user_id=8)
    for user_id, roles in ((7, (PAINTER,)), (8, ())):
        with pytest.raises(TooManyWaiting):
            await order(pipeline, *roles, user_id=user_id)


async def test_the_rules_limit_how_much_runs_at_a_time(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, everyone={"running": 1})
    assert (await order(pipeline)).generations[0].running_limit == 1


async def test_the_balance_depends_on_guild_and_roles(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ROLE, **POOL)
    requests = [
        await request_of(pipeline),
        await request_of(pipeline, PAINTER),
        await request_of(pipeline, PAINTER, guild_id=2),
        await request_of(pipeline, guild_id=None),
    ]
    available = [await pipeline.pricing.left(each) for each in requests]
    assert available == [4 * MICRO, 2 * MICRO, BUCKET.size, BUCKET.size]
    assert [account and account.name for account in map(pipeline.pricing.pool, (requests[0], requests[2]))] == ["pool:1", None]
