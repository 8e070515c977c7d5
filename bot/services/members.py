"""Members' preferences, consent, and the tray of references."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.running import patience
from bot.core.running.keyed_locks import KeyedLocks
from bot.core.running.shared_cache import SharedCache
from bot.domain import permissions
from bot.domain.admission import check_consent, check_saving
from bot.domain.order import TrayItem
from bot.domain.permissions import Target
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.store import documents, tray
from bot.store.engine.base import Store, Topic
from bot.store.moderation import conduct

TRAY_MAX = 4  # images: as many as /edit takes
_CACHED_MAX = 10_000  # members

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Members:
    """Every method is one transaction at most.

    Every command and every keystroke of autocomplete needs the member's preferences, so they are cached, as `Guilds` caches settings.
    """

    store: Store
    clock: Clock
    _known: SharedCache[int, Preferences] = field(init=False, repr=False, default_factory=partial(SharedCache, most=_CACHED_MAX))
    _private: set[int] = field(init=False, repr=False, default_factory=set)  # all members who chose private answers
    _erasures: Counter[int] = field(init=False, repr=False, default_factory=Counter)  # by member
    _reloading: list[asyncio.Task[None]] = field(init=False, repr=False, default_factory=list)
    _changing: KeyedLocks = field(init=False, repr=False, default_factory=KeyedLocks)  # keeps the cache in the order of the writes

    def __post_init__(self) -> None:
        self.store.when_changed_elsewhere(Topic.PREFERENCES, self._changed_elsewhere)

    async def load(self) -> None:
        """Read who chose private answers. Call this before the first interaction."""
        self._private.update(await self.store.read(documents.private_members))

    def chose_private(self, user_id: int) -> bool:
        """Whether the member chose private answers. It reads nothing: an answer must be deferred privately while the store is slow."""
        return user_id in self._private

    async def preferences(self, user_id: int) -> Preferences:
        """The member's preferences; the defaults if they never changed any."""
        return await self._known.get(user_id, lambda: self.store.read(documents.preferences, user_id))

    async def change(self, user_id: int, change: Callable[[Preferences], Preferences]) -> Preferences:
        """Replace the member's preferences by `change` of them. If `change` raises a `Refusal`, nothing is changed."""
        async with self._changing.of(user_id):
            changed = await self.store.write(documents.change_preferences, user_id, change, self.clock())
            self._keep(user_id, changed)
        return changed

    async def erase(self, user_id: int, erasing: Awaitable[T]) -> T:
        """Wait for a write that deletes the member's preferences."""
        async with self._changing.of(user_id):
            self._erasures[user_id] += 1
            erased = await erasing
            self._keep(user_id, Preferences())
        return erased

    def erasures(self, user_id: int) -> int:
        """How often the member was erased in this run. If it changes while something is prepared, that must not be stored any more."""
        return self._erasures[user_id]

    async def check_consent(self, request: Request, owner_id: int) -> None:
        """Raises `NotAllowed` if the owner does not let the actor edit their images."""
        if not permissions.is_owner(request, Target(owner_id=owner_id)):
            check_consent(request, {owner_id: await self.preferences(owner_id)})

    def _changed_elsewhere(self, key: str | None) -> None:
        """Another process has changed or erased a member's preferences."""
        if key is None:
            self._known.forget(None)
            self._reloading.append(asyncio.create_task(self._reload(), name="preferences"))
            return
        user_id, _, how = key.partition(":")
        self._known.forget(int(user_id))
        self._private.discard(int(user_id))
        if how == documents.PRIVATE:
            self._private.add(int(user_id))
        self._erasures[int(user_id)] += how == documents.ERASED

    async def _reload(self) -> None:
        with patience.endless():
            await self.load()
        self._reloading.clear()

    def _keep(self, user_id: int, preferences: Preferences) -> None:
        self._known.keep(user_id, preferences)
        if preferences.private:
            self._private.add(user_id)
        else:
            self._private.discard(user_id)

    # --- the tray --------------------------------------------------------------------------------------------------

    async def check_tray(self, request: Request) -> int:
        """How many images the tray holds, before more are fetched. Raises a `Refusal` if none may be added."""
        return await self.store.read(_check_tray, request, self.clock())

    async def add_to_tray(self, user_id: int, item: TrayItem) -> int:
        """Save a reference for the member's next edit; returns how many the tray has now. Raises `InvalidRequest` if it is full."""
        return await self.store.write(tray.add, user_id, item, limit=TRAY_MAX, now=self.clock())

    async def clear_tray(self, user_id: int) -> int:
        """Empty the member's tray; returns how many images it had."""
        return await self.store.write(tray.clear, user_id)


def _check_tray(conn: Connection, request: Request, now: int) -> int:
    check_saving(request, conduct.blocked(conn, request.guild_id, request.actor.user_id, now), now=now)
    return tray.check_space(conn, request.actor.user_id, limit=TRAY_MAX)
