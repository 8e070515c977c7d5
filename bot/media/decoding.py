"""Runs the codec on files in threads of its own, within a budget of memory over all images that are being decoded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from bot.core.running.budget import ByteBudget
from bot.core.running.executors import BoundedExecutor
from bot.media import codec
from bot.media.cleaning import clean_in_process
from bot.media.codec import CleanedImage, ImageInfo, Source
from bot.media.headers import Format, read_header

_BUDGET_BYTES: Final = 48 * 1024 * 1024
_PIXEL_BYTES: Final = 20  # the most that a decoder was seen to take (WebP); others take half of it
_READ_IN_PIECES: Final = frozenset({Format.PNG, Format.JPEG})  # `codec.inspect` takes no memory for their pixels
_OWN_PROCESS_PIXELS: Final = 8_000_000  # above this, a decoder holds the interpreter too long
_PER_MEMBER, _TOTAL = 8, 64  # orders whose references wait

T = TypeVar("T")


class DecodingPool:
    """An async context manager. An image that takes more than the whole budget is decoded alone. Everything raises `MachineTrouble`."""

    def __init__(self, name: str = "decoding", *, budget_bytes: int = _BUDGET_BYTES) -> None:
        self._budget = ByteBudget(budget_bytes)
        self._threads = BoundedExecutor(name, per_key=_PER_MEMBER, total=_TOTAL)

    async def __aenter__(self) -> Self:
        await self._threads.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._threads.__aexit__(*exc)

    def turn(self, member: Hashable) -> AbstractAsyncContextManager[None]:
        """Keeps a member's images one after the other. Raises `Overloaded` if too many wait."""
        return self._threads.turn(member)

    async def inspect(self, path: Path, *, max_pixels: int) -> ImageInfo:
        """Type and size of a file that is whole. Raises `ImageError`."""
        verified = partial(codec.inspect, max_pixels=max_pixels, verify=True)
        info = await self._threads.call(_without_decoding, verified, path)
        return await self.run(verified, path, max_pixels=max_pixels) if info is None else info

    async def clean(self, content: bytes, *, max_pixels: int) -> CleanedImage:
        """A reference without metadata, see `codec.clean_reference`. Raises `ImageError`."""
        async with self._memory_for(content, max_pixels) as pixels:
            if pixels > _OWN_PROCESS_PIXELS:
                return await clean_in_process(content, max_pixels=max_pixels)
            return await self._threads.call(partial(codec.clean_reference, max_pixels=max_pixels), content)

    async def run(self, work: Callable[..., T], source: Source, *args: Any, max_pixels: int = codec.DEFAULT_MAX_PIXELS) -> T:
        """The result of a function of the codec: `work(source, *args)`. The memory is taken from the budget before. Raises `ImageError`."""
        async with self._memory_for(source, max_pixels):
            return await self._threads.call(work, source, *args)

    @contextlib.asynccontextmanager
    async def _memory_for(self, source: Source, max_pixels: int) -> AsyncIterator[int]:
        """Yields the number of pixels. Raises `ImageError`."""
        pixels = await self._threads.call(partial(codec.decoded_pixels, max_pixels=max_pixels), source)
        async with self._budget.taken(pixels * _PIXEL_BYTES):
            yield pixels


def _without_decoding(verified: Callable[[Path], ImageInfo], path: Path) -> ImageInfo | None:
    with path.open("rb") as file:
        is_read_in_pieces = read_header(file).format in _READ_IN_PIECES
    return verified(path) if is_read_in_pieces else None
