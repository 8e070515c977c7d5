"""Small promises: kept once, at their time, across restarts, and given up where nothing helps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bot.errors import RouteClosed, TryLater
from bot.jobs.errands import Errands
from bot.store import errands
from bot.store.engine import Store
from bot.store.errands import Errand, ErrandKind
from tests.jobs.conftest import Hands, Works
from tests.jobs.errand_boy import ErrandBoy
from tests.street import BRISK

DAY_MS = 86_400_000


@dataclass(kw_only=True)
class Desk:
    """The service on a store, with a clock that can be turned ahead."""

    store: Store
    boy: ErrandBoy = field(default_factory=ErrandBoy)
    clock: Hands = field(default_factory=Hands)

    def __post_init__(self) -> None:
        self.service = self.another()

    def another(self) -> Errands:
        """The service of the next run."""
        return Errands(store=self.store, messenger=self.boy, pace=BRISK, clock=self.clock)

    async def leave(self, *, in_ms: int = 0, kind: ErrandKind = ErrandKind.REMOVE) -> str:
        errand = Errand(kind=kind, due_at=self.clock() + in_ms, user_id=7, data={"channel_id": 5, "message_id": 6})
        await self.store.write(errands.add, errand)
        return errand.id

    async def once(self) -> None:
        """One turn, to its end; failures wait for their next try."""
        await self.service.turn(self.clock())
        for crew in (self.service._crew, self.service._clerks):
            await crew.finish(5)
        self.service = self.another()

    async def left(self) -> list[Errand]:
        return await self.store.read(errands.due, self.clock() + 30 * DAY_MS)


@pytest.fixture
async def desk(works: Works) -> Desk:
    return Desk(store=works.store)


async def test_an_errand_is_done_at_its_time_and_not_before(desk: Desk) -> None:
    errand_id = await desk.leave(in_ms=120_000)
    await desk.once()
    assert desk.boy.sent == []
    desk.clock.turn(120_000)
    await desk.once()
    assert [errand.id for errand, _ in desk.boy.sent] == [errand_id]
    assert await desk.left() == []


async def test_the_loop_wakes_for_a_new_errand(desk: Desk) -> None:
    running = asyncio.create_task(desk.service.run(grace_s=1))
    await desk.leave(in_ms=20)
    await desk.boy.until(lambda sent: len(sent) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await desk.left() == []


async def test_a_dropped_errand_is_not_done(desk: Desk) -> None:
    errand_id = await desk.leave()
    assert [await desk.store.write(errands.done, errand_id) for _ in range(2)] == [True, False]
    await desk.once()
    assert desk.boy.sent == []


async def test_what_can_be_done_no_more_is_done(desk: Desk) -> None:
    desk.boy.troubles.append(RouteClosed("The message is gone."))
    await desk.leave()
    await desk.once()
    assert await desk.left() == []


async def test_a_failed_errand_is_tried_again_later_and_knows_it(desk: Desk) -> None:
    desk.boy.troubles.append(TryLater("Busy."))
    await desk.leave()
    await desk.once()
    await desk.once()
    assert len(desk.boy.sent) == 1
    desk.clock.turn(10_000)
    await desk.once()
    assert [errand.attempts for errand, _ in desk.boy.sent] == [0, 1]
    assert await desk.left() == []


async def test_discords_own_wish_for_patience_is_heard(desk: Desk) -> None:
    desk.boy.troubles.append(TryLater("Too fast.", retry_after_s=500))
    await desk.leave()
    await desk.once()
    (errand,) = await desk.left()
    assert errand.due_at - desk.clock() > 490_000


@pytest.mark.parametrize("trouble", [TryLater("Busy."), LookupError("nobody thought of this")], ids=["busy", "odd"])
async def test_a_call_is_given_up_after_its_fifth_try(desk: Desk, trouble: Exception) -> None:
    desk.boy.troubles.extend([trouble] * 9)
    await desk.leave(kind=ErrandKind.TELL)
    for _ in range(9):
        await desk.once()
        desk.clock.turn(3_600_000)
    assert len(desk.boy.sent) == 5
    assert await desk.left() == []


async def test_what_was_decided_is_tried_for_a_day(desk: Desk) -> None:
    desk.boy.troubles.extend([TryLater("Busy.")] * 99)
    await desk.leave(kind=ErrandKind.REMOVE)
    for _ in range(40):
        await desk.once()
        desk.clock.turn(3_600_000)
    assert len(desk.boy.sent) == 30
    assert await desk.left() == []


async def test_a_busy_log_holds_up_no_member(desk: Desk) -> None:
    for _ in range(60):
        await desk.leave(kind=ErrandKind.LOG)
    wanted = await desk.leave(in_ms=1)
    desk.clock.turn(1)
    await desk.once()
    assert wanted in [errand.id for errand, _ in desk.boy.sent]


async def test_one_that_is_late_by_a_day_is_tried_once(desk: Desk) -> None:
    desk.boy.troubles.append(TryLater("Busy."))
    await desk.leave()
    desk.clock.turn(DAY_MS + 1)
    await desk.once()
    assert (len(desk.boy.sent), await desk.left()) == (1, [])


async def test_one_that_a_kill_cut_short_is_tried_again_as_a_second_try(desk: Desk) -> None:
    errand_id = await desk.leave()
    await desk.store.write(errands.take_up, errand_id, again_at=desk.clock() + 4000)  # and then the process ended
    await desk.once()
    assert desk.boy.sent == []
    desk.clock.turn(4000)
    await desk.once()
    assert [errand.attempts for errand, _ in desk.boy.sent] == [1]


async def test_an_errand_comes_with_its_job_where_that_is_still_known(works: Works) -> None:
    desk = Desk(store=works.store)
    job = await works.order()
    for job_id in (job.id, "forgotten"):
        await desk.store.write(errands.add, Errand(kind=ErrandKind.PING, due_at=desk.clock(), user_id=7, job_id=job_id))
    await desk.once()
    assert {found.id if found else None for _, found in desk.boy.sent} == {job.id, None}


async def test_errands_are_kept_in_order_and_counted(store: Store) -> None:
    for due_at in (300, 100, 200):
        await store.write(errands.add, Errand(kind=ErrandKind.MARK, due_at=due_at, data={"made": True}))
    assert [errand.due_at for errand in await store.read(errands.due, 250)] == [100, 200]
    assert [await store.read(errands.next_due, after) for after in (250, 300)] == [300, None]
    (first, *_) = await store.read(errands.due, 100)
    await store.write(errands.postpone, first.id, due_at=900)
    assert [await store.write(errands.done, first.id) for _ in range(2)] == [True, False]
    assert await store.write(errands.take_up, first.id, again_at=5) is False
