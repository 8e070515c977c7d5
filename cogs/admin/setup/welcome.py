"""When the bot has joined a server: one message with a button that opens setup, for its managers.

It goes to a channel of the server, because menus of channels and roles work only there: to the one for Discord's own messages to
moderators, else to the system channel. Who added the bot is not known: Discord says that only to bots with permissions that Easel does not
ask for. If Easel can write in neither, the owner is told by DM.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import discord
from discord.ext import commands

from bot.client.refusals import delivery_error
from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import RouteClosed, TryLater
from bot.core.i18n import _, pgettext
from bot.core.running import patience
from bot.domain.job import Job
from bot.domain.outbox import OutboxItem
from cogs.admin.setup.ids import START
from cogs.kit.outbound import Messageable
from cogs.kit.posting import Button, Draft, Poster
from cogs.kit.request import services_of
from cogs.kit.texts import quoted

if TYPE_CHECKING:
    from bot.client.easel import Easel


class Joined(commands.Cog):
    """Notes when the bot joined a guild. After a restart or an outage a guild is available again, and the time is the same."""

    def __init__(self, client: Easel) -> None:
        self._client = client

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._note(guild)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Joined while the bot was stopped, or long ago."""
        await self._note(guild)

    async def _note(self, guild: discord.Guild) -> None:
        own = guild.get_member(self._client.user.id) if self._client.user else None
        if own is not None and own.joined_at is not None:
            with patience.endless():  # Discord says it once
                await services_of(self._client).guilds.joined(guild.id, int(own.joined_at.timestamp() * 1000))


class WelcomePost:
    """The outbox's handler of the message. It raises discord.py's own errors; the caller translates them."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._poster = Poster(client, clock=clock)

    async def send(self, item: OutboxItem, _job: Job | None) -> None:
        guild = await self._client.whole_guild(item.data["guild_id"])
        if guild is None:
            return
        not_now: discord.HTTPException | None = None
        async for channel, draft in self._places(guild):
            try:
                await self._post(item, channel, draft)
            except (discord.Forbidden, discord.NotFound) as error:
                not_now = error if isinstance(delivery_error(error), TryLater) else not_now
                continue
            return
        raise not_now or RouteClosed("Nobody on this server can be told.")

    async def _post(self, item: OutboxItem, channel: Messageable, draft: Draft) -> None:
        was_tried, content = bool(item.attempts), draft.content
        await self._poster.once(channel, draft, nonce=item.id, was_tried=was_tried, is_same=lambda m: m.content == content)

    async def _places(self, guild: discord.Guild) -> AsyncIterator[tuple[Messageable, Draft]]:
        """Where managers may read it, the best first, each with its message."""
        for channel in (guild.public_updates_channel, guild.system_channel):
            permissions = None if channel is None else channel.permissions_for(guild.me)
            if channel is not None and permissions is not None and permissions.view_channel and permissions.send_messages:
                with i18n.speaking(str(guild.preferred_locale)):
                    draft = _in_channel(guild.name)
                yield self._client.get_partial_messageable(channel.id, guild_id=guild.id), draft
        if guild.owner_id is not None:
            preferences = await services_of(self._client).members.preferences(guild.owner_id)
            with i18n.speaking(preferences.locale or str(guild.preferred_locale)):
                draft = Draft(content=_to_owner(guild.name))
            yield await self._client.create_dm(discord.Object(guild.owner_id)), draft


def _in_channel(server: str) -> Draft:
    """Everyone there may read it: it shows no figures."""
    greeting = _("👋 Easel is now on {server}. Members can create images right away.").format(server=quoted(server))
    offer = _("Managers: set a budget, channels and rules in a minute. Only you see what you set.")
    start = Button(label=pgettext("button", "Set up Easel"), custom_id=START(from_="welcome"), emoji="⚙️", style=discord.ButtonStyle.primary)
    return Draft(content=f"{greeting}\n{offer}", buttons=(start,))


def _to_owner(server: str) -> str:
    sentence = _(
        "👋 Easel is now on {server}, and members can create images right away. Use `/imageadmin setup` there to set a budget, channels and"
        " rules in a minute."
    )
    return sentence.format(server=quoted(server))
