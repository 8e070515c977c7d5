"""Many members act at once: no bucket, pool, budget or sponsorship is overspent, and the ledger is correct."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from bot.core.errors import OutOfCredit, Refusal
from bot.domain.actor import Actor
from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.money.accounts import AccountKind, kind_of
from bot.domain.money.payment import charged
from bot.domain.money.quota import MICRO, from_usd
from bot.domain.money.sponsorship import Sponsorship
from bot.domain.order import Order
from bot.domain.request import Request
from bot.store.money import sponsorships
from bot.store.tables import accounts
from tests.env.guild_rules import change_rules
from tests.env.job_steps import in_state
from tests.env.jobs import CANCELLED, FAILED, SUCCEEDED, order_of, request
from tests.services.conftest import BUCKET, MODEL, Pipeline
from tests.store.money.accounts import member

SERVERS = (1, 2, 3, 4)
ROLES = (71, 72, 73)
THREAD = 50
ENDS = (SUCCEEDED, SUCCEEDED, FAILED, CANCELLED)


def random_rules(dice: random.Random) -> dict[str, Any]:
    """Random rules of a guild, without refill: whatever is spent was there at the beginning."""
    roles = {str(role): {"purse": {"size": dice.randint(0, 6)}, "waiting": dice.choice([None, 3, 50])} for role in ROLES[:2]}
    return {
        "roles": {role: {name: value for name, value in limits.items() if value is not None} for role, limits in roles.items()},
        "pool": dice.choice([None, {"size": dice.randint(0, 12)}]),
        "usd_per_month": dice.choice([None, dice.randint(1, 20) / 100]),
        "prices": dice.choice([{}, {MODEL: dice.choice([0.5, 1.25, 3])}]),
        "slow_lane": {"on": dice.random() < 0.7, "share_percent": dice.choice([25, 50, 100])},
        "everyone": {"waiting": 100},
    }


class RandomMember:
    """A member with random roles who does random actions."""

    def __init__(self, pipeline: Pipeline, user_id: int, seed: int) -> None:
        self.pipeline, self.user_id, self.dice = pipeline, user_id, random.Random(seed)
        self.roles = frozenset(role for role in ROLES if self.dice.random() < 0.4)
        self.jobs: list[Job] = []

    async def _request(self) -> Request:
        guild_id = self.dice.choice([*SERVERS, None])
        channel_id = self.dice.choice([THREAD + (guild_id or 0), 9])
        place = ReplyTarget(user_id=self.user_id, channel_id=channel_id, guild_id=guild_id)
        return await request(self.pipeline, place, actor=Actor(user_id=self.user_id, role_ids=self.roles))

    async def act(self) -> None:
        actions = (self._order, self._order, self._again, self._cancel, self._end)
        with suppress(Refusal):
            await self.dice.choice(actions)()

    async def _order(self) -> None:
        wanted = Order(prompt="a red fox", count=self.dice.randint(1, 4), request=await self._request())
        self.jobs.append((await self.pipeline.orders.order(wanted)).job)

    async def _again(self) -> None:
        if self.jobs:
            self.jobs.append((await self.pipeline.orders.again(self.dice.choice(self.jobs), await self._request())).job)

    async def _cancel(self) -> None:
        if self.jobs:
            await self.pipeline.cancel(self.dice.choice(self.jobs), by=Actor(user_id=self.user_id))

    async def _end(self) -> None:
        """Settle a job twice at the same time, as the image API may report it twice."""
        if self.jobs:
            job = self.dice.choice(self.jobs)
            outcomes: list[Outcome] = [self.dice.choice(ENDS) for _ in job.generations]
            await asyncio.gather(self.pipeline.end(job, *outcomes), self.pipeline.end(job, *outcomes))


async def act_at_once(pipeline: Pipeline, *, members: int, actions_each: int, seed: int) -> None:
    """All members do all their actions concurrently."""
    dice = random.Random(seed)
    caps: dict[str, int] = {}
    for guild_id in SERVERS:
        await change_rules(pipeline.guilds, guild_id, **random_rules(dice))
        sponsorship = Sponsorship(
            id=f"s{guild_id}",
            guild_id=guild_id,
            channel_id=THREAD + guild_id,
            host_id=9,
            cap=5 * MICRO,
            until=pipeline.clock() + 10**8,
            opened_at=pipeline.clock(),
        )
        await pipeline.store.write(sponsorships.begin, sponsorship, host=member(9, 5, guild_id=guild_id), now=pipeline.clock())
        caps[sponsorship.account.name] = sponsorship.cap
    everyone = [RandomMember(pipeline, user_id, dice.randrange(2**32)) for user_id in range(100, 100 + members)]
    await asyncio.gather(*(each.act() for each in everyone for _ in range(actions_each)))
    for each in everyone:
        for guild_id in SERVERS:
            actor, place = (
                Actor(user_id=each.user_id, role_ids=each.roles),
                ReplyTarget(user_id=each.user_id, channel_id=5, guild_id=guild_id),
            )
            account = pipeline.pricing.account(await request(pipeline, place, actor=actor))
            caps[account.name] = 0 if account.fills is None else account.fills.size
    await check_nothing_overspent(pipeline, caps)


async def check_nothing_overspent(pipeline: Pipeline, caps: dict[str, int]) -> None:
    """Assert that no account has spent or held more than its size."""
    rows = await pipeline.store.read(lambda conn: conn.execute(accounts.select()).all())
    assert rows
    for row in rows:
        assert min(row.available, row.held, row.spent) >= 0, row
        assert row.held + row.spent <= await _size(pipeline, row.name, caps), row
    await _check_holds(pipeline, rows)


async def _size(pipeline: Pipeline, account: str, caps: dict[str, int]) -> int:
    """The most that the rules allow an account."""
    if kind_of(account) is AccountKind.OPERATOR:
        return from_usd(pipeline.pricing.limits.monthly_usd, pipeline.pricing.credit_usd)
    if kind_of(account) in (AccountKind.POOL, AccountKind.BUDGET):
        policy = (await pipeline.guilds.settings(int(account.split(":")[1]))).policy
        pool = policy.pool.bucket().size if policy.pool else 0
        budget = from_usd(pipeline.pricing.usd_per_month(policy), pipeline.pricing.credit_usd)
        return pool if kind_of(account) is AccountKind.POOL else budget
    return BUCKET.size if kind_of(account) is AccountKind.USER else caps.get(account, 5 * MICRO)  # a host has five


async def _check_holds(pipeline: Pipeline, rows: Any) -> None:
    held: Counter[str] = Counter()
    for job in await pipeline.store.read(in_state, JobState.OPEN):
        for g in job.open:
            held.update(charged(account=g.account, budget=g.budget, operator=g.operator, price=g.price, cost=g.cost))
    assert {row.name: row.held for row in rows if row.held} == {name: amount for name, amount in held.items() if amount}


async def test_twenty_members_at_once_cannot_overspend(pipeline: Pipeline) -> None:
    await act_at_once(pipeline, members=20, actions_each=6, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_a_hundred_members_at_once_cannot_overspend(pipeline: Pipeline, seed: int) -> None:
    await act_at_once(pipeline, members=100, actions_each=12, seed=seed)


async def test_one_credit_and_a_hundred_orders_make_one_image(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, usd_per_month="0.02")
    places = [ReplyTarget(user_id=100 + n, channel_id=5, guild_id=1) for n in range(100)]
    orders = [pipeline.orders.order(await order_of(pipeline, "a red fox", place)) for place in places]
    results = await asyncio.gather(*orders, return_exceptions=True)
    assert Counter(type(result).__name__ for result in results) == {"Receipt": 1, OutOfCredit.__name__: 99}
