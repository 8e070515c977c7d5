"""The whole bot on a real database and with the local image API; only Discord is a fake."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import pytest

from bot.app import App, DiscordPorts, assemble
from bot.core import config
from bot.core.clock import system
from bot.core.running.loops import Timing
from bot.core.running.supervision import Loop
from bot.core.settings.endpoints import OxenSettings
from bot.domain.actor import Actor
from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.money.quota import MICRO, Bucket
from bot.providers.factory import BuildContext, ImageApi
from bot.providers.guard import ProviderGuard
from bot.providers.oxen import Oxen
from bot.providers.provider import Provider
from bot.services.catalog import Models
from bot.services.guilds import Guilds
from bot.services.members import Members
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.outbox import Outbox
from bot.services.pipeline.delivery.results import Results
from bot.services.pipeline.dispatch import Dispatch
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.watch import Watch
from bot.store import outbox, steps
from bot.store.engine.base import Store
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.app import BRISK, statement_of
from tests.env.fake_discord import FakeDiscord
from tests.env.fake_messenger import FakeMessenger
from tests.env.job_steps import check_ledger
from tests.env.jobs import order_of, request

T = TypeVar("T")

GIVE_UP_MS = 1_800_000
MODEL = "black-forest-labs-flux-2-klein-4b"
BUCKET = Bucket(size=100 * MICRO, refill_per_day=0)


async def eventually(check: Callable[[], Awaitable[T | None]], timeout_s: float = 5) -> T:
    """Repeat `check` until its result is true, and return the result."""
    async with asyncio.timeout(timeout_s):
        while not (found := await check()):  # noqa: ASYNC110  a database sends no event
            await asyncio.sleep(0.005)
        return found


class FakeClock:
    """The system's clock, which a test can advance."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def __call__(self) -> int:
        return system() + self._ahead_ms

    def advance(self, ms: int) -> None:
        self._ahead_ms += ms


@dataclass(kw_only=True)
class Pipeline:
    """The bot, which a test can restart. The database, the image API, the fakes and the clock survive a restart."""

    images: images.ImageServer
    session: aiohttp.ClientSession
    data_dir: Path
    discord: FakeDiscord = field(default_factory=FakeDiscord)
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    clock: FakeClock = field(default_factory=FakeClock)
    app: App = field(init=False)
    _run: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def restart(
        self,
        *,
        timing: Timing = BRISK,
        client: type[Oxen] = Oxen,
        mode: str = "events",
        silence_s: float = 10.0,
        failures: int = 1_000,  # in a row until the image API counts as unavailable; most tests do not want that
        **settings: str,
    ) -> Pipeline:
        """End this run, and start the next with these settings."""
        await self._run.aclose()

        def build(_settings: OxenSettings, context: BuildContext) -> Provider:
            keywords: dict[str, Any] = {"session": context.session, "base_url": self.images.url, "api_key": self.images.key}
            return client(**keywords, mode=mode, attempts=1, silence_s=silence_s)

        given = config.load({**self._environment(), **settings}, env_file=None)
        oxen = next(each for each in given.providers if each.name == "oxen")
        self.app = await self._run.enter_async_context(
            assemble(
                given,
                more_apis=[ImageApi(settings=oxen, build=build)],
                timing=replace(timing, unavailable_after=failures),
                clock=self.clock,
                discord=DiscordPorts(post=self.discord, handlers=self.messenger.handlers),
            )
        )
        return self

    async def close(self) -> None:
        await self._run.aclose()

    def _environment(self) -> dict[str, str]:
        return {
            "DISCORD_TOKEN": "not used",
            "DISCORD_CDN_HOSTS": urlsplit(self.images.url).netloc,
            "OXEN_API_KEY": self.images.key,
            "OXEN_BASE_URL": self.images.url,
            "OXEN_RATE_PER_MINUTE": "10000",
            "MODERATIONS_URL": self.images.moderation_url,
            "MODERATIONS_KEY": self.images.key,
            "MODERATIONS_TIMEOUT_S": "2",
            "DATA_DIR": str(self.data_dir),
            "DEFAULT_MODEL": MODEL,
            "MODEL_PRICES": f"{MODEL}=1",
            "QUOTA_CREDITS": "100",
            "QUOTA_REFILL_PER_DAY": "0",
            "MAX_WAITING_PER_USER": "50",
            "MAX_RUNNING_PER_USER": "4",
            "MAX_RUNNING_PER_SERVER": "8",
            "MAX_GENERATION_MINUTES": str(GIVE_UP_MS / 60_000),
            "REFERENCE_MODE": "inline",
            "REFERENCE_MAX_MEGAPIXELS": "10",
            "RESULT_MAX_MB": "10",
        }

    # --- parts of this run -----------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        return self.app.store

    @property
    def orders(self) -> Orders:
        return self.app.services.orders

    @property
    def guilds(self) -> Guilds:
        return self.app.services.guilds

    @property
    def members(self) -> Members:
        return self.app.services.members

    @property
    def pricing(self) -> Pricing:
        return self.app.services.pricing

    @property
    def results(self) -> Results:
        return self.app.services.results

    @property
    def models(self) -> Models:
        return self.app.models

    @property
    def progress(self) -> Progress:
        return self.app.progress

    @property
    def guard(self) -> ProviderGuard:
        return self.app.guards["oxen"]

    @property
    def provider(self) -> Provider:
        return self.guard.provider

    @property
    def watch(self) -> Watch:
        return self.app.watches["oxen"]

    @property
    def folder(self) -> Path:
        """The spool of results."""
        (folder,) = (path for path in (self.data_dir / "spool").iterdir() if path.is_dir())
        return folder

    # --- actions ---------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, *names: str, grace_s: float = 1.0) -> AsyncIterator[None]:
        """Run these loops: "dispatch", "watch", "outbox" (default: all three). An error of one fails the test."""
        parts: dict[str, Dispatch | Watch | Outbox] = {"dispatch": self.app.dispatch, "watch": self.watch, "outbox": self.app.outbox}
        loops = [loop for name in names or parts for loop in parts[name].loops(grace_s=grace_s).values()]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_to_its_end(loop)) for loop in loops]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()

    async def order(self, prompt: str = "a red fox", *, place: ReplyTarget | None = None, has_message: bool = True, **more: Any) -> Job:
        """Order as member 7, with a waiting message unless `has_message` is False."""
        order = await order_of(self, prompt, place or ReplyTarget(user_id=7, channel_id=5, guild_id=1), **more)
        receipt = await self.orders.order(order)
        await self.orders.answered(receipt.job.id, self.discord.post_waiting_message(receipt.job) if has_message else None)
        return receipt.job

    async def cancel(self, job: Job, *, by: Actor | None = None) -> Job:
        """Cancel as the job's member, or as another actor in its guild."""
        return await self.orders.cancel(await request(self, job.place, actor=by), job.id)

    async def ended_job(self, *outcomes: Outcome, **more: Any) -> Job:
        """A job with these outcomes, without using the image API."""
        job = await self.order(count=len(outcomes), **more)
        await self.end(job, *outcomes)
        return job

    async def end(self, job: Job, *outcomes: Outcome) -> None:
        """Settle a waiting job's generations with these outcomes."""
        for n, outcome in enumerate(outcomes):
            await self.store.write(steps.start, job.id, n, self.clock())
            await self.orders.settle(job.generations[n], outcome)

    async def until(self, job: Job, *states: JobState) -> Job:
        """Wait until the job is in one of these states (default: deliverable or later)."""
        wanted = states or (JobState.DELIVERABLE, JobState.DELIVERED, JobState.STRANDED)

        async def reached() -> Job | None:
            kept = await self.orders.job(job.id)
            return kept if kept.state in wanted else None

        return await eventually(reached)

    async def attempts(self, job_id: str) -> int:
        """How often delivery of an undelivered job was attempted."""
        item = await self.store.read(outbox.get, job_id)
        return 0 if item is None else item.attempts

    async def spent(self, member: int = 7) -> int:
        """Microcredits spent; asserts that nothing is on hold."""
        statement = await statement_of(self.app, member)
        assert statement.held == 0
        return statement.spent

    async def enqueued(self) -> int:
        """How many generations the image API has accepted."""
        async with self.session.get(f"{self.images.url}/sandbox/generations") as response:
            return int((await response.json())["enqueued"])


async def _to_its_end(loop: Loop) -> None:
    try:
        await loop.run()
    finally:
        if loop.finish is not None:
            await loop.finish()


@pytest.fixture
async def pipeline(switchboard: Switchboard, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Pipeline]:
    shutil.copy(sqlite_template, tmp_path / "easel.sqlite3")
    async with images.serve(switchboard=switchboard, timing=images.FAST, draft=True) as server, aiohttp.ClientSession() as session:
        opened = Pipeline(images=server, session=session, data_dir=tmp_path)
        try:
            await opened.restart()
            await opened.models.refresh("oxen")
            yield opened
            await check_ledger(opened.store)
        finally:
            await opened.close()


@pytest.fixture
async def spool_is_emptied(pipeline: Pipeline) -> AsyncIterator[None]:
    """Check after the test that no result is left in the spool."""
    yield
    assert list(pipeline.folder.iterdir()) == []
