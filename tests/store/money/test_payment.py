"""Who pays, on both databases: a bucket, a pool or a sponsor, and a budget in addition. None is overspent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from gettext import NullTranslations

import pytest
from stamina.instrumentation import RetryDetails

from bot.core import i18n
from bot.core.errors import OutOfCredit, TooManyWaiting
from bot.domain.job import GenerationState, Lane
from bot.domain.money.payment import Payment, monthly_budget, reserve_of
from bot.domain.money.quota import DAY_MS, MICRO
from bot.store import claims, jobs, steps
from bot.store.engine.base import Store
from tests.env.job_steps import run
from tests.env.jobs import FAILED, SUCCEEDED, new_job
from tests.store.money.accounts import bucket, budget, has, member, order, pool, slow

pytestmark = pytest.mark.usefixtures("ledger_is_sound")

NOW = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1000


async def refusal(store: Store, payment: Payment, *, images: int = 1) -> str:
    with pytest.raises(OutOfCredit) as caught:
        await order(store, payment, new_job(images=images))
    return caught.value.sentence


# --- who pays --------------------------------------------------------------------------------------------------------


async def test_the_budget_is_held_in_addition_to_the_payer(store: Store) -> None:
    job = await order(store, Payment(payer=member(), budget=budget(100)), new_job(images=3))
    assert {(g.account, g.budget, g.lane) for g in job.generations} == {("member:1:7", "budget:1:1970-01", Lane.PAID)}
    assert [await has(store, member()), await has(store, budget(100))] == [(7, 3, 0), (97, 3, 0)]


async def test_settle_and_release_are_booked_in_the_accounts_of_the_hold(store: Store) -> None:
    job = await run(store, await order(store, Payment(payer=member(), budget=budget(100)), new_job(images=2)))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(steps.settle, job.id, 1, FAILED, 3000)
    assert [await has(store, member()), await has(store, budget(100))] == [(9, 0, 1), (99, 0, 1)]


async def test_a_refund_goes_to_the_payer_and_the_budget_stays_charged(store: Store) -> None:
    job = await run(store, await order(store, Payment(payer=member(), budget=budget(100))))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    assert [await store.write(steps.refund, job.id, 0, 4000, by_id=9, note="kind") for _ in range(2)] == [True, False]
    assert [await has(store, member()), await has(store, budget(100))] == [(10, 0, 0), (99, 0, 1)]


async def test_a_refunded_image_that_turns_out_unusable_is_not_refunded_again(store: Store) -> None:
    job = await run(store, await order(store, Payment(payer=member())))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    assert await store.write(steps.refund, job.id, 0, 4000)
    assert not await store.write(steps.spoil, job.id, 0, "It is no image.", 5000)
    assert await has(store, member()) == (10, 0, 0)


async def test_a_member_out_of_credit_uses_the_slow_lane(store: Store) -> None:
    payment = Payment(payer=member(credits_=1), **slow(10))
    lanes = [(await order(store, payment)).generations[0].lane for _ in range(3)]
    assert lanes == [Lane.PAID, Lane.FREE, Lane.FREE]
    assert [await has(store, member(credits_=1)), await has(store, pool())] == [(0, 1, 0), (8, 2, 0)]


async def test_the_slow_lane_does_not_use_the_pool_s_reserve(store: Store) -> None:
    payment = Payment(payer=member(credits_=0), **slow(10, reserve=8))
    assert [(await order(store, payment)).generations[0].account for _ in range(2)] == ["pool:1", "pool:1"]
    assert "you have 0." in await refusal(store, payment)
    assert (await order(store, Payment(payer=pool()))).generations[0].lane is Lane.PAID


async def test_without_a_slow_lane_a_member_out_of_credit_is_refused(store: Store) -> None:
    await order(store, Payment(payer=pool()))
    assert "you have 0." in await refusal(store, Payment(payer=member(credits_=0)))


def test_the_reserve_is_what_the_slow_lane_s_share_leaves() -> None:
    assert [reserve_of(bucket(10), share) for share in (0, 0.25, 1, 7)] == [10 * MICRO, 7_500_000, 0, 0]


async def test_the_queue_orders_lanes_and_counts_recent_use(store: Store) -> None:
    had = await run(store, await order(store, Payment(payer=member(7)), new_job(member=7, images=2)))
    for n in range(2):
        await store.write(steps.settle, had.id, n, SUCCEEDED, 3000)
    nothing = member(70, credits_=0)
    free = [await order(store, Payment(payer=nothing, **slow(10)), new_job(member=user, now=user)) for user in (8, 7)]
    paid = await order(store, Payment(payer=pool()), new_job(member=9, now=5000))
    queue = await store.read(claims.queue_of, 9000)
    assert [g.job_id for g in queue.waiting] == [paid.id, free[1].id, free[0].id]
    assert queue.past_use == {7: 2}
    assert [g.user_id for g in (await store.read(claims.queue_of, 9000, most=1)).waiting] == [9, 7]  # the limit applies to each lane
    assert [(await store.read(jobs.standing, job)).ahead for job in (paid, *free)] == [0, 2, 1]


# --- the budget ------------------------------------------------------------------------------------------------------


async def test_a_used_up_budget_stops_every_lane(store: Store) -> None:
    payment = Payment(payer=member(), budget=budget(2), **slow(10))
    await order(store, payment, new_job(images=2))
    assert await refusal(store, payment) == "This server's budget for the month is used up. It renews <t:2678400:R>."
    assert [await has(store, member()), await has(store, pool())] == [(8, 2, 0), (10, 0, 0)]


async def test_a_refusal_by_the_budget_names_when_it_is_renewed(store: Store) -> None:
    assert await refusal(store, Payment(payer=member(), budget=budget(2)), images=3) == (
        "This costs more than what's left of this server's monthly budget. It renews <t:2678400:R>."
    )


async def test_a_changed_budget_still_counts_what_was_spent(store: Store) -> None:
    await order(store, Payment(payer=member(), budget=budget(100)), new_job(images=4))
    assert "is used up" in await refusal(store, Payment(payer=member(), budget=budget(3)))
    assert await has(store, budget(3)) == (0, 4, 0)
    await order(store, Payment(payer=member(), budget=budget(5)))
    assert "is used up" in await refusal(store, Payment(payer=member(), budget=budget(5)))


async def test_each_month_has_its_own_budget(store: Store) -> None:
    await order(store, Payment(payer=member(), budget=budget(1)))
    later = await order(store, Payment(payer=member(), budget=monthly_budget(1, MICRO, NOW)), new_job(now=NOW))
    assert later.generations[0].budget == "budget:1:2026-11"


# --- sentences -------------------------------------------------------------------------------------------------------


async def test_a_refusal_by_an_empty_pool_names_the_pool(store: Store) -> None:
    await order(store, Payment(payer=pool(2)), new_job(images=2))
    assert await refusal(store, Payment(payer=pool(2))) == (
        "This costs 1 credit, and this server's shared pool has 0 (2 more are reserved for images in progress). "
        "The pool doesn't refill on its own. Ask this server's managers."
    )


async def test_a_refusal_is_in_the_caller_s_language(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Shouting(NullTranslations):
        def gettext(self, message: str) -> str:
            return message.upper().replace("{PRICE}", "{price}").replace("{LEFT}", "{left}").replace("{SIZE}", "{size}")

    monkeypatch.setitem(i18n._catalogues, "de", Shouting())
    with i18n.speaking("de"):
        assert (await refusal(store, Payment(payer=member(credits_=0)))).startswith("THIS COSTS 1 credit, AND YOU HAVE 0.")


# --- races -----------------------------------------------------------------------------------------------------------


async def granted(store: Store, *payments: Payment) -> list[str]:
    """The paying account of each simultaneous order that succeeded; the others were out of credit."""
    orders = (order(store, payment, new_job(member=100 + n)) for n, payment in enumerate(payments))
    results = await asyncio.gather(*orders, return_exceptions=True)
    assert [each for each in results if isinstance(each, BaseException) and not isinstance(each, OutOfCredit)] == []
    return [each.generations[0].account for each in results if not isinstance(each, BaseException)]


async def test_a_hundred_simultaneous_orders_cannot_overspend_a_bucket(store: Store) -> None:
    assert len(await granted(store, *[Payment(payer=member())] * 100)) == 10
    assert await has(store, member()) == (0, 10, 0)


async def test_a_hundred_simultaneous_orders_cannot_overspend_a_pool(store: Store) -> None:
    empty = [Payment(payer=member(100 + n, 0), **slow(10, reserve=3)) for n in range(50)]
    paying = [Payment(payer=pool())] * 50
    assert await granted(store, *(each for both in zip(empty, paying, strict=True) for each in both)) == ["pool:1"] * 10
    assert await has(store, pool()) == (0, 10, 0)


async def test_a_hundred_simultaneous_orders_do_not_use_the_pool_s_reserve(store: Store) -> None:
    assert len(await granted(store, *(Payment(payer=member(100 + n, 0), **slow(10, reserve=3)) for n in range(100)))) == 7
    assert await has(store, pool()) == (3, 7, 0)


async def test_simultaneous_orders_get_a_refill_once(store: Store) -> None:
    payer = member(a_day=10)
    for n, made in enumerate([await run(store, await order(store, Payment(payer=payer), new_job(images=5))) for _ in range(2)]):
        for image in made.generations:
            await store.write(steps.settle, made.id, image.n, SUCCEEDED, n)
    orders = (order(store, Payment(payer=payer), new_job(now=1000 + DAY_MS // 2)) for _ in range(50))
    results = await asyncio.gather(*orders, return_exceptions=True)
    assert sum(isinstance(each, OutOfCredit) for each in results) == 45


async def test_a_hundred_simultaneous_orders_cannot_overspend_a_budget(store: Store) -> None:
    payments = [Payment(payer=member(100 + n) if n % 2 else pool(100), budget=budget(10), **slow(100)) for n in range(100)]
    assert len(await granted(store, *payments)) == 10
    assert await has(store, budget(10)) == (0, 10, 0)


async def test_a_member_s_queue_limit_counts_all_guilds(store: Store) -> None:
    payments = [Payment(payer=member(guild_id=n % 10)) for n in range(50)]
    results = await asyncio.gather(*(order(store, payment, max_waiting=7) for payment in payments), return_exceptions=True)
    assert sum(isinstance(each, TooManyWaiting) for each in results) == 43


async def test_simultaneous_holds_and_ends_do_not_deadlock(store: Store, conflicts: list[RetryDetails]) -> None:
    """Each touches several accounts, named in another order; on PostgreSQL two could lock each other out."""
    both = [Payment(payer=member(100), budget=budget(1000), **slow(100)), Payment(payer=pool(100), budget=budget(1000), **slow(100))]
    held = [await run(store, await order(store, both[n % 2], new_job(images=2))) for n in range(10)]
    ends = [store.write(steps.settle, job.id, n, (SUCCEEDED, FAILED)[n], 3000) for job in held for n in range(2)]
    more = [order(store, both[n % 2]) for n in range(20)]
    async with asyncio.timeout(10):
        await asyncio.gather(*ends, *more)
    assert conflicts == []
    assert {g.state for job in held for g in (await store.read(jobs.get, job.id) or job).generations} == {
        GenerationState.SUCCEEDED, GenerationState.FAILED,
    }  # fmt: skip
