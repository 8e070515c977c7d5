"""What is read often and may be changed by other processes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedCache(Generic[K, V]):
    """The values that were used last, at most `most`. What was read before a change elsewhere became known is not kept."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._changes = 0  # elsewhere

    async def get(self, key: K, read: Callable[[], Awaitable[V]]) -> V:
        """The value, from `read` if it is not known."""
        if key not in self._values:
            changes = self._changes
            value = await read()
            if key not in self._values:  # else it was changed here during the read
                if changes == self._changes:
                    self.keep(key, value)
                return value
        self._values.move_to_end(key)
        return self._values[key]

    def keep(self, key: K, value: V) -> None:
        """A value that was written here."""
        self._values[key] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self, key: K | None) -> None:
        """Another process has changed this value; None: any."""
        self._changes += 1
        if key is None:
            self._values.clear()
        else:
            self._values.pop(key, None)
