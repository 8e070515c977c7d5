"""The environment of one test: a local image API, a local Discord and the bot, with real servers on loopback."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.app import App, assemble
from bot.client.sharing import Sharing
from bot.core import config, i18n
from bot.core.clock import Clock, system
from bot.core.config import Settings
from bot.core.running.loops import Timing
from bot.domain.money.accounts import AccountRef, user_account
from bot.domain.money.ledger import Statement
from bot.providers.factory import ImageApi
from sandbox import discord, images
from sandbox.discord.server import DiscordServer
from sandbox.faults import Switchboard
from sandbox.person import Message, Person
from tests.env.timing import BRISK as BRISK


@dataclass(kw_only=True)
class Env:
    """The local servers, and the settings of a bot that uses them."""

    switchboard: Switchboard
    images: images.ImageServer
    discord: DiscordServer
    folder: Path
    empty_database: Path | None = None  # spares the first start its migrations
    overrides: dict[str, str] = field(default_factory=dict)

    def environment(self, **overrides: str) -> dict[str, str]:
        """The bot's settings as environment variables."""
        return {
            "DISCORD_TOKEN": self.discord.token,
            "DISCORD_API_URL": self.discord.api_url,
            "DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "DISCORD_CDN_HOSTS": self.discord.cdn_host,
            "OXEN_API_KEY": self.images.key,
            "OXEN_BASE_URL": self.images.url,
            "MODERATIONS_URL": self.images.moderation_url,
            "MODERATIONS_KEY": self.images.key,
            "DATA_DIR": str(self.folder),
            "QUOTA_CREDITS": "1000",
            "STOP_GRACE_S": "5",
            **self.overrides,
            **overrides,
        }

    @property
    def oxlo(self) -> dict[str, str]:
        """The settings that enable Oxlo, served by the local image API."""
        return {"OXLO_API_KEY": self.images.openai_key, "OXLO_BASE_URL": self.images.openai_url}

    def settings(self, **overrides: str) -> Settings:
        return config.load(self.environment(**overrides), env_file=None)

    @asynccontextmanager
    async def app(
        self,
        *,
        timing: Timing = BRISK,
        clock: Clock = system,
        await_models: bool = True,
        settings: Mapping[str, str] | None = None,
        more_apis: Sequence[ImageApi] = (),
        may_fail: Container[str] = (),
        sharing: Sharing | None = None,
        **overrides: str,
    ) -> AsyncIterator[App]:
        """A running bot, which is stopped gracefully at the end. A failure of one of its loops fails the test, except of those named."""
        overrides = {**(settings or {}), **overrides}
        stop = asyncio.Event()
        if self.empty_database and not (self.folder / self.empty_database.name).exists():
            shutil.copy(self.empty_database, self.folder)
        async with assemble(self.settings(**overrides), more_apis=more_apis, timing=timing, clock=clock, sharing=sharing) as app:
            described = partial(_described_once, app.client.described_commands)
            app.client.described_commands = described  # type: ignore[method-assign]  # takes a third of a start's time
            serving = asyncio.create_task(app.serve(stop), name="app")
            try:
                async with asyncio.timeout(15):
                    while not (serving.done() or _has_started(app, await_models=await_models)):  # noqa: ASYNC110  nothing announces it
                        await asyncio.sleep(0.005)
                yield app
            finally:
                stop.set()
                await serving
            failed = {name: dict(state.kinds) for name, state in app.supervisor.states.items() if state.failures and name not in may_fail}
            assert failed == {}

    async def generations(self) -> list[dict[str, Any]]:
        """All generations that the image API has accepted."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.images.url}/sandbox/generations") as response:
            listed: list[dict[str, Any]] = (await response.json())["generations"]
            return listed


def _has_started(app: App, *, await_models: bool) -> bool:
    registering = app.supervisor.states.get("commands")
    has_tried = registering is not None and registering.turn_began is None
    is_connected = bool(app.client.shards) or app.client.gateway_trouble() is None  # or others have all shards
    return is_connected and has_tried and (bool(app.models.offered) or not await_models)


_DESCRIBED: dict[tuple[object, ...], list[dict[str, Any]]] = {}  # by the translations in use


async def _described_once(describe: Callable[[], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """What Discord is told of the commands is the same for every bot of a test run with these translations."""
    translations = tuple(i18n._catalogues.values())
    if translations not in _DESCRIBED:
        _DESCRIBED[translations] = await describe()
    return _DESCRIBED[translations]


@pytest.fixture
async def env(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Env]:
    """Local servers with the faults of `@pytest.mark.faults(...)`."""
    switchboard = Switchboard()
    for mark in request.node.iter_markers("faults"):
        for name in mark.args:
            switchboard.turn_on(name, **mark.kwargs)
    async with (
        images.serve(switchboard=switchboard, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=switchboard) as discord_server,
    ):
        yield Env(switchboard=switchboard, images=image_server, discord=discord_server, folder=tmp_path, empty_database=sqlite_template)


@pytest.fixture
async def app(env: Env) -> AsyncIterator[App]:
    async with env.app() as app:
        yield app


@pytest.fixture
async def ada(env: Env, app: App) -> AsyncIterator[Person]:
    async with person_in(env, "Ada") as person:
        yield person


@pytest.fixture
async def ben(env: Env, app: App) -> AsyncIterator[Person]:
    async with person_in(env, "Ben") as person:
        yield person


@pytest.fixture
async def mo(env: Env, app: App) -> AsyncIterator[Person]:
    """The moderator."""
    async with person_in(env, "Mo") as person:
        yield person


@asynccontextmanager
async def person_in(env: Env, name: str) -> AsyncIterator[Person]:
    """A connected user who sees the bot online and its commands."""
    async with AsyncExitStack() as stack:
        person = await stack.enter_async_context(Person.connect(env.discord.url, name))
        await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)
        yield person


async def statement_of(app: App, user_id: int) -> Statement:
    """A member's global account, which pays unless a guild's rules say otherwise."""
    return await app.services.pricing.statement_of(AccountRef(name=user_account(user_id), fills=app.services.orders.bucket))


def has_image(message: Message) -> bool:
    """True for a message with an image."""
    return bool(message.attachments)
