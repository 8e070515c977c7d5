"""Grants, rewards and gifts on both databases: each is booked once, and a gift never overdraws."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from stamina.instrumentation import RetryDetails

from bot.core.errors import InvalidRequest, NotAllowed, OutOfCredit
from bot.domain.money.accounts import AccountRef
from bot.domain.money.ledger import Entry
from bot.domain.money.payment import Payment
from bot.domain.money.quota import DAY_MS, MICRO, Bucket
from bot.store.engine.base import Store
from bot.store.money import ledger, transfers
from tests.env.jobs import new_job
from tests.store.money.accounts import budget, has, member, order, pool

pytestmark = pytest.mark.usefixtures("ledger_is_sound")

ANN, BOB = member(7), member(8)


async def give(store: Store, credits_: int, *, giver: AccountRef = ANN, to: AccountRef = BOB, key: str = "action", now: int = 0) -> bool:
    return await store.write(transfers.gift, giver=giver, receiver=to, amount=credits_ * MICRO, key=key, now=now, by_id=7)


async def test_a_repeated_event_books_a_gift_once(store: Store) -> None:
    assert sum(await asyncio.gather(*(give(store, 3) for _ in range(10)))) == 1
    assert [await has(store, ANN), await has(store, BOB)] == [(7, 0, 0), (13, 0, 0)]


async def test_simultaneous_gifts_never_overdraw(store: Store) -> None:
    gifts = [give(store, 1, key=f"action {n}", to=member(100 + n % 7)) for n in range(100)]
    results = await asyncio.gather(*gifts, return_exceptions=True)
    assert [sum(each is True for each in results), sum(isinstance(each, OutOfCredit) for each in results)] == [10, 90]
    assert await has(store, ANN) == (0, 0, 0)


async def test_simultaneous_gifts_in_both_directions_do_not_deadlock(store: Store, conflicts: list[RetryDetails]) -> None:
    both: list[dict[str, Any]] = [{"giver": ANN, "to": BOB}, {"giver": BOB, "to": ANN}]
    async with asyncio.timeout(10):
        assert all(await asyncio.gather(*(give(store, 1, key=f"action {n}", **both[n % 2]) for n in range(20))))
    assert [await has(store, ANN), await has(store, BOB)] == [(10, 0, 0), (10, 0, 0)]
    assert conflicts == []


async def test_an_amount_on_hold_cannot_be_given(store: Store) -> None:
    await order(store, Payment(payer=ANN), new_job(images=4))
    await order(store, Payment(payer=ANN), new_job(images=4))
    with pytest.raises(OutOfCredit, match=r"You can't give 3 credits, because you only have 2\."):
        await give(store, 3)


async def test_a_gift_is_added_to_the_refill(store: Store) -> None:
    ann, bob = member(7, a_day=10), member(8, a_day=10)
    await give(store, 10, giver=bob, to=ann)
    await give(store, 5, giver=ann, to=bob, key="back", now=DAY_MS)
    assert [await has(store, ann, now=DAY_MS), await has(store, bob, now=DAY_MS)] == [(15, 0, 0), (15, 0, 0)]


@pytest.mark.parametrize(
    ("amount", "to", "error"),
    [
        (0, BOB, InvalidRequest),
        (-1, BOB, InvalidRequest),
        (1, ANN, NotAllowed),
        (1, pool(), NotAllowed),
        (1, member(8, guild_id=2), NotAllowed),
    ],
)
async def test_an_invalid_gift_is_refused(store: Store, amount: int, to: AccountRef, error: type[Exception]) -> None:
    with pytest.raises(error):
        await give(store, amount, to=to)
    assert await has(store, ANN) == (10, 0, 0)


async def test_both_lines_of_a_gift_name_the_other_account_and_the_giver(store: Store) -> None:
    await give(store, 3)
    for account, other in ((ANN, BOB), (BOB, ANN)):
        assert isinstance(account.fills, Bucket)
        newest = (await store.read(ledger.statement, account=account.name, bucket=account.fills, now=0)).lines[0]
        assert (newest.entry, newest.other, newest.by_id) == (Entry.GIFT, other.name, 7)


async def test_a_grant_and_a_reward_are_booked_once_each(store: Store) -> None:
    grants: list[dict[str, Any]] = [{"key": "a", "by_id": 9, "note": "for the contest"}, {"key": "b", "entry": Entry.REWARD}]
    for each in grants:
        booked = [await store.write(transfers.grant, to=ANN, amount=2 * MICRO, now=0, **each) for _ in range(2)]
        assert booked == [True, False]
    assert await has(store, ANN) == (14, 0, 0)


async def test_a_pool_can_receive_a_grant_and_a_budget_cannot(store: Store) -> None:
    assert await store.write(transfers.grant, to=pool(), amount=MICRO, key="a", now=0)
    assert await has(store, pool()) == (11, 0, 0)
    with pytest.raises(ValueError, match="cannot receive a grant"):
        await store.write(transfers.grant, to=budget(1), amount=MICRO, key="b", now=0)
