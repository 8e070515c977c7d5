"""The interactions that Discord delivered lately. It delivers some twice, moments apart or to the next run of the bot."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

KEPT_MAX: Final = 10_000


class Deliveries:
    """The last keys of requests (`bot.domain.request`)."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()

    def note(self, keys: Iterable[str]) -> None:
        """Note those that an earlier run has carried out."""
        for key in keys:
            self.is_new(key)

    def is_new(self, key: str) -> bool:
        """Whether the request with this key was not delivered before. Notes it."""
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > KEPT_MAX:
            self._keys.popitem(last=False)
        return True
