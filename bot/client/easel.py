"""The Discord client: Discord's addresses, intents, command registration, and the dispatch of interactions."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands
from discord.ext import commands
from discord.gateway import DiscordWebSocket
from discord.http import Route
from discord.state import AutoShardedConnectionState

from bot.client import fallbacks
from bot.client.deliveries import Deliveries
from bot.client.events import ReadableState
from bot.client.guilds import GuildBot
from bot.client.refusals import delivery_error
from bot.client.requests import Requests
from bot.client.shards import TOKEN_REFUSED
from bot.client.sharing import Sharing
from bot.core import commands as commands_shown
from bot.core import i18n, markdown
from bot.core.clock import Clock
from bot.core.errors import EaselError, StartError, TryLater
from bot.core.running.coordination import SharedLocks
from bot.core.running.supervision import pause
from bot.domain.job import TOKEN_LIFE_MS
from bot.domain.request import interaction_key, message_key
from bot.store import kv
from bot.store.engine import request_keys
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_HANDLERS = 4  # of interactions, at a time: the more of them, the longer a new interaction waits for its acknowledgement
_CLOSING_S = 2.0
_EVENT_TASKS = ("discord.py: ", "CommandTree-invoker")  # how discord.py names the tasks that it starts for events
_COMPONENTS_AND_FORMS = (discord.InteractionType.component.value, discord.InteractionType.modal_submit.value)
_DAY_S = 86_400.0
_REGISTERING_S = 60.0
REQUEST_FAILED = (discord.HTTPException, aiohttp.ClientError, OSError)
_DO_LATER = "It is tried again by itself; until then members use the commands that were registered before."
_DO: Mapping[int, str] = {  # by Discord's code, else by the status
    30034: f"Discord takes a limited number of new commands a day. {_DO_LATER}",
    400: f"Update Easel, and report this if it stays. {_DO_LATER}",
    403: "Turn on the scope applications.commands at the Installation page of your application. It is tried again by itself.",
}
_REGISTERED = "commands"  # key in the key-value table: what was registered, and the ids that Discord gave it


def set_addresses(*, api_url: str, gateway_url: str, cdn_host: str = "") -> None:
    """Set Discord's addresses. They are global variables of discord.py, so they hold for the whole process. Stickers are at `cdn_host`.

    A proxy may serve the API without encryption, so only an unencrypted gateway tells of a local Discord.
    """
    Route.BASE = api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)
    if cdn_host:
        discord.Asset.BASE = f"{'http' if gateway_url.startswith('ws:') else 'https'}://{cdn_host}"


# Easel does not use voice; without this discord.py warns about missing voice packages.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False
fallbacks.install()


def intents(*, message_content: bool = False) -> discord.Intents:
    """The gateway intents. Only `message_content` is privileged: it must also be turned on at the application's Bot page.

    Without it Discord sends messages empty, besides those that mention the bot or are direct messages to it.
    """
    asked = {"guild_messages": True, "dm_messages": True, "guild_reactions": True, "dm_reactions": True}
    return discord.Intents(guilds=True, message_content=message_content, **asked)


class LocalizedState(ReadableState):
    """Handles each request once. An interaction in the member's language: the tasks that discord.py starts here inherit it."""

    def __init__(self, *, requests: Requests, deliveries: Deliveries, **options: Any) -> None:
        super().__init__(**options)
        self._requests = requests
        self._deliveries = deliveries

    def parse_interaction_create(self, data: Any) -> None:
        """Dispatch components and forms as the event `press`, for the router; leave commands and autocomplete to discord.py."""
        if not self._deliveries.is_new(interaction_key(data["id"])):
            log.info("interaction delivered again", interaction=data["id"])
            return
        self._requests.arrived(data["id"])
        with i18n.speaking(data.get("locale")), markdown.quoting():
            interaction = self.read_interaction(data)
            if data["type"] in _COMPONENTS_AND_FORMS:
                self.dispatch("press", interaction)
            elif self._command_tree is not None:
                self._command_tree._from_interaction(interaction)  # noqa: SLF001  as discord.py does here

    def parse_message_create(self, data: Any) -> None:
        """Dispatch what people write with a mention of the bot. Of all other messages nothing is built: a server has many."""
        if data["author"].get("bot") or data.get("webhook_id") or not self._is_mentioned(data.get("content") or ""):
            return
        if not self._deliveries.is_new(message_key(data["id"])):
            log.info("message delivered again", message=data["id"])
            return
        super().parse_message_create(data)

    def parse_message_update(self, data: Any) -> None:
        """Ignore it: nothing follows from an edited message."""

    def _is_mentioned(self, content: str) -> bool:
        """By name: the ping of a reply is no request, since people chat below images."""
        return self.user is not None and any(f"<@{sign}{self.user.id}>" in content for sign in ("", "!"))

    def store_view(self, view: Any, message_id: int | None = None) -> None:
        """Store nothing: the router handles every press, so views need not be kept."""


class Easel(GuildBot):
    """The client. It imports no cog and no service: `load` adds the cogs, which read `services`."""

    services: Any  # `bot.services.services.Services`, set before the client starts

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sharing: Sharing,
        shards: int | None,
        identify_s: float,
        load: Callable[[Easel], Awaitable[None]],
        tree_cls: type[app_commands.CommandTree[Any]],
        message_content: bool = False,
    ) -> None:
        self._requests = Requests()
        self._deliveries = Deliveries()
        super().__init__(
            clock=clock,
            sharing=sharing,
            shards=shards,
            identify_s=identify_s,
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
        self._store = store
        self.coordination = store.coordination
        self._registering = SharedLocks("discord", store.coordination)
        self._load = load
        self.handlers = asyncio.Semaphore(_HANDLERS)
        self.refused: dict[tuple[str, Hashable], float] = {}  # by Discord, and until when it is not asked again; see `cogs.kit.outbound`
        self._described: list[dict[str, Any]] = []  # the commands, as Discord is told of them
        self.began_at = discord.utils.utcnow()
        self.has_registered = False  # whether the commands were registered in this run

    async def setup_hook(self) -> None:
        """Load everything before the first event. `on_ready` would be too late: commands may arrive seconds earlier."""
        await asyncio.to_thread(i18n.load)
        self._deliveries.note(await self._store.read(request_keys.since, self._clock() - TOKEN_LIFE_MS))
        await self._load(self)
        await self._recall_commands()

    async def authenticate(self, token: str) -> None:
        """Log in and load the cogs. Raises `StartError`."""
        try:
            await self.login(token)
        except discord.LoginFailure:
            raise StartError(TOKEN_REFUSED) from None
        except EaselError:  # of the database, which setting up reads
            raise
        except REQUEST_FAILED as error:
            raise StartError("Discord does not answer as expected; `python -m bot doctor` says what to do.") from error

    async def keep_registered(self, backoff_s: Callable[[int], float]) -> None:
        """Register the commands if they changed, and stay. While Discord refuses that, the bot serves with those it had.

        `backoff_s(n)` is the pause after the n-th refusal.
        """
        for refusals in itertools.count(1):
            try:
                async with asyncio.timeout(_REGISTERING_S):  # discord.py waits as long as Discord says, up to a day
                    await self.sync_commands(always=False)
            except REQUEST_FAILED as error:
                if refusals == 1:
                    log.critical("commands not registered", reason=refusal_of(error), do=do_about(error))
                await pause(backoff_s(refusals))
            else:
                break
        if refusals > 1:
            log.warning("commands not registered is over")
        while True:
            await pause(_DAY_S)

    async def sync_commands(self, *, always: bool) -> bool:
        """Register the commands with Discord if they changed, or `always`. Return whether they were registered.

        Of processes that start together one registers them. Raises `REQUEST_FAILED`.
        """
        async with self._registering.of("commands"):
            return await self._sync_commands(always=always)

    async def _sync_commands(self, *, always: bool) -> bool:
        described = self._described
        fingerprint = hashlib.sha256(json.dumps([self.application_id, described], sort_keys=True).encode()).hexdigest()
        kept = await self._store.read(kv.get, _REGISTERED)
        if not always and isinstance(kept, dict) and kept["fingerprint"] == fingerprint:
            commands_shown.register(kept["ids"])
            return False
        assert self.application_id is not None, "login asks for it"  # noqa: S101
        ids = commands_shown.ids_of(await self.http.bulk_upsert_global_commands(self.application_id, payload=described))
        commands_shown.register(ids)
        registered = {"application_id": self.application_id, "fingerprint": fingerprint, "ids": ids}
        await self._store.write(kv.put, _REGISTERED, registered, self._clock())
        self.has_registered = True
        log.info("commands registered", count=len(described))
        return True

    async def _recall_commands(self) -> None:
        """Know the commands' names, and their ids as they were registered before."""
        self._described = await self.described_commands()
        commands_shown.describe(self._described)
        kept = await self._store.read(kv.get, _REGISTERED)
        if isinstance(kept, dict) and kept.get("application_id", self.application_id) == self.application_id:
            commands_shown.register(kept["ids"])

    async def described_commands(self) -> list[dict[str, Any]]:
        """What Discord is told of the commands, in every language."""
        translator = self.tree.translator
        assert translator is not None, "load sets one"  # noqa: S101
        return [await command.get_translated_payload(self.tree, translator) for command in self.tree.get_commands()]

    def _get_state(self, **options: Any) -> AutoShardedConnectionState[Any]:
        options |= {"dispatch": self.dispatch, "handlers": self._handlers, "hooks": self._hooks, "http": self.http}
        self.state = LocalizedState(requests=self._requests, deliveries=self._deliveries, **options)
        return self.state

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
            raise TryLater(refusal_of(error)) from error

    async def finish_events(self) -> None:
        """Wait for running event handlers, then cancel the rest. discord.py starts a task for each event and keeps no reference to it."""
        events = [task for task in asyncio.all_tasks() if task.get_name().startswith(_EVENT_TASKS)]
        if not events:
            return
        _, late = await asyncio.wait(events, timeout=_CLOSING_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def disconnect(self) -> None:
        """Close the connections, once the last events are answered; soon also if Discord does not answer."""
        leaving = asyncio.create_task(
            self.leave_gateway(), name="leaving"
        )  # it goes on if this is cancelled, else its end would be an error
        await asyncio.wait([leaving], timeout=_CLOSING_S)
        await self.finish_events()
        closing = asyncio.create_task(self.close(), name="closing")
        done, _ = await asyncio.wait([closing], timeout=_CLOSING_S)
        if not done:
            await self.http.close()

    async def on_message(self, message: discord.Message, /) -> None:
        """There are no text commands."""

    async def on_error(self, event_method: str, /, *_args: Any, **_kwargs: Any) -> None:
        log.exception("event failed", on=event_method)


def refusal_of(error: Exception) -> str:
    if not isinstance(error, discord.HTTPException):
        return f"no answer ({type(error).__name__})"
    return f"Discord answered {error.status}" + (f" (code {error.code})" if error.code else "")


def do_about(error: Exception) -> str:
    if not isinstance(error, discord.HTTPException):
        return _DO_LATER
    return _DO.get(error.code) or _DO.get(error.status) or _DO_LATER
