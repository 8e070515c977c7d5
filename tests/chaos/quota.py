"""Many orders at the last credits of an account, at the same moment: exactly as many are taken as it can pay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from bot.core.errors import OutOfCredit
from bot.domain.job import ReplyTarget
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.payment import Payment
from bot.domain.money.quota import MICRO
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.money import audit, transfers
from tests.chaos.databases import EngineName
from tests.chaos.load import pipeline_without_loops
from tests.chaos.table import Conditions, Result, Run
from tests.env.jobs import new_job, order_of
from tests.services.conftest import MODEL
from tests.store.money import accounts

_TASKS, _CREDITS = 50, 10
_ROUNDS, _SHORT = 200, 2
_keys = count()

Spend = Callable[[], Awaitable[object]]  # one credit; raises `OutOfCredit`


async def orders(conditions: Conditions) -> Result:
    """Orders of one member, through all of the checks of an order."""
    async with pipeline_without_loops(conditions, QUOTA_CREDITS=str(_CREDITS)) as (pipeline, _log):

        async def order(member: int) -> None:
            place = ReplyTarget(user_id=member, channel_id=5, guild_id=1)
            await pipeline.orders.order(await order_of(pipeline, "a red fox", place, model=MODEL))

        def payer(member: int) -> AccountRef:
            return AccountRef(name=user_account(member), fills=accounts.bucket(_CREDITS))

        return await _rounds(conditions, pipeline.store, payer, lambda member: [lambda: order(member)] * _TASKS)


async def transactions(conditions: Conditions) -> Result:
    """Orders and gifts from one account, at the store: what runs at the same time is not slowed down by anything before it."""

    async with open_store(conditions.new_database()) as store:

        async def order(account: AccountRef, member: int) -> None:
            await accounts.order(store, Payment(payer=account), new_job(member=member))

        async def give(account: AccountRef, member: int) -> None:
            receiver, key = accounts.member(member + 1_000_000), f"gift {next(_keys)}"
            await store.write(transfers.gift, giver=account, receiver=receiver, amount=MICRO, key=key, now=0)

        def spending(member: int) -> Sequence[Spend]:
            account = accounts.member(member, _CREDITS)
            return [lambda: order(account, member), lambda: give(account, member)] * (_TASKS // 2)

        return await _rounds(conditions, store, lambda member: accounts.member(member, _CREDITS), spending)


async def _rounds(
    conditions: Conditions, store: Store, payer: Callable[[int], AccountRef], spending: Callable[[int], Sequence[Spend]]
) -> Result:
    total, rounds = Result(), _SHORT if conditions.short else _ROUNDS
    for member in range(1000, 1000 + rounds):
        granted = sum(await asyncio.gather(*(_granted(spend) for spend in spending(member))))
        available, held, _spent = await accounts.has(store, payer(member))
        wrong = (f"Round {member - 1000}: {granted} of {_CREDITS} were granted, {available} are left and {held} reserved.",)
        is_right = granted == _CREDITS and available == 0 and held <= _CREDITS
        total += Result(accepted=granted, overspent=max(granted - _CREDITS, 0), wrong=() if is_right else wrong)
    return total + Result(wrong=(await store.read(audit.prove)).wrong)


async def _granted(spend: Spend) -> bool:
    try:
        await spend()
    except OutOfCredit:
        return False
    return True


RUNS = tuple(
    Run(name=name, engine=engine, work=work, accepted=_ROUNDS * _CREDITS, delivered=0)
    for name, work in (("quota race of orders", orders), ("quota race of transactions", transactions))
    for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
