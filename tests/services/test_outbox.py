"""The outbox: items are done once, when they are due, across restarts; failures are retried or permanent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import pytest

from bot.core.errors import RouteClosed, TryLater
from bot.core.running.loops import Timing
from bot.domain.job import Job
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services.outbox import POLICIES, Outbox, RetryPolicy
from bot.store import outbox
from bot.store.engine.base import Store
from tests.env.app import BRISK
from tests.env.fake_messenger import FakeMessenger
from tests.env.job_steps import restart
from tests.env.jobs import new_job
from tests.services.conftest import FakeClock, Pipeline

DAY_MS = 86_400_000
CLAIM: dict[str, Any] = {
    "kinds": list(ItemKind),
    "free": 9,
}


@dataclass(kw_only=True)
class Harness:
    """The outbox service with a fake handler and a fake clock."""

    store: Store
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.service = self.new_service()

    def new_service(self) -> Outbox:
        """The service as after a restart."""
        return Outbox(store=self.store, handlers=self.messenger.handlers, timing=BRISK, clock=self.clock)

    async def add_item(self, *, in_ms: int = 0, kind: ItemKind = ItemKind.REMOVE) -> str:
        item = OutboxItem(kind=kind, due_at=self.clock() + in_ms, user_id=7, data={"channel_id": 5, "message_id": 6})
        await self.store.write(outbox.add, item)
        return item.id

    async def run_once(self) -> None:
        """Start all due items and wait until they have ended."""
        for worker in self.service.workers:
            await worker.turn()
            await worker.finish(5)
        self.service = self.new_service()

    async def due_items(self) -> list[OutboxItem]:
        return await self.store.read(outbox.due, self.clock() + 30 * DAY_MS)


@pytest.fixture
async def harness(pipeline: Pipeline) -> Harness:
    return Harness(store=pipeline.store)


async def test_an_item_is_done_when_it_is_due(harness: Harness) -> None:
    item_id = await harness.add_item(in_ms=120_000)
    await harness.run_once()
    assert harness.messenger.sent == []
    harness.clock.advance(120_000)
    await harness.run_once()
    assert [item.id for item, _ in harness.messenger.sent] == [item_id]
    assert await harness.due_items() == []


async def test_the_loop_wakes_for_a_new_item(harness: Harness) -> None:
    running = asyncio.gather(*(worker.run() for worker in harness.service.workers))
    await harness.add_item(in_ms=20)
    await harness.messenger.until(lambda sent: len(sent) == 1)
    running.cancel()
    await asyncio.gather(running, *(worker.finish(1) for worker in harness.service.workers), return_exceptions=True)
    assert await harness.due_items() == []


async def test_a_removed_item_is_not_done(harness: Harness) -> None:
    item_id = await harness.add_item()
    assert [await harness.store.write(outbox.done, item_id) for _ in range(2)] == [True, False]
    await harness.run_once()
    assert harness.messenger.sent == []


async def test_an_item_that_can_never_be_done_is_removed(harness: Harness) -> None:
    harness.messenger.errors.append(RouteClosed("The message is gone."))
    await harness.add_item()
    await harness.run_once()
    assert await harness.due_items() == []


async def test_a_failed_item_is_retried_with_its_number_of_attempts(harness: Harness) -> None:
    harness.messenger.errors.append(TryLater("Busy."))
    await harness.add_item()
    await harness.run_once()
    await harness.run_once()
    assert len(harness.messenger.sent) == 1
    harness.clock.advance(10_000)
    await harness.run_once()
    assert [item.attempts for item, _ in harness.messenger.sent] == [0, 1]
    assert await harness.due_items() == []


async def test_discords_retry_after_is_respected(harness: Harness) -> None:
    harness.messenger.errors.append(TryLater("Too fast.", retry_after_s=500))
    await harness.add_item()
    await harness.run_once()
    (item,) = await harness.due_items()
    assert item.due_at - harness.clock() > 490_000


@pytest.mark.parametrize("error", [TryLater("Busy."), LookupError("unexpected")], ids=["busy", "unexpected"])
async def test_a_notification_fails_permanently_after_five_attempts(harness: Harness, error: Exception) -> None:
    harness.messenger.errors.extend([error] * 9)
    await harness.add_item(kind=ItemKind.TELL)
    for _ in range(9):
        await harness.run_once()
        harness.clock.advance(3_600_000)
    assert len(harness.messenger.sent) == 5
    assert await harness.due_items() == []


async def test_a_decision_is_retried_for_a_day(harness: Harness) -> None:
    harness.messenger.errors.extend([TryLater("Busy.")] * 99)
    await harness.add_item(kind=ItemKind.REMOVE)
    for _ in range(40):
        await harness.run_once()
        harness.clock.advance(3_600_000)
    assert len(harness.messenger.sent) == 30
    assert await harness.due_items() == []


async def test_a_busy_log_does_not_delay_members(harness: Harness) -> None:
    for _ in range(60):
        await harness.add_item(kind=ItemKind.LOG)
    wanted = await harness.add_item(in_ms=1)
    harness.clock.advance(1)
    await harness.run_once()
    assert wanted in [item.id for item, _ in harness.messenger.sent]


async def test_an_item_that_is_a_day_late_is_tried_once(harness: Harness) -> None:
    harness.messenger.errors.append(TryLater("Busy."))
    await harness.add_item()
    harness.clock.advance(DAY_MS + 1)
    await harness.run_once()
    assert (len(harness.messenger.sent), await harness.due_items()) == (1, [])


async def test_an_item_is_retried_as_a_second_attempt_after_a_kill(harness: Harness) -> None:
    await harness.add_item()
    await harness.store.write(outbox.claim, harness.clock(), **CLAIM, pause_ms=lambda _item: 4000)
    await restart(harness.store, harness.clock())
    await harness.run_once()
    assert harness.messenger.sent == []
    harness.clock.advance(4000)
    await harness.run_once()
    assert [item.attempts for item, _ in harness.messenger.sent] == [1]


async def test_the_handler_gets_the_job_if_it_is_still_known(pipeline: Pipeline) -> None:
    harness = Harness(store=pipeline.store)
    job = await pipeline.order()
    for job_id in (job.id, "forgotten"):
        await harness.store.write(outbox.add, OutboxItem(kind=ItemKind.PING, due_at=harness.clock(), user_id=7, job_id=job_id))
    await harness.run_once()
    assert {found.id if found else None for _, found in harness.messenger.sent} == {job.id, None}


async def test_an_item_without_a_handler_stays(harness: Harness) -> None:
    await harness.store.write(outbox.deliver, "job", due_at=harness.clock())
    await harness.run_once()
    assert [item.attempts for item in await harness.due_items()] == [0]


async def test_an_item_that_its_handler_removed_is_not_removed_again(harness: Harness) -> None:
    async def remove(item: OutboxItem, _job: Job | None) -> bool:
        return await harness.store.write(outbox.done, item.id)

    harness.service = Outbox(store=harness.store, handlers={ItemKind.REMOVE: remove}, timing=BRISK, clock=harness.clock)
    await harness.add_item()
    with patch.object(harness.store, "write", wraps=harness.store.write) as writes:
        await harness.run_once()
    assert [call.args[0] for call in writes.call_args_list if call.args[0] is not outbox.claim] == [outbox.done]
    assert await harness.due_items() == []


async def test_every_kind_has_a_policy() -> None:
    assert set(POLICIES) == set(ItemKind)


@pytest.mark.parametrize(("kind", "pauses"), [(ItemKind.DELIVER, [1, 2, 4, 8, 60]), (ItemKind.REMOVE, [4, 32, 256, 2048, 3600])])
async def test_pauses_grow_up_to_the_longest_of_their_policy(kind: ItemKind, pauses: list[float]) -> None:
    policy = POLICIES[kind]
    longest = [max(policy.pause_s(n, Timing()) for _ in range(200)) for n in (1, 2, 3, 4, 30)]
    assert longest == pytest.approx(pauses, rel=0.05)


@pytest.mark.parametrize(("rule", "most"), [("tries", 4), ("late_ms", 500), ("lasts_ms", 4500)])
async def test_a_policy_limits_attempts_and_time(rule: str, most: int) -> None:
    """The fourth attempt fails 501 ms after it was due, and 4501 ms after the job was ordered."""
    item, job = OutboxItem(kind=ItemKind.DELIVER, due_at=5000, attempts=3), new_job(now=1000)
    policy = RetryPolicy(doublings=1)
    policies = [replace(policy, **{rule: value}) for value in (most, most + 1)]  # type: ignore[arg-type]
    assert [policy.is_over(item, job, 5501) for policy in policies] == [True, False]


async def test_due_items_are_ordered_by_time(store: Store) -> None:
    for due_at in (300, 100, 200):
        await store.write(outbox.add, OutboxItem(kind=ItemKind.MARK, due_at=due_at, data={"message_id": 1}))
    assert [item.due_at for item in await store.read(outbox.due, 250)] == [100, 200]
    assert [await store.read(outbox.next_due, after) for after in (250, 300)] == [300, None]
    (first, *_) = await store.read(outbox.due, 100)
    await store.write(outbox.postpone, first, due_at=900)
    assert [await store.write(outbox.done, first.id) for _ in range(2)] == [True, False]


async def test_a_due_item_is_claimed_once(store: Store) -> None:
    item = OutboxItem(kind=ItemKind.MARK, due_at=100, data={"message_id": 1})
    await store.write(outbox.add, item)
    early, _ = await store.write(outbox.claim, 99, **CLAIM, pause_ms=lambda _item: 400)
    claims = await asyncio.gather(*(store.write(outbox.claim, 100, **CLAIM, pause_ms=lambda _item: 400) for _ in range(3)))
    assert (early, sorted(len(found) for found, _ in claims)) == ([], [0, 0, 1])
    assert await store.read(outbox.get, item.id) == replace(item, attempts=1, due_at=500)
