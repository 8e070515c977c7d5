"""Gifts and hosts on real databases: whoever presses whatever at once, nobody gives or gets a credit too much."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from stamina.instrumentation import RetryDetails

from bot.core.errors import NotAllowed, OutOfCredit, Refusal
from bot.domain.actor import Actor
from bot.domain.guild import document
from bot.domain.moderation.audit import AuditAction
from bot.domain.money.accounts import user_account
from bot.domain.money.quota import DAY_MS, MICRO
from bot.domain.order import OperatorLimits
from bot.services.money.accounts import Money
from bot.services.money.pricing import Pricing
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, conduct
from bot.store.money import audit, ledger, sponsorships
from bot.store.privacy import erase
from tests.env.jobs import TEN, request_by

GUILD, CHANNEL, NOW = 1, 5, 40 * DAY_MS
ANN, BOB = Actor(user_id=7, joined_at=0), Actor(user_id=8, joined_at=0)


@pytest.fixture
async def money(store: Store) -> AsyncIterator[Money]:
    """The service; afterwards the books are right."""
    limits = OperatorLimits(bucket=TEN, max_waiting=8, default_model="klein", reference_max_bytes=1, reference_max_pixels=1)
    pricing = Pricing(store=store, limits=limits, credit_usd=0.01, clock=lambda: NOW)
    yield Money(store=store, pricing=pricing, credit_usd=0.01, clock=lambda: NOW)
    assert (await store.read(audit.prove)).wrong == ()


async def left(store: Store, user_id: int) -> float:
    it = await store.read(ledger.statement, account=user_account(user_id), bucket=TEN, now=NOW)
    return it.available / MICRO


async def give(money: Money, giver: Actor = ANN, receiver: Actor = BOB, *, credits_: float = 1, key: str = "deed") -> bool:
    return await money.gift(request_by(giver), receiver, amount=int(credits_ * MICRO), key=key)


async def sponsor(money: Money, host: Actor = ANN, *, channel: int = CHANNEL, credits_: int = 4) -> str:
    begun = await money.start_sponsoring(request_by(host, channel_id=channel), hours=1, amount=credits_ * MICRO)
    return begun.id


async def test_a_gift_and_a_sponsorship_leave_one_line_each_for_moderators(store: Store, money: Money) -> None:
    for _ in range(3):
        await give(money)
    await sponsor(money)
    lines = await store.read(audit_log.latest, GUILD)
    assert [(line.action, line.actor_id, line.target_id, line.details["amount"]) for line in lines] == [
        (AuditAction.SPONSORED, 7, None, 4 * MICRO), (AuditAction.GIFTED, 7, 8, MICRO),
    ]  # fmt: skip


async def test_a_refused_gift_leaves_no_line(store: Store, money: Money) -> None:
    with pytest.raises(OutOfCredit):
        await give(money, credits_=11)
    assert await store.read(audit_log.latest, GUILD) == []


async def test_a_blocked_member_hands_nothing_on(store: Store, money: Money) -> None:
    await store.write(conduct.block, GUILD, 7, until=None, reason="spam", by_id=9, now=NOW)
    for deed in (give(money), sponsor(money)):
        with pytest.raises(NotAllowed, match="You cannot ask for pictures here at the moment"):
            await deed


@pytest.mark.parametrize(("joined_at", "may"), [(NOW - DAY_MS, False), (None, False), (NOW - 3 * DAY_MS, True)])
async def test_a_new_account_is_no_account_to_be_emptied(money: Money, joined_at: int | None, may: bool) -> None:
    rules = document.changed(document.Policy(), {"newcomers": {"wait_hours": 48}})
    gift = money.gift(request_by(replace(ANN, joined_at=joined_at), policy=rules), BOB, amount=MICRO, key="deed")
    if may:
        assert await gift
        return
    with pytest.raises(NotAllowed, match="New members wait a while"):
        await gift


async def test_a_hundred_gifts_and_hosts_at_once_move_what_there_is(store: Store, money: Money, conflicts: list[RetryDetails]) -> None:
    rng = random.Random(5)
    people = [Actor(user_id=100 + n, joined_at=0) for n in range(20)]
    deeds: list[Coroutine[Any, Any, object]] = [
        give(money, *rng.sample(people, 2), credits_=rng.choice([1, 4, 9]), key=f"deed {n % 60}") for n in range(80)
    ]
    deeds += [sponsor(money, rng.choice(people), channel=rng.randrange(6), credits_=rng.choice([3, 8])) for _ in range(20)]
    rng.shuffle(deeds)
    async with asyncio.timeout(30):
        results = await asyncio.gather(*deeds, return_exceptions=True)
    assert not [each for each in results if isinstance(each, Exception) and not isinstance(each, Refusal)]
    hosted = [each for channel in range(6) if (each := await store.read(sponsorships.current, channel, NOW))]
    assert sum([await left(store, each.user_id) for each in people]) + sum(each.left for each in hosted) / MICRO == 200
    assert conflicts == []


async def test_erasing_a_host_while_everything_moves_loses_nothing(store: Store, money: Money) -> None:
    await sponsor(money)
    deeds: list[Coroutine[Any, Any, object]] = [give(money, BOB, ANN, key=f"deed {n}") for n in range(8)]
    async with asyncio.timeout(30):
        await asyncio.gather(*deeds, store.write(erase.erase, ANN.user_id, NOW))
    assert [await store.read(sponsorships.current, CHANNEL, NOW), await left(store, 7), await left(store, 8)] == [None, 18, 2]


async def test_a_sponsorship_is_ended_once_by_whoever_may(store: Store, money: Money) -> None:
    begun = await money.sponsorship(await sponsor(money))
    with pytest.raises(NotAllowed):
        await money.stop_sponsoring(request_by(BOB), begun)
    moderator = replace(BOB, may_manage_messages=True)
    returned = await asyncio.gather(*(money.stop_sponsoring(request_by(each), begun) for each in (ANN, moderator, ANN)))
    assert sorted(amount for _it, amount in returned) == [0, 0, 4 * MICRO]
    assert await left(store, 7) == 10
