"""Decoding within budgets of memory: who waits for whom, what is refused at once, and what a bad decoder can hold."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import pytest

from bot.core.errors import ImageError
from bot.media import codec, decoding
from bot.media.codec import Source
from bot.media.decoder_process import Undecodable
from bot.media.decoding import DecodingPool, for_member
from bot.media.formats import Format
from tests.env.images import png, tiny_webp
from tests.media import decoders

MB = 2**20
LARGE = tiny_webp(3000, 2800)  # decoded in a process of its own
SMALL = png(10, 10)


@pytest.fixture
async def pool() -> AsyncIterator[DecodingPool]:
    async with DecodingPool() as pool:
        yield pool


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """Threads that were lost on purpose end with their test."""
    decoders.OVER.clear()
    yield
    decoders.OVER.set()


async def of(member: int, work: Awaitable[object]) -> object:
    with for_member(member):
        return await work


def is_free(pool: DecodingPool) -> bool:
    return all(share.budget._free == share.budget.size for share in (pool._small, pool._large))


class Meeting:
    """Whether two decoders run at the same time."""

    def __init__(self, wait_s: float) -> None:
        self._both, self._wait_s = threading.Barrier(2), wait_s

    def work(self, _source: Source) -> None:
        """Raises `ImageError` if they do not."""
        try:
            self._both.wait(self._wait_s)
        except threading.BrokenBarrierError:
            raise ImageError("decoded alone") from None


# --- who waits for whom --------------------------------------------------------------------------------------------------


async def test_images_of_two_members_are_decoded_together(pool: DecodingPool) -> None:
    meeting = Meeting(10)
    await asyncio.gather(*(of(member, pool.run(meeting.work, SMALL)) for member in (1, 2)))


async def test_images_of_one_member_are_decoded_one_after_the_other(pool: DecodingPool) -> None:
    meeting = Meeting(0.05)
    with pytest.raises(ImageError, match="decoded alone"):
        await asyncio.gather(*(of(1, pool.run(meeting.work, SMALL)) for _ in range(2)))


async def test_images_beyond_the_budget_wait_for_each_other() -> None:
    cost = codec.cost(SMALL, max_pixels=10**6).memory_bytes
    for budget, together in ((2 * cost, True), (2 * cost - 1, False)):
        meeting = Meeting(10 if together else 0.05)
        async with DecodingPool(small_bytes=budget) as pool:
            both = asyncio.gather(*(of(member, pool.run(meeting.work, SMALL)) for member in (1, 2)))
            if together:
                await both
            else:
                with pytest.raises(ImageError, match="decoded alone"):
                    await both


async def test_large_images_hold_back_no_small_ones(pool: DecodingPool) -> None:
    large = [asyncio.create_task(of(member, pool.run(decoders.hang, LARGE))) for member in (1, 1, 1, 2, 3, 4, 5, 6)]
    await asyncio.sleep(0)
    assert await of(7, pool.run(decoders.size_of, SMALL)) == len(SMALL)
    assert not any(task.done() for task in large)
    for task in large:
        task.cancel()
    await asyncio.wait(large)


async def test_cancelled_work_frees_its_share(pool: DecodingPool) -> None:
    for _ in range(3):
        task = asyncio.create_task(of(1, pool.run(decoders.hang, LARGE)))
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait([task])
    assert await of(1, pool.run(decoders.size_of, LARGE)) == len(LARGE)
    assert is_free(pool)


@pytest.mark.parametrize("content", [SMALL, LARGE])
async def test_an_error_frees_its_share(pool: DecodingPool, content: bytes) -> None:
    for _ in range(3):
        with pytest.raises(decoders.OddImage):
            await of(1, pool.run(decoders.odd, content))
    assert is_free(pool)


async def test_the_files_of_all_orders_are_bounded(pool: DecodingPool) -> None:
    async def order(member: int) -> None:
        async with pool.turn(member, size_bytes=100 * MB):
            begun.append(member)
            await over.wait()

    begun, over = list[int](), asyncio.Event()
    orders = [asyncio.create_task(order(member)) for member in range(3)]
    async with asyncio.timeout(5):
        while len(begun) < 2:  # noqa: ASYNC110  nothing announces it
            await asyncio.sleep(0)
    assert begun == [0, 1]
    over.set()
    await asyncio.gather(*orders)
    assert begun == [0, 1, 2]


# --- what is refused -----------------------------------------------------------------------------------------------------


async def test_what_can_never_fit_is_refused_at_once_with_the_limit() -> None:
    async with DecodingPool(large_bytes=64 * MB) as pool:
        busy = asyncio.create_task(of(1, pool.run(decoders.hang, SMALL)))
        await asyncio.sleep(0)
        with pytest.raises(Undecodable, match=r"^The image needs \d+ MB of memory to open\. The limit is 64 MB\.$"):
            await of(1, pool.run(decoders.hang, LARGE))
        decoders.OVER.set()
        await busy


async def test_a_file_that_is_no_image_is_refused(tmp_path: Path, pool: DecodingPool) -> None:
    (tmp_path / "page").write_bytes(b"<html>")
    (tmp_path / "image").write_bytes(png(100, 100))
    assert (await pool.inspect(tmp_path / "image", max_pixels=10_000)).format is Format.PNG
    with pytest.raises(ImageError):
        await pool.inspect(tmp_path / "page", max_pixels=10_000)


# --- processes and threads -----------------------------------------------------------------------------------------------


async def test_a_large_reference_is_cleaned_without_its_memory_in_this_process(pool: DecodingPool) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cleaned = await pool.clean(tiny_webp(8000, 5000), max_pixels=40_000_000)
    assert (cleaned.width, cleaned.height, cleaned.content_type) == (4000, 2500, "image/png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


async def test_every_function_of_the_codec_runs_in_a_process(pool: DecodingPool, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(LARGE)
    info = await pool.inspect(tmp_path / "image", max_pixels=40_000_000)
    assert (info.format, info.width, info.height) == (Format.WEBP, 3000, 2800)
    assert (await pool.run(codec.thumbnail, tmp_path / "image"))[8:12] == b"WEBP"
    fitted = await pool.run(codec.fit, png(3000, 2800), 2000)
    assert (len(fitted.content) <= 2000, fitted.extension) == (True, "jpg")


@pytest.mark.parametrize("content", [png(3000, 2800), png(400, 300)], ids=["in a process", "in a thread"])
async def test_a_damaged_image_is_refused(pool: DecodingPool, content: bytes) -> None:
    with pytest.raises(ImageError, match="damaged or incomplete"):
        await pool.clean(content[: len(content) // 2], max_pixels=40_000_000)


async def test_a_thread_that_never_ends_is_given_up_and_holds_nobody(pool: DecodingPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "LIMIT_S", 0.05)
    results = await asyncio.gather(*(of(member, pool.run(decoders.hang, SMALL)) for member in (1, 2)), return_exceptions=True)
    assert {type(each) for each in results} == {Undecodable}
    assert await of(1, pool.run(decoders.size_of, SMALL)) == len(SMALL)  # in a process


async def test_the_bots_own_time_is_not_taken(pool: DecodingPool) -> None:
    """While six large images are decoded, the event loop answers."""
    work = asyncio.gather(*(of(member, pool.clean(LARGE, max_pixels=40_000_000)) for member in range(6)))
    longest_s, last = 0.0, time.thread_time()
    while not work.done():
        await asyncio.sleep(0.01)
        now = time.thread_time()
        longest_s, last = max(longest_s, now - last), now
    await work
    assert longest_s < 0.1
