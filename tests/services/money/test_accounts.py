"""Gifts and sponsorships on real databases: concurrent actions never create or lose a credit."""

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
from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.quota import DAY_MS, EMPTY, MICRO
from bot.domain.order import OperatorLimits
from bot.services.money.accounts import Money
from bot.services.money.pricing import Pricing
from bot.store.engine.base import Store
from bot.store.moderation import audit_log, conduct
from bot.store.money import audit, ledger, sponsorships, transfers
from bot.store.privacy import erase
from tests.env.jobs import TEN, request_by

GUILD, CHANNEL, NOW = 1, 5, 40 * DAY_MS
ANN, BOB = Actor(user_id=7, joined_at=0), Actor(user_id=8, joined_at=0)


@pytest.fixture
async def money(store: Store) -> AsyncIterator[Money]:
    """The service; the ledger audit must find nothing wrong afterwards."""
    limits = OperatorLimits(
        bucket=TEN,
        monthly_usd=20,
        monthly_usd_per_guild=10,
        max_waiting=8,
        default_model="klein",
        reference_max_bytes=1,
        reference_max_pixels=1,
    )
    for member in (ANN, BOB):
        await granted(store, member.user_id)
    pricing = Pricing(store=store, limits=limits, credit_usd=0.01, clock=lambda: NOW)
    yield Money(store=store, pricing=pricing, credit_usd=0.01, clock=lambda: NOW)
    assert (await store.read(audit.prove)).wrong == ()


async def granted(store: Store, user_id: int) -> None:
    """Ten credits that the member may give to others in the guild."""
    account = AccountRef(name=member_account(GUILD, user_id), fills=EMPTY)
    await store.write(transfers.grant, to=account, amount=10 * MICRO, key=f"grant {user_id}", now=NOW)


async def credits_left(store: Store, user_id: int) -> float:
    it = await store.read(ledger.statement, account=member_account(GUILD, user_id), bucket=EMPTY, now=NOW)
    return it.available / MICRO


async def give(money: Money, giver: Actor = ANN, receiver: Actor = BOB, *, credits_: float = 1, key: str = "deed") -> bool:
    return await money.gift(request_by(giver), receiver, amount=int(credits_ * MICRO), key=key)


async def sponsor(money: Money, host: Actor = ANN, *, channel: int = CHANNEL, credits_: int = 4) -> str:
    begun = await money.start_sponsoring(request_by(host, channel_id=channel), hours=1, amount=credits_ * MICRO)
    return begun.id


async def test_a_gift_and_a_sponsorship_have_one_audit_log_entry_each(store: Store, money: Money) -> None:
    for _ in range(3):
        await give(money)
    await sponsor(money)
    lines = await store.read(audit_log.latest, GUILD)
    assert [(line.action, line.actor_id, line.target_id, line.details["amount"]) for line in lines] == [
        (AuditAction.SPONSORED, 7, None, 4 * MICRO), (AuditAction.GIFTED, 7, 8, MICRO),
    ]  # fmt: skip


@pytest.mark.parametrize("guild_id", [GUILD, None])
async def test_credits_that_everybody_gets_cannot_be_given_away(money: Money, guild_id: int | None) -> None:
    newcomer = Actor(user_id=9, joined_at=0)
    with pytest.raises(OutOfCredit, match="You have no credits to give here"):
        await money.gift(request_by(newcomer, guild_id=guild_id), BOB, amount=MICRO, key="deed")
    with pytest.raises(OutOfCredit, match="You have no credits to give here"):
        await money.start_sponsoring(request_by(newcomer), hours=1, amount=MICRO)


async def test_a_bucket_of_the_guild_cannot_be_given_away(store: Store, money: Money) -> None:
    rules = document.changed(document.Policy(), {"everyone": {"purse": {"size": 50}}})
    with pytest.raises(OutOfCredit, match="You can give 10 credits here"):
        await money.gift(request_by(ANN, policy=rules), BOB, amount=11 * MICRO, key="deed")
    assert await money.gift(request_by(ANN, policy=rules), BOB, amount=10 * MICRO, key="deed")


async def test_a_refused_gift_has_no_audit_log_entry(store: Store, money: Money) -> None:
    with pytest.raises(OutOfCredit):
        await give(money, credits_=11)
    assert await store.read(audit_log.latest, GUILD) == []


async def test_a_blocked_member_cannot_give_credits(store: Store, money: Money) -> None:
    await store.write(conduct.block, GUILD, 7, until=None, reason="spam", by_id=9, now=NOW)
    for action in (give(money), sponsor(money)):
        with pytest.raises(NotAllowed, match="You can't give credits here while you're blocked"):
            await action


@pytest.mark.parametrize(("joined_at", "may"), [(NOW - DAY_MS, False), (None, False), (NOW - 3 * DAY_MS, True)])
async def test_new_members_cannot_give_credits_yet(money: Money, joined_at: int | None, may: bool) -> None:
    rules = document.changed(document.Policy(), {"newcomers": {"wait_hours": 48}})
    gift = money.gift(request_by(replace(ANN, joined_at=joined_at), policy=rules), BOB, amount=MICRO, key="deed")
    if may:
        assert await gift
        return
    with pytest.raises(NotAllowed, match="New members can't give credits here yet"):
        await gift


async def test_concurrent_gifts_and_sponsorships_keep_the_sum_of_credits(store: Store, money: Money, conflicts: list[RetryDetails]) -> None:
    dice = random.Random(5)
    members = [Actor(user_id=100 + n, joined_at=0) for n in range(20)]
    for each in members:
        await granted(store, each.user_id)
    actions: list[Coroutine[Any, Any, object]] = [
        give(money, *dice.sample(members, 2), credits_=dice.choice([1, 4, 9]), key=f"deed {n % 60}") for n in range(80)
    ]
    actions += [sponsor(money, dice.choice(members), channel=dice.randrange(6), credits_=dice.choice([3, 8])) for _ in range(20)]
    dice.shuffle(actions)
    async with asyncio.timeout(30):
        results = await asyncio.gather(*actions, return_exceptions=True)
    assert not [each for each in results if isinstance(each, Exception) and not isinstance(each, Refusal)]
    found = [await store.read(sponsorships.current, channel, NOW) for channel in range(6)]
    hosted = [sponsorship for sponsorship in found if sponsorship]
    assert (
        sum([await credits_left(store, each.user_id) for each in members]) + sum(sponsorship.left for sponsorship in hosted) / MICRO == 200
    )
    assert conflicts == []


async def test_erasing_a_host_during_gifts_loses_no_credits(store: Store, money: Money) -> None:
    await sponsor(money)
    actions: list[Coroutine[Any, Any, object]] = [give(money, BOB, ANN, key=f"deed {n}") for n in range(8)]
    async with asyncio.timeout(30):
        await asyncio.gather(*actions, store.write(erase.erase, ANN.user_id, NOW))
    assert [await credits_left(store, user_id) for user_id in (7, 8)] == [18, 2]
    assert await store.read(sponsorships.current, CHANNEL, NOW) is None


async def test_ending_a_sponsorship_is_idempotent(store: Store, money: Money) -> None:
    begun = await money.sponsorship(await sponsor(money))
    moderator = replace(BOB, may_manage_messages=True)
    returned = await asyncio.gather(*(money.stop_sponsoring(request_by(each), begun) for each in (ANN, moderator, ANN)))
    assert sorted(amount for _it, amount in returned) == [0, 0, 4 * MICRO]
    assert await credits_left(store, 7) == 10
