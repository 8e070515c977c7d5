"""What a server's managers choose for everybody in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.clock import Clock
from bot.core.errors import InvalidRequest, NotFound, Refusal
from bot.core.i18n import _
from bot.domain.gestures import is_reserved, normalized_emoji
from bot.domain.guild.document import Policy, write_file
from bot.domain.guild.settings import PRESETS_MAX, STARTING_PRESETS, GuildSettings, Preset
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.store import documents
from bot.store.engine.base import Store

_NO_GUILD = GuildSettings()  # what holds in direct messages


class Outdated(Refusal):
    """Somebody else was faster."""


def fingerprint(policy: Policy) -> str:
    """Tells rules from others."""
    return hashlib.sha256(write_file(policy)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Guilds:
    """Reads and changes the choices of servers.

    They are asked for with every reaction in a server, so what was last read or written is remembered; this is the only process that
    has the store open, and the store decides: what it did not take is not remembered.
    """

    store: Store
    clock: Clock
    _known: dict[int, GuildSettings] = field(init=False, repr=False, default_factory=dict)  # by guild; as many as the bot is in
    _changing: asyncio.Lock = field(init=False, repr=False, default_factory=asyncio.Lock)  # what is remembered keeps the writes' order

    async def settings(self, guild_id: int | None) -> GuildSettings:
        """What the server's managers chose; the defaults where they never did, and in direct messages (`None`)."""
        if guild_id is None:
            return _NO_GUILD
        if guild_id not in self._known:
            kept = await self.store.read(documents.guild_settings, guild_id)
            # What was written while this was read is newer.
            self._known.setdefault(guild_id, kept)
        return self._known[guild_id]

    async def settings_and_preferences(self, guild_id: int | None, user_id: int) -> tuple[GuildSettings, Preferences]:
        """What the server's managers and what a member chose, in one read; where the settings are remembered, of the member's alone."""
        if guild_id is None or guild_id in self._known:
            return await self.settings(guild_id), await self.store.read(documents.preferences, user_id)
        kept, chosen = await self.store.read(documents.settings_and_preferences, guild_id, user_id)
        return self._known.setdefault(guild_id, kept), chosen

    async def change(self, guild_id: int, change: Callable[[GuildSettings], GuildSettings], *, actor_id: int | None) -> GuildSettings:
        """Put `change` of the server's settings in their place, and tell the audit log what `actor_id` changed.

        A `Refusal` that it raises leaves them as they are. It may be called more than once, so it has no other effect.
        """
        async with self._changing:
            changed = await self.store.write(documents.change_guild_settings, guild_id, change, self.clock(), actor_id=actor_id)
            self._known[guild_id] = changed
        return changed

    async def change_policy(self, guild_id: int, change: Callable[[Policy], Policy], *, actor_id: int | None) -> GuildSettings:
        """As `change`, of the rules alone."""

        def changed(settings: GuildSettings) -> GuildSettings:
            return settings.model_copy(update={"policy": change(settings.policy)})

        return await self.change(guild_id, changed, actor_id=actor_id)

    async def replace_policy(self, guild_id: int, policy: Policy, *, instead_of: str, actor_id: int | None) -> GuildSettings:
        """Put other rules in place of those whose `fingerprint` is `instead_of`. Raise `Outdated` where they are not those any more."""

        def replaced(now: Policy) -> Policy:
            if fingerprint(now) != instead_of:
                raise Outdated(_("The settings have changed in the meantime; look once more at what this file would change."))
            return policy

        return await self.change_policy(guild_id, replaced, actor_id=actor_id)

    # --- presets ---------------------------------------------------------------------------------------------------

    async def add_preset(self, request: Request, preset: Preset) -> GuildSettings:
        """Add a preset, in place of the one that this emoji ran before. Raise `InvalidRequest` where it cannot be had."""
        if is_reserved(preset.emoji):
            raise InvalidRequest(_("emoji: {emoji} has a meaning of its own here; choose another.").format(emoji=preset.emoji))
        return await self._change(request, lambda settings: _with(settings, preset))

    async def remove_preset(self, request: Request, wanted: str) -> Preset:
        """Take a preset away by its emoji or its name; which one it was. Raise `NotFound`."""
        removed: list[Preset] = []

        def without(settings: GuildSettings) -> GuildSettings:
            removed[:] = [preset for preset in settings.presets if _is_meant(preset, wanted)][:1]
            if not removed:
                raise NotFound(_("There is no preset {name} here; /presets list shows them.").format(name=wanted))
            return settings.model_copy(update={"presets": tuple(preset for preset in settings.presets if preset != removed[0])})

        await self._change(request, without)
        return removed[0]

    async def reset_presets(self, request: Request) -> GuildSettings:
        """Back to the set that a server begins with."""
        return await self._change(request, lambda settings: settings.model_copy(update={"presets": STARTING_PRESETS}))

    async def _change(self, request: Request, change: Callable[[GuildSettings], GuildSettings]) -> GuildSettings:
        return await self.change(request.required_guild_id, change, actor_id=request.actor.user_id)


def _with(settings: GuildSettings, preset: Preset) -> GuildSettings:
    others = tuple(each for each in settings.presets if normalized_emoji(each.emoji) != normalized_emoji(preset.emoji))
    if len(others) >= PRESETS_MAX:
        raise InvalidRequest(_("A server has at most {most} presets. Remove one first.").format(most=PRESETS_MAX))
    return settings.model_copy(update={"presets": (*others, preset)})


def _is_meant(preset: Preset, wanted: str) -> bool:
    return normalized_emoji(preset.emoji) == normalized_emoji(wanted) or preset.name.casefold() == wanted.strip().casefold()
