"""Sponsorships on both databases: no more is spent than the cap, and the rest is returned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from stamina.instrumentation import RetryDetails

from bot.core.errors import NotAllowed, OutOfCredit
from bot.domain.money.accounts import AccountRef
from bot.domain.money.payment import Payment
from bot.domain.money.quota import MICRO
from bot.domain.money.sponsorship import Sponsorship, SponsorshipState
from bot.services.money import sponsorships as money_sponsorships
from bot.store import steps
from bot.store.engine.base import Store
from bot.store.money import sponsorships
from tests.env.job_steps import run
from tests.env.jobs import FAILED, SUCCEEDED, new_job
from tests.store.money.accounts import budget, has, member, order, pool

pytestmark = pytest.mark.usefixtures("ledger_is_sound")

HOST, THREAD = member(9), 55


async def begin(store: Store, credits_: int = 5, *, id_: str = "one", host: AccountRef = HOST, now: int = 0, **more: Any) -> bool:
    values = {"guild_id": 1, "channel_id": THREAD, "host_id": 9, "until": 10_000, **more}
    sponsorship = Sponsorship(id=id_, cap=credits_ * MICRO, opened_at=now, **values)
    return await store.write(sponsorships.begin, sponsorship, host=host, now=now)


async def read_one(store: Store, id_: str = "one") -> Sponsorship:
    found = await store.read(sponsorships.by_id, id_)
    assert found is not None
    return found


def payment_in_thread(user_id: int = 7, credits_: int = 10) -> Payment:
    return Payment(payer=member(user_id, credits_), sponsored_in=THREAD)


async def test_the_cap_leaves_the_host_s_account_at_once(store: Store) -> None:
    assert await begin(store)
    assert await has(store, HOST) == (5, 0, 0)
    one = await store.read(sponsorships.current, THREAD, 0)
    assert one is not None
    assert (one.left, one.held, one.spent, one.host_account) == (5 * MICRO, 0, 0, HOST.name)
    assert await store.read(sponsorships.of_host, 9) == [one]


async def test_beginning_is_idempotent(store: Store) -> None:
    assert sorted(await asyncio.gather(begin(store), begin(store))) == [False, True]
    assert await has(store, HOST) == (5, 0, 0)


async def test_a_host_cannot_sponsor_more_than_they_have(store: Store) -> None:
    with pytest.raises(OutOfCredit, match=r"You can't sponsor 11 credits, because you only have 10\."):
        await begin(store, 11)
    assert await store.read(sponsorships.current, THREAD, 0) is None


async def test_a_thread_has_one_sponsor_at_a_time(store: Store) -> None:
    hosts = [begin(store, id_=f"s{n}", host=member(100 + n), host_id=100 + n) for n in range(10)]
    results = await asyncio.gather(*hosts, return_exceptions=True)
    assert [sum(each is True for each in results), sum(isinstance(each, NotAllowed) for each in results)] == [1, 9]


async def test_the_sponsor_pays_before_the_member_until_the_cap_is_spent(store: Store) -> None:
    await begin(store, 2)
    accounts = [(await order(store, payment_in_thread(n))).generations[0].account for n in range(4)]
    assert accounts == ["sponsor:one", "sponsor:one", "member:1:2", "member:1:3"]


async def test_a_hundred_simultaneous_orders_cannot_overspend_a_sponsor(store: Store) -> None:
    await begin(store, 5)
    orders = (order(store, payment_in_thread(100 + n, 0), new_job(member=100 + n)) for n in range(100))
    results = await asyncio.gather(*orders, return_exceptions=True)
    assert sum(isinstance(each, OutOfCredit) for each in results) == 95
    assert ((await read_one(store)).left, (await read_one(store)).held) == (0, 5 * MICRO)


async def test_the_guild_s_budget_counts_what_a_sponsor_pays(store: Store) -> None:
    await begin(store)
    await order(store, Payment(payer=pool(), sponsored_in=THREAD, budget=budget(3)))
    assert [await has(store, budget(3)), await has(store, pool())] == [(2, 1, 0), (10, 0, 0)]


async def test_an_expired_sponsorship_does_not_pay_and_is_due(store: Store) -> None:
    await begin(store)
    late = await order(store, payment_in_thread(), new_job(now=10_000))
    assert late.generations[0].account == "member:1:7"
    assert [await store.read(sponsorships.due, now) for now in (9_999, 10_000)] == [[], ["one"]]
    assert await store.write(sponsorships.close, "one", 10_000) == 5 * MICRO
    assert await store.read(sponsorships.due, 20_000) == []
    assert await has(store, HOST) == (10, 0, 0)
    assert await begin(store, 3, id_="two", now=10_000, until=20_000)


async def test_simultaneous_closing_returns_the_rest_once(store: Store) -> None:
    await begin(store)
    await order(store, payment_in_thread())
    assert sorted(await asyncio.gather(*(store.write(sponsorships.close, "one", 2000) for _ in range(5)))) == [0, 0, 0, 0, 4 * MICRO]
    assert [await has(store, HOST), (await read_one(store)).state] == [(9, 0, 0), SponsorshipState.CLOSED]
    assert await store.write(sponsorships.close, "never", 2000) == 0


async def test_holds_settle_after_closing_and_the_rest_is_returned(store: Store) -> None:
    await begin(store)
    job = await run(store, await order(store, payment_in_thread(), new_job(images=2)))
    await store.write(sponsorships.close, "one", 2000)
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(steps.settle, job.id, 1, FAILED, 3000)
    assert await store.read(sponsorships.due, 3000) == ["one"]
    assert await store.write(sponsorships.close, "one", 3000) == MICRO
    assert [await has(store, HOST), (await read_one(store)).spent] == [(9, 0, 0), MICRO]


async def test_a_refund_after_closing_is_returned_to_the_host(store: Store) -> None:
    await begin(store)
    job = await run(store, await order(store, payment_in_thread()))
    await store.write(steps.settle, job.id, 0, SUCCEEDED, 3000)
    await store.write(sponsorships.close, "one", 4000)
    assert await store.write(steps.refund, job.id, 0, 90_000)
    for id_ in await store.read(sponsorships.due, 90_000):
        await store.write(sponsorships.close, id_, 90_000)
    assert await has(store, HOST) == (10, 0, 0)


async def test_simultaneous_orders_and_closing_lose_nothing(store: Store, conflicts: list[RetryDetails]) -> None:
    await begin(store)
    orders = [order(store, payment_in_thread(100 + n), new_job(member=100 + n)) for n in range(20)]
    async with asyncio.timeout(10):
        await asyncio.gather(*orders, *(store.write(sponsorships.close, "one", 2000) for _ in range(3)))
    assert conflicts == []
    one = await read_one(store)
    assert [one.left, one.held / MICRO + (await has(store, HOST))[0]] == [0, 10]


@pytest.mark.parametrize("values", [{"credits_": 0}, {"until": 0}, {"host": pool()}])
async def test_an_invalid_sponsorship_is_refused(store: Store, values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"needs a positive cap|is not a member's account"):
        await begin(store, **values)


async def test_the_sweep_closes_expired_sponsorships_only(store: Store) -> None:
    await begin(store)
    await begin(store, 3, id_="two", host=member(10), host_id=10, channel_id=56, until=90_000)
    sweeping = asyncio.create_task(money_sponsorships.run(store=store, clock=lambda: 20_000, every_s=60), name="sweep")
    async with asyncio.timeout(5):
        while (await read_one(store)).state is SponsorshipState.OPEN:  # noqa: ASYNC110  a database has no events
            await asyncio.sleep(0.01)
    sweeping.cancel()
    assert [await has(store, HOST), await has(store, member(10))] == [(10, 0, 0), (7, 0, 0)]
