"""The Discord client: Discord's addresses, intents, command registration, and the dispatch of interactions."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Hashable
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

from bot.client import fallbacks
from bot.client.refusals import delivery_error
from bot.client.requests import Requests
from bot.core import commands as commands_shown
from bot.core import i18n, markdown
from bot.core.clock import Clock
from bot.core.errors import EaselError, StartError, TryLater
from bot.core.metrics import GATEWAY_EVENTS, GATEWAY_LATENCY, GATEWAY_UP
from bot.core.running.supervision import Trouble, resting
from bot.store import kv
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_HANDLERS = 4  # of interactions, at a time: the more of them, the longer a new interaction waits for its acknowledgement
_CLOSING_S = 2.0
_RECONNECTING_MS = 60_000
_LOST = "the connection to Discord is lost"
_REFUSED_TOKEN = 4004  # the gateway's close code
_TOKEN_REFUSED = "Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application."  # noqa: S105
_EVENT_TASKS = ("discord.py: ", "CommandTree-invoker")  # how discord.py names the tasks that it starts for events
_COMPONENTS_AND_FORMS = (discord.InteractionType.component.value, discord.InteractionType.modal_submit.value)
_REGISTERED = "commands"  # key in the key-value table: what was registered, and the ids that Discord gave it


def set_addresses(*, api_url: str, gateway_url: str) -> None:
    """Set Discord's addresses. They are global variables of discord.py, so they hold for the whole process."""
    Route.BASE = api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


# Easel does not use voice; without this discord.py warns about missing voice packages.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False
fallbacks.install()


def intents(*, message_content: bool = False) -> discord.Intents:
    """The gateway intents. Only `message_content` is privileged: it must also be turned on at the application's Bot page."""
    return discord.Intents(guilds=True, guild_reactions=True, dm_reactions=True, message_content=message_content)


class LocalizedState(ConnectionState[Any]):
    """Handles each interaction in the member's language: the tasks that discord.py starts here inherit it."""

    def __init__(self, *, requests: Requests, **options: Any) -> None:
        super().__init__(**options)
        self._requests = requests

    def parse_interaction_create(self, data: Any) -> None:
        """Dispatch components and forms as the event `press`, for the router; leave commands and autocomplete to discord.py."""
        self._requests.arrived(data["id"])
        with i18n.speaking(data.get("locale")), markdown.quoting():
            if data["type"] in _COMPONENTS_AND_FORMS:
                self.dispatch("press", discord.Interaction(data=data, state=self))
            else:
                super().parse_interaction_create(data)

    def store_view(self, view: Any, message_id: int | None = None) -> None:
        """Store nothing: the router handles every press, so views need not be kept."""


class Easel(commands.Bot):
    """The client. It imports no cog and no service: `load` adds the cogs, which read `services`."""

    services: Any  # `bot.services.services.Services`, set before the client starts

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        load: Callable[[Easel], Awaitable[None]],
        tree_cls: type[app_commands.CommandTree[Any]],
        message_content: bool = False,
    ) -> None:
        self._requests = Requests()
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=tree_cls,
            intents=intents(message_content=message_content),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
            http_trace=self._requests.trace,
        )
        GATEWAY_UP.set(0)
        GATEWAY_LATENCY.set_function(lambda: self.latency)
        self._store = store
        self._clock = clock
        self._load = load
        self.handlers = asyncio.Semaphore(_HANDLERS)
        self.refused: dict[tuple[str, Hashable], float] = {}  # by Discord, and until when it is not asked again; see `cogs.kit.outbound`
        self.has_registered = False  # whether the commands were registered in this run
        self._disconnected: Trouble | None = Trouble(since=clock(), reason="not connected to Discord yet")

    async def setup_hook(self) -> None:
        """Load everything before the first event. `on_ready` would be too late: commands may arrive seconds earlier."""
        await asyncio.to_thread(i18n.load)
        await self._load(self)
        await self.sync_commands(always=False)

    async def authenticate(self, token: str) -> None:
        """Log in, load the cogs and register changed commands. Raises `StartError`."""
        try:
            await self.login(token)
        except discord.LoginFailure:
            raise StartError(_TOKEN_REFUSED) from None
        except EaselError:  # of the database, which setting up reads
            raise
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise StartError("Discord does not answer as expected; `python -m bot doctor` says what to do.") from error

    async def keep_connected(self) -> None:
        """Stay connected to the gateway, reconnecting until `close`. Raises `StartError` if Discord refuses the token or the intents."""
        try:
            with resting():
                await self.connect(reconnect=True)
        except discord.ConnectionClosed as error:
            if error.code == _REFUSED_TOKEN:
                raise StartError(_TOKEN_REFUSED) from None
            raise StartError(f"Discord closed the connection for good (code {error.code}); update Easel.") from error
        except discord.PrivilegedIntentsRequired:
            raise StartError(
                "Discord refused the message content intent; turn it on at the Bot page of your application, or set"
                " MESSAGE_CONTENT_INTENT to false."
            ) from None
        except Exception:
            self.dispatch("disconnect")
            if self.ws is not None:
                await self.ws.close()  # else it stays open beside the next one
            raise

    async def sync_commands(self, *, always: bool) -> bool:
        """Register the commands with Discord if they changed, or `always`. Return whether they were registered."""
        assert self.application_id is not None, "login asks for it"  # noqa: S101
        described = await self.described_commands()
        commands_shown.describe(described)
        fingerprint = hashlib.sha256(json.dumps([self.application_id, described], sort_keys=True).encode()).hexdigest()
        kept = await self._store.read(kv.get, _REGISTERED)
        if not always and isinstance(kept, dict) and kept["fingerprint"] == fingerprint:
            commands_shown.register(kept["ids"])
            return False
        ids = commands_shown.ids_of(await self.http.bulk_upsert_global_commands(self.application_id, payload=described))
        commands_shown.register(ids)
        await self._store.write(kv.put, _REGISTERED, {"fingerprint": fingerprint, "ids": ids}, self._clock())
        self.has_registered = True
        log.info("commands registered", count=len(described))
        return True

    async def described_commands(self) -> list[dict[str, Any]]:
        """What Discord is told of the commands, in every language."""
        translator = self.tree.translator
        assert translator is not None, "load sets one"  # noqa: S101
        return [await command.get_translated_payload(self.tree, translator) for command in self.tree.get_commands()]

    def _get_state(self, **options: Any) -> ConnectionState[Any]:
        options |= {"dispatch": self.dispatch, "handlers": self._handlers, "hooks": self._hooks, "http": self.http}
        return LocalizedState(requests=self._requests, **options)

    async def tell_owner(self, text: str) -> None:
        """Send a DM to the owner of the application, or of its team. Raises `DeliveryError`."""
        if self.application is None or self.is_closed():
            raise TryLater("not logged in to Discord")
        team = self.application.team
        owner_id = team.owner_id if team and team.owner_id else self.application.owner.id
        try:
            await (await self.create_dm(discord.Object(owner_id))).send(text)
        except discord.HTTPException as error:
            raise delivery_error(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise TryLater(f"no answer ({type(error).__name__})") from error

    async def finish_events(self) -> None:
        """Wait for running event handlers, then cancel the rest. discord.py starts a task for each event and keeps no reference to it."""
        events = [task for task in asyncio.all_tasks() if task.get_name().startswith(_EVENT_TASKS)]
        if not events:
            return
        _, late = await asyncio.wait(events, timeout=_CLOSING_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def gateway_trouble(self) -> Trouble | None:
        """Why there is no connection; None if there is one, or was one until a moment ago: reconnecting takes some seconds."""
        trouble = self._disconnected
        is_new = trouble is not None and trouble.reason == _LOST and self._clock() - trouble.since < _RECONNECTING_MS
        return None if is_new else trouble

    async def disconnect(self) -> None:
        """Close the connections; soon also if Discord does not answer."""
        try:
            async with asyncio.timeout(_CLOSING_S):
                await self.close()
        except TimeoutError:
            await self.http.close()

    async def on_connect(self) -> None:
        self._disconnected = None
        _count_connection("connected")
        log.info("connected", user=str(self.user))

    async def on_resumed(self) -> None:
        self._disconnected = None
        _count_connection("resumed")

    async def on_disconnect(self) -> None:
        self._disconnected = self._disconnected or Trouble(since=self._clock(), reason=_LOST)
        _count_connection("disconnected")

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("event failed", on=event_method)


def _count_connection(event: str) -> None:
    GATEWAY_EVENTS.labels(event).inc()
    GATEWAY_UP.set(event != "disconnected")
