"""The connections to Discord's gateway: as many shards as Discord asks for, and a sentence for each reason to close one for good."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp
import discord
import structlog
from discord.ext import commands

from bot.core.clock import Clock
from bot.core.errors import StartError
from bot.core.metrics import GATEWAY_EVENTS, GATEWAY_LATENCY, GATEWAY_UP
from bot.core.running.supervision import Trouble, resting

log = structlog.get_logger(__name__)

TOKEN_REFUSED = "Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application."  # noqa: S105
_INTENT_REFUSED = (
    "Discord refused the message content intent; turn it on at the Bot page of your application, or set MESSAGE_CONTENT_INTENT to false."
)
_SHARDS_WANTED = 4011
# Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
_CLOSED_FOR_GOOD: Mapping[int, str] = {
    4004: TOKEN_REFUSED,
    4010: "Discord refused the number of a connection (code 4010); restart Easel, and update it if that does not help.",
    _SHARDS_WANTED: "Discord asks for more connections than one process opens (code 4011); remove the bot from some servers.",
    4012: "Discord no longer speaks the version of its API that Easel uses (code 4012); update Easel.",
    4013: "Discord does not know the events that Easel asks for (code 4013); update Easel.",
    4014: _INTENT_REFUSED,
}
_SHARDS_MAX = 64  # each has up to 2,500 servers
_IDENTIFY_S = 5.0  # Discord takes `max_concurrency` new sessions in this time
_CLOSING_S = 2.0
_RECONNECTING_MS = 60_000
_LOST = "the connection to Discord is lost"


class ShardedBot(commands.AutoShardedBot):
    """Stays connected. Requests and cogs outlive a lost connection, which discord.py itself would take for the end."""

    def __init__(self, *, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        GATEWAY_UP.set(0)
        GATEWAY_LATENCY.set_function(lambda: self.latency)
        self._clock = clock
        self._connecting: asyncio.Task[Any] | None = None  # within `connect`
        self._sessions_at_once = 1
        self._connected: set[int] = set()  # shards
        self._disconnected: Trouble | None = Trouble(since=clock(), reason="not connected to Discord yet")

    async def keep_connected(self) -> None:
        """Stay connected to the gateway, reconnecting until `close`. Raises `StartError` if Discord closes it for good."""
        shards = 1
        while True:
            self.shard_count = max(shards, await self._recommended_shards())
            try:
                with resting():
                    await self.connect(reconnect=True)
            except discord.PrivilegedIntentsRequired:
                raise StartError(_INTENT_REFUSED) from None
            except discord.ConnectionClosed as error:
                shards = 2 * self.shard_count
                if error.code != _SHARDS_WANTED or shards > _SHARDS_MAX:
                    raise StartError(_sentence(error.code)) from None
                log.warning("Discord asks for more shards", had=self.shard_count)
            else:
                return

    async def connect(self, *, reconnect: bool = True) -> None:
        """Open every shard, and return or raise with all of them closed."""
        await self._async_setup_hook()  # a new queue: the shards of the connection before have nothing more to say
        self._connecting = asyncio.current_task()
        try:
            await super().connect(reconnect=reconnect)
        finally:
            self._connecting = None
            await self._close_shards()

    async def close(self) -> None:
        """Close everything; within `connect`, where discord.py closes everything too, only the shards."""
        if asyncio.current_task() is self._connecting:
            await self._close_shards()
        else:
            await super().close()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Wait before a new session where Discord would refuse it."""
        if not initial and (shard_id or 0) % self._sessions_at_once == 0:
            await asyncio.sleep(_IDENTIFY_S)

    def gateway_trouble(self) -> Trouble | None:
        """Why a shard is not connected; None if all are, or were until a moment ago: reconnecting takes some seconds."""
        trouble = self._disconnected
        is_new = trouble is not None and trouble.reason == _LOST and self._clock() - trouble.since < _RECONNECTING_MS
        return None if is_new else trouble

    def is_of_shard(self, shard_id: int, guild_id: int | None) -> bool:
        """Whether a shard tells of a guild, or of direct messages (None).

        Source: https://discord.com/developers/docs/events/gateway#sharding
        """
        return ((guild_id or 0) >> 22) % (self.shard_count or 1) == shard_id

    async def on_shard_connect(self, shard_id: int) -> None:
        self._note_connected(shard_id, "connected")
        log.info("connected", user=str(self.user), shard=shard_id, of=self.shard_count)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self._note_connected(shard_id, "resumed")

    async def on_shard_disconnect(self, shard_id: int) -> None:
        if shard_id not in self._connected:
            return
        self._connected.remove(shard_id)
        self._disconnected = self._disconnected or Trouble(since=self._clock(), reason=_LOST)
        _count_connection("disconnected", is_up=False)

    def _note_connected(self, shard_id: int, event: str) -> None:
        self._connected.add(shard_id)
        is_up = len(self._connected) >= (self.shard_count or 1)
        self._disconnected = None if is_up else self._disconnected
        _count_connection(event, is_up=is_up)

    async def _recommended_shards(self) -> int:
        """Never fewer than before: discord.py forgets no shard."""
        had = self.shard_count or 1
        try:
            shards, _, limits = await self.http.get_bot_gateway()
        except (discord.GatewayNotFound, aiohttp.ClientError, OSError):
            return had  # with too few, the gateway itself says so
        self._sessions_at_once = limits["max_concurrency"]
        return max(shards, had)

    async def _close_shards(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await asyncio.gather(*(shard.disconnect() for shard in self.shards.values()))
        for shard_id in tuple(self._connected):  # discord.py says nothing of those that ended with an error
            await self.on_shard_disconnect(shard_id)


def _sentence(code: int) -> str:
    return _CLOSED_FOR_GOOD.get(code, f"Discord closed the connection for good (code {code}); update Easel.")


def _count_connection(event: str, *, is_up: bool) -> None:
    GATEWAY_EVENTS.labels(event).inc()
    GATEWAY_UP.set(is_up)
