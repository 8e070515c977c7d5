"""The composition root: builds all objects, and closes resources in reverse order."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from bot.assembly import ImageApis, Resources, build_services, caps_of, configured_apis, connect_image_apis, open_resources
from bot.client.easel import REQUEST_FAILED, Easel, do_about, refusal_of, set_addresses
from bot.client.sharing import AloneSharing, Sharing, StoredSharing
from bot.core import config, metrics
from bot.core.clock import Clock, steady
from bot.core.config import Settings
from bot.core.errors import StartError
from bot.core.log import Redactor
from bot.core.running.lag import LoopLag
from bot.core.running.loops import Timing
from bot.core.running.stopping import stop_at_signals, unless_stopped
from bot.core.running.supervision import Loop, Loops, Supervisor
from bot.domain.outbox import ItemKind
from bot.providers.factory import ImageApi
from bot.providers.guard import ProviderGuard
from bot.services import housekeeping
from bot.services.backups.making import Backups
from bot.services.backups.scheduled import Schedule, ScheduledBackups
from bot.services.catalog import Models
from bot.services.gauges import Gauges
from bot.services.moderation.flagging import FlaggedBy, no_longer_said
from bot.services.money import sponsorships
from bot.services.money.bill import Bill
from bot.services.operating import heartbeat as heartbeats
from bot.services.operating import page
from bot.services.operating.heartbeat import Heartbeat
from bot.services.operating.notices import Notices, Send
from bot.services.operating.readiness import DatabaseCheck, Readiness, lasting_trouble
from bot.services.operating.service_manager import ServiceManager
from bot.services.operating.webhook import Webhook
from bot.services.outbox import Handler, Outbox
from bot.services.pipeline.api_states import ApiStates
from bot.services.pipeline.delivery.deliver import Deliver
from bot.services.pipeline.delivery.routes import ResultPost, Routes
from bot.services.pipeline.dispatch import Dispatch, DispatchPolicy
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.screening import Screening
from bot.services.pipeline.submission import Packing
from bot.services.pipeline.watch import Watch
from bot.services.processes.membership import Membership
from bot.services.processes.roles import Roles
from bot.services.services import Services
from bot.store.engine.base import Store
from cogs.images.delivery import DiscordPost
from cogs.load import Tree, load
from cogs.outbox import Messenger
from cogs.reactions.reading import flagged_by

log = structlog.get_logger(__name__)

_TIMING = Timing()
_REGISTERING_EVERY_S = 3600.0  # the longest pause while Discord refuses the commands


@dataclass(frozen=True, kw_only=True)
class DiscordPorts:
    """The services' ports to Discord."""

    post: ResultPost
    handlers: Mapping[ItemKind, Handler]  # for every kind except DELIVER
    flagged_by: FlaggedBy = no_longer_said


@dataclass(frozen=True, kw_only=True)
class App:
    """The application, ready to run."""

    settings: Settings
    timing: Timing
    clock: Clock
    store: Store
    client: Easel
    services: Services
    models: Models
    guards: Mapping[str, ProviderGuard]  # by the provider's name
    api_states: ApiStates
    dispatch: Dispatch
    watches: Mapping[str, Watch]  # by the provider's name
    outbox: Outbox
    progress: Progress
    bill: Bill
    gauges: Gauges
    supervisor: Supervisor
    lag: LoopLag
    notices: Notices
    heartbeat: Heartbeat
    service_manager: ServiceManager
    backups: ScheduledBackups
    membership: Membership
    roles: Roles

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. Raises `StartError` if the bot cannot go on: a refused token, a damaged or lost database."""
        with self.notices.listening():
            async with page.served(self.settings.metrics_port, self.settings.metrics_host, lag=self.lag, readiness=self._readiness()):
                await self._serve(stop)

    async def _serve(self, stop: asyncio.Event) -> None:
        if not await unless_stopped(stop, self.client.authenticate(self.settings.discord_token.get_secret_value())):
            return
        keep = self.supervisor.keep
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep(name, loop), name=name) for name, loop in self._loops().items()]
            connected = Loop(run=self._keep_connected, is_patient=False)  # it starts what answers members
            connection = group.create_task(keep("discord", connected), name="discord")
            await stop.wait()
            self.supervisor.stop()
            log.info("stopping", grace_s=self.settings.stop_grace_s)
            self.store.hurry(self.settings.stop_grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # started deliveries still need the connection
            await self.client.disconnect()
            connection.cancel()
        await self.client.finish_events()

    async def _keep_connected(self) -> None:
        """A new bot reads its first list of models before anyone can order. Without one it connects all the same, to say so."""
        await self.models.wait_known(timeout_s=self.timing.first_list_s)
        await self.client.keep_connected()

    def _readiness(self) -> Readiness:
        database = DatabaseCheck(store=self.store, clock=self.clock)
        return Readiness(database=database, gateway=self.client.gateway_trouble, supervisor=self.supervisor)

    def _loops(self) -> Loops:
        grace_s = self.settings.stop_grace_s
        works = housekeeping.sweeps_of(self.services.privacy.retention.keep, self.services.orders.bucket)
        sweep = partial(housekeeping.run, store=self.store, works=works, clock=self.clock)
        erased = partial(housekeeping.overwrite_erased, store=self.store, every_s=self.timing.overwrite_s, clock=self.clock)
        runs: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "supervisor": self.supervisor.watch,
            "lease": self.membership.run,
            "loop lag": self.lag.run,
            "commands": partial(self.client.keep_registered, partial(self.timing.backoff_s, longest_s=_REGISTERING_EVERY_S)),
            "progress": self.progress.run,
            "image API states": partial(self.api_states.run, tuple(self.guards.values())),
            "models": self.models.follow,
            "gauges": self.gauges.run,
        }
        runs_once: Mapping[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "flags": self.services.flagging.run,
            "bill": self.bill.run,
            "backups": self.backups.run,
            "housekeeping": sweep,
            "erased": erased,
            "sponsorships": partial(sponsorships.run, store=self.store, clock=self.clock, every_s=self.timing.slow_s),
            "removed image APIs": self.dispatch.keep_ending_removed,
            **{f"guard {name}": guard.run for name, guard in self.guards.items()},
        }
        once, watches = {name: Loop(run=run) for name, run in runs_once.items()}, self.watches.items()
        watching = [self.roles.once_in_all(watch.loops(grace_s=grace_s), role=f"watch {name}") for name, watch in watches]
        return {
            **{name: Loop(run=run) for name, run in runs.items()},
            "heartbeat": Loop(run=self.heartbeat.run, finish=self.heartbeat.finish),
            "notices": Loop(run=self.notices.run, finish=self.notices.finish),
            **self.service_manager.loops,
            **self.dispatch.loops(grace_s=grace_s),
            **self.outbox.loops(grace_s=grace_s),
            **self.roles.once_in_all({**once, **self.models.loops}),
            **{name: loop for loops in watching for name, loop in loops.items()},
        }


async def run(settings: Settings) -> None:
    """Run the bot until SIGINT or SIGTERM. Raises `StartError` if it cannot start."""
    logging.getLogger().addHandler(metrics.LogCounter())
    stop = asyncio.Event()
    stop_at_signals(stop, grace_s=settings.stop_grace_s)
    async with assemble(settings) as app:
        gc.freeze()  # what exists now stays: searching it again for garbage would hold the loop for some 80 ms
        gc.enable()
        await app.serve(stop)


async def sync(settings: Settings) -> None:
    """Register the commands with Discord, even if they have not changed. Raises `StartError`."""
    async with assemble(settings) as app:
        await app.client.authenticate(settings.discord_token.get_secret_value())
        try:
            await app.client.sync_commands(always=True)
        except REQUEST_FAILED as error:
            raise StartError(f"The commands are not registered: {refusal_of(error)}. {do_about(error)}") from None


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    more_apis: Sequence[ImageApi] = (),
    timing: Timing = _TIMING,
    clock: Clock = steady,
    discord: DiscordPorts | None = None,
    sharing: Sharing | None = None,
) -> AsyncIterator[App]:
    """Build the application, and close it at the end. Raises `StartError` if a resource cannot be opened.

    `more_apis` are added to the image APIs of the settings, and replace those of the same name. `discord` replaces the client's own ports,
    and `sharing` how it shares the shards with other processes.
    """
    metrics.describe_build(database=settings.database.partition(":")[0])
    apis = configured_apis(settings, more_apis)
    cdn_host = next(iter(settings.discord_cdn_hosts), "")
    set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url, cdn_host=cdn_host)
    async with (
        open_resources(settings, apis, timing=timing, clock=clock) as resources,
        _client_of(resources, sharing or _sharing_of(resources)) as easel,
    ):
        if discord is None:
            handlers = Messenger(easel, sealer=resources.sealer, clock=clock).handlers
            post = DiscordPost(easel, sealer=resources.sealer, clock=clock)
            discord = DiscordPorts(post=post, handlers=handlers, flagged_by=flagged_by(easel))
        image_apis = await connect_image_apis(apis, resources)
        easel.services = services = build_services(resources, image_apis, discord.post, discord.flagged_by)
        yield _pipeline(resources, image_apis, services, easel, discord)


# --- the pipeline --------------------------------------------------------------------------------------------------------


def _pipeline(resources: Resources, image_apis: ImageApis, services: Services, easel: Easel, discord: DiscordPorts) -> App:
    """Build the background loops."""
    settings, store, timing, clock = resources.settings, resources.store, resources.timing, resources.clock
    orders, guilds, results = services.orders, services.guilds, services.results
    policy = _dispatch_policy(settings)
    supervisor = Supervisor(backoff_s=timing.backoff_s, healthy_s=timing.retry_max_s, check_s=timing.slow_s / 6, clock=clock)
    trouble = partial(lasting_trouble, store, supervisor)
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
        disk=resources.disk,
        packing=Packing(store=store, decoding=resources.decoding, mode=settings.reference_mode, clock=clock),
        guards=image_apis.guards,
        watches=watches,
        policy=policy,
        confirm=resources.membership.confirm,
        clock=clock,
    )
    progress = Progress(store=store, orders=orders, timing=timing, post=discord.post, locks=results.locks, clock=clock)
    deliver = Deliver(
        store=store,
        progress=progress,
        screening=screening,
        timing=timing,
        guilds=guilds,
        members=services.members,
        results=results,
        routes=Routes(store=store, fitting=results.fitting, post=discord.post, clock=clock),
        keep_images=settings.pictures_keep_days > 0,
        locks=results.locks,
        clock=clock,
    )
    return App(
        settings=settings,
        timing=timing,
        clock=clock,
        store=store,
        client=easel,
        services=services,
        models=image_apis.models,
        guards=image_apis.guards,
        api_states=image_apis.states,
        dispatch=dispatch,
        watches=watches,
        outbox=Outbox(store=store, handlers={ItemKind.DELIVER: deliver.handle, **discord.handlers}, timing=timing, clock=clock),
        progress=progress,
        gauges=Gauges(store=store, monthly_usd=settings.monthly_limit_usd, credit_usd=settings.credit_usd, clock=clock),
        bill=Bill(store=store, providers=image_apis.providers, credit_usd=settings.credit_usd, clock=clock),
        lag=LoopLag(),
        notices=_notices(resources, easel),
        heartbeat=Heartbeat(heartbeats.folder_of(settings.data_dir), trouble=trouble),
        service_manager=ServiceManager(config.told_by_service_manager(), trouble=trouble),
        supervisor=supervisor,
        backups=_scheduled_backups(resources),
        membership=resources.membership,
        roles=Roles(coordination=store.coordination, retry_s=timing.role_s),
    )


def _scheduled_backups(resources: Resources) -> ScheduledBackups:
    settings, clock = resources.settings, resources.clock
    folder, every_s = settings.backup_dir, settings.backup_every_hours * 3600
    return ScheduledBackups(
        backups=Backups(database=settings.database, data_dir=settings.data_dir, clock=clock),
        schedule=Schedule(folder=folder, every_s=every_s, keep=settings.backups_keep) if folder else None,
        clock=clock,
    )


def _notices(resources: Resources, easel: Easel) -> Notices:
    settings = resources.settings
    channels: dict[str, Send] = {"DM": easel.tell_owner} if settings.operator_dm else {}
    if url := settings.operator_webhook_url.get_secret_value():
        channels["webhook"] = Webhook(url=url, session=resources.session, proxies=settings.proxies).send
    redact = Redactor(settings.secrets)
    return Notices(channels=channels, redact=redact, clock=resources.clock, backoff_s=resources.timing.backoff_s)


def _sharing_of(resources: Resources) -> Sharing:
    store, membership = resources.store, resources.membership
    if not store.is_shared:
        return AloneSharing()
    return StoredSharing(store=store, coordination=store.coordination, living=membership.living, clock=resources.clock)


def _client_of(resources: Resources, sharing: Sharing) -> Easel:
    settings = resources.settings
    return Easel(
        store=resources.store,
        clock=resources.clock,
        sharing=sharing,
        shards=settings.shards,
        identify_s=resources.timing.identify_s,
        load=load,
        tree_cls=Tree,
        message_content=settings.message_content_intent,
    )


def _dispatch_policy(settings: Settings) -> DispatchPolicy:
    return DispatchPolicy(
        caps=caps_of(settings),
        uncertain=settings.uncertain_calls,
        routes=settings.fallback_models,
        give_up_ms=int(settings.max_generation_minutes * 60_000),
    )
