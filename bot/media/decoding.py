"""Runs the codec on files in two threads of its own, within a budget of memory over all images that are being decoded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from bot.media import codec
from bot.media.codec import ImageInfo
from bot.media.headers import Format, read_header

_THREADS: Final = 2
_BUDGET_BYTES: Final = 48 * 1024 * 1024
_PIXEL_BYTES: Final = 20  # the most that a decoder was seen to take (WebP); others take half of it
_READ_IN_PIECES: Final = frozenset({Format.PNG, Format.JPEG})  # by `codec.inspect`

T = TypeVar("T")


class DecodingPool:
    """An async context manager. An image that takes more than the whole budget is decoded alone."""

    def __init__(self, *, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._budget = _ByteBudget(budget_bytes)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="decoding")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def inspect(self, path: Path, *, max_pixels: int) -> ImageInfo:
        """Type and size of a file that is whole. Raises `ImageError`."""
        return await self._run(partial(codec.inspect, path, max_pixels=max_pixels, verify=True), path, cheap=_READ_IN_PIECES)

    async def run(self, work: Callable[..., T], path: Path, *args: Any) -> T:
        """The result of a function of the codec: `work(path, *args)`. Raises `ImageError`."""
        return await self._run(partial(work, path, *args), path)

    async def _run(self, work: Callable[[], T], path: Path, *, cheap: Collection[Format] = ()) -> T:
        run = asyncio.get_running_loop().run_in_executor
        async with self._budget.taken(await run(self._threads, _needed_bytes, path, cheap)):
            return await run(self._threads, work)


class _ByteBudget:
    """Bytes, which are given in the order of the requests."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._turn = asyncio.Lock()
        self._returned = asyncio.Event()

    @contextlib.asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        size = min(size, self._size)
        async with self._turn:
            while self._free < size:
                self._returned.clear()
                await self._returned.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._returned.set()


def _needed_bytes(path: Path, cheap: Collection[Format]) -> int:
    with path.open("rb") as file:
        header = read_header(file)
    return 0 if header.format in cheap else header.width * header.height * _PIXEL_BYTES
