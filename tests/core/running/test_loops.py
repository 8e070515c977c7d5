"""The helpers of the background loops: `Worker`, `KeyedLocks`, `Timing`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

import pytest

from bot.core.running.keyed_locks import KeyedLocks
from bot.core.running.loops import Batch, Timing, Worker


class FakeWakeups:
    """Wake-ups without a store."""

    def __init__(self) -> None:
        self._awake = asyncio.Event()

    def wake(self) -> None:
        self._awake.set()

    def is_set(self) -> bool:
        return self._awake.is_set()

    async def wait(self, timeout_s: float) -> bool:
        async with asyncio.timeout(timeout_s):
            await self._awake.wait()
        self._awake.clear()
        return True


class DueWork:
    """Work that is due: each claim takes some of it."""

    def __init__(self, *due: str, size: int = 2) -> None:
        self.due, self.done, self.claims = list(due), list[str](), list[int]()
        self.begun, self.may_end, self.may_claim = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.late_may_end = asyncio.Event()
        self.may_claim.set()
        self.fails_next = False  # the next claim
        self.wakeups = FakeWakeups()
        self.worker = Worker("test", size=size, claim=self._claim, work=self._work, key=lambda each: each, wakeups=self.wakeups)

    async def _claim(self, free: int, _active: frozenset[Hashable]) -> Batch[str]:
        self.claims.append(free)
        if self.fails_next:
            self.fails_next = False
            raise LookupError
        taken, self.due = self.due[:free], self.due[free:]
        self.begun.set()
        await self.may_claim.wait()
        return Batch(work=taken, pause_s=60)

    async def _work(self, each: str) -> None:
        if each == "fails":
            raise LookupError
        await (self.late_may_end if each == "late" else self.may_end).wait()
        self.done.append(each)

    @asynccontextmanager
    async def running(self, grace_s: float = 1) -> AsyncIterator[None]:
        running = asyncio.create_task(self.worker.run())
        try:
            await self.begun.wait()
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await self.worker.finish(grace_s)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(1):
        while not check():  # noqa: ASYNC110  the worker has no event for this
            await asyncio.sleep(0)


async def until_done(due_work: DueWork, count: int) -> None:
    await until(lambda: len(due_work.done) == count)


async def test_a_worker_claims_at_most_its_free_places() -> None:
    due_work = DueWork("a", "b", "c", "d", "e")
    due_work.may_end.set()
    async with due_work.running():
        await until_done(due_work, 5)
    assert due_work.done == ["a", "b", "c", "d", "e"]
    assert max(due_work.claims) == 2


async def test_a_full_worker_claims_nothing() -> None:
    due_work = DueWork("a", "b", "c")
    async with due_work.running():
        await until(lambda: len(due_work.worker.active) == 2)
        due_work.wakeups.wake()
        await until(lambda: not due_work.wakeups.is_set())
        assert due_work.claims == [2]
        due_work.may_end.set()
        await until_done(due_work, 3)


async def test_a_place_that_becomes_free_during_a_claim_is_filled() -> None:
    due_work = DueWork("a", "late", "b", "c")
    async with due_work.running():
        await until(lambda: len(due_work.worker.active) == 2)
        due_work.may_claim.clear()
        due_work.may_end.set()
        await until(lambda: due_work.claims == [2, 1])
        due_work.late_may_end.set()
        await until_done(due_work, 2)
        due_work.may_claim.set()
        await until_done(due_work, 4)


async def test_a_wake_up_leads_to_a_claim() -> None:
    due_work = DueWork()
    due_work.may_end.set()
    async with due_work.running():
        due_work.due.append("a")
        due_work.wakeups.wake()
        await until_done(due_work, 1)


async def test_one_failure_does_not_end_the_others() -> None:
    due_work = DueWork("fails", "a", "b")
    due_work.may_end.set()
    async with due_work.running():
        await until_done(due_work, 2)


async def test_work_in_progress_is_finished_at_the_end() -> None:
    due_work = DueWork("a", "b")
    async with due_work.running():
        due_work.may_end.set()
    assert due_work.done == ["a", "b"]


async def test_work_is_cancelled_after_the_grace_time() -> None:
    due_work = DueWork("a")
    async with due_work.running(grace_s=0):
        pass
    assert (due_work.done, due_work.worker.active) == ([], frozenset())


async def test_work_that_was_claimed_during_the_end_is_done() -> None:
    due_work = DueWork("a")
    due_work.may_claim.clear()
    due_work.may_end.set()
    async with due_work.running():
        asyncio.get_running_loop().call_soon(due_work.may_claim.set)
    assert due_work.done == ["a"]


async def test_a_key_has_one_lock() -> None:
    locks = KeyedLocks()
    async with locks.of("job"):
        assert locks.of("job").locked()
        assert not locks.of("other").locked()


def test_backoff_grows_up_to_the_maximum() -> None:
    timing = Timing(retry_min_s=1, retry_max_s=60)
    assert [max(timing.backoff_s(n) for _ in range(200)) for n in (1, 2, 3, 7, 1000)] == pytest.approx([1, 2, 4, 60, 60], rel=0.05)
    assert all(0.75 <= timing.backoff_s(1) <= 1 for _ in range(100))
    assert timing.backoff_s(1000, longest_s=3600) > 60
