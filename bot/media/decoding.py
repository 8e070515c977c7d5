"""Runs the codec within a budget of memory for all images that are being decoded, of references and results together.

What an image will take is read from its header and taken from the budget before anything is decoded. A member's images are decoded one
after the other, so that the budget of a member is what one image may take. Small images have a share of their own: they never wait for
large ones. What takes long or has a fragile decoder runs in a process of its own, the rest in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import structlog

from bot.core.errors import EaselError, ImageError
from bot.core.i18n import _
from bot.core.numbers import number
from bot.core.running import machine
from bot.core.running.budget import ByteBudget
from bot.core.running.executors import BoundedExecutor
from bot.core.running.keyed_locks import KeyedLocks
from bot.media import codec
from bot.media.codec import CleanedImage, Cost, ImageInfo, Source
from bot.media.decoder_process import LIMIT_S, OWN_BYTES, TOO_SLOW, DecoderProcess, Undecodable

_MB: Final = 2**20
_LARGE_BYTES: Final = 640 * _MB
_SMALL_BYTES: Final = 128 * _MB
_SMALL_MOST_BYTES: Final = 64 * _MB  # of one image
_THREAD_PIXELS: Final = 8_000_000  # more take tenths of a second, in a thread that cannot be ended
_DECODING_THREADS: Final = 2
_PROCESSES: Final = 2  # of each share
_THREADS: Final = 12  # these, those that wait for processes, and some that read headers
_PER_MEMBER, _TOTAL = 8, 64  # orders whose references wait
_FILES_BYTES: Final = 256 * _MB  # of references that were fetched and are not stored yet

T = TypeVar("T")

log = structlog.get_logger(__name__)

_member: ContextVar[int | None] = ContextVar("member", default=None)


@contextmanager
def for_member(user_id: int) -> Iterator[None]:
    """What is decoded within the block is for this member: who attached it, or the author of its job."""
    token = _member.set(user_id)
    try:
        yield
    finally:
        _member.reset(token)


class CodecFailed(ImageError):
    """A decoder failed in a way that nobody expected."""


@contextmanager
def as_image_error() -> Iterator[None]:
    """Raise what the codec does not expect as `CodecFailed`, which is logged: the same bytes would fail in the same way every time."""
    try:
        with machine.trouble_raised():
            yield
    except EaselError:
        raise
    except Exception as error:
        log.exception("codec failed unexpectedly")
        raise CodecFailed(_("Easel can't read this image.")) from error


class _Share:
    """A part of the memory for images of some size, and the processes that may run in it at a time."""

    def __init__(self, size_bytes: int) -> None:
        self.budget = ByteBudget(size_bytes)
        self.processes = asyncio.Semaphore(_PROCESSES)


class DecodingPool:
    """An async context manager. Everything raises `MachineTrouble`, and `ImageError` for what cannot be decoded or exceeds the budget."""

    def __init__(self, name: str = "decoding", *, small_bytes: int = _SMALL_BYTES, large_bytes: int = _LARGE_BYTES) -> None:
        self._small, self._large = _Share(small_bytes), _Share(large_bytes)
        self._threads = BoundedExecutor(name, per_key=_PER_MEMBER, total=_TOTAL, threads=_THREADS)
        self._decoding = asyncio.Semaphore(_DECODING_THREADS)
        self._files = ByteBudget(_FILES_BYTES)
        self._turns = KeyedLocks()
        self._is_hung = False  # a thread was lost: from then on, everything runs in processes

    async def __aenter__(self) -> Self:
        await self._threads.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._threads.__aexit__(*exc)

    @asynccontextmanager
    async def turn(self, member: int, *, size_bytes: int = 0) -> AsyncIterator[None]:
        """Keeps a member's orders one after the other, whose files have at most `size_bytes`. Raises `Overloaded` if too many wait."""
        async with self._threads.turn(member), self._files.taken(min(size_bytes, self._files.size)):
            with for_member(member):
                yield

    async def check(self, content: bytes, *, max_pixels: int) -> None:
        """Raise what `clean` would raise of an image that is too large, without waiting for anything."""
        with as_image_error():
            self._share_for(await self._cost(codec.clean_reference, content, max_pixels))

    async def inspect(self, path: Path, *, max_pixels: int) -> ImageInfo:
        """Type and size of a file that is whole."""
        return await self.run(codec.inspect, path, max_pixels=max_pixels, verify=True)

    async def clean(self, content: bytes, *, max_pixels: int) -> CleanedImage:
        """A reference without metadata, see `codec.clean_reference`."""
        return await self.run(codec.clean_reference, content, max_pixels=max_pixels)

    async def run(self, work: Callable[..., T], source: Source, *args: Any, **options: Any) -> T:
        """The result of a function of the codec: `work(source, *args, **options)`."""
        with as_image_error():
            cost = await self._cost(work, source, options.get("max_pixels", codec.DEFAULT_MAX_PIXELS))
            share, size_bytes = self._share_for(cost)
            async with self._own_turn(), share.budget.taken(size_bytes):
                if self._needs_process(cost):
                    async with share.processes:
                        return await self._in_process(cost.memory_bytes, work, source, *args, **options)
                async with self._decoding:
                    return await self._briefly(work, source, *args, **options)

    async def _cost(self, work: Callable[..., object], source: Source, max_pixels: int) -> Cost:
        return await self._briefly(codec.cost, source, max_pixels=max_pixels, work=work)

    def _share_for(self, cost: Cost) -> tuple[_Share, int]:
        """The share, and how many bytes are taken from it. Raises `Undecodable` for more than it has."""
        size_bytes = cost.memory_bytes + (OWN_BYTES if self._needs_process(cost) else 0)
        share = self._small if size_bytes <= _SMALL_MOST_BYTES else self._large
        if size_bytes > share.budget.size:
            sentence = _("The image needs {size} MB of memory to open. The limit is {limit} MB.")
            raise Undecodable(sentence.format(size=number(size_bytes / _MB, decimals=0), limit=number(share.budget.size / _MB, decimals=0)))
        return share, size_bytes

    def _own_turn(self) -> AbstractAsyncContextManager[None]:
        member = _member.get()
        return nullcontext() if member is None else self._turns.of(member)

    def _needs_process(self, cost: Cost) -> bool:
        return cost.is_fragile or cost.pixels > _THREAD_PIXELS or self._is_hung

    async def _briefly(self, work: Callable[..., T], /, *args: Any, **options: Any) -> T:
        """In a thread, which is given up if it does not end."""
        if self._is_hung:
            return await self._in_process(_SMALL_MOST_BYTES, work, *args, **options)
        try:
            return await self._threads.call(partial(work, *args, **options), limit_s=LIMIT_S)
        except TimeoutError as error:
            self._is_hung = True
            log.critical("decoder does not end", do="Restart the bot when it is convenient; images are decoded in processes until then.")
            raise Undecodable(_(TOO_SLOW)) from error

    async def _in_process(self, memory_bytes: int, work: Callable[..., T], /, *args: Any, **options: Any) -> T:
        process = DecoderProcess(memory_bytes=memory_bytes)
        running = asyncio.ensure_future(self._threads.call(partial(process.run, work, *args, **options)))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            process.end()
            await asyncio.wait([running])
            raise
