"""The composition root: the only place that builds things. What was opened is closed in reverse order."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog

from bot import client
from bot.client import Easel
from bot.core.clock import Clock, system
from bot.core.config import Settings
from bot.core.errors import StartError
from bot.core.loops import KeyedLocks, Timing
from bot.domain.money import quota
from bot.domain.money.quota import DAY_MS, Bucket
from bot.domain.order import OperatorLimits
from bot.domain.outbox import ItemKind
from bot.domain.scheduling import Caps
from bot.media.addresses import AddressRules, host_of
from bot.media.fetch import Fetcher
from bot.providers.factory import ImageApi, guards_of, image_apis_of, providers_of, reader_of, result_rules
from bot.providers.guard import ProviderGuard
from bot.providers.moderations import moderations_of
from bot.providers.provider import Provider
from bot.services import housekeeping
from bot.services.admin import Admin
from bot.services.admission import Admissions
from bot.services.catalog import Models
from bot.services.gallery import Gallery
from bot.services.guilds import Guilds
from bot.services.history import History
from bot.services.members import Members
from bot.services.moderation.cases import Cases
from bot.services.moderation.posts import Posts
from bot.services.money import sponsorships
from bot.services.money.accounts import Money
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.outbox import Handler, Outbox
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.deliver import Deliver
from bot.services.pipeline.dispatch import Dispatch, DispatchPolicy
from bot.services.pipeline.intake import Intake
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.results import Results, ShownResults
from bot.services.pipeline.routes import Post, Routes
from bot.services.pipeline.screening import Screening
from bot.services.pipeline.watch import Watch
from bot.services.privacy import Privacy, Retention
from bot.services.reactions import Reactions
from bot.services.services import Services
from bot.store import jobs
from bot.store.engine.base import Store, Topic
from bot.store.engine.opening import open_store
from cogs.images.delivery import DiscordPost
from cogs.load import Tree, load
from cogs.outbox import Messenger

log = structlog.get_logger(__name__)

_TIMING = Timing()
_RESULT_MAX_PIXELS = 100_000_000  # the largest models make images of a few megapixels
_MB = 1_000_000


class ResultPost(Post, ShownResults, Protocol):
    """Both ports that show results on Discord."""


@dataclass(frozen=True, kw_only=True)
class DiscordPorts:
    """What the services use of Discord."""

    post: ResultPost
    handlers: Mapping[ItemKind, Handler]  # for every kind but deliveries


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that was built, ready to run."""

    settings: Settings
    clock: Clock
    store: Store
    client: Easel
    services: Services
    models: Models
    guards: Mapping[str, ProviderGuard]  # by the provider's name
    dispatch: Dispatch
    watches: Mapping[str, Watch]  # by the provider's name
    outbox: Outbox
    progress: Progress

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`. If one of the long-lived tasks fails, all are stopped and its error is raised."""
        await self.client.authenticate(self.settings.discord_token.get_secret_value())
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop, name=name) for name, loop in self._loops().items()]
            connection = group.create_task(self.client.keep_connected(), name="discord")
            await stop.wait()
            log.info("stopping", grace_s=self.settings.stop_grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # deliveries that have begun still need the connection
            await self.client.finish_events()  # and so do answers to the last interactions
            await self.client.close()
            connection.cancel()
        await self.client.finish_events()

    def _loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        grace_s = self.settings.stop_grace_s
        return {
            "models": self.models.run(),
            "dispatch": self.dispatch.run(grace_s=grace_s),
            "outbox": self.outbox.run(grace_s=grace_s),
            "progress": self.progress.run(),
            "cases": self.services.cases.run(),
            "housekeeping": housekeeping.run(
                store=self.store,
                references_keep_ms=int(self.settings.references_keep_days * DAY_MS),
                images_keep_ms=int(self.settings.pictures_keep_days * DAY_MS),
                bucket=self.services.orders.bucket,
                clock=self.clock,
            ),
            "sponsorships": sponsorships.run(store=self.store, clock=self.clock),
            **{f"guard {name}": guard.run() for name, guard in self.guards.items()},
            **{f"watch {name}": watch.run(grace_s=grace_s) for name, watch in self.watches.items()},
        }


async def run(settings: Settings) -> None:
    """The bot, until it is told to stop (SIGINT or SIGTERM). Raises `StartError` if it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with assemble(settings) as app:
        await app.serve(stop)


async def sync(settings: Settings) -> None:
    """Register the commands with Discord, even if they did not change. Raises `StartError`."""
    async with assemble(settings) as app:
        await app.client.authenticate(settings.discord_token.get_secret_value())
        if not app.client.has_registered:
            await app.client.sync_commands(always=True)


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    more_apis: Sequence[ImageApi] = (),
    timing: Timing = _TIMING,
    clock: Clock = system,
    discord: DiscordPorts | None = None,
) -> AsyncIterator[App]:
    """Build everything, and close it at the end. Raises `StartError` if something cannot be opened.

    `more_apis` are image APIs besides those of the settings; one of the same name takes its place. `discord` stands in for the client's own
    ports.
    """
    apis = _apis(settings, more_apis)
    client.set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
    async with _opened(settings, apis, timing=timing, clock=clock) as resources, _client_of(resources) as easel:
        if discord is None:
            handlers = Messenger(easel, clock=clock).handlers
            discord = DiscordPorts(post=DiscordPost(easel, clock=clock), handlers=handlers)
        image_apis = await _image_apis(apis, resources)
        easel.services = services = _services(resources, image_apis, discord.post)
        yield _pipeline(resources, image_apis, services, easel, discord)


# --- what is opened ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Resources:
    """What everything else is built from."""

    settings: Settings
    timing: Timing
    clock: Clock
    store: Store
    session: aiohttp.ClientSession
    reference_fetcher: Fetcher
    result_fetcher: Fetcher
    classifier: Classifier
    spool: Path
    retention: Retention


@asynccontextmanager
async def _opened(settings: Settings, apis: Sequence[ImageApi], *, timing: Timing, clock: Clock) -> AsyncIterator[_Resources]:
    async with (
        open_store(settings.database) as store,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        Fetcher(rules=AddressRules(allowed_hosts=settings.discord_cdn_hosts)) as reference_fetcher,
        Fetcher(rules=result_rules(apis, allowed_hosts=settings.result_hosts)) as result_fetcher,
    ):
        # Only now: the process that holds the store is the only one that may use the spool.
        spool = await asyncio.to_thread(_clean_spool, settings.data_dir / "spool")
        await store.write(jobs.forget_answers, clock())
        yield _Resources(
            settings=settings,
            timing=timing,
            clock=clock,
            store=store,
            session=session,
            reference_fetcher=reference_fetcher,
            result_fetcher=result_fetcher,
            classifier=Classifier(endpoint=moderations_of(settings, session)),
            spool=spool,
            retention=_retention(settings, apis),
        )


def _clean_spool(folder: Path) -> Path:
    """Remove the images that a killed run left; they are fetched again."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StartError(f"DATA_DIR cannot be used: {error.strerror or type(error).__name__} at {folder}.") from error
    return folder


def _client_of(resources: _Resources) -> Easel:
    message_content = resources.settings.message_content_intent
    return Easel(store=resources.store, clock=resources.clock, load=load, tree_cls=Tree, message_content=message_content)


# --- the image APIs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _ImageApis:
    """The clients of the image APIs and their guards, by name, and all their models."""

    providers: Mapping[str, Provider]
    guards: Mapping[str, ProviderGuard]
    models: Models


def _apis(settings: Settings, more: Sequence[ImageApi]) -> tuple[ImageApi, ...]:
    by_name = {api.settings.name: api for api in (*image_apis_of(settings), *more)}
    return tuple(by_name.values())


async def _image_apis(apis: Sequence[ImageApi], resources: _Resources) -> _ImageApis:
    settings, store = resources.settings, resources.store
    max_bytes = int(settings.result_max_mb * _MB)
    # Providers and models need each other: models are read from the providers, which ask where a model expects its seed.
    providers = providers_of(
        apis,
        session=resources.session,
        fetch=partial(resources.result_fetcher.fetch_bytes, max_bytes=max_bytes),
        max_result_bytes=max_bytes,
        slots=lambda api_id, provider: models.slots(api_id, provider),
    )
    models = Models(store=store, providers=providers, read=reader_of(settings), clock=resources.clock)
    await models.load()
    guards = guards_of(apis, providers, resources.timing, resources.clock, on_recovery=partial(store.wake, Topic.QUEUE))
    return _ImageApis(providers=providers, guards=guards, models=models)


# --- the services --------------------------------------------------------------------------------------------------------


def _services(resources: _Resources, image_apis: _ImageApis, post: ResultPost) -> Services:
    settings, store, clock = resources.settings, resources.store, resources.clock
    limits, credit_usd = _operator_limits(settings), settings.credit_usd
    guilds = Guilds(store=store, clock=clock)
    pricing = Pricing(store=store, limits=limits, credit_usd=credit_usd, clock=clock)
    admissions = Admissions(store=store, pricing=pricing, limits=limits, title_of=image_apis.models.title, clock=clock)
    orders = _orders(resources, image_apis, admissions, pricing, limits)
    return Services(
        reader=store,
        clock=clock,
        admin=Admin(store=store, pricing=pricing, credit_usd=credit_usd, clock=clock),
        admissions=admissions,
        cases=Cases(store=store, orders=orders, guilds=guilds, clock=clock),
        gallery=Gallery(store=store, bucket=limits.bucket, clock=clock),
        guilds=guilds,
        history=History(store=store, clock=clock),
        members=Members(store=store, clock=clock),
        money=Money(store=store, pricing=pricing, credit_usd=credit_usd, clock=clock),
        orders=orders,
        posts=Posts(store=store, clock=clock),
        pricing=pricing,
        privacy=Privacy(store=store, retention=resources.retention, clock=clock),
        reactions=Reactions(store=store, orders=orders, clock=clock),
        results=_results(resources, image_apis, post),
    )


def _orders(resources: _Resources, image_apis: _ImageApis, admissions: Admissions, pricing: Pricing, limits: OperatorLimits) -> Orders:
    store, clock, models = resources.store, resources.clock, image_apis.models
    intake = Intake(
        store=store,
        models=models,
        admissions=admissions,
        pricing=pricing,
        limits=limits,
        classifier=resources.classifier,
        fetcher=resources.reference_fetcher,
        clock=clock,
    )
    return Orders(store=store, guards=image_apis.guards, models=models, intake=intake, pricing=pricing, limits=limits, clock=clock)


def _results(resources: _Resources, image_apis: _ImageApis, post: ResultPost) -> Results:
    return Results(
        store=resources.store,
        providers=image_apis.providers,
        fetcher=resources.result_fetcher,
        attachments=resources.reference_fetcher,
        shown=post,
        locks=KeyedLocks(),
        spool=resources.spool,
        max_bytes=int(resources.settings.result_max_mb * _MB),
        max_pixels=_RESULT_MAX_PIXELS,
        clock=resources.clock,
    )


# --- the pipeline --------------------------------------------------------------------------------------------------------


def _pipeline(resources: _Resources, image_apis: _ImageApis, services: Services, easel: Easel, discord: DiscordPorts) -> App:
    """The loops that work on what the services have written."""
    settings, store, timing, clock = resources.settings, resources.store, resources.timing, resources.clock
    orders, guilds, results = services.orders, services.guilds, services.results
    policy = _dispatch_policy(settings)
    watches = {
        name: Watch(store=store, orders=orders, timing=timing, give_up_ms=policy.give_up_ms, clock=clock, provider=provider)
        for name, provider in image_apis.providers.items()
    }
    screening = Screening(store=store, guilds=guilds, classifier=resources.classifier, timing=timing, clock=clock)
    dispatch = Dispatch(
        store=store,
        orders=orders,
        timing=timing,
        screening=screening,
        guards=image_apis.guards,
        policy=policy,
        expect=lambda provider, provider_id: watches[provider].expect(provider_id),
        clock=clock,
    )
    deliver = Deliver(
        store=store,
        screening=screening,
        timing=timing,
        guilds=guilds,
        results=results,
        routes=Routes(store=store, results=results, post=discord.post, clock=clock),
        keep_images=settings.pictures_keep_days > 0,
        locks=results.locks,
        clock=clock,
    )
    return App(
        settings=settings,
        clock=clock,
        store=store,
        client=easel,
        services=services,
        models=image_apis.models,
        guards=image_apis.guards,
        dispatch=dispatch,
        watches=watches,
        outbox=Outbox(store=store, handlers={ItemKind.DELIVER: deliver.carry_out, **discord.handlers}, timing=timing, clock=clock),
        progress=Progress(store=store, orders=orders, timing=timing, post=discord.post, locks=results.locks, clock=clock),
    )


# --- values from the settings --------------------------------------------------------------------------------------------


def _retention(settings: Settings, apis: Sequence[ImageApi]) -> Retention:
    return Retention(
        references_days=settings.references_keep_days,
        images_days=settings.pictures_keep_days,
        services=tuple(api.settings.title for api in apis),
        checker=host_of(settings.moderations_url).removesuffix(":443") if settings.moderations_url else None,
    )


def _operator_limits(settings: Settings) -> OperatorLimits:
    return OperatorLimits(
        bucket=Bucket(size=quota.microcredits(settings.quota_credits), refill_per_day=quota.microcredits(settings.quota_refill_per_day)),
        max_waiting=settings.max_waiting_per_user,
        default_model=settings.default_model,
        reference_max_bytes=int(settings.reference_max_mb * _MB),
        reference_max_pixels=int(settings.reference_max_megapixels * 1_000_000),
    )


def _dispatch_policy(settings: Settings) -> DispatchPolicy:
    return DispatchPolicy(
        caps=Caps(per_user=settings.max_running_per_user, per_guild=settings.max_running_per_server, total=settings.max_running),
        references=settings.reference_mode,
        uncertain=settings.uncertain_calls,
        routes=settings.fallback_models,
        give_up_ms=int(settings.max_generation_minutes * 60_000),
    )
