"""What image APIs charged: counted instead of the expected cost, once, also for images that were not made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pytest

from bot.core.errors import ProviderBusy
from bot.domain.job import Job, Outcome, ReplyTarget
from bot.domain.money.accounts import budget_account, operator_account
from bot.domain.money.quota import MICRO, Limit
from bot.providers.provider import Billed
from bot.services.money.bill import Bill
from bot.store import usage
from bot.store.money import ledger
from tests.env.job_steps import check_ledger, order, run, seen
from tests.env.jobs import CANCELLED, FAILED, SUCCEEDED, new_job
from tests.services.conftest import Pipeline, eventually

EXPECTED = 1_400_000  # an image of the default model


@dataclass
class ChargedImages:
    """An image API's list of charges, in US dollars by its id."""

    charges: Mapping[str, str]
    is_down: bool = False

    async def billed(self, *, since: int = 0) -> AsyncIterator[Billed]:
        if self.is_down:
            raise ProviderBusy("down")
        for provider_id, dollars in self.charges.items():
            yield Billed(provider_id=provider_id, cost_usd=Decimal(dollars), enqueued_at=since, model="")


async def made(pipeline: Pipeline, outcome: Outcome = SUCCEEDED) -> Job:
    """An image with the image API's id `<job>/0`."""
    job = await run(pipeline.store, await pipeline.order())
    await pipeline.orders.settle(job.generations[0], outcome)
    return job


async def read(pipeline: Pipeline, charges: Mapping[str, str]) -> None:
    provider = ChargedImages(charges)
    await Bill(store=pipeline.store, providers={"oxen": provider}, credit_usd=0.01, clock=pipeline.clock).read("oxen")  # type: ignore[dict-item]
    await check_ledger(pipeline.store)


async def counted(pipeline: Pipeline) -> set[int]:
    """What the guild's budget and the operator's limit have counted, which is the same here."""
    now = pipeline.clock()
    names = (budget_account(1, now), operator_account(now))
    limit = Limit(size=1000 * MICRO)
    return {(await pipeline.store.read(ledger.statement, account=name, bucket=limit, now=now)).spent for name in names}


@pytest.mark.parametrize("dollars", ["0.013", "0.014", "0.5", "0"])
async def test_the_charge_counts_instead_of_the_expected_cost(pipeline: Pipeline, dollars: str) -> None:
    job = await made(pipeline)
    assert await counted(pipeline) == {EXPECTED}
    for _ in range(2):
        await read(pipeline, {f"{job.id}/0": dollars, "another bot's": "7"})
    assert await counted(pipeline) == {int(Decimal(dollars) * 100 * MICRO)}


@pytest.mark.parametrize("outcome", [FAILED, CANCELLED])
async def test_what_was_begun_and_not_made_counts_as_it_was_charged(pipeline: Pipeline, outcome: Outcome) -> None:
    job = await made(pipeline, outcome)
    await read(pipeline, {f"{job.id}/0": "0.01"})
    assert await counted(pipeline) == {MICRO}


async def test_a_charge_beyond_the_limit_leaves_nothing_to_spend(pipeline: Pipeline) -> None:
    job = await made(pipeline)
    await read(pipeline, {f"{job.id}/0": "100"})
    assert await counted(pipeline) == {10_000 * MICRO}
    with pytest.raises(Exception, match="budget for the month is used up"):
        await pipeline.order()


async def test_a_charge_is_recorded_once_its_image_has_ended(pipeline: Pipeline) -> None:
    job = await run(pipeline.store, await pipeline.order())
    await read(pipeline, {f"{job.id}/0": "0.02"})
    assert await counted(pipeline) == {0}
    await pipeline.orders.settle(job.generations[0], SUCCEEDED)
    await asyncio.gather(*(read(pipeline, {f"{job.id}/0": "0.02"}) for _ in range(3)))
    assert await counted(pipeline) == {2 * MICRO}


async def test_an_image_that_no_limit_counted_is_billed_without_a_correction(pipeline: Pipeline) -> None:
    """As one from a direct message before costs were counted."""
    job = new_job(place=ReplyTarget(user_id=7, channel_id=5, guild_id=None))
    await run(pipeline.store, await order(pipeline.store, job))
    await pipeline.orders.settle(job.generations[0], FAILED)
    await read(pipeline, {f"{job.id}/0": "0.5"})
    kept = (await seen(pipeline.store, job)).generations[0]
    assert (kept.budget, kept.operator, kept.billed) == (None, None, 50 * MICRO)


async def test_a_bill_that_cannot_be_read_ends_nothing(pipeline: Pipeline) -> None:
    job = await made(pipeline)

    class Broken(ChargedImages):
        async def billed(self, *, since: int = 0) -> AsyncIterator[Billed]:
            raise RuntimeError(since)
            yield  # type: ignore[unreachable]  # makes this a generator

    providers = {"broken": Broken({}), "oxen": ChargedImages({f"{job.id}/0": "0.5"})}
    bill = Bill(store=pipeline.store, providers=providers, credit_usd=0.01, clock=pipeline.clock)  # type: ignore[arg-type]
    reading = asyncio.create_task(bill.run())

    async def is_counted() -> bool | None:
        return await counted(pipeline) == {50 * MICRO} or None

    await eventually(is_counted)
    reading.cancel()


async def test_usage_shows_the_charge_and_the_difference(pipeline: Pipeline) -> None:
    first = await made(pipeline)
    await made(pipeline)
    await read(pipeline, {f"{first.id}/0": "0.02"})
    (whole,) = await pipeline.store.read(usage.use, 1, since=0, until=pipeline.clock() + 10**9)
    assert (whole.cost, whole.corrected) == (2 * MICRO + EXPECTED, 2 * MICRO - EXPECTED)
