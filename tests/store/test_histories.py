"""Random sequences of operations that move money, in parallel and partly interrupted: the ledger is correct after each step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from bot.core.errors import Refusal
from bot.domain.job import GenerationState, Job, Outcome
from bot.domain.money.accounts import AccountRef, member_account, pool_account
from bot.domain.money.payment import Payment, monthly_budget
from bot.domain.money.quota import DAY_MS, MICRO, Bucket, Limit
from bot.domain.money.sponsorship import Sponsorship
from bot.services.housekeeping import fold_ledger
from bot.store import jobs, steps, tables
from bot.store.engine.base import Store
from bot.store.money import bill, ledger, sponsorships, transfers
from tests.env.job_steps import check_usage
from tests.env.jobs import new_job
from tests.store.money.accounts import TornError, findings, has, torn

BUDGET = 12 * MICRO
_servers = count(1000)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation of `Server`; the meaning of the numbers depends on it."""

    action: str
    who: int
    other: int
    amount: int  # microcredits
    torn_after: int | None  # interrupted after so many statements


@dataclass(kw_only=True)
class Server:
    """A guild with its members, for one history."""

    store: Store
    id: int = field(default_factory=lambda: next(_servers))
    jobs: list[Job] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def member(self, user: int) -> AccountRef:
        return AccountRef(name=member_account(self.id, user), fills=Bucket(size=4 * MICRO, refill_per_day=MICRO))

    @property
    def pool(self) -> AccountRef:
        return AccountRef(name=pool_account(self.id), fills=Bucket(size=5 * MICRO, refill_per_day=0))

    async def run(self, step: Step) -> None:
        """Run one step. It may be refused or interrupted."""
        with suppress(Refusal, TornError):
            await getattr(self, step.action)(step)

    async def write(self, step: Step, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if step.torn_after is None:
            return await self.store.write(op, *args, **kwargs)
        return await self.store.write(torn, step.torn_after, op, *args, **kwargs)

    async def order(self, step: Step) -> None:
        payer = self.member(step.who) if step.who else self.pool
        budget, sponsored_in = monthly_budget(self.id, BUDGET, 0), self.id + step.other % 2
        payment = Payment(payer=payer, budget=budget, slow_lane=self.pool, reserve=MICRO, sponsored_in=sponsored_in)
        job = new_job(images=1 + step.other % 3, price=step.amount // 2, member=1 + step.who, model=("klein", "dev")[step.other % 2])
        self.jobs.append(await self.write(step, jobs.add, job, (), payment=payment, max_waiting=100_000, now=step.amount))

    async def end(self, step: Step) -> None:
        if self.jobs:
            job = self.jobs[step.other % len(self.jobs)]
            states = (GenerationState.SUCCEEDED, GenerationState.FAILED, GenerationState.CANCELLED)
            await self.store.write(steps.start, job.id, 0, step.amount)
            await self.store.write(steps.accept, job.id, 0, f"{job.id}/0")
            await self.write(step, steps.settle, job.id, 0, Outcome(state=states[step.who % 3]), step.amount * 50)  # on three days

    async def bill(self, step: Step) -> None:
        if self.jobs:
            charge = {f"{self.jobs[step.other % len(self.jobs)].id}/0": step.amount // 3}
            await self.write(step, bill.record, "oxen", charge, step.amount)

    async def cancel(self, step: Step) -> None:
        if self.jobs:
            await self.write(step, steps.request_cancel, self.jobs[step.other % len(self.jobs)].id, step.amount)

    async def refund(self, step: Step) -> None:
        if self.jobs:
            await self.write(step, steps.refund, self.jobs[step.other % len(self.jobs)].id, 0, step.amount)

    async def grant(self, step: Step) -> None:
        to = self.member(step.who) if step.who else self.pool
        await self.write(step, transfers.grant, to=to, amount=step.amount, key=f"{self.id} {next(self.numbers)}", now=step.amount)

    async def gift(self, step: Step) -> None:
        """There are few keys, so that many are repeated."""
        ends = {"giver": self.member(step.who), "receiver": self.member(step.other)}
        await self.write(step, transfers.gift, **ends, amount=step.amount, key=f"{self.id} {step.who} {step.other}", now=step.amount)

    async def sponsor(self, step: Step) -> None:
        one = Sponsorship(
            id=f"{self.id}-{step.other}",
            guild_id=self.id,
            channel_id=self.id + step.other % 2,
            host_id=step.who,
            cap=step.amount + 1,
            until=4 * MICRO,
            opened_at=0,
        )
        await self.write(step, sponsorships.begin, one, host=self.member(step.who), now=0)

    async def close(self, step: Step) -> None:
        await self.write(step, sponsorships.close, f"{self.id}-{step.other}", step.amount)


_actions = ("order", "order", "order", "end", "end", "cancel", "bill", "refund", "grant", "gift", "sponsor", "close")
_step = st.builds(
    Step,
    action=st.sampled_from(_actions),
    who=st.integers(0, 3),
    other=st.integers(0, 5),
    amount=st.integers(0, 4 * MICRO),
    torn_after=st.none() | st.integers(0, 12),
)
_history = st.lists(st.lists(_step, min_size=1, max_size=8), min_size=1, max_size=4)


_ON_ONE_STORE: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@settings(max_examples=30, **_ON_ONE_STORE)
@given(_history)
async def test_parallel_and_interrupted_operations_keep_the_ledger_correct(store: Store, history: list[list[Step]]) -> None:
    await run_history(store, history)


@pytest.mark.slow
@settings(max_examples=1000, **_ON_ONE_STORE)
@given(_history)
async def test_long_random_histories_keep_the_ledger_correct(store: Store, history: list[list[Step]]) -> None:
    await run_history(store, history)


async def fold_everything(server: Server) -> None:
    """End and delete all jobs, and fold all lines: balances, and what may be given away, stay."""
    for job in server.jobs:
        for part in job.generations:
            await server.store.write(steps.settle, job.id, part.n, Outcome(state=GenerationState.CANCELLED), 4 * MICRO)
    before = await server.store.read(balances)
    await server.store.write(lambda conn: (conn.execute(tables.jobs.delete()), conn.execute(tables.daily_usage.delete())))
    await fold_ledger(server.store, server.id * DAY_MS, 0)  # another time in each history
    assert await server.store.read(balances) == before
    assert await findings(server.store) == ()
    lines = await server.store.read(lambda conn: conn.execute(select(tables.ledger.c.account, tables.ledger.c.entry)).all())
    assert len(lines) == len(set(lines))


def balances(conn: Connection) -> dict[str, tuple[int, ...]]:
    return {row.name: (row.available, row.held, row.spent, ledger.earned(conn, row.name)) for row in conn.execute(select(tables.accounts))}


async def run_history(store: Store, history: list[list[Step]]) -> None:
    """Run one history in its own guild."""
    server = Server(store=store)
    for at_once in history:
        await asyncio.gather(*(server.run(step) for step in at_once))
        assert await findings(store) == ()
        await check_usage(store)
    await fold_everything(server)
    _left, held, spent = await has(store, AccountRef(name=monthly_budget(server.id, BUDGET, 0).name, fills=Limit(size=BUDGET)))
    assert held + spent <= BUDGET / MICRO
