"""What Easel owes Discord: done once, at its time, across restarts, and given up where nothing helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from bot.core.errors import RouteClosed, TryLater
from bot.core.loops import Timing
from bot.domain.job import Job
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services.outbox import POLICIES, Outbox, Pool, RetryPolicy
from bot.store import outbox
from bot.store.engine.base import Store
from tests.env.app import BRISK
from tests.env.fake_messenger import FakeMessenger
from tests.env.jobs import new_job
from tests.services.conftest import FakeClock, Pipeline

DAY_MS = 86_400_000


@dataclass(kw_only=True)
class Harness:
    """The service on a store, with a clock that can be turned ahead."""

    store: Store
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.service = self.another()

    def another(self) -> Outbox:
        """The service of the next run."""
        return Outbox(store=self.store, handlers=self.messenger.handlers, timing=BRISK, clock=self.clock)

    async def leave(self, *, in_ms: int = 0, kind: ItemKind = ItemKind.REMOVE) -> str:
        item = OutboxItem(kind=kind, due_at=self.clock() + in_ms, user_id=7, data={"channel_id": 5, "message_id": 6})
        await self.store.write(outbox.add, item)
        return item.id

    async def once(self) -> None:
        """One turn, to its end; failures wait for their next try."""
        await self.service.turn(self.clock())
        for pool in self.service._pools.values():
            await pool.finish(5)
        self.service = self.another()

    async def left(self) -> list[OutboxItem]:
        return await self.store.read(outbox.due, self.clock() + 30 * DAY_MS)


@pytest.fixture
async def harness(pipeline: Pipeline) -> Harness:
    return Harness(store=pipeline.store)


async def test_an_item_is_done_at_its_time_and_not_before(harness: Harness) -> None:
    item_id = await harness.leave(in_ms=120_000)
    await harness.once()
    assert harness.messenger.sent == []
    harness.clock.turn(120_000)
    await harness.once()
    assert [item.id for item, _ in harness.messenger.sent] == [item_id]
    assert await harness.left() == []


async def test_the_loop_wakes_for_a_new_item(harness: Harness) -> None:
    running = asyncio.create_task(harness.service.run(grace_s=1))
    await harness.leave(in_ms=20)
    await harness.messenger.until(lambda sent: len(sent) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await harness.left() == []


async def test_a_dropped_item_is_not_done(harness: Harness) -> None:
    item_id = await harness.leave()
    assert [await harness.store.write(outbox.done, item_id) for _ in range(2)] == [True, False]
    await harness.once()
    assert harness.messenger.sent == []


async def test_what_can_be_done_no_more_is_done(harness: Harness) -> None:
    harness.messenger.troubles.append(RouteClosed("The message is gone."))
    await harness.leave()
    await harness.once()
    assert await harness.left() == []


async def test_a_failed_item_is_tried_again_later_and_knows_it(harness: Harness) -> None:
    harness.messenger.troubles.append(TryLater("Busy."))
    await harness.leave()
    await harness.once()
    await harness.once()
    assert len(harness.messenger.sent) == 1
    harness.clock.turn(10_000)
    await harness.once()
    assert [item.attempts for item, _ in harness.messenger.sent] == [0, 1]
    assert await harness.left() == []


async def test_discords_own_wish_for_patience_is_heard(harness: Harness) -> None:
    harness.messenger.troubles.append(TryLater("Too fast.", retry_after_s=500))
    await harness.leave()
    await harness.once()
    (item,) = await harness.left()
    assert item.due_at - harness.clock() > 490_000


@pytest.mark.parametrize("trouble", [TryLater("Busy."), LookupError("nobody thought of this")], ids=["busy", "odd"])
async def test_a_call_is_given_up_after_its_fifth_try(harness: Harness, trouble: Exception) -> None:
    harness.messenger.troubles.extend([trouble] * 9)
    await harness.leave(kind=ItemKind.TELL)
    for _ in range(9):
        await harness.once()
        harness.clock.turn(3_600_000)
    assert len(harness.messenger.sent) == 5
    assert await harness.left() == []


async def test_what_was_decided_is_tried_for_a_day(harness: Harness) -> None:
    harness.messenger.troubles.extend([TryLater("Busy.")] * 99)
    await harness.leave(kind=ItemKind.REMOVE)
    for _ in range(40):
        await harness.once()
        harness.clock.turn(3_600_000)
    assert len(harness.messenger.sent) == 30
    assert await harness.left() == []


async def test_a_busy_log_holds_up_no_member(harness: Harness) -> None:
    for _ in range(60):
        await harness.leave(kind=ItemKind.LOG)
    wanted = await harness.leave(in_ms=1)
    harness.clock.turn(1)
    await harness.once()
    assert wanted in [item.id for item, _ in harness.messenger.sent]


async def test_one_that_is_late_by_a_day_is_tried_once(harness: Harness) -> None:
    harness.messenger.troubles.append(TryLater("Busy."))
    await harness.leave()
    harness.clock.turn(DAY_MS + 1)
    await harness.once()
    assert (len(harness.messenger.sent), await harness.left()) == (1, [])


async def test_one_that_a_kill_cut_short_is_tried_again_as_a_second_try(harness: Harness) -> None:
    await harness.leave()
    (item,) = await harness.left()
    await harness.store.write(outbox.claim, item, now=harness.clock(), again_at=harness.clock() + 4000)  # and then the process ended
    await harness.once()
    assert harness.messenger.sent == []
    harness.clock.turn(4000)
    await harness.once()
    assert [item.attempts for item, _ in harness.messenger.sent] == [1]


async def test_an_item_comes_with_its_job_where_that_is_still_known(pipeline: Pipeline) -> None:
    harness = Harness(store=pipeline.store)
    job = await pipeline.order()
    for job_id in (job.id, "forgotten"):
        await harness.store.write(outbox.add, OutboxItem(kind=ItemKind.PING, due_at=harness.clock(), user_id=7, job_id=job_id))
    await harness.once()
    assert {found.id if found else None for _, found in harness.messenger.sent} == {job.id, None}


async def test_a_kind_that_has_no_handler_is_left(harness: Harness) -> None:
    """A job waits to be shown, and here nobody shows any."""
    await harness.store.write(outbox.deliver, "job", due_at=harness.clock())
    await harness.once()
    assert [item.attempts for item in await harness.left()] == [0]


async def test_what_its_handler_removed_is_not_removed_again(harness: Harness) -> None:
    async def remove(item: OutboxItem, _job: Job | None) -> bool:
        return await harness.store.write(outbox.done, item.id)

    harness.service = Outbox(store=harness.store, handlers={ItemKind.REMOVE: remove}, timing=BRISK, clock=harness.clock)
    await harness.leave()
    before = harness.store.commits
    await harness.once()
    assert (harness.store.commits - before, await harness.left()) == (2, [])  # claimed, and done


async def test_every_kind_has_a_policy() -> None:
    assert set(POLICIES) == set(ItemKind)


@pytest.mark.parametrize(("kind", "pauses"), [(ItemKind.DELIVER, [1, 2, 4, 8, 60]), (ItemKind.REMOVE, [4, 32, 256, 2048, 3600])])
async def test_pauses_grow_to_the_longest_of_their_kind(kind: ItemKind, pauses: list[float]) -> None:
    policy = POLICIES[kind]
    longest = [max(policy.pause_s(n, Timing()) for _ in range(200)) for n in (1, 2, 3, 4, 30)]
    assert longest == pytest.approx(pauses, rel=0.05)


@pytest.mark.parametrize(("rule", "most"), [("tries", 4), ("late_ms", 500), ("lasts_ms", 4500)])
async def test_a_policy_gives_up_after_its_tries_or_its_time(rule: str, most: int) -> None:
    """The fourth try fails 501 ms after it was due, and 4501 ms after the job was ordered."""
    item, job = OutboxItem(kind=ItemKind.DELIVER, due_at=5000, attempts=3), new_job(now=1000)
    anything = RetryPolicy(pool=Pool.RESULTS, doublings=1)
    policies = [replace(anything, **{rule: value}) for value in (most, most + 1)]  # type: ignore[arg-type]
    assert [policy.is_over(item, job, 5501) for policy in policies] == [True, False]


async def test_items_are_kept_in_order_and_counted(store: Store) -> None:
    for due_at in (300, 100, 200):
        await store.write(outbox.add, OutboxItem(kind=ItemKind.MARK, due_at=due_at, data={"made": True}))
    assert [item.due_at for item in await store.read(outbox.due, 250)] == [100, 200]
    assert [await store.read(outbox.next_due, after) for after in (250, 300)] == [300, None]
    (first, *_) = await store.read(outbox.due, 100)
    await store.write(outbox.postpone, first.id, due_at=900)
    assert [await store.write(outbox.done, first.id) for _ in range(2)] == [True, False]


async def test_an_item_is_claimed_once_and_only_when_it_is_due(store: Store) -> None:
    item = OutboxItem(kind=ItemKind.MARK, due_at=100, data={"made": True})
    await store.write(outbox.add, item)
    assert await store.write(outbox.claim, item, now=99, again_at=500) is False
    claims = await asyncio.gather(*(store.write(outbox.claim, item, now=100, again_at=500) for _ in range(3)))
    assert sorted(claims) == [False, False, True]
    assert await store.read(outbox.get, item.id) == replace(item, attempts=1, due_at=500)
