"""The local Discord's shards: who hears of what, and which sessions the gateway refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from sandbox import discord as local
from sandbox.discord import DiscordServer
from sandbox.faults import Switchboard
from sandbox.person import Person

INTENTS = (1 << 0) | (1 << 9) | (1 << 12)  # guilds, and messages in them and in direct messages


@pytest.fixture
def board() -> Switchboard:
    return Switchboard()


@pytest.fixture
async def server(board: Switchboard) -> AsyncIterator[DiscordServer]:
    async with local.serve(switchboard=board, shards=2, max_concurrency=2) as server:
        yield server


class RawSession:
    """One connection to the gateway, as any client may open it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def next(self, *wanted: str) -> dict[str, Any]:
        """The next event of one of these types."""
        async with asyncio.timeout(5):
            while True:
                frame: dict[str, Any] = await self._socket.receive_json()
                if frame["t"] in wanted:
                    return dict(frame["d"], t=frame["t"])

    async def refusal(self) -> int | None:
        """The code with which the gateway closes it, or the operation with which it answers."""
        async with asyncio.timeout(5):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return int(message.json()["op"])
        return self._socket.close_code


@asynccontextmanager
async def session(server: DiscordServer, shard: object) -> AsyncIterator[RawSession]:
    async with aiohttp.ClientSession() as client, client.ws_connect(server.gateway_url) as socket:
        await socket.receive_json()
        await socket.send_json({"op": 2, "d": {"token": server.token, "intents": INTENTS, "properties": {}, "shard": shard}})
        yield RawSession(socket)


async def test_a_shard_hears_of_its_servers_and_the_first_one_of_direct_messages(server: DiscordServer) -> None:
    async with session(server, [0, 2]) as first, session(server, [1, 2]) as second, Person.connect(server.url, "Ada") as ada:
        assert [guild["id"] for guild in (await first.next("READY"))["guilds"]] == []
        assert [guild["id"] for guild in (await second.next("READY"))["guilds"]] == [str(server.guild_id)]
        await ada.say("in the server", "studio")
        await ada.say("in a DM", "dm")
        direct, public = await first.next("MESSAGE_CREATE"), await second.next("MESSAGE_CREATE")
        assert (direct.get("guild_id"), public.get("guild_id")) == (None, str(server.guild_id))


async def test_a_shard_that_two_have_opened_is_told_twice(server: DiscordServer) -> None:
    async with session(server, [1, 2]) as one, session(server, [1, 2]) as other, Person.connect(server.url, "Ada") as ada:
        await other.next("READY")
        await ada.say("hello", "studio")
        assert (await one.next("MESSAGE_CREATE"))["id"] == (await other.next("MESSAGE_CREATE"))["id"]


@pytest.mark.parametrize(("shard", "code"), [([2, 2], 4010), ([-1, 2], 4010), (["0", "2"], 4010), ([0, 1], 4011), (None, 4011)], ids=repr)
async def test_a_shard_that_does_not_exist_and_a_session_of_too_many_servers_are_closed(
    server: DiscordServer, shard: object, code: int
) -> None:
    async with session(server, shard) as refused:
        assert await refused.refusal() == code


async def test_sessions_are_started_as_fast_as_discord_has_said(server: DiscordServer, board: Switchboard) -> None:
    board.turn_on("identify-limited")
    async with session(server, [0, 2]) as first, session(server, [1, 2]) as second, session(server, [2, 4]) as third:
        await first.next("READY")
        await second.next("READY")
        assert await third.refusal() == 9
    assert [(start.shard_id, start.is_taken) for start in server.starts] == [(0, True), (1, True), (2, False)]
    async with aiohttp.ClientSession() as client:
        headers = {"Authorization": f"Bot {server.token}"}
        said = await (await client.get(f"{server.api_url}/gateway/bot", headers=headers)).json()
    limit = said["session_start_limit"]
    assert (said["shards"], limit["max_concurrency"], limit["remaining"]) == (2, 2, 998)
