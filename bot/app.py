"""The composition root: the only place that builds things. Nested contexts, one task group, dependencies by keyword."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from bot import client
from bot.client import Easel
from bot.core.clock import Clock, system
from bot.core.config import Settings
from bot.core.errors import StartError
from bot.core.loops import KeyedLocks, Timing
from bot.domain import quota
from bot.domain.order import OperatorLimits
from bot.domain.quota import Bucket
from bot.domain.scheduling import Caps
from bot.media.addresses import AddressRules, host_of
from bot.media.fetch import Fetcher
from bot.providers.factory import ImageApi, guards_of, image_apis_of, providers_of, reader_of, result_rules
from bot.providers.guard import ProviderGuard
from bot.providers.moderations import moderations_of
from bot.services import housekeeping
from bot.services.admin import Admin
from bot.services.admission import Admissions
from bot.services.catalog import Models
from bot.services.gallery import Gallery
from bot.services.guilds import Guilds
from bot.services.history import History
from bot.services.lineage import Family
from bot.services.members import Members
from bot.services.moderation.case_posts import Casebook
from bot.services.moderation.cases import Cases
from bot.services.moderation.conduct import Conduct
from bot.services.money import sponsorships
from bot.services.money.accounts import Money
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
from bot.services.privacy import Privacy, Retention
from bot.services.reactions import Reactions
from bot.services.services import Services
from bot.store import jobs
from bot.store.engine.base import Store, Topic
from bot.store.engine.opening import open_store
from bot.store.outbox import ItemKind
from cogs.images.delivery import DiscordPost
from cogs.load import Tree, load
from cogs.outbox import Messenger

log = structlog.get_logger(__name__)

_TIMING = Timing()
_RESULT_MAX_PIXELS = 100_000_000  # the largest models make images of a few megapixels
_MB = 1_000_000
_DAY_MS = 86_400_000


@dataclass(frozen=True, kw_only=True)
class App:
    """Everything that was built, ready to run."""

    settings: Settings
    store: Store
    client: Easel
    services: Services
    orders: Orders
    models: Models
    guards: Mapping[str, ProviderGuard]
    dispatch: Dispatch
    watches: Mapping[str, Watch]  # by the image API's name
    outbox: Outbox
    progress: Progress
    cases: Cases
    clock: Clock

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`. If one of the long-lived tasks dies, all end and its error comes out."""
        await self.client.authenticate(self.settings.discord_token.get_secret_value())
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(loop, name=name) for name, loop in self._loops().items()]
            connection = group.create_task(self.client.keep_connected(), name="discord")
            await stop.wait()
            log.info("stopping", grace_s=self.settings.stop_grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # deliveries under way still need the connection
            await self.client.finish_events()  # and so do answers to what was just pressed
            await self.client.close()
            connection.cancel()
        await self.client.finish_events()

    def _loops(self) -> dict[str, Coroutine[Any, Any, None]]:
        grace_s = self.settings.stop_grace_s
        keep = {
            "references_keep_ms": int(self.settings.references_keep_days * _DAY_MS),
            "images_keep_ms": int(self.settings.pictures_keep_days * _DAY_MS),
        }
        return {
            "models": self.models.run(),
            "dispatch": self.dispatch.run(grace_s=grace_s),
            "outbox": self.outbox.run(grace_s=grace_s),
            "progress": self.progress.run(),
            "cases": self.cases.run(),
            "tidy": housekeeping.run(store=self.store, **keep, bucket=self.orders.bucket, clock=self.clock),
            "sponsorships": sponsorships.run(store=self.store, clock=self.clock),
            **{f"guard {name}": guard.run() for name, guard in self.guards.items()},
            **{f"watch {name}": watch.run(grace_s=grace_s) for name, watch in self.watches.items()},
        }


@asynccontextmanager
async def assemble(
    settings: Settings, *, more_apis: Sequence[ImageApi] = (), timing: Timing = _TIMING, clock: Clock = system
) -> AsyncIterator[App]:
    """Build everything and take it down again. Raise `StartError` where something cannot be opened.

    `more_apis` are image APIs beside those that the settings know.
    """
    apis = (*image_apis_of(settings), *more_apis)
    client.set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
    async with (
        open_store(settings.database) as store,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        Fetcher(rules=AddressRules(allowed_hosts=settings.discord_cdn_hosts)) as reference_fetcher,
        Fetcher(rules=result_rules(apis, allowed_hosts=settings.result_hosts)) as result_fetcher,
        Easel(store=store, clock=clock, load=load, tree_cls=Tree, message_content=settings.message_content_intent) as easel,
    ):
        # Only now: whoever holds the store is the only process that may use the spool.
        spool = await asyncio.to_thread(_clean_spool, settings.data_dir / "spool")
        await store.write(jobs.forget_answers, clock())
        locks = KeyedLocks()
        max_result_bytes = int(settings.result_max_mb * _MB)
        fetch = partial(result_fetcher.fetch_bytes, max_bytes=max_result_bytes)
        # Providers and models know each other: models are asked of the providers, which ask where a model wants its seed.
        built_with: dict[str, Any] = {"session": session, "fetch": fetch, "max_result_bytes": max_result_bytes}
        providers = providers_of(apis, **built_with, slots=lambda api_id, provider: models.slots(api_id, provider))
        models = Models(store=store, providers=providers, read=reader_of(settings), clock=clock)
        await models.load()
        guards = guards_of(apis, providers, timing, clock, on_recovery=partial(store.wake, Topic.QUEUE))
        members = Members(store=store, clock=clock)
        limits = _limits(settings)
        guilds = Guilds(store=store, clock=clock)
        checks = Classifier(endpoint=moderations_of(settings, session))
        screening = Screening(store=store, guilds=guilds, checks=checks, timing=timing, clock=clock)
        pricing = Pricing(store=store, limits=limits, credit_usd=settings.credit_usd, clock=clock)
        rules: dict[str, Any] = {"store": store, "pricing": pricing, "limits": limits, "clock": clock}
        admissions = Admissions(**rules, title_of=models.title)
        intake = Intake(**rules, models=models, admissions=admissions, checks=checks, fetcher=reference_fetcher)
        orders = Orders(store=store, guards=guards, models=models, intake=intake, pricing=pricing, limits=limits, clock=clock)
        cases = Cases(store=store, orders=orders, guilds=guilds, clock=clock)
        post = DiscordPost(easel, clock=clock)
        results = Results(
            store=store,
            providers=providers,
            fetcher=result_fetcher,
            attachments=reference_fetcher,
            shown=post,
            locks=locks,
            spool=spool,
            max_bytes=max_result_bytes,
            max_pixels=_RESULT_MAX_PIXELS,
            clock=clock,
        )
        easel.services = services = Services(
            admissions=admissions,
            casebook=Casebook(store=store, clock=clock),
            cases=cases,
            conduct=Conduct(store=store, clock=clock),
            family=Family(store=store),
            gallery=Gallery(store=store, bucket=limits.bucket, clock=clock),
            history=History(store=store, clock=clock),
            admin=Admin(store=store, pricing=pricing, credit_usd=settings.credit_usd, clock=clock),
            members=members,
            money=Money(store=store, pricing=pricing, credit_usd=settings.credit_usd, clock=clock),
            privacy=Privacy(store=store, keeping=_retention(settings, apis), clock=clock),
            reactions=Reactions(store=store, orders=orders, clock=clock),
            results=results,
            guilds=guilds,
            orders=orders,
            pricing=pricing,
        )
        common: dict[str, Any] = {"store": store, "orders": orders, "timing": timing}
        give_up_ms = int(settings.max_generation_minutes * 60_000)
        watched: dict[str, Any] = {**common, "give_up_ms": give_up_ms, "clock": clock}
        watches = {name: Watch(**watched, provider=provider) for name, provider in providers.items()}
        dispatch = Dispatch(
            **common,
            screening=screening,
            guards=guards,
            rules=_rules(settings),
            expect=lambda provider, provider_id: watches[provider].expect(provider_id),
            clock=clock,
        )
        deliver = Deliver(
            store=store,
            screening=screening,
            timing=timing,
            guilds=guilds,
            results=results,
            routes=Routes(store=store, results=results, post=post, clock=clock),
            keep_images=settings.pictures_keep_days > 0,
            locks=locks,
            clock=clock,
        )
        handlers = {ItemKind.DELIVER: deliver.carry_out, **Messenger(easel, clock=clock).handlers}
        yield App(
            settings=settings,
            store=store,
            client=easel,
            services=services,
            orders=orders,
            models=models,
            guards=guards,
            dispatch=dispatch,
            watches=watches,
            outbox=Outbox(store=store, handlers=handlers, timing=timing, clock=clock),
            progress=Progress(**common, post=post, locks=locks, clock=clock),
            cases=cases,
            clock=clock,
        )


async def run(settings: Settings) -> None:
    """The bot, until it is told to stop (SIGINT or SIGTERM). Raise `StartError` where it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with assemble(settings) as app:
        await app.serve(stop)


async def sync(settings: Settings) -> None:
    """Register the commands with Discord, whether they changed or not. Raise `StartError`."""
    async with assemble(settings) as app:
        await app.client.authenticate(settings.discord_token.get_secret_value())
        if not app.client.has_registered:
            await app.client.sync_commands(always=True)


def _clean_spool(folder: Path) -> Path:
    """Images left by a run that was killed are fetched again; their files are of no use."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StartError(f"DATA_DIR cannot be used: {error.strerror or type(error).__name__} at {folder}.") from error
    return folder


def _retention(settings: Settings, apis: Sequence[ImageApi]) -> Retention:
    return Retention(
        references_days=settings.references_keep_days,
        images_days=settings.pictures_keep_days,
        services=tuple(api.settings.title for api in apis),
        checker=host_of(settings.moderations_url).removesuffix(":443") if settings.moderations_url else None,
    )


def _limits(settings: Settings) -> OperatorLimits:
    return OperatorLimits(
        bucket=Bucket(size=quota.microcredits(settings.quota_credits), refill_per_day=quota.microcredits(settings.quota_refill_per_day)),
        max_waiting=settings.max_waiting_per_user,
        default_model=settings.default_model,
        reference_max_bytes=int(settings.reference_max_mb * _MB),
        reference_max_pixels=int(settings.reference_max_megapixels * 1_000_000),
    )


def _rules(settings: Settings) -> DispatchPolicy:
    return DispatchPolicy(
        caps=Caps(per_user=settings.max_running_per_user, per_guild=settings.max_running_per_server, total=settings.max_running),
        references=settings.reference_mode,
        uncertain=settings.uncertain_calls,
        routes=settings.fallback_models,
        give_up_ms=int(settings.max_generation_minutes * 60_000),
    )
