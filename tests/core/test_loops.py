"""The helpers of the background loops: `WorkerPool`, `KeyedLocks`, `Timing`."""

from __future__ import annotations

import asyncio

from bot.core.loops import KeyedLocks, Timing, WorkerPool


async def note(done: list[str], name: str, may_finish: asyncio.Event) -> None:
    await may_finish.wait()
    done.append(name)


async def test_a_pool_runs_one_task_per_key() -> None:
    pool, done, may_finish = WorkerPool("test", size=2), list[str](), asyncio.Event()
    for name in ("first", "second"):
        pool.start("key", note(done, name, may_finish))
    may_finish.set()
    await pool.finish(1)
    assert done == ["first"]


async def test_a_key_is_free_again_with_the_last_step_of_its_task() -> None:
    pool, done = WorkerPool("test", size=2), list[str]()

    async def again() -> None:
        done.append("again")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(lambda: pool.start("key", again()))

    pool.start("key", work())
    async with asyncio.timeout(1):
        while not done:  # noqa: ASYNC110  the pool has no event for this
            await asyncio.sleep(0)


async def test_on_end_is_called_when_the_key_is_free() -> None:
    active = list[frozenset[object]]()
    pool = WorkerPool("test", size=1, on_end=lambda: active.append(pool.active_keys()))
    for key in ("first", "second"):
        pool.start(key, asyncio.sleep(0))
    await pool.finish(1)
    assert active == [{"second"}, frozenset()]


async def test_a_pool_never_runs_more_tasks_than_its_size() -> None:
    pool, most, running = WorkerPool("test", size=3), 0, 0

    async def work() -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for key in range(20):
        pool.start(key, work())
    await pool.finish(1)
    assert (most, running) == (3, 0)


async def test_one_failure_does_not_end_the_others() -> None:
    pool, done, may_finish = WorkerPool("test", size=1), list[str](), asyncio.Event()

    async def fail() -> None:
        raise LookupError

    pool.start(0, fail())
    may_finish.set()
    pool.start(1, note(done, "sound", may_finish))
    await pool.finish(1)
    assert done == ["sound"]
    assert 0 not in pool.active_keys()


async def test_a_closing_pool_cancels_late_tasks_and_starts_no_more() -> None:
    pool, done, may_finish = WorkerPool("test", size=1), list[str](), asyncio.Event()
    for name in ("late", "never started"):
        pool.start(name, note(done, name, may_finish))
    await pool.finish(0)
    pool.start("after", note(done, "after", may_finish))
    may_finish.set()
    await asyncio.sleep(0)
    assert done == []
    assert pool.active_keys() == frozenset()


async def test_a_key_has_one_lock() -> None:
    locks = KeyedLocks()
    async with locks.of("job"):
        assert locks.of("job").locked()
        assert not locks.of("other").locked()


def test_backoff_grows_up_to_the_maximum() -> None:
    timing = Timing(retry_min_s=1, retry_max_s=60)
    assert [round(max(timing.backoff_s(n) for _ in range(200))) for n in (1, 2, 3, 7, 1000)] == [1, 2, 4, 60, 60]
    assert all(0.75 <= timing.backoff_s(1) <= 1 for _ in range(100))
    assert timing.backoff_s(1000, longest_s=3600) > 60
