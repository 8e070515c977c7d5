"""What a picture costs on a server, and who pays for it, as its rules say."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.errors import OutOfCredit, TooManyWaiting
from bot.domain.actor import Actor
from bot.domain.job import Job, Lane, ReplyTarget
from bot.domain.money.accounts import budget_account
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship
from bot.domain.request import Request
from bot.store.money import sponsorships
from tests.env.guild_rules import rule
from tests.env.jobs import request
from tests.services.conftest import BUCKET, MODEL, Works
from tests.store.money.accounts import member

PAINTER = 77  # a role
ROLE: dict[str, Any] = {"roles": {PAINTER: {"purse": {"size": 2}}}}
POOL: dict[str, Any] = {"pool": {"size": 4}}


async def asks(works: Works, *roles: int, guild_id: int | None = 1) -> Request:
    place = ReplyTarget(user_id=7, channel_id=5, guild_id=guild_id)
    return await request(works, place, actor=Actor(user_id=7, role_ids=frozenset(roles)))


async def order(works: Works, *roles: int, user_id: int = 7, guild_id: int | None = 1, channel_id: int = 5, **more: Any) -> Job:
    place = ReplyTarget(user_id=user_id, channel_id=channel_id, guild_id=guild_id)
    return await works.order(place=place, actor=Actor(user_id=user_id, role_ids=frozenset(roles)), **more)


async def payer(works: Works, *roles: int, **more: Any) -> tuple[str, str | None, Lane]:
    first = (await order(works, *roles, **more)).generations[0]
    return first.account, first.budget, first.lane


def counted(works: Works, guild_id: int) -> str:
    """The account in which a server's month is counted."""
    return budget_account(guild_id, works.clock())


async def test_where_no_rule_speaks_of_money_the_operators_bucket_pays(works: Works) -> None:
    assert await payer(works) == ("user:7", counted(works, 1), Lane.PAID)
    assert await payer(works, guild_id=None) == ("user:7", None, Lane.PAID)


async def test_a_role_with_a_bucket_pays_on_that_server_alone(works: Works) -> None:
    await rule(works.guilds, **ROLE)
    assert [await payer(works, PAINTER), await payer(works, PAINTER, guild_id=2)] == [
        ("member:1:7", counted(works, 1), Lane.PAID),
        ("user:7", counted(works, 2), Lane.PAID),
    ]


async def test_who_has_no_such_role_pays_from_the_pool(works: Works) -> None:
    await rule(works.guilds, **ROLE, **POOL)
    assert [(await payer(works, *roles))[0] for roles in ((), (PAINTER,))] == ["pool:1", "member:1:7"]


async def test_who_is_out_of_credit_takes_what_the_pool_can_spare(works: Works) -> None:
    await rule(works.guilds, **ROLE, **POOL, slow_lane={"share_percent": 50})
    lanes = [(await payer(works, PAINTER))[2] for _ in range(4)]
    assert lanes == [Lane.PAID, Lane.PAID, Lane.FREE, Lane.FREE]
    with pytest.raises(OutOfCredit):  # the rest of the pool is for those who pay from it
        await order(works, PAINTER)


async def test_the_slow_lane_can_be_turned_off(works: Works) -> None:
    await rule(works.guilds, **ROLE, **POOL, slow_lane={"on": False})
    await order(works, PAINTER, count=2)
    with pytest.raises(OutOfCredit):
        await order(works, PAINTER)


async def test_the_budget_of_the_month_is_in_money(works: Works) -> None:
    await rule(works.guilds, usd_per_month="0.03")  # a credit is a cent
    budget = works.pricing.budget(await asks(works))
    assert budget is not None
    assert (await payer(works, count=3))[1] == budget.name
    with pytest.raises(OutOfCredit, match="budget for the month is used up"):
        await order(works, user_id=8)
    assert (await payer(works, user_id=8, guild_id=2))[0] == "user:8"


async def test_a_budget_that_is_set_later_counts_the_whole_month(works: Works) -> None:
    await payer(works, count=3)
    await rule(works.guilds, usd_per_month="0.03")
    with pytest.raises(OutOfCredit, match="budget for the month is used up"):
        await order(works, user_id=8)


async def test_a_sponsor_pays_first_and_is_named(works: Works) -> None:
    host = member(9, 10, guild_id=1)
    one = Sponsorship(id="abc", guild_id=1, channel_id=5, host_id=9, cap=2 * MICRO, until=works.clock() + 10**6, opened_at=0)
    await works.store.write(sponsorships.begin, one, host=host, now=works.clock())
    assert [(await payer(works))[0], (await payer(works, channel_id=6))[0]] == ["sponsor:abc", "user:7"]
    assert (await works.orders.waiting_for(await order(works))).host_id == 9


async def test_a_servers_own_price_is_held_and_shown(works: Works) -> None:
    await rule(works.guilds, prices={MODEL: "2.5"})
    assert (await order(works)).generations[0].price == 2_500_000
    models = works.models.offered
    prices = {model.id: model.price_microcredits for model in works.pricing.offers(models, await asks(works))}
    assert prices == {model.id: model.price_microcredits for model in models} | {MODEL: 2_500_000}


async def test_only_what_a_members_roles_open_is_offered(works: Works) -> None:
    await rule(works.guilds, everyone={"models": []}, roles={PAINTER: {"models": [MODEL]}})
    offered = [works.pricing.offers(works.models.offered, await asks(works, *roles)) for roles in ((), (PAINTER,))]
    assert [[model.id for model in each] for each in offered] == [[], [MODEL]]


async def test_the_rules_decide_how_much_may_wait(works: Works) -> None:
    await rule(works.guilds, everyone={"waiting": 1}, roles={PAINTER: {"waiting": 3}})
    await order(works, PAINTER, count=3)
    await order(works, user_id=8)
    for user_id, roles in ((7, (PAINTER,)), (8, ())):
        with pytest.raises(TooManyWaiting):
            await order(works, *roles, user_id=user_id)


async def test_the_rules_decide_how_much_is_made_at_a_time(works: Works) -> None:
    await rule(works.guilds, everyone={"running": 1})
    assert (await order(works)).generations[0].running_limit == 1


async def test_what_there_is_depends_on_where_one_asks(works: Works) -> None:
    await rule(works.guilds, **ROLE, **POOL)
    asked = [await asks(works), await asks(works, PAINTER), await asks(works, PAINTER, guild_id=2), await asks(works, guild_id=None)]
    available = [(await works.pricing.statement(each)).available for each in asked]
    assert available == [4 * MICRO, 2 * MICRO, BUCKET.size, BUCKET.size]
    assert [account and account.name for account in map(works.pricing.pool, (asked[0], asked[2]))] == ["pool:1", None]
