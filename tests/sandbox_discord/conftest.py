"""A local Discord, a bot that is logged in to it, and people on its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import discord.gateway
import discord.http
import pytest
import yarl

from sandbox import discord as local
from sandbox.discord import DiscordServer
from sandbox.faults import Switchboard
from sandbox.person import Person

from .echo_bot import EchoBot


class Clock:
    """The real time, plus the time that a test adds."""

    passed = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def first_answer_s() -> float:
    return 3.0


@pytest.fixture
def privileged() -> frozenset[str]:
    return frozenset()


@pytest.fixture
async def server(
    clock: Clock, first_answer_s: float, privileged: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DiscordServer]:
    async with local.serve(switchboard=Switchboard(), now=clock, first_answer_s=first_answer_s, privileged_intents=privileged) as server:
        monkeypatch.setattr(discord.http.Route, "BASE", server.api_url)
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway_url))
        yield server


@asynccontextmanager
async def logged_in(bot: EchoBot, server: DiscordServer) -> AsyncIterator[EchoBot]:
    async with bot:
        running = asyncio.create_task(bot.start(server.token))
        async with asyncio.timeout(10):
            await bot.connected.wait()
        yield bot
    await running


@pytest.fixture
async def bot(server: DiscordServer) -> AsyncIterator[EchoBot]:
    async with logged_in(EchoBot(), server) as echo_bot:
        yield echo_bot


@pytest.fixture
async def ada(server: DiscordServer) -> AsyncIterator[Person]:
    async with Person.connect(server.url, "Ada") as person:
        yield person


@pytest.fixture
async def ben(server: DiscordServer) -> AsyncIterator[Person]:
    async with Person.connect(server.url, "Ben") as person:
        yield person


@pytest.fixture
async def mo(server: DiscordServer) -> AsyncIterator[Person]:
    async with Person.connect(server.url, "Mo") as person:
        yield person
