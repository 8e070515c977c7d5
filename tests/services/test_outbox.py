"""What Easel owes Discord: done once, at its time, across restarts, and given up where nothing helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from bot.core.errors import RouteClosed, TryLater
from bot.core.loops import Pace
from bot.domain.job import Job
from bot.services.outbox import POLICIES, Outbox, Pool, RetryPolicy
from bot.store import outbox
from bot.store.engine.base import Store
from bot.store.outbox import ItemKind, OutboxItem
from tests.env.app import BRISK
from tests.env.fake_messenger import FakeMessenger
from tests.env.jobs import new_job
from tests.services.conftest import Hands, Works

DAY_MS = 86_400_000


@dataclass(kw_only=True)
class Desk:
    """The service on a store, with a clock that can be turned ahead."""

    store: Store
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    clock: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        self.service = self.another()

    def another(self) -> Outbox:
        """The service of the next run."""
        return Outbox(store=self.store, handlers=self.messenger.handlers, pace=BRISK, clock=self.clock)

    async def leave(self, *, in_ms: int = 0, kind: ItemKind = ItemKind.REMOVE) -> str:
        item = OutboxItem(kind=kind, due_at=self.clock() + in_ms, user_id=7, data={"channel_id": 5, "message_id": 6})
        await self.store.write(outbox.add, item)
        return item.id

    async def once(self) -> None:
        """One turn, to its end; failures wait for their next try."""
        await self.service.turn(self.clock())
        for crew in self.service._pools.values():
            await crew.finish(5)
        self.service = self.another()

    async def left(self) -> list[OutboxItem]:
        return await self.store.read(outbox.due, self.clock() + 30 * DAY_MS)


@pytest.fixture
async def desk(works: Works) -> Desk:
    return Desk(store=works.store)


async def test_an_item_is_done_at_its_time_and_not_before(desk: Desk) -> None:
    item_id = await desk.leave(in_ms=120_000)
    await desk.once()
    assert desk.messenger.sent == []
    desk.clock.turn(120_000)
    await desk.once()
    assert [item.id for item, _ in desk.messenger.sent] == [item_id]
    assert await desk.left() == []


async def test_the_loop_wakes_for_a_new_item(desk: Desk) -> None:
    running = asyncio.create_task(desk.service.run(grace_s=1))
    await desk.leave(in_ms=20)
    await desk.messenger.until(lambda sent: len(sent) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await desk.left() == []


async def test_a_dropped_item_is_not_done(desk: Desk) -> None:
    item_id = await desk.leave()
    assert [await desk.store.write(outbox.done, item_id) for _ in range(2)] == [True, False]
    await desk.once()
    assert desk.messenger.sent == []


async def test_what_can_be_done_no_more_is_done(desk: Desk) -> None:
    desk.messenger.troubles.append(RouteClosed("The message is gone."))
    await desk.leave()
    await desk.once()
    assert await desk.left() == []


async def test_a_failed_item_is_tried_again_later_and_knows_it(desk: Desk) -> None:
    desk.messenger.troubles.append(TryLater("Busy."))
    await desk.leave()
    await desk.once()
    await desk.once()
    assert len(desk.messenger.sent) == 1
    desk.clock.turn(10_000)
    await desk.once()
    assert [item.attempts for item, _ in desk.messenger.sent] == [0, 1]
    assert await desk.left() == []


async def test_discords_own_wish_for_patience_is_heard(desk: Desk) -> None:
    desk.messenger.troubles.append(TryLater("Too fast.", retry_after_s=500))
    await desk.leave()
    await desk.once()
    (item,) = await desk.left()
    assert item.due_at - desk.clock() > 490_000


@pytest.mark.parametrize("trouble", [TryLater("Busy."), LookupError("nobody thought of this")], ids=["busy", "odd"])
async def test_a_call_is_given_up_after_its_fifth_try(desk: Desk, trouble: Exception) -> None:
    desk.messenger.troubles.extend([trouble] * 9)
    await desk.leave(kind=ItemKind.TELL)
    for _ in range(9):
        await desk.once()
        desk.clock.turn(3_600_000)
    assert len(desk.messenger.sent) == 5
    assert await desk.left() == []


async def test_what_was_decided_is_tried_for_a_day(desk: Desk) -> None:
    desk.messenger.troubles.extend([TryLater("Busy.")] * 99)
    await desk.leave(kind=ItemKind.REMOVE)
    for _ in range(40):
        await desk.once()
        desk.clock.turn(3_600_000)
    assert len(desk.messenger.sent) == 30
    assert await desk.left() == []


async def test_a_busy_log_holds_up_no_member(desk: Desk) -> None:
    for _ in range(60):
        await desk.leave(kind=ItemKind.LOG)
    wanted = await desk.leave(in_ms=1)
    desk.clock.turn(1)
    await desk.once()
    assert wanted in [item.id for item, _ in desk.messenger.sent]


async def test_one_that_is_late_by_a_day_is_tried_once(desk: Desk) -> None:
    desk.messenger.troubles.append(TryLater("Busy."))
    await desk.leave()
    desk.clock.turn(DAY_MS + 1)
    await desk.once()
    assert (len(desk.messenger.sent), await desk.left()) == (1, [])


async def test_one_that_a_kill_cut_short_is_tried_again_as_a_second_try(desk: Desk) -> None:
    await desk.leave()
    (item,) = await desk.left()
    await desk.store.write(outbox.claim, item, now=desk.clock(), again_at=desk.clock() + 4000)  # and then the process ended
    await desk.once()
    assert desk.messenger.sent == []
    desk.clock.turn(4000)
    await desk.once()
    assert [item.attempts for item, _ in desk.messenger.sent] == [1]


async def test_an_item_comes_with_its_job_where_that_is_still_known(works: Works) -> None:
    desk = Desk(store=works.store)
    job = await works.order()
    for job_id in (job.id, "forgotten"):
        await desk.store.write(outbox.add, OutboxItem(kind=ItemKind.PING, due_at=desk.clock(), user_id=7, job_id=job_id))
    await desk.once()
    assert {found.id if found else None for _, found in desk.messenger.sent} == {job.id, None}


async def test_a_kind_that_has_no_handler_is_left(desk: Desk) -> None:
    """A job waits to be shown, and here nobody shows any."""
    await desk.store.write(outbox.deliver, "job", due_at=desk.clock())
    await desk.once()
    assert [item.attempts for item in await desk.left()] == [0]


async def test_what_its_handler_removed_is_not_removed_again(desk: Desk) -> None:
    async def remove(item: OutboxItem, _job: Job | None) -> bool:
        return await desk.store.write(outbox.done, item.id)

    desk.service = Outbox(store=desk.store, handlers={ItemKind.REMOVE: remove}, pace=BRISK, clock=desk.clock)
    await desk.leave()
    before = desk.store.commits
    await desk.once()
    assert (desk.store.commits - before, await desk.left()) == (2, [])  # claimed, and done


async def test_every_kind_has_a_policy() -> None:
    assert set(POLICIES) == set(ItemKind)


@pytest.mark.parametrize(("kind", "pauses"), [(ItemKind.DELIVER, [1, 2, 4, 8, 60]), (ItemKind.REMOVE, [4, 32, 256, 2048, 3600])])
async def test_pauses_grow_to_the_longest_of_their_kind(kind: ItemKind, pauses: list[float]) -> None:
    policy = POLICIES[kind]
    longest = [max(policy.pause_s(n, Pace()) for _ in range(200)) for n in (1, 2, 3, 4, 30)]
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
