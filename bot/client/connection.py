"""The connection of one shard: its session is resumed after every loss, and started anew where Discord does not resume it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp
import discord
import structlog
from discord.backoff import ExponentialBackoff
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

log = structlog.get_logger(__name__)

_OPENING_S: Final = 60.0
_CLOSING_S: Final = 2.0
_ENDED: Final = 1000  # code of a session that Discord has ended, and lets begin again
_NOT_CONNECTED: Final = (OSError, discord.HTTPException, discord.GatewayNotFound, aiohttp.ClientError)


class ShardConnection:
    """One shard of a client."""

    def __init__(
        self, client: discord.Client, shard_id: int, *, wait_turn: Callable[[], Awaitable[None]], lost: Callable[[], None]
    ) -> None:
        """`wait_turn` waits until a session may be started; `lost` is called when the connection is."""
        self.id = shard_id
        self.ws: Any = None  # discord.py's `DiscordWebSocket`; None before the first one
        self._client = client
        self._wait_turn = wait_turn
        self._lost = lost
        self._backoff: ExponentialBackoff[Any] = ExponentialBackoff()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises `discord.ConnectionClosed` if Discord closes it for good."""
        session: Mapping[str, Any] = {}  # to resume
        try:
            while True:
                try:
                    await self._open(session)
                    while True:
                        await self.ws.poll_event()
                except ReconnectWebSocket as signal:
                    session = self._session() if signal.resume else {}
                    self._lost()
                except (discord.ConnectionClosed, *_NOT_CONNECTED) as error:
                    if isinstance(error, discord.ConnectionClosed) and error.code != _ENDED:
                        raise
                    session = {} if isinstance(error, discord.ConnectionClosed) else self._session()
                    self._lost()
                    await self._pause(error)
        finally:
            await self._close()

    async def _open(self, session: Mapping[str, Any]) -> None:
        if not session:
            await self._wait_turn()  # before the socket is open: Discord closes one that says nothing
        opening = DiscordWebSocket.from_client(self._client, shard_id=self.id, **session)
        self.ws = await asyncio.wait_for(opening, timeout=_OPENING_S)

    def _session(self) -> Mapping[str, Any]:
        if self.ws is None or self.ws.session_id is None:
            return {}
        return {"resume": True, "session": self.ws.session_id, "sequence": self.ws.sequence, "gateway": self.ws.gateway}

    async def _pause(self, error: Exception) -> None:
        pause_s = self._backoff.delay()
        log.warning("shard not connected", shard=self.id, error=type(error).__name__, again_in_s=round(pause_s, 1))
        await asyncio.sleep(pause_s)

    async def _close(self) -> None:
        """End the session, soon also if Discord does not answer."""
        if self.ws is not None:
            with suppress(TimeoutError, *_NOT_CONNECTED):
                async with asyncio.timeout(_CLOSING_S):
                    await self.ws.close(code=_ENDED)
