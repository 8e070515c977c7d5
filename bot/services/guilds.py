"""A guild's settings, which its managers change."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial

from bot.core.clock import Clock
from bot.core.errors import InvalidRequest, NotFound, Refusal
from bot.core.i18n import _
from bot.core.markdown import escaped
from bot.core.running.shared_cache import SharedCache
from bot.core.settings.field_types import ManagersMay
from bot.domain.catalog.options import folded
from bot.domain.gestures import check_meanings, is_reserved, taken
from bot.domain.guild import allotment
from bot.domain.guild.document import Policy, write_file
from bot.domain.guild.emoji import normalized_emoji
from bot.domain.guild.fields import DAY_MS
from bot.domain.guild.ids import without
from bot.domain.guild.settings import PRESETS_MAX, STARTING_PRESETS, GuildSettings, Preset
from bot.domain.request import Request
from bot.store import documents
from bot.store.engine.base import Store, Topic

_NO_GUILD = GuildSettings()  # in direct messages
_CACHED_MAX = 50_000  # guilds: more than a process has


class Outdated(Refusal):
    """The settings were changed by somebody else in the meantime."""


def fingerprint(policy: Policy) -> str:
    """A hash of the rules (SHA-256, hexadecimal), to detect changes."""
    return hashlib.sha256(write_file(policy)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Guilds:
    """Reads and changes guild settings.

    They are read with every reaction, so they are cached, and forgotten when another process announces that it has changed them. A value is
    cached only after it was written.
    """

    store: Store
    clock: Clock
    served: frozenset[int] | None = None  # the guilds that the bot works in; None: all
    managers_may: frozenset[ManagersMay] = frozenset(ManagersMay)
    _known: SharedCache[int, GuildSettings] = field(init=False, repr=False, default_factory=partial(SharedCache, most=_CACHED_MAX))
    _changing: asyncio.Lock = field(init=False, repr=False, default_factory=asyncio.Lock)  # keeps the cache in the order of the writes

    def __post_init__(self) -> None:
        self.store.when_changed_elsewhere(Topic.GUILD_SETTINGS, self._changed_elsewhere)

    def serves(self, guild_id: int | None) -> bool:
        """Whether the bot works in this guild; always in direct messages."""
        return guild_id is None or self.served is None or guild_id in self.served

    async def settings(self, guild_id: int | None) -> GuildSettings:
        """The guild's settings; the defaults if they were never changed, and in direct messages (`None`)."""
        if guild_id is None:
            return _NO_GUILD
        return await self._known.get(guild_id, partial(self._read, guild_id))

    async def _read(self, guild_id: int) -> GuildSettings:
        return self._allotted(await self.store.read(documents.guild_settings, guild_id))

    def _changed_elsewhere(self, guild_id: str | None) -> None:
        self._known.forget(None if guild_id is None else int(guild_id))

    async def change(self, guild_id: int, change: Callable[[GuildSettings], GuildSettings], *, actor_id: int | None) -> GuildSettings:
        """Replace the guild's settings by `change` of them, and write an audit log entry for `actor_id`.

        If `change` raises a `Refusal`, nothing is changed. `change` may be called more than once, so it must have no side effects.
        """
        async with self._changing:
            allowed = partial(self._changed, change)
            changed = await self.store.write(documents.change_guild_settings, guild_id, allowed, self.clock(), actor_id=actor_id)
            self._known.keep(guild_id, changed)
        return changed

    async def change_policy(self, guild_id: int, change: Callable[[Policy], Policy], *, actor_id: int | None) -> GuildSettings:
        """Like `change`, for the rules only."""

        def changed(settings: GuildSettings) -> GuildSettings:
            return settings.model_copy(update={"policy": change(settings.policy)})

        return await self.change(guild_id, changed, actor_id=actor_id)

    async def mark_gone(self, guild_id: int, deleted: Collection[int]) -> None:
        """Remember which of these deleted channels and roles the settings name. The managers are told once of each."""
        settings = await self.settings(guild_id)
        if all(each.id in settings.gone for each in settings.gone_in_policy(deleted)):
            return
        async with self._changing:
            kept = await self.store.write(documents.mark_gone, guild_id, deleted, self.clock())
            self._known.keep(guild_id, self._allotted(kept))

    async def remove_gone(self, guild_id: int, unwanted: Collection[int], *, actor_id: int | None) -> GuildSettings:
        """Remove these deleted channels and roles from the rules."""

        def without_them(settings: GuildSettings) -> GuildSettings:
            found = settings.gone_in_policy(settings.gone.intersection(unwanted))
            return settings.model_copy(update={"policy": without(settings.policy, found)})

        return await self.change(guild_id, without_them, actor_id=actor_id)

    async def joined(self, guild_id: int, joined_at: int) -> None:
        """The bot is a member of a guild since `joined_at` (Unix ms). If that is new, its managers are offered setup, once."""
        now = self.clock()
        if self.serves(guild_id) and now - joined_at < DAY_MS:
            await self.store.write(documents.welcome, guild_id, joined_at, now)

    async def replace_policy(self, guild_id: int, policy: Policy, *, instead_of: str, actor_id: int | None) -> GuildSettings:
        """Replace the rules. Raises `Outdated` if the `fingerprint` of the current ones is not `instead_of`."""

        def replaced(now: Policy) -> Policy:
            if fingerprint(now) != instead_of:
                raise Outdated(_("The settings changed in the meantime. Check the preview again before you apply the file."))
            return policy

        return await self.change_policy(guild_id, replaced, actor_id=actor_id)

    # --- presets ---------------------------------------------------------------------------------------------------

    async def add_preset(self, request: Request, preset: Preset) -> GuildSettings:
        """Add a preset, or replace the one with the same emoji. Raises `InvalidRequest` if the emoji is taken or there are too many."""
        if is_reserved(preset.emoji):
            raise taken(preset.emoji)
        return await self._change(request, lambda settings: _with(settings, preset))

    async def remove_preset(self, request: Request, wanted: str) -> Preset:
        """Remove and return a preset, by emoji or name. Raises `NotFound`."""
        removed: list[Preset] = []

        def without(settings: GuildSettings) -> GuildSettings:
            removed[:] = [preset for preset in settings.presets if _is_meant(preset, wanted)][:1]
            if not removed:
                raise NotFound(_("There's no preset called {name}. Use /presets list to see them.").format(name=escaped(wanted)))
            return settings.model_copy(update={"presets": tuple(preset for preset in settings.presets if preset != removed[0])})

        await self._change(request, without)
        return removed[0]

    async def reset_presets(self, request: Request) -> GuildSettings:
        """Restore the initial presets."""
        return await self._change(request, lambda settings: settings.model_copy(update={"presets": STARTING_PRESETS}))

    def _changed(self, change: Callable[[GuildSettings], GuildSettings], settings: GuildSettings) -> GuildSettings:
        before = self._allotted(settings)
        changed = change(before)
        allotment.check(changed.policy, self.managers_may)
        check_meanings(before, changed)
        still_named = {each.id for each in changed.gone_in_policy(changed.gone)}
        return changed.model_copy(update={"gone": frozenset(still_named)})

    def _allotted(self, settings: GuildSettings) -> GuildSettings:
        return settings.model_copy(update={"policy": allotment.allotted(settings.policy, self.managers_may)})

    async def _change(self, request: Request, change: Callable[[GuildSettings], GuildSettings]) -> GuildSettings:
        return await self.change(request.required_guild_id, change, actor_id=request.actor.user_id)


def _with(settings: GuildSettings, preset: Preset) -> GuildSettings:
    others = tuple(each for each in settings.presets if normalized_emoji(each.emoji) != normalized_emoji(preset.emoji))
    if len(others) >= PRESETS_MAX:
        raise InvalidRequest(_("This server already has {most} presets, which is the limit. Remove one first.").format(most=PRESETS_MAX))
    return settings.model_copy(update={"presets": (*others, preset)})


def _is_meant(preset: Preset, wanted: str) -> bool:
    """By its emoji, its name, or both, as Discord writes them when a member types what autocomplete showed."""
    is_emoji = normalized_emoji(preset.emoji) == normalized_emoji(wanted)
    return is_emoji or folded(wanted) in (folded(preset.name), folded(f"{preset.emoji} {preset.name}"))
