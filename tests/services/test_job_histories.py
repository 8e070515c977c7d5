"""Random concurrent histories of members, the image API and Discord, on both databases: ledger and jobs agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core.errors import OutOfCredit, TooManyWaiting
from bot.domain.job import ENDED, GenerationState, Job, JobState
from bot.domain.money.quota import MICRO
from bot.services import housekeeping
from bot.store import delivery, jobs, outbox, steps
from bot.store.engine.base import Store
from tests.env.job_steps import check_ledger, check_usage, money, order, seen
from tests.env.jobs import CANCELLED, FAILED, SUCCEEDED, new_job

_members = count(1000)
_steps = ("start", "accept", "put_back", "look_later", "succeed", "fail", "give_up", "spoil", "cancel", "deliver", "strand", "take_away")
_orders = st.tuples(st.just("order"), st.integers(0, 2), st.integers(1, 4))  # which member, how many images
_actions = st.tuples(st.sampled_from(_steps), st.integers(0, 5), st.integers(0, 3))  # which job, which of its images
_steps_at_once = st.lists(st.one_of(_orders, _actions), min_size=1, max_size=4)  # concurrent actions
_histories = st.lists(_steps_at_once, min_size=4, max_size=16)


@dataclass
class JobHistory:
    """Three members and their orders."""

    store: Store
    members: list[int] = field(default_factory=lambda: [next(_members) for _ in range(3)])
    ordered: list[Job] = field(default_factory=list)

    async def order(self, member: int, images: int) -> None:
        try:
            self.ordered.append(await order(self.store, new_job(member=member, images=images, price=MICRO), max_waiting=6))
        except (OutOfCredit, TooManyWaiting):
            return

    def action(self, step: str, which: int, n: int) -> Awaitable[Any]:
        if step == "order":
            return self.order(self.members[which], n)
        if not self.ordered:
            return asyncio.sleep(0)
        job = self.ordered[which % len(self.ordered)]
        n, write, id_ = n % len(job.generations), self.store.write, job.id
        actions: dict[str, Any] = {
            "start": lambda: write(steps.start, id_, n, 2000),
            "accept": lambda: write(steps.accept, id_, n, f"{id_}/{n // 2}"),  # two of them are given the same id
            "put_back": lambda: write(steps.put_back, id_, n, not_before=0, now=3000),
            "look_later": lambda: write(steps.postpone_lookup, id_, n, lookups=1, not_before=0),
            "succeed": lambda: write(steps.settle, id_, n, SUCCEEDED, 4000),
            "fail": lambda: write(steps.settle, id_, n, FAILED, 4000),
            "give_up": lambda: write(steps.settle, id_, n, CANCELLED, 4000),
            "spoil": lambda: write(steps.spoil, id_, n, "It is no image.", 5000),
            "cancel": lambda: write(steps.request_cancel, id_, 3500),
            "deliver": lambda: write(delivery.mark_delivered, id_, channel_id=5, message_id=6, now=6000),
            "strand": lambda: write(outbox.strand, id_),
            "take_away": lambda: write(delivery.mark_deleted, id_),
        }
        action: Awaitable[Any] = actions[step]()
        return action

    async def ended(self) -> dict[tuple[str, int], GenerationState]:
        parts = [g for job in self.ordered for g in (await seen(self.store, job)).generations]
        return {(g.job_id, g.n): g.state for g in parts if g.state in ENDED}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_histories)
async def test_ledger_and_jobs_agree_in_any_history(store: Store, moments: list[list[tuple[str, int, int]]]) -> None:
    history = JobHistory(store)
    for moment in moments:
        before = await history.ended()
        await asyncio.gather(*(history.action(*action) for action in moment))
        assert before.items() <= (await history.ended()).items()  # an ended generation never changes
    await check_ledger(store)
    await check_usage(store)
    for member in history.members:
        assert sum(await money(store, member)) == 10  # there is no refill, so the sum must not change


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_histories)
async def test_only_what_has_ended_is_deleted_in_any_history(store: Store, moments: list[list[tuple[str, int, int]]]) -> None:
    history = JobHistory(store)
    for moment in moments:
        await asyncio.gather(*(history.action(*action) for action in moment))
    before = [await money(store, member) for member in history.members]
    ended = {job.id for job in history.ordered if (await seen(store, job)).state in (JobState.DELIVERED, JobState.DELETED)}
    await housekeeping.remove(store, delivery.old_jobs(9000))
    assert {job.id for job in history.ordered if await store.read(jobs.get, job.id) is None} == ended
    assert [await money(store, member) for member in history.members] == before
    await check_ledger(store)


async def test_concurrent_orders_end_with_nothing_on_hold(store: Store) -> None:
    history = JobHistory(store)
    for n in range(12):
        await history.order(history.members[n % 3], 1 + n % 4)
    actions = [("cancel", 0, 0), *((step, k, n) for step in ("start", "accept", "succeed", "fail") for k in range(12) for n in range(4))]
    await asyncio.gather(*(history.action(*action) for action in actions))
    await asyncio.gather(*(history.action("fail", k, n) for k in range(12) for n in range(4)))
    await check_ledger(store)
    assert [(await money(store, member))[1] for member in history.members] == [0, 0, 0]
