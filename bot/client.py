"""The Discord client: where Discord is, what it is asked for, and how its events reach what it was loaded with."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.state import ConnectionState

from bot.core import i18n
from bot.core.clock import Clock
from bot.core.errors import StartError
from bot.store import kv
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_CLOSING_S = 5.0
_BEGUN = ("discord.py: ", "CommandTree-invoker")  # the names of the library's tasks for what was heard
_ROUTED = (discord.InteractionType.component.value, discord.InteractionType.modal_submit.value)
_KEEPSAKE = "commands"


def point_at(*, api_url: str, gateway_url: str) -> None:
    """Tell discord.py where Discord is. Its addresses are the library's own globals: one Discord for each process."""
    Route.BASE = api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


# Easel has no voice; without this the library warns about the packages that it would need for one.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


def intents(*, message_content: bool = False) -> discord.Intents:
    """Interactions bring everything that commands, menus and buttons need, and reactions are not privileged either.

    `message_content` is: what other people post is shown to those alone whom Discord's portal, and the operator, allow it.
    """
    return discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True, message_content=message_content)


class EventState(ConnectionState[Any]):
    """What Discord tells. Whatever follows from an interaction is said in the language of whoever began it.

    One task is started for each command, suggestion, press, choice and form. All begin here, and a task inherits the language.
    """

    def parse_interaction_create(self, data: Any) -> None:
        """Commands and suggestions go the library's way; presses, choices and forms go to the router alone, as the event `press`."""
        with i18n.speaking(data.get("locale")):
            if data["type"] in _ROUTED:
                self.dispatch("press", discord.Interaction(data=data, state=self))
            else:
                super().parse_interaction_create(data)

    def store_view(self, view: Any, message_id: int | None = None) -> None:
        """Nothing is stored: the router needs no view to handle a press, in this run or the next."""


class Easel(commands.Bot):
    """The client. It knows no cog and no service: `load` gives it what members touch, and it carries the services for that."""

    services: Any  # `bot.services.services.Services`, handed in before it starts

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        load: Callable[[Easel], Awaitable[None]],
        tree_cls: type[app_commands.CommandTree[Any]],
        message_content: bool = False,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=tree_cls,
            intents=intents(message_content=message_content),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        self._store = store
        self._clock = clock
        self._load = load
        self.has_registered = False  # its commands, in this run

    async def setup_hook(self) -> None:
        """Everything is ready before the first event: `on_ready` would come seconds after the first command."""
        await asyncio.to_thread(i18n.load)
        await self._load(self)
        await self.sync_commands(always=False)

    async def enter(self, token: str) -> None:
        """Introduce the bot to Discord and register changed commands. Raise `StartError`."""
        try:
            await self.login(token)
        except discord.LoginFailure:
            raise StartError("DISCORD_TOKEN is refused by Discord; copy it anew from the Bot page of your application.") from None
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise StartError(f"Discord at DISCORD_API_URL does not answer as it should ({type(error).__name__}).") from error

    async def stay(self) -> None:
        """Hold the gateway's connection until `close`. Raise `StartError` where Discord refuses it."""
        try:
            await self.connect(reconnect=True)
        except discord.PrivilegedIntentsRequired:
            raise StartError(
                "Discord refuses the message content intent; switch it on at the Bot page of your application, or set"
                " MESSAGE_CONTENT_INTENT to false."
            ) from None

    async def sync_commands(self, *, always: bool) -> bool:
        """Register the commands with Discord, if they changed since the last time; whether that was done."""
        translator = self.tree.translator
        assert translator is not None, "load sets one"  # noqa: S101
        assert self.application_id is not None, "login asks for it"  # noqa: S101
        described = [await command.get_translated_payload(self.tree, translator) for command in self.tree.get_commands()]
        fingerprint = hashlib.sha256(json.dumps([self.application_id, described], sort_keys=True).encode()).hexdigest()
        if not always and await self._store.read(kv.get, _KEEPSAKE) == fingerprint:
            return False
        await self.http.bulk_upsert_global_commands(self.application_id, payload=described)
        await self._store.write(kv.put, _KEEPSAKE, fingerprint, self._clock())
        self.has_registered = True
        log.info("commands registered", count=len(described))
        return True

    def _get_state(self, **options: Any) -> ConnectionState[Any]:
        return EventState(dispatch=self.dispatch, handlers=self._handlers, hooks=self._hooks, http=self.http, **options)

    async def finish_events(self) -> None:
        """Let what was begun end: the library starts a task for each event, command and press, also for the last ones, and forgets it."""
        events = [task for task in asyncio.all_tasks() if task.get_name().startswith(_BEGUN)]
        if events:
            await asyncio.wait(events, timeout=_CLOSING_S)

    async def on_connect(self) -> None:
        log.info("connected", user=str(self.user))

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("event failed", on=event_method)
