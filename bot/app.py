"""The composition root: the only place that builds things. Nested contexts, one task group, dependencies by keyword."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot import client, quota
from bot.client import Easel
from bot.clock import Clock, system
from bot.config import Settings
from bot.errors import StartError
from bot.images.addresses import AddressRules
from bot.images.catalog import Catalog
from bot.images.fetch import Fetcher
from bot.images.oxen import Oxen
from bot.jobs import tidy
from bot.jobs.deliver import Deliver
from bot.jobs.dispatch import Caps, Dispatch
from bot.jobs.models import Models
from bot.jobs.pace import Bells, Locks, Pace
from bot.jobs.progress import Progress
from bot.jobs.studio import Limits, Studio
from bot.jobs.watch import Watch
from bot.quota import Bucket
from bot.store.engine import Store, open_store
from cogs.post import DiscordPost

log = structlog.get_logger(__name__)

_PACE = Pace()
_RESULT_MAX_PIXELS = 100_000_000  # the largest models make pictures of a few megapixels
_MB = 1_000_000


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything that was built, ready to run."""

    settings: Settings
    store: Store
    client: Easel
    studio: Studio
    models: Models
    dispatch: Dispatch
    watch: Watch
    deliver: Deliver
    progress: Progress
    clock: Clock

    async def serve(self, stop: asyncio.Event) -> None:
        """Work until `stop`. If one of the long-lived tasks dies, all end and its error comes out."""
        grace_s = self.settings.stop_grace_s
        keep_ms = int(self.settings.references_keep_days * 86_400_000)
        await self.client.enter(self.settings.discord_token.get_secret_value())
        async with asyncio.TaskGroup() as group:
            loops = {
                "models": self.models.run(),
                "dispatch": self.dispatch.run(grace_s=grace_s),
                "watch": self.watch.run(grace_s=grace_s),
                "deliver": self.deliver.run(grace_s=grace_s),
                "progress": self.progress.run(),
                "tidy": tidy.run(store=self.store, references_keep_ms=keep_ms, clock=self.clock),
            }
            tasks = [group.create_task(loop, name=name) for name, loop in loops.items()]
            connection = group.create_task(self.client.stay(), name="discord")
            await stop.wait()
            log.info("stopping", grace_s=grace_s)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # deliveries under way still need the connection
            await self.client.close()
            connection.cancel()
        await self.client.finish_events()


@asynccontextmanager
async def open_house(settings: Settings, *, pace: Pace = _PACE, clock: Clock = system) -> AsyncIterator[House]:
    """Build everything and take it down again. Raise `StartError` where something cannot be opened."""
    client.point_at(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
    async with (
        open_store(settings.database) as store,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        Fetcher(rules=_reference_rules(settings)) as reference_fetcher,
        Fetcher(rules=_result_rules(settings)) as result_fetcher,
        Easel(store=store, clock=clock) as easel,
    ):
        # Only now: whoever holds the store is the only process that may use the spool.
        spool = await asyncio.to_thread(_clean_spool, settings.data_dir / "spool")
        bells, locks = Bells.hang(), Locks()
        provider = Oxen(
            session=session,
            base_url=settings.oxen_base_url,
            api_key=settings.oxen_api_key.get_secret_value(),
            mode=settings.oxen_mode,
            namespace=settings.oxen_namespace,
            slots=lambda model_id: models.slots(model_id),  # the two know each other: models are asked of the provider
            max_result_bytes=int(settings.result_max_mb * _MB),
        )
        models = Models(store=store, provider=provider, read=_reader(settings), clock=clock)
        await models.load()
        post = DiscordPost(easel, clock=clock)
        studio = Studio(store=store, models=models, fetcher=reference_fetcher, limits=_limits(settings), bells=bells, clock=clock)
        easel.studio = studio
        give_up_ms = int(settings.max_generation_minutes * 60_000)
        common: dict[str, Any] = {"store": store, "studio": studio, "pace": pace}
        watch = Watch(**common, provider=provider, give_up_ms=give_up_ms, bells=bells, clock=clock)
        dispatch = Dispatch(
            **common,
            provider=provider,
            caps=_caps(settings),
            references=settings.reference_mode,
            give_up_ms=give_up_ms,
            expect=watch.expect,
            bells=bells,
            clock=clock,
        )
        deliver = Deliver(
            **common,
            provider=provider,
            fetcher=result_fetcher,
            post=post,
            spool=spool,
            result_max_bytes=int(settings.result_max_mb * _MB),
            result_max_pixels=_RESULT_MAX_PIXELS,
            bells=bells,
            locks=locks,
            clock=clock,
        )
        progress = Progress(**common, post=post, locks=locks)
        yield House(
            settings=settings,
            store=store,
            client=easel,
            studio=studio,
            models=models,
            dispatch=dispatch,
            watch=watch,
            deliver=deliver,
            progress=progress,
            clock=clock,
        )


async def run(settings: Settings) -> None:
    """The bot, until it is told to stop (SIGINT or SIGTERM). Raise `StartError` where it cannot start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    async with open_house(settings) as house:
        await house.serve(stop)


async def sync(settings: Settings) -> None:
    """Register the commands with Discord, whether they changed or not. Raise `StartError`."""
    async with open_house(settings) as house:
        await house.client.enter(settings.discord_token.get_secret_value())
        if not house.client.has_registered:
            await house.client.sync_commands(always=True)


def _clean_spool(folder: Path) -> Path:
    """Pictures left by a run that was killed are fetched again; their files are of no use."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StartError(f"DATA_DIR cannot be used: {error.strerror or type(error).__name__} at {folder}.") from error
    return folder


def _reader(settings: Settings) -> Callable[[Sequence[Mapping[str, Any]]], Catalog]:
    return lambda raw: Catalog.read(raw, credit_usd=settings.credit_usd, model_prices=settings.model_prices)


def _limits(settings: Settings) -> Limits:
    return Limits(
        bucket=Bucket(size=quota.microcredits(settings.quota_credits), refill_per_day=quota.microcredits(settings.quota_refill_per_day)),
        max_waiting=settings.max_waiting_per_user,
        default_model=settings.default_model,
        reference_max_bytes=int(settings.reference_max_mb * _MB),
        reference_max_pixels=int(settings.reference_max_megapixels * 1_000_000),
    )


def _caps(settings: Settings) -> Caps:
    return Caps(per_user=settings.max_running_per_user, per_server=settings.max_running_per_server, total=settings.max_running)


def _reference_rules(settings: Settings) -> AddressRules:
    return AddressRules(allowed_hosts=settings.discord_cdn_hosts)


def _result_rules(settings: Settings) -> AddressRules:
    return AddressRules(allowed_hosts=settings.result_hosts, trusted_hosts=(urlsplit(settings.oxen_base_url).netloc.lower(),))
