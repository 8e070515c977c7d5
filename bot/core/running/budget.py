"""A budget of bytes, such as memory or disk space, that work takes a share of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """Bytes, which are given in the order of the requests."""

    def __init__(self, size: int) -> None:
        self.size = self._free = size
        self._turn = asyncio.Lock()
        self._returned = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait for so many bytes, and have them within the block. Raises `ValueError` for more than there are."""
        if size > self.size:
            raise ValueError(f"{size} bytes of {self.size}")
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
