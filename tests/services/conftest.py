"""The services behind the commands, on a real store and against the local image API; only Discord is a noticeboard."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import pytest

from bot.core.clock import system
from bot.core.config import ReferenceMode, UncertainCalls
from bot.core.loops import KeyedLocks, Timing
from bot.domain.actor import Actor
from bot.domain.catalog.models import Catalog
from bot.domain.job import Job, JobState, Outcome, ReplyTarget
from bot.domain.money.quota import MICRO, Bucket
from bot.domain.order import OperatorLimits
from bot.domain.outbox import ItemKind
from bot.domain.scheduling import Caps
from bot.media.addresses import AddressRules
from bot.media.fetch import Fetcher
from bot.providers.guard import ProviderGuard
from bot.providers.moderations import Moderations
from bot.providers.oxen import Oxen
from bot.services.admission import Admissions
from bot.services.catalog import Models
from bot.services.guilds import Guilds
from bot.services.members import Members
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.outbox import Outbox
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.deliver import Deliver
from bot.services.pipeline.dispatch import Dispatch, DispatchPolicy
from bot.services.pipeline.intake import Intake
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.results import Results
from bot.services.pipeline.routes import Routes
from bot.services.pipeline.screening import Screening
from bot.services.pipeline.watch import Watch
from bot.store import jobs, outbox
from bot.store.engine.base import Store, Topic
from bot.store.engine.opening import open_store
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.app import BRISK
from tests.env.fake_delivery import Noticeboard
from tests.env.fake_messenger import FakeMessenger
from tests.env.job_steps import check_ledger
from tests.env.jobs import request, wish

T = TypeVar("T")

GIVE_UP_MS = 1_800_000
MODEL = "black-forest-labs-flux-2-klein-4b"
BUCKET = Bucket(size=100 * MICRO, refill_per_day=0)


async def eventually(look: Callable[[], Awaitable[T | None]], timeout_s: float = 5) -> T:
    """Look again and again until there is something to see, and return it."""
    async with asyncio.timeout(timeout_s):
        while not (found := await look()):  # noqa: ASYNC110  a database does not call
            await asyncio.sleep(0.005)
        return found


class Hands:
    """A clock that goes as the system's does and can be turned ahead."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def __call__(self) -> int:
        return system() + self._ahead_ms

    def turn(self, ms: int) -> None:
        self._ahead_ms += ms


@dataclass(kw_only=True)
class Works:
    """One run of the services. What outlives it: the store, the image API, the noticeboard and the clock."""

    store: Store
    images: images.ImageServer
    session: aiohttp.ClientSession
    fetcher: Fetcher
    board: Noticeboard
    folder: Path
    clock: Hands = field(default_factory=Hands)
    mode: str = "events"
    client: type[Oxen] = Oxen
    silence_s: float = 10.0
    timing: Timing = BRISK
    failures: int = 1_000  # in a row, before the image API counts as away; most tests are about single generations
    keep_images: bool = True
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    caps: Caps = field(default_factory=lambda: Caps(per_user=4, per_server=8, total=8))

    def __post_init__(self) -> None:
        locks = KeyedLocks()
        self.provider = self.client(
            session=self.session, base_url=self.images.url, api_key=self.images.key, mode=self.mode, attempts=1, silence_s=self.silence_s
        )
        models = Models(store=self.store, providers={"oxen": self.provider}, read=_read_catalog, clock=self.clock)
        self.models = models
        self.guard = ProviderGuard(
            self.provider,
            title="Oxen.ai",
            rate_per_minute=10_000,
            places=8,
            clock=self.clock,
            failures=self.failures,
            pause_min_s=self.timing.ping_min_s,
            pause_max_s=self.timing.ping_max_s,
            on_back=partial(self.store.wake, Topic.QUEUE),
        )
        guards = {"oxen": self.guard}
        limits = OperatorLimits(bucket=BUCKET, max_waiting=50, default_model=MODEL, reference_max_bytes=10**7, reference_max_pixels=10**7)
        at: dict[str, Any] = {"store": self.store, "clock": self.clock}
        self.members, self.guilds = Members(**at), Guilds(**at)
        endpoint = Moderations(session=self.session, base_url=self.images.moderation_url, api_key=self.images.key, timeout_s=2, attempts=1)
        checks = Classifier(endpoint=endpoint)
        self.pricing = Pricing(**at, limits=limits, credit_usd=0.01)
        rules: dict[str, Any] = {**at, "pricing": self.pricing, "limits": limits}
        admissions = Admissions(**rules, title_of=models.title)
        intake = Intake(**rules, models=models, admissions=admissions, checks=checks, fetcher=self.fetcher)
        self.orders = Orders(**at, guards=guards, models=models, intake=intake, pricing=self.pricing, limits=limits)
        common: dict[str, Any] = {"store": self.store, "orders": self.orders, "timing": self.timing}
        screening = Screening(**at, guilds=self.guilds, checks=checks, timing=self.timing)
        busy: dict[str, Any] = {**common, "clock": self.clock}
        self.watch = Watch(**busy, provider=self.provider, give_up_ms=GIVE_UP_MS)
        sending = DispatchPolicy(
            caps=self.caps, references=ReferenceMode.INLINE, uncertain=UncertainCalls.RELEASE, routes={}, give_up_ms=GIVE_UP_MS
        )
        self.dispatch = Dispatch(
            **busy, guards=guards, screening=screening, rules=sending, expect=lambda _provider, id_: self.watch.expect(id_)
        )
        self.others = Outbox(**at, handlers=self.messenger.handlers, timing=self.timing)
        self.results = Results(
            store=self.store,
            providers={"oxen": self.provider},
            fetcher=self.fetcher,
            attachments=self.fetcher,
            shown=self.board,
            locks=locks,
            spool=self.folder,
            max_bytes=10**7,
            max_pixels=10**7,
            clock=self.clock,
        )
        routes = Routes(store=self.store, results=self.results, post=self.board, clock=self.clock)
        looked_at: dict[str, Any] = {"results": self.results, "screening": screening, "guilds": self.guilds, "routes": routes}
        deliver = Deliver(**at, **looked_at, timing=self.timing, keep_images=self.keep_images, locks=locks)
        self.deliver = Outbox(**at, handlers={ItemKind.DELIVER: deliver.carry_out}, timing=self.timing)
        self.progress = Progress(**common, post=self.board, locks=locks, clock=self.clock)

    def again(self, **changes: Any) -> Works:
        """The next run, after a restart."""
        return replace(self, **changes)

    @asynccontextmanager
    async def at_work(self, *names: str, grace_s: float = 1.0) -> AsyncIterator[None]:
        """With these services at work: dispatch, watch, deliver. Without names all three. An error of one fails the test."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(getattr(self, name).run(grace_s=grace_s)) for name in names or ("dispatch", "watch", "deliver")]
            try:
                yield
            finally:
                for loop in loops:
                    loop.cancel()

    async def order(self, prompt: str = "a red fox", *, place: ReplyTarget | None = None, waits_in_public: bool = True, **more: Any) -> Job:
        """Take an order of member 7, and tell that it waits, except where nothing is to be seen of that."""
        if not self.models.offered:
            await self.models.load()
        wanted = await wish(self, prompt, place or ReplyTarget(user_id=7, channel_id=5, guild_id=1), **more)
        receipt = await self.orders.order(wanted)
        await self.orders.answered(receipt.job.id, self.board.first_answer(receipt.job) if waits_in_public else None)
        return receipt.job

    async def cancel(self, job: Job, *, by: Actor | None = None) -> Job:
        """By its member, or by somebody else on its server."""
        asks = await request(self, job.place, actor=by)
        return await self.orders.cancel(asks, job.id)

    async def ended(self, *outcomes: Outcome, **more: Any) -> Job:
        """A job that ended so, without any image API."""
        job = await self.order(count=len(outcomes), **more)
        await self.end(job, *outcomes)
        return job

    async def end(self, job: Job, *outcomes: Outcome) -> None:
        """Let an order that waits end so."""
        for n, outcome in enumerate(outcomes):
            await self.store.write(jobs.start, job.id, n, self.clock())
            await self.orders.settle(job.generations[n], outcome)

    async def until(self, job: Job, *states: JobState) -> Job:
        """Wait until the job is in one of these states: deliverable or further, if none is named."""
        wanted = states or (JobState.DELIVERABLE, JobState.DELIVERED, JobState.STRANDED)

        async def look() -> Job | None:
            kept = await self.orders.job(job.id)
            return kept if kept.state in wanted else None

        return await eventually(look)

    async def attempts(self, job_id: str) -> int:
        """How often it was tried to show a job that is not shown yet."""
        item = await self.store.read(outbox.get, job_id)
        return 0 if item is None else item.attempts

    async def spent(self, member: int = 7) -> int:
        """Microcredits, with nothing left on hold."""
        statement = await self.orders.statement(member)
        assert statement.held == 0
        return statement.spent

    async def enqueued(self) -> int:
        """How many generations the image API was ever made to take."""
        async with self.session.get(f"{self.images.url}/sandbox/generations") as response:
            return int((await response.json())["enqueued"])


def _read_catalog(raw: Any) -> Catalog:
    return Catalog.merge(raw, credit_usd=0.01, model_prices={MODEL: 1.0})


@pytest.fixture
async def works(switchboard: Switchboard, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Works]:
    file = shutil.copy(sqlite_template, tmp_path / "easel.sqlite3")
    async with (
        images.serve(switchboard=switchboard, timing=images.FAST, draft=True) as server,
        open_store(f"sqlite:///{file}") as store,
        aiohttp.ClientSession() as session,
        Fetcher(rules=AddressRules(trusted_hosts=(urlsplit(server.url).netloc,))) as fetcher,
    ):
        folder = tmp_path / "spool"
        folder.mkdir()
        opened = Works(store=store, images=server, session=session, fetcher=fetcher, board=Noticeboard(), folder=folder)
        await opened.models.refresh("oxen")
        yield opened
        await check_ledger(store)
