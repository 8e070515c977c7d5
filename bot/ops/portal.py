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

from bot.client import set_addresses
from bot.core.config import Settings
from bot.core.errors import EaselError

_LIMIT_S = 15.0  # for one request, or the few that belong together
_AUTHORIZE = "https://discord.com/oauth2/authorize"

# The permissions that the bot asks for, and what happens without each. Answers to commands need none of them; posts that come
# more than 15 minutes later or after a restart do.
PERMISSIONS: Mapping[str, str] = {
    "view_channel": "without View Channels images that take over 15 minutes go to direct messages",
    "send_messages": "without Send Messages the image goes to direct messages where the waiting message was deleted",
    "send_messages_in_threads": "without Send Messages in Threads the same happens in threads",
    "attach_files": "without Attach Files images that take over 15 minutes cannot be attached there",
    "read_message_history": (
        "without Read Message History reactions to images do nothing, and a post whose answer was lost may appear twice"
    ),
    "add_reactions": "without Add Reactions a request by reaction is not acknowledged",
}
NEEDED = discord.Permissions(**dict.fromkeys(PERMISSIONS, True))


@dataclass(frozen=True, kw_only=True)
class GuildReport:
    """What the bot may not do in one server."""

    name: str
    missing: tuple[str, ...]  # of `PERMISSIONS`: what the bot's roles do not allow
    restricted_channels: tuple[str, ...]  # names of text channels where one of them is missing


@asynccontextmanager
async def _errors_as_sentences() -> AsyncIterator[None]:
    """Limit the time, and raise every failure as an `EaselError` with a sentence for the operator."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            yield
    except (aiohttp.ClientError, OSError) as error:  # a timeout too
        raise EaselError(f"Discord at DISCORD_API_URL does not answer ({type(error).__name__}).") from None
    except (discord.DiscordException, AttributeError, LookupError, TypeError, ValueError):  # an answer of another shape
        raise EaselError("Discord at DISCORD_API_URL answered something that cannot be read.") from None


class Portal:
    """Discord's REST API with the bot's token. Every method raises `EaselError` with a sentence for the operator."""

    def __init__(self, client: discord.AutoShardedClient) -> None:
        assert client.user is not None and client.application is not None, "it is logged in"  # noqa: S101, PT018 - for the type checker
        self._client = client
        self.user = client.user
        self.application = client.application

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """Log in, without a connection to the gateway."""
        set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(_refuse)
        trace.on_request_redirect.append(_refuse)
        # A sharded client, because only that one has `fetch_session_start_limits`.
        async with discord.AutoShardedClient(intents=discord.Intents.none(), http_trace=trace) as client:
            async with _errors_as_sentences():
                await client.login(settings.discord_token.get_secret_value())
            yield cls(client)

    @_errors_as_sentences()
    async def session_starts(self) -> discord.SessionStartLimits:
        return await self._client.fetch_session_start_limits()

    @_errors_as_sentences()
    async def commands(self) -> list[app_commands.AppCommand]:
        """The commands that are registered for every server."""
        return await app_commands.CommandTree(self._client).fetch_commands()

    @_errors_as_sentences()
    async def guild_ids(self) -> list[int]:
        """The servers that the bot is in; the first 200."""
        return [guild.id async for guild in self._client.fetch_guilds(with_counts=False)]

    @_errors_as_sentences()
    async def report(self, guild_id: int) -> GuildReport:
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


async def _refuse(_: Any, __: Any, params: aiohttp.TraceRequestEndParams | aiohttp.TraceRequestRedirectParams) -> None:
    """Raise at once for every status that is no success. discord.py itself would sleep and repeat the request after a 429 or a 5xx."""
    status = params.response.status
    if status == 401:
        raise EaselError("Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application.")
    if status == 429:
        raise EaselError("Discord limits the bot's requests (status 429); try again in a minute.")
    if status >= 300:
        raise EaselError(f"Discord at DISCORD_API_URL refused the request (status {status}).")


async def invitation(settings: Settings) -> str:
    """The addresses that add this bot to a server or to an account, as text for the terminal. Raises `EaselError`."""
    async with Portal.open(settings) as portal:
        application = portal.application
    server = {"client_id": application.id, "integration_type": 0, "scope": "bot applications.commands", "permissions": NEEDED.value}
    account = {"client_id": application.id, "integration_type": 1, "scope": "applications.commands"}
    lines = [
        f"Add {application.name} to a server that you may manage:",
        f"  {_AUTHORIZE}?{urlencode(server)}",
        "Or to your own account, to use it anywhere:",
        f"  {_AUTHORIZE}?{urlencode(account)}",
    ]
    if application.user_integration_config is None:
        lines.append("  (first switch on User Install at the Installation page of your application)")
    if not application.bot_public:
        lines.append("The application is not public, so only its owner can use these addresses.")
    return "\n".join(lines)
