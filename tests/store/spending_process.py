"""A process that moves money in every way with many tasks in the store at argv[1], and prints each job id after its write returned."""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from random import Random

from bot.core.errors import Refusal
from bot.domain.job import GenerationState, Outcome
from bot.domain.money.payment import Payment
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship
from bot.store import steps
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.money import sponsorships, transfers
from tests.env.jobs import new_job
from tests.store.busy_process import say
from tests.store.money.accounts import budget, member, order, pool, slow

TASKS = 12
THREAD = 55
_numbers = count()


async def _spend_forever(store: Store, user: int) -> None:
    chance, me = Random(user), member(user, 20)
    while True:
        try:
            await _once(store, user, chance)
        except Refusal:
            await store.write(transfers.grant, to=me, amount=5 * MICRO, key=f"grant {next(_numbers)}", now=0)


async def _once(store: Store, user: int, chance: Random) -> None:
    me, other = member(user, 20), member((user + 1) % TASKS, 20)
    payment = Payment(payer=chance.choice([me, pool(20)]), sponsored_in=THREAD, budget=budget(1_000_000), **slow(20))
    job = await order(store, payment, new_job(member=user, images=2))
    say(job.id)
    await store.write(transfers.gift, giver=me, receiver=other, amount=MICRO, key=f"gift {next(_numbers)}", now=0)
    await store.write(steps.start, job.id, 0, 2000)
    await store.write(steps.settle, job.id, 0, Outcome(state=chance.choice([GenerationState.SUCCEEDED, GenerationState.FAILED])), 3000)
    await store.write(steps.request_cancel, job.id, 4000)
    await store.write(steps.refund, job.id, 0, 5000)
    one = Sponsorship(id=f"s{next(_numbers)}", guild_id=1, channel_id=THREAD, host_id=user, cap=MICRO, until=10_000, opened_at=0)
    await store.write(sponsorships.begin, one, host=me, now=0)
    await store.write(sponsorships.close, one.id, 5000)


async def _main(url: str) -> None:
    async with open_store(url) as store, asyncio.TaskGroup() as tasks:
        for user in range(TASKS):
            tasks.create_task(_spend_forever(store, user))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
