"""The connections to Discord's gateway: this process's share of the shards, and a sentence for each reason to close one for good."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

import aiohttp
import discord
import structlog
from discord.ext import commands

from bot.client.allotment import TURN_S, Allotment
from bot.client.connection import ShardConnection
from bot.client.events import ReadableState
from bot.client.sharing import Sharing
from bot.core.clock import Clock
from bot.core.errors import DatabaseAway, StartError
from bot.core.metrics import GATEWAY_EVENTS, GATEWAY_LATENCY, GATEWAY_UP, SHARD_COUNT, SHARDS
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
    _SHARDS_WANTED: "Discord asks for more shards than Easel opens (code 4011); set SHARDS to the number that Discord recommends.",
    4012: "Discord no longer speaks the version of its API that Easel uses (code 4012); update Easel.",
    4013: "Discord does not know the events that Easel asks for (code 4013); update Easel.",
    4014: _INTENT_REFUSED,
}
SHARDS_MAX = 4096  # each has up to 2,500 servers
_AGREE_EVERY = 5  # turns
_RECONNECTING_MS = 60_000
_NOT_YET = "not connected to Discord yet"
_LOST = "the connection to Discord is lost"
_OPENING = "a shard is not connected to Discord yet"


class ShardedBot(commands.AutoShardedBot):
    """Stays connected by its shards. Requests and cogs outlive a lost connection, which discord.py itself would take for the end."""

    state: ReadableState

    def __init__(self, *, clock: Clock, sharing: Sharing, shards: int | None, identify_s: float, **options: Any) -> None:
        """`shards`: their number, None: as Discord recommends. It takes `max_concurrency` new sessions in `identify_s` seconds."""
        super().__init__(**options)
        GATEWAY_UP.set(0)
        GATEWAY_LATENCY.set_function(lambda: self.latency)
        self._clock = clock
        self._sharing = sharing
        self._wanted = shards
        self._identify_s = identify_s
        self._sessions_at_once = 1
        self._is_ending = False
        self._allotment: Allotment | None = None
        self._open: dict[int, tuple[ShardConnection, asyncio.Task[None]]] = {}
        self._connected: set[int] = set()  # shards
        self._failures: asyncio.Queue[Exception] = asyncio.Queue()
        self._disconnected: Trouble | None = Trouble(since=clock(), reason=_NOT_YET)

    async def keep_connected(self) -> None:
        """Stay connected to the gateway, reconnecting until `close`. Raises `StartError` if Discord closes it for good."""
        count = await self._sharing.agree(await self._recommended_shards(), is_start=True)
        while not self._is_ending:
            log.info("shards", count=count)
            self.shard_count = self.state.shard_count = count
            SHARD_COUNT.set(count)
            self._allotment = Allotment(self._sharing, count=count, close=self._close_shard)
            try:
                count = await self._keep_shards(self._allotment, count)
            finally:
                await self._close_shards()

    async def leave_gateway(self) -> None:
        """Close the shards, so that nothing more is heard. Requests go on until `close`."""
        self._is_ending = True
        await self._close_shards()

    async def close(self) -> None:
        """Close everything."""
        await self.leave_gateway()
        await super().close()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Its turn has come: `ShardConnection` waits for it."""

    def gateway_trouble(self) -> Trouble | None:
        """Why a shard of this process is not connected; None if all are, or were until a moment ago: reconnecting takes some seconds.

        A process that has no shard is well, as long as it knows that others have them.
        """
        trouble = self._disconnected
        is_new = trouble is not None and trouble.reason != _NOT_YET and self._clock() - trouble.since < _RECONNECTING_MS
        return None if is_new else trouble

    def is_of_shard(self, shard_id: int, guild_id: int | None) -> bool:
        """Whether a shard tells of a guild, or of direct messages (None)."""
        return shard_of(guild_id, self.shard_count or 1) == shard_id

    @property
    def shards(self) -> dict[int, discord.ShardInfo]:
        """Those of this process that have been connected."""
        opened = (connection for connection, _ in self._open.values() if connection.ws is not None)
        return {each.id: discord.ShardInfo(cast("Any", each), self.shard_count) for each in opened}

    def get_shard(self, shard_id: int, /) -> discord.ShardInfo | None:
        return self.shards.get(shard_id)

    @property
    def latency(self) -> float:
        """The mean of the shards' latencies in seconds; NaN without one that is connected."""
        measured = [shard.latency for shard in self.shards.values()]
        return sum(measured) / len(measured) if measured else float("nan")

    async def on_shard_connect(self, shard_id: int) -> None:
        self._note_connected(shard_id, "connected")
        log.info("connected", user=str(self.user), shard=shard_id, of=self.shard_count)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self._note_connected(shard_id, "resumed")

    async def on_shard_disconnect(self, shard_id: int) -> None:
        self._note_lost(shard_id)

    # --- shards ------------------------------------------------------------------------------------------------------

    async def _keep_shards(self, allotment: Allotment, count: int) -> int:
        """Keep this process's share of the shards open. Returns their number once another one is wanted."""
        turns = 0
        while not self._is_ending:
            await allotment.turn()
            for shard_id in sorted(allotment.held - self._open.keys()):
                self._open_shard(shard_id)
            self._note_state()
            try:
                with resting():
                    async with asyncio.timeout(TURN_S):
                        error = await self._failures.get()
            except TimeoutError:
                turns += 1
                with suppress(DatabaseAway):
                    if turns % _AGREE_EVERY == 0 and (agreed := await self._sharing.agree(count)) != count:
                        return agreed
            else:
                return await self._more_shards(error, count)
        return count

    async def _more_shards(self, error: Exception, count: int) -> int:
        """The number after Discord has closed a shard for good. Raises `StartError` if another one does not help."""
        if not isinstance(error, discord.ConnectionClosed):
            raise error
        if error.code != _SHARDS_WANTED or 2 * count > SHARDS_MAX:
            raise StartError(_sentence(error.code)) from None
        log.warning("Discord asks for more shards", had=count)
        self._wanted = None
        return await self._sharing.agree(max(2 * count, await self._recommended_shards()))

    async def _recommended_shards(self) -> int:
        """As the operator has set it, else as Discord recommends."""
        try:
            shards, _, limits = await self.http.get_bot_gateway()
        except (discord.GatewayNotFound, aiohttp.ClientError, OSError):
            return self._wanted or self.shard_count or 1  # with too few, the gateway itself says so
        self._sessions_at_once = limits["max_concurrency"]
        return self._wanted or min(shards, SHARDS_MAX)

    def _open_shard(self, shard_id: int) -> None:
        self._disconnected = self._disconnected or Trouble(since=self._clock(), reason=_OPENING)
        self.state.shard_ids = [*self._open, shard_id]
        turn = f"identify:{shard_id % self._sessions_at_once}"
        wait_turn = partial(self._sharing.wait_turn, turn, self._identify_s)
        connection = ShardConnection(self, shard_id, wait_turn=wait_turn, lost=partial(self.dispatch, "shard_disconnect", shard_id))
        self._open[shard_id] = connection, asyncio.create_task(self._keep_open(connection), name=f"shard {shard_id}")

    async def _keep_open(self, connection: ShardConnection) -> None:
        try:
            await connection.run()
        except Exception as error:  # noqa: BLE001  `_keep_shards` raises it
            self._failures.put_nowait(error)

    async def _close_shard(self, shard_id: int) -> None:
        """Close it, and forget the guilds that only its events tell of."""
        if shard_id not in self._open:
            return
        _, running = self._open[shard_id]
        running.cancel()
        await asyncio.wait([running])
        self._open.pop(shard_id, None)
        self._note_lost(shard_id)
        self.state.shard_ids = list(self._open)
        self.state.forget_shard(shard_id)

    async def _close_shards(self) -> None:
        allotment, self._allotment = self._allotment, None
        await asyncio.gather(*(self._close_shard(shard_id) for shard_id in tuple(self._open)))
        self._failures = asyncio.Queue()
        if allotment is not None:
            await allotment.release()

    # --- what is connected -------------------------------------------------------------------------------------------

    def _note_connected(self, shard_id: int, event: str) -> None:
        if shard_id in self._open:
            self._connected.add(shard_id)
            GATEWAY_EVENTS.labels(event).inc()
            self._note_state()

    def _note_lost(self, shard_id: int) -> None:
        if shard_id not in self._connected:
            return
        self._connected.remove(shard_id)
        GATEWAY_EVENTS.labels("disconnected").inc()
        self._note_state()

    def _note_state(self) -> None:
        connecting = len(self._open.keys() - self._connected)
        is_up = not connecting and self._allotment is not None and (bool(self._open) or self._allotment.is_known)
        self._disconnected = None if is_up else self._disconnected or Trouble(since=self._clock(), reason=_LOST)
        GATEWAY_UP.set(is_up)
        SHARDS.labels("connected").set(len(self._connected))
        SHARDS.labels("connecting").set(connecting)


def shard_of(guild_id: int | None, count: int) -> int:
    """The shard that tells of a guild, or of direct messages (None).

    Source: https://discord.com/developers/docs/events/gateway#sharding
    """
    return ((guild_id or 0) >> 22) % count


def _sentence(code: int) -> str:
    return _CLOSED_FOR_GOOD.get(code, f"Discord closed the connection for good (code {code}); update Easel.")
