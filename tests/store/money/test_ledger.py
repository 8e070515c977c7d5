"""The ledger on both databases: nothing is overspent, and accounts equal the sums of their lines."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.core.errors import OutOfCredit
from bot.domain.money.accounts import user_account
from bot.domain.money.ledger import Entry, Statement
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.store.engine.base import Store
from bot.store.money import ledger
from bot.store.money.ledger import Discrepancy
from bot.store.tables import accounts
from tests.env.job_steps import hold as hold_now
from tests.env.job_steps import own

TEN = Bucket(size=10 * MICRO, refill_per_day=0)
DAILY = Bucket(size=10 * MICRO, refill_per_day=10 * MICRO)
ME = user_account(7)
FIRST: dict[str, Any] = {"amounts": {ME: 3 * MICRO}, "job_id": "job", "n": 0}
FIRST_BACK: dict[str, Any] = {"account": ME, "job_id": "job", "n": 0, "amount": 3 * MICRO}


async def hold(store: Store, *amounts: int, bucket: Bucket = TEN, job_id: str = "job", now: int = 0) -> None:
    held = [(job_id, n, amount * MICRO) for n, amount in enumerate(amounts)]
    await store.write(hold_now, own(7, bucket), held, now)


async def state(store: Store, *, bucket: Bucket = TEN, now: int = 0) -> tuple[float, float, float]:
    """Available, held, spent, in credits."""
    it = await store.read(ledger.statement, account=ME, bucket=bucket, now=now)
    return it.available / MICRO, it.held / MICRO, it.spent / MICRO


async def refusal(store: Store, *amounts: int, bucket: Bucket = TEN, now: int = 0) -> str:
    with pytest.raises(OutOfCredit) as caught:
        await hold(store, *amounts, bucket=bucket, job_id="refused", now=now)
    return caught.value.sentence


async def test_an_account_that_was_never_used_is_full(store: Store) -> None:
    untouched = await store.read(ledger.statement, account=ME, bucket=TEN, now=5)
    assert untouched == Statement(available=10 * MICRO, held=0, spent=0, full_at=5, lines=())


async def test_a_hold_is_settled_once_and_not_released_afterwards(store: Store) -> None:
    await hold(store, 3)
    assert await store.write(ledger.settle, **FIRST, now=1) is True
    assert await store.write(ledger.settle, **FIRST, now=2) is False
    assert await store.write(ledger.release, **FIRST, now=3) is False
    assert await state(store) == (7, 0, 3)


async def test_a_hold_is_released_once_and_not_settled_afterwards(store: Store) -> None:
    await hold(store, 3)
    assert await store.write(ledger.release, **FIRST, now=1) is True
    assert await store.write(ledger.release, **FIRST, now=2) is False
    assert await store.write(ledger.settle, **FIRST, now=3) is False
    assert await state(store) == (10, 0, 0)


async def test_a_settled_amount_is_refunded_once(store: Store) -> None:
    await hold(store, 3)
    assert await store.write(ledger.refund, **FIRST_BACK, now=1) is False
    await store.write(ledger.settle, **FIRST, now=2)
    assert [await store.write(ledger.refund, **FIRST_BACK, now=3) for _ in range(2)] == [True, False]
    assert await state(store) == (10, 0, 0)


async def test_only_a_held_amount_is_settled(store: Store) -> None:
    assert await store.write(ledger.settle, **FIRST, now=1) is False
    await hold(store, 3)
    assert await store.write(ledger.settle, **{**FIRST, "amounts": {"user:8": 3 * MICRO}}, now=1) is False
    with pytest.raises(ValueError, match="settle for job/0 in user:7 differs from its hold"):
        await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 1}}, now=1)
    assert await state(store) == (7, 3, 0)


async def test_one_of_many_simultaneous_ends_is_booked(store: Store) -> None:
    await hold(store, 3)
    ends = [store.write(end, **FIRST, now=1) for end in (ledger.settle, ledger.release) * 10]
    assert sum(await asyncio.gather(*ends)) == 1
    assert await store.read(ledger.audit) == []


async def test_a_hold_covers_all_images_or_none(store: Store) -> None:
    await refusal(store, 4, 4, 4)
    assert await state(store) == (10, 0, 0)
    await hold(store, 4, 4)
    assert await state(store) == (2, 8, 0)


async def test_fifty_simultaneous_holds_on_ten_credits_get_ten(store: Store) -> None:
    races = (hold(store, 1, job_id=f"job{n}") for n in range(50))
    results = await asyncio.gather(*races, return_exceptions=True)
    assert sum(result is None for result in results) == 10
    assert sum(isinstance(result, OutOfCredit) for result in results) == 40
    assert await state(store) == (0, 10, 0)
    assert await store.read(ledger.audit) == []


async def test_refill_is_available_at_once_and_booked_with_the_next_hold(store: Store) -> None:
    await hold(store, 10, bucket=DAILY)
    await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 10 * MICRO}}, now=0)
    assert await state(store, bucket=DAILY, now=DAY_MS // 2) == (5, 0, 10)
    await hold(store, 4, bucket=DAILY, job_id="next", now=DAY_MS // 2)
    seen = await store.read(ledger.statement, account=ME, bucket=DAILY, now=DAY_MS // 2)
    assert [(line.entry, line.available // MICRO) for line in seen.lines] == [
        (Entry.HOLD, -4), (Entry.REFILL, 5), (Entry.SETTLE, 0), (Entry.HOLD, -10), (Entry.OPEN, 10),
    ]  # fmt: skip
    assert seen.full_at == DAY_MS // 2 + DAY_MS // 2  # 1 left, 4 on hold: 5 are missing


async def test_a_clock_that_goes_backwards_refills_nothing_twice(store: Store) -> None:
    await hold(store, 10, bucket=DAILY, now=DAY_MS)
    await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 10 * MICRO}}, now=DAY_MS)
    await hold(store, 0, bucket=DAILY, job_id="back", now=0)
    assert await state(store, bucket=DAILY, now=DAY_MS) == (0, 0, 10)


async def test_a_refusal_names_the_price_the_rest_and_when_it_will_be_enough(store: Store) -> None:
    await hold(store, 8, bucket=DAILY)
    assert await refusal(store, 3, bucket=DAILY) == (
        "This costs 3 credits, and you have 2 (8 more are reserved for images in progress). There will be enough <t:8640:R>."
    )


async def test_a_refusal_says_that_it_will_never_be_enough(store: Store) -> None:
    assert await refusal(store, 11) == (
        "This costs 11 credits, and you have 10. You can never have more than 10 credits. Choose fewer images or a cheaper model."
    )


async def test_a_refusal_says_that_the_quota_does_not_refill(store: Store) -> None:
    await hold(store, 8)
    await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 8 * MICRO}}, now=0)
    assert "Your credits don't refill on their own" in await refusal(store, 3)


async def test_free_images_are_booked_too(store: Store) -> None:
    await hold(store, 0)
    assert await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 0}}, now=1) is True
    assert await store.write(ledger.settle, **{**FIRST, "amounts": {ME: 0}}, now=1) is False


async def test_a_statement_shows_the_latest_lines(store: Store) -> None:
    for n in range(9):
        await hold(store, 1, job_id=f"job{n}", now=n)
    seen = await store.read(ledger.statement, account=ME, bucket=TEN, now=9, lines=3)
    assert [line.job_id for line in seen.lines] == ["job8", "job7", "job6"]


async def test_the_audit_names_an_account_that_was_changed_by_hand(store: Store) -> None:
    await hold(store, 3)
    await store.write(lambda conn: conn.execute(update(accounts).values(available=9 * MICRO)))
    assert await store.read(ledger.audit) == [Discrepancy(account=ME, booked=(9 * MICRO, 3 * MICRO, 0), summed=(7 * MICRO, 3 * MICRO, 0))]


_members = count(1000)
_steps = st.lists(
    st.tuples(
        st.integers(0, 4 * MICRO),  # the price of each image
        st.integers(1, 4),  # how many images
        st.lists(st.sampled_from([ledger.settle, ledger.release, ledger.refund]), max_size=4),
        st.integers(0, DAY_MS),  # when
    ),
    min_size=1,
    max_size=8,
)


def _charge_of(end: Any, account: str, amount: int) -> dict[str, Any]:
    return {"account": account, "amount": amount} if end is ledger.refund else {"amounts": {account: amount}}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_steps, st.integers(0, 10 * MICRO))
async def test_random_parallel_orders_add_up(store: Store, orders: list[tuple[int, int, list[Any], int]], refill: int) -> None:
    member = next(_members)
    account, bucket = user_account(member), Bucket(size=10 * MICRO, refill_per_day=refill)

    async def order(k: int, price: int, images: int, ends: list[Any], at: int) -> None:
        amounts = [(f"{member}-{k}", n, price) for n in range(images)]
        try:
            await store.write(hold_now, own(member, bucket), amounts, at)
        except OutOfCredit:
            return
        for end in ends:
            await asyncio.gather(
                *(store.write(end, **_charge_of(end, account, price), job_id=job_id, n=n, now=at) for job_id, n, price in amounts)
            )

    await asyncio.gather(*(order(k, *step) for k, step in enumerate(orders)))
    assert await store.read(ledger.audit) == []
    seen = await store.read(ledger.statement, account=account, bucket=bucket, now=DAY_MS, lines=1000)
    assert min(seen.available, seen.held, seen.spent) >= 0
    assert all(sum((line.available, line.held, line.spent)) == 0 for line in seen.lines if line.entry not in (Entry.OPEN, Entry.REFILL))
    refilled = sum(line.available for line in seen.lines if line.entry is Entry.REFILL)
    assert refilled <= refill  # one day's refill at most
