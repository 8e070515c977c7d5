"""Runs the codec on files in two threads of its own, within a budget of memory over all images that are being decoded."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from bot.media import codec
from bot.media.codec import ImageInfo
from bot.media.headers import Format, Header, read_header

_THREADS: Final = 2
_BUDGET_BYTES: Final = 48 * 1024 * 1024
_PIXEL_BYTES: Final = 20  # the most that a decoder was seen to take (WebP); others take half of it
_READ_IN_PIECES: Final = frozenset({Format.PNG, Format.JPEG})  # `codec.inspect` takes no memory for their pixels

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
        verified = partial(codec.inspect, max_pixels=max_pixels, verify=True)
        info = await self._in_thread(_without_decoding, verified, path)
        return await self.run(verified, path) if info is None else info

    async def run(self, work: Callable[..., T], path: Path, *args: Any) -> T:
        """The result of a function of the codec: `work(path, *args)`. Raises `ImageError`."""
        async with self._budget.taken(await self._in_thread(_needed_bytes, path)):
            return await self._in_thread(work, path, *args)

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)


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


def _without_decoding(verified: Callable[[Path], ImageInfo], path: Path) -> ImageInfo | None:
    return verified(path) if _header(path).format in _READ_IN_PIECES else None


def _needed_bytes(path: Path) -> int:
    header = _header(path)
    return header.width * header.height * _PIXEL_BYTES


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        return read_header(file)
