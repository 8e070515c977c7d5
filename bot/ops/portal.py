"""What Discord knows about the bot: its application, its commands, its servers, and what it may do there. Nothing is changed at Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
import discord
from discord import app_commands

from bot.client.easel import set_addresses
from bot.core.config import Settings
from bot.core.errors import EaselError

_LIMIT_S = 15.0  # for one request, or the few that belong together
_AUTHORIZE = "https://discord.com/oauth2/authorize"

# The permissions that the bot asks for, and what happens without each. Answers to commands need none of them; posts that come
# more than 15 minutes later or after a restart do.
PERMISSIONS: Mapping[str, str] = {
    "view_channel": "without View Channels, images that take over 15 minutes are sent by DM",
    "send_messages": "without Send Messages, an image is sent by DM if its message was deleted",
    "send_messages_in_threads": "without Send Messages in Threads, the same happens in threads",
    "attach_files": "without Attach Files, images that take over 15 minutes can't be attached",
    "read_message_history": (
        "without Read Message History, reactions to images do nothing, and an image may be posted twice after a lost connection"
    ),
    "manage_messages": "without Manage Messages, a flag (🚩) stays on its image, where the author can see who flagged it",
    "add_reactions": "without Add Reactions, a request by reaction is not acknowledged",
}
NEEDED = discord.Permissions(**dict.fromkeys(PERMISSIONS, True))


@dataclass(frozen=True, kw_only=True)
class GuildReport:
    """What the bot may not do in one server."""

    name: str
    missing: tuple[str, ...]  # of `PERMISSIONS`: what the bot's roles do not allow
    restricted_channels: tuple[str, ...]  # names of text channels where one of them is missing


class Portal:
    """Discord's REST API with the bot's token. Every method raises `EaselError` with a sentence for the operator."""

    def __init__(self, client: discord.AutoShardedClient, errors: _Errors) -> None:
        assert client.user is not None and client.application is not None, "it is logged in"  # noqa: S101, PT018 - for the type checker
        self._client = client
        self._errors = errors
        self.user = client.user
        self.application = client.application

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Log in, without a connection to the gateway."""
        set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
        errors = _Errors(place="Discord at DISCORD_API_URL" if settings.is_given("DISCORD_API_URL") else "Discord")
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(errors.refuse)
        trace.on_request_redirect.append(errors.refuse)
        # A sharded client, because only that one has `fetch_session_start_limits`. discord.py warns of a client without this intent.
        async with discord.AutoShardedClient(intents=discord.Intents(guilds=True), http_trace=trace) as client:
            async with errors.as_sentences():
                await client.login(settings.discord_token.get_secret_value())
            yield cls(client, errors)

    async def session_starts(self) -> discord.SessionStartLimits:
        async with self._errors.as_sentences():
            return await self._client.fetch_session_start_limits()

    async def commands(self) -> list[app_commands.AppCommand]:
        """The commands that are registered for every server."""
        async with self._errors.as_sentences():
            return await app_commands.CommandTree(self._client).fetch_commands()

    async def guild_ids(self) -> list[int]:
        """The servers that the bot is in; the first 200."""
        async with self._errors.as_sentences():
            return [guild.id async for guild in self._client.fetch_guilds(with_counts=False)]

    async def report(self, guild_id: int) -> GuildReport:
        async with self._errors.as_sentences():
            guild = await self._client.fetch_guild(guild_id, with_counts=False)
            member = await guild.fetch_member(self.user.id)
            try:
                channels = await guild.fetch_channels()
            except discord.InvalidData:  # a type of channel that discord.py does not know yet: report on the roles alone
                channels = []
            return GuildReport(
                name=guild.name,
                missing=tuple(name for name in PERMISSIONS if not getattr(member.guild_permissions, name)),
                restricted_channels=tuple(
                    channel.name
                    for channel in channels
                    if isinstance(channel, discord.TextChannel) and not channel.permissions_for(member) >= NEEDED
                ),
            )


@dataclass(frozen=True, kw_only=True)
class _Errors:
    """Raises every failure as an `EaselError` with a sentence for the operator."""

    place: str  # Discord, and the setting of its address if the operator set one

    @asynccontextmanager
    async def as_sentences(self) -> AsyncIterator[None]:
        """Limit the time too."""
        try:
            async with asyncio.timeout(_LIMIT_S):
                yield
        except TimeoutError:
            raise EaselError(f"{self.place} does not answer within {_LIMIT_S:g} s; {self._remedy()}.") from None
        except (aiohttp.ClientError, OSError):
            raise EaselError(f"{self.place} does not answer; {self._remedy()}.") from None
        except (discord.DiscordException, AttributeError, LookupError, TypeError, ValueError):  # an answer of another shape
            raise EaselError(f"{self.place} answered something that cannot be read; {self._remedy()}.") from None

    def _remedy(self) -> str:
        if self.place != "Discord":
            return "check that address"
        return "check this machine's internet connection and DNS, and discordstatus.com"

    async def refuse(self, _: Any, __: Any, params: aiohttp.TraceRequestEndParams | aiohttp.TraceRequestRedirectParams) -> None:
        """Raise at once for every status that is no success. discord.py itself would sleep and repeat the request after a 429 or a 5xx."""
        status = params.response.status
        if status == 401:
            raise EaselError("Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application.")
        if status == 429:
            raise EaselError("Discord limits the bot's requests (status 429); try again in a minute.")
        if status >= 300:
            raise EaselError(f"{self.place} refused the request (status {status}); try again later.")


async def invitation(settings: Settings) -> str:
    """The links that add this bot to a server or to an account, as text for the terminal. Raises `EaselError`."""
    async with Portal.open(settings) as portal:
        application = portal.application
    server = {"client_id": application.id, "integration_type": 0, "scope": "bot applications.commands", "permissions": NEEDED.value}
    account = {"client_id": application.id, "integration_type": 1, "scope": "applications.commands"}
    lines = [
        f"Add {application.name} to a server that you manage:",
        f"  {_AUTHORIZE}?{urlencode(server)}",
        "Or to your own account, to use it anywhere:",
        f"  {_AUTHORIZE}?{urlencode(account)}",
    ]
    if application.user_integration_config is None:
        lines.append("  (first turn on User Install at the Installation page of your application)")
    if not application.bot_public:
        lines.append("The application is not public, so only its owner can use these links.")
    return "\n".join(lines)
