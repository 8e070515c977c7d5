"""Decoding in threads of its own, within a budget of memory."""

from __future__ import annotations

import asyncio
import resource
import threading
from pathlib import Path

import pytest

from bot.core.errors import ImageError
from bot.media import cleaning
from bot.media.decoding import DecodingPool
from bot.media.headers import Format
from tests.env.images import png, tiny_webp


async def run_two(pool: DecodingPool, image: Path, *, wait_s: float) -> None:
    """Raises `BrokenBarrierError` if they do not run at the same time."""
    both = threading.Barrier(2)
    await asyncio.gather(*(pool.run(lambda _path: both.wait(wait_s), image) for _ in range(2)))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image").write_bytes(png(100, 100))
    return tmp_path / "image"


async def test_images_within_the_budget_are_decoded_together(image: Path) -> None:
    async with DecodingPool(budget_bytes=400_000) as pool:
        await run_two(pool, image, wait_s=5)


@pytest.mark.parametrize("budget_bytes", [399_999, 1])
async def test_an_image_beyond_half_of_the_budget_is_decoded_alone(image: Path, budget_bytes: int) -> None:
    async with DecodingPool(budget_bytes=budget_bytes) as pool:
        with pytest.raises(threading.BrokenBarrierError):
            await run_two(pool, image, wait_s=0.05)


async def test_the_budget_is_returned_after_an_error(image: Path) -> None:
    def fails(_path: Path) -> None:
        raise ImageError("damaged")

    async with DecodingPool(budget_bytes=1) as pool:
        for _ in range(3):
            with pytest.raises(ImageError):
                await pool.run(fails, image)


async def test_a_file_that_is_no_image_is_refused(tmp_path: Path, image: Path) -> None:
    (tmp_path / "page").write_bytes(b"<html>")
    async with DecodingPool() as pool:
        assert (await pool.inspect(image, max_pixels=10_000)).format is Format.PNG
        with pytest.raises(ImageError, match="isn't an image"):
            await pool.inspect(tmp_path / "page", max_pixels=10_000)


async def test_a_large_reference_is_cleaned_without_its_memory_in_this_process() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with DecodingPool() as pool:
        cleaned = await pool.clean(tiny_webp(8000, 5000), max_pixels=40_000_000)
    assert (cleaned.width, cleaned.height, cleaned.content_type) == (4000, 2500, "image/webp")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


async def test_a_large_reference_that_is_damaged_is_refused() -> None:
    content = png(4000, 3000)
    async with DecodingPool() as pool:
        with pytest.raises(ImageError, match="damaged or incomplete"):
            await pool.clean(content[: len(content) // 2], max_pixels=40_000_000)


async def test_a_reference_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "_LIMIT_S", 0)
    with pytest.raises(ImageError):
        await cleaning.clean_in_process(png(10, 10), max_pixels=100)
