"""The small tools of the loops: nothing put to work is lost."""

from __future__ import annotations

import asyncio

from bot.core.loops import KeyedLocks, Timing, WorkerPool


async def note(done: list[str], name: str, door: asyncio.Event) -> None:
    await door.wait()
    done.append(name)


async def test_a_pool_does_one_piece_of_work_for_each_key() -> None:
    pool, done, door = WorkerPool("test", size=2), list[str](), asyncio.Event()
    for name in ("first", "second"):
        pool.put_to_work("key", note(done, name, door))
    door.set()
    await pool.finish(1)
    assert done == ["first"]


async def test_work_for_a_key_is_taken_again_with_the_last_step_of_the_one_before() -> None:
    pool, done = WorkerPool("test", size=2), list[str]()

    async def again() -> None:
        done.append("again")

    async def work() -> None:
        asyncio.get_running_loop().call_soon(lambda: pool.put_to_work("key", again()))

    pool.put_to_work("key", work())
    async with asyncio.timeout(1):
        while not done:  # noqa: ASYNC110  the pool says nothing of the sort
            await asyncio.sleep(0)


async def test_the_end_of_each_piece_of_work_is_told_once_its_key_is_free() -> None:
    at_work = list[frozenset[object]]()
    pool = WorkerPool("test", size=1, on_end=lambda: at_work.append(pool.at_work()))
    for key in ("first", "second"):
        pool.put_to_work(key, asyncio.sleep(0))
    await pool.finish(1)
    assert at_work == [{"second"}, frozenset()]


async def test_no_more_than_its_size_are_at_work_at_once() -> None:
    pool, most, at_work = WorkerPool("test", size=3), 0, 0

    async def work() -> None:
        nonlocal most, at_work
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0)
        at_work -= 1

    for key in range(20):
        pool.put_to_work(key, work())
    await pool.finish(1)
    assert (most, at_work) == (3, 0)


async def test_one_failure_does_not_end_the_others() -> None:
    pool, done, door = WorkerPool("test", size=1), list[str](), asyncio.Event()

    async def fail() -> None:
        raise LookupError

    pool.put_to_work(0, fail())
    door.set()
    pool.put_to_work(1, note(done, "sound", door))
    await pool.finish(1)
    assert done == ["sound"]
    assert 0 not in pool.at_work()


async def test_a_pool_going_home_ends_what_is_late_and_begins_nothing() -> None:
    pool, done, door = WorkerPool("test", size=1), list[str](), asyncio.Event()
    for name in ("late", "never begun"):
        pool.put_to_work(name, note(done, name, door))
    await pool.finish(0)
    pool.put_to_work("after", note(done, "after", door))
    door.set()
    await asyncio.sleep(0)
    assert done == []
    assert pool.at_work() == frozenset()


async def test_a_key_has_one_lock() -> None:
    locks = KeyedLocks()
    async with locks.of("job"):
        assert locks.of("job").locked()
        assert not locks.of("other").locked()


def test_pauses_grow_to_the_longest_and_never_further() -> None:
    timing = Timing(retry_min_s=1, retry_max_s=60)
    assert [round(max(timing.backoff_s(n) for _ in range(200))) for n in (1, 2, 3, 7, 1000)] == [1, 2, 4, 60, 60]
    assert all(0.75 <= timing.backoff_s(1) <= 1 for _ in range(100))
    assert timing.backoff_s(1000, longest_s=3600) > 60
