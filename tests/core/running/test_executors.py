"""Threads for long work: one key after the other, others beside it, and a bound for each."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot.core.errors import Overloaded
from bot.core.running.executors import BoundedExecutor


async def test_the_work_of_one_key_does_not_keep_another_waiting() -> None:
    over = threading.Event()
    async with BoundedExecutor("test", per_key=3, total=9) as executor:
        attack = [asyncio.create_task(executor.run("many", over.wait, 30)) for _ in range(3)]
        assert await executor.run("one", int, "7") == 7
        assert not any(task.done() for task in attack)
        over.set()
        assert await asyncio.gather(*attack) == [True] * 3


@pytest.mark.parametrize(("per_key", "total"), [(2, 9), (9, 2)])
async def test_more_work_than_is_allowed_is_refused(per_key: int, total: int) -> None:
    over = threading.Event()
    async with BoundedExecutor("test", per_key=per_key, total=total) as executor:
        accepted = [asyncio.create_task(executor.run("key", over.wait, 30)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded, match="Try again in a minute"):
            await executor.run("key", int)
        over.set()
        await asyncio.gather(*accepted)
        assert await executor.run("key", int) == 0


async def test_cancelled_work_keeps_its_key_until_its_thread_has_ended() -> None:
    begun, over = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        over.wait(30)

    async with BoundedExecutor("test", per_key=2, total=9) as executor:
        first = asyncio.create_task(executor.run("key", work))
        await asyncio.to_thread(begun.wait, 30)
        second = asyncio.create_task(executor.run("key", over.is_set))
        first.cancel()
        over.set()
        assert await second
        assert first.cancelled()


async def test_an_error_is_raised_and_frees_the_key() -> None:
    async with BoundedExecutor("test", per_key=1, total=1) as executor:
        for _ in range(2):
            with pytest.raises(ValueError, match="invalid literal"):
                await executor.run("key", int, "x")
