"""What the application is built from: open resources, the clients of the image APIs, and the services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import structlog

from bot.core.clock import Clock
from bot.core.config import Settings
from bot.core.running.coordination import SharedLocks
from bot.core.running.executors import BoundedExecutor
from bot.core.running.home import opened
from bot.core.running.loops import Timing
from bot.core.running.machine import Disk
from bot.core.sealing import Sealer
from bot.domain.money import quota
from bot.domain.money.quota import Bucket
from bot.domain.order import RESULT_MAX_PIXELS, OperatorLimits
from bot.domain.retention import KeepDays
from bot.domain.scheduling import Caps
from bot.media.addresses import AddressRules, host_of
from bot.media.decoding import DecodingPool
from bot.media.fetch import Fetcher
from bot.providers.factory import ImageApi, guards_of, image_apis_of, providers_of, reader_of, result_credentials, result_rules
from bot.providers.guard import ProviderGuard
from bot.providers.http import open_session
from bot.providers.moderations import moderations_of
from bot.providers.provider import Provider
from bot.services.admin import Admin
from bot.services.admission import Admissions
from bot.services.catalog import Models
from bot.services.gallery import Gallery
from bot.services.guilds import Guilds
from bot.services.history import History
from bot.services.members import Members
from bot.services.moderation.appeals import Appeals
from bot.services.moderation.cases import Cases
from bot.services.moderation.flagging import FlaggedBy, Flagging
from bot.services.moderation.posts import Posts
from bot.services.money.accounts import Money
from bot.services.money.estimates import Estimates
from bot.services.money.excess import Excesses
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.pipeline.api_states import ApiStates
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.delivery.fitting import Fitting
from bot.services.pipeline.delivery.links import Links
from bot.services.pipeline.delivery.results import Results
from bot.services.pipeline.delivery.routes import ResultPost
from bot.services.pipeline.delivery.spool import Spool
from bot.services.pipeline.intake import Intake
from bot.services.pipeline.references import References
from bot.services.privacy import Privacy, Retention
from bot.services.processes.membership import Membership
from bot.services.reactions import Reactions
from bot.services.reposts import Reposts
from bot.services.services import Services
from bot.services.thumbnails import ThumbnailCache
from bot.store import claims
from bot.store.backup import restored
from bot.store.engine.base import Store, Topic
from bot.store.engine.opening import open_store

log = structlog.get_logger(__name__)

_THUMBNAILS_S = 4.0
_JUDGED_PER_GUILD = 200  # prompts that wait for their guild's rules
_MANAGED_PER_GUILD = 8  # documents, imports and charts
_EXPORTS_PER_MEMBER = 2
_READ_AT_ONCE = 100  # lists of models: one for each image API
_MB = 1_000_000
_BEHIND_MS = 3_600_000


# --- resources -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the services and the pipeline are built from."""

    settings: Settings
    timing: Timing
    clock: Clock
    store: Store
    session: aiohttp.ClientSession
    reference_fetcher: Fetcher
    result_fetchers: Mapping[str, Fetcher]  # by the image API's name
    decoding: DecodingPool
    judging: BoundedExecutor
    managing: BoundedExecutor
    reading: BoundedExecutor
    exporting: BoundedExecutor
    classifier: Classifier
    disk: Disk  # of DATA_DIR
    membership: Membership
    spool: Path  # of this process alone
    retention: Retention
    sealer: Sealer


@asynccontextmanager
async def open_resources(settings: Settings, apis: Sequence[ImageApi], *, timing: Timing, clock: Clock) -> AsyncIterator[Resources]:
    """Open the store, the connections and the spool. Raises `StartError`."""
    async with (
        open_store(settings.database, direct=settings.database_direct, is_shared=True) as store,
        open_session() as session,
        Fetcher(rules=AddressRules(allowed_hosts=settings.discord_cdn_hosts)) as reference_fetcher,
        DecodingPool() as decoding,
        BoundedExecutor("judging", per_key=_JUDGED_PER_GUILD, total=5 * _JUDGED_PER_GUILD) as judging,
        BoundedExecutor("managing", per_key=_MANAGED_PER_GUILD, total=10 * _MANAGED_PER_GUILD) as managing,
        BoundedExecutor("reading", per_key=_READ_AT_ONCE, total=_READ_AT_ONCE) as reading,
        AsyncExitStack() as stack,
        BoundedExecutor("exporting", per_key=_EXPORTS_PER_MEMBER, total=10 * _EXPORTS_PER_MEMBER) as exporting,
    ):
        rules = result_rules(apis, more_hosts=settings.result_hosts)
        keys = result_credentials(apis)
        fetchers = {name: Fetcher(rules=each, credential=keys.get(name), proxies=settings.proxies) for name, each in rules.items()}
        result_fetchers = {name: await stack.enter_async_context(fetcher) for name, fetcher in fetchers.items()}
        home = stack.enter_context(opened(settings.data_dir / "spool"))
        membership = Membership(store=store, home=home, lease_s=timing.lease_s, clock=clock)
        joined = await stack.enter_async_context(membership.joined())
        if not joined.others:
            await _follow_clock(store, clock())
        if (made_at := await store.write(restored.resume, clock())) is not None:
            log.warning("started from a backup", made_at=made_at, do="Orders after that time are unknown, as docs/operators.md says.")
        yield Resources(
            settings=settings,
            timing=timing,
            clock=clock,
            store=store,
            session=session,
            reference_fetcher=reference_fetcher,
            result_fetchers=result_fetchers,
            decoding=decoding,
            judging=judging,
            managing=managing,
            reading=reading,
            exporting=exporting,
            classifier=Classifier(endpoint=moderations_of(settings, session), decoding=decoding),
            disk=Disk(settings.data_dir),
            membership=membership,
            spool=home.folder,
            retention=_retention(settings, apis),
            sealer=Sealer(settings.discord_token.get_secret_value()),
        )


async def _follow_clock(store: Store, now: int) -> None:
    """Let work go on that a clock which was ahead has put off."""
    behind_ms = await store.read(claims.behind_ms, now)
    if behind_ms > _BEHIND_MS:
        log.critical(
            "clock is behind the database",
            by_s=behind_ms // 1000,
            do="Check this machine's time. Work goes on; credits that were refilled too early are not refilled again.",
        )
    await store.write(claims.pull_in, now)


# --- the image APIs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ImageApis:
    """The clients of the image APIs and their guards, by name, and all their models."""

    providers: Mapping[str, Provider]
    guards: Mapping[str, ProviderGuard]
    states: ApiStates
    models: Models


def configured_apis(settings: Settings, more: Sequence[ImageApi]) -> tuple[ImageApi, ...]:
    """The image APIs of the settings, and `more`, which replace those of the same name."""
    by_name = {api.settings.name: api for api in (*image_apis_of(settings), *more)}
    return tuple(by_name.values())


async def connect_image_apis(apis: Sequence[ImageApi], resources: Resources) -> ImageApis:
    """Build the clients and their guards, and load what the last run knew: the models, and which image APIs are away."""
    settings, store = resources.settings, resources.store
    max_bytes = int(settings.result_max_mb * _MB)
    # Providers and models depend on each other: models are read from the providers, which ask for the seed field of a model.
    providers = providers_of(
        apis,
        session=resources.session,
        fetch={name: partial(each.fetch_bytes, max_bytes=max_bytes) for name, each in resources.result_fetchers.items()},
        max_result_bytes=max_bytes,
        slots=lambda api_id, provider: models.slots(api_id, provider),
        proxies=settings.proxies,
    )
    models = Models(store=store, providers=providers, read=reader_of(settings), reading=resources.reading, clock=resources.clock)
    await models.load()
    states = ApiStates(store=store, every_s=resources.timing.slow_s)
    guards = guards_of(
        apis,
        providers,
        states=states,
        timing=resources.timing,
        clock=resources.clock,
        on_change=partial(store.wake, Topic.PROVIDERS),
        on_recovery=partial(store.wake, Topic.QUEUE),
    )
    for guard in guards.values():
        await guard.share()
    return ImageApis(providers=providers, guards=guards, states=states, models=models)


# --- the services --------------------------------------------------------------------------------------------------------


def build_services(resources: Resources, image_apis: ImageApis, post: ResultPost, flagged_by: FlaggedBy) -> Services:
    """Build every service, in the order of their dependencies."""
    settings, store, clock = resources.settings, resources.store, resources.clock
    limits, credit_usd = _operator_limits(settings), settings.credit_usd
    guilds = Guilds(store=store, clock=clock, served=_served(settings), managers_may=frozenset(settings.managers_may_set))
    members = Members(store=store, clock=clock)
    pricing = Pricing(store=store, limits=limits, credit_usd=credit_usd, clock=clock)
    titles, judging = image_apis.models.title, resources.judging
    admissions = Admissions(store=store, pricing=pricing, limits=limits, title_of=titles, judging=judging, clock=clock)
    orders = _orders(resources, image_apis, admissions, members, pricing, limits)
    results = _results(resources, image_apis, post)
    money = Money(store=store, pricing=pricing, credit_usd=credit_usd, clock=clock)
    return Services(
        reader=store,
        clock=clock,
        admin=Admin(
            excesses=Excesses(store=store, pricing=pricing, models=image_apis.models, default_model=limits.default_model, clock=clock),
            has_checks=resources.classifier.endpoint is not None,
            store=store,
            money=money,
            pricing=pricing,
            managers_may=guilds.managers_may,
            clock=clock,
        ),
        admissions=admissions,
        appeals=Appeals(store=store, clock=clock),
        cases=Cases(store=store, orders=orders, clock=clock),
        flagging=Flagging(
            store=store,
            orders=orders,
            guilds=guilds,
            weighing=SharedLocks("flags", store.coordination),
            clock=clock,
            flagged_by=flagged_by,
        ),
        gallery=Gallery(store=store, clock=clock),
        guilds=guilds,
        history=History(store=store, clock=clock),
        managing=resources.managing,
        members=members,
        money=money,
        orders=orders,
        posts=Posts(store=store, clock=clock),
        pricing=pricing,
        privacy=Privacy(
            store=store,
            members=members,
            retention=resources.retention,
            exporting=resources.exporting,
            spool=resources.spool,
            clock=clock,
        ),
        reactions=Reactions(store=store, orders=orders, timing=resources.timing, clock=clock),
        reposts=Reposts(
            store=store,
            models=image_apis.models,
            admissions=admissions,
            classifier=resources.classifier,
            results=results,
            clock=clock,
        ),
        results=results,
        thumbnails=ThumbnailCache(
            store=store,
            results=results,
            attachments=resources.reference_fetcher,
            shown=post,
            decoding=resources.decoding,
            limit_s=_THUMBNAILS_S,
        ),
    )


def _orders(
    resources: Resources, image_apis: ImageApis, admissions: Admissions, members: Members, pricing: Pricing, limits: OperatorLimits
) -> Orders:
    store, clock, models = resources.store, resources.clock, image_apis.models
    intake = Intake(
        store=store,
        models=models,
        admissions=admissions,
        pricing=pricing,
        estimates=Estimates(providers=image_apis.providers, credit_usd=resources.settings.credit_usd, clock=clock),
        limits=limits,
        classifier=resources.classifier,
        references=References(fetcher=resources.reference_fetcher, decoding=resources.decoding, limits=limits),
        disk=resources.disk,
        sealer=resources.sealer,
        clock=clock,
    )
    return Orders(
        store=store,
        guards=image_apis.guards,
        models=models,
        intake=intake,
        members=members,
        pricing=pricing,
        limits=limits,
        caps=caps_of(resources.settings),
        clock=clock,
    )


def caps_of(settings: Settings) -> Caps:
    """How many images are made at the same time."""
    return Caps(per_user=settings.max_running_per_user, per_guild=settings.max_running_per_server, total=settings.max_running)


def _results(resources: Resources, image_apis: ImageApis, post: ResultPost) -> Results:
    settings = resources.settings
    links = Links(
        store=resources.store,
        providers=image_apis.providers,
        fetchers=resources.result_fetchers,
        opens_private=settings.discord_gateway_url.startswith("ws:"),  # the API may be served by a proxy
        clock=resources.clock,
    )
    return Results(
        store=resources.store,
        links=links,
        fitting=Fitting(links=links, decoding=resources.decoding),
        attachments=resources.reference_fetcher,
        decoding=resources.decoding,
        shown=post,
        locks=SharedLocks("job", resources.store.coordination),
        spool=Spool(resources.spool),
        max_bytes=int(settings.result_max_mb * _MB),
        max_pixels=RESULT_MAX_PIXELS,
        started_at=resources.clock(),
        clock=resources.clock,
    )


# --- values from the settings --------------------------------------------------------------------------------------------


def _retention(settings: Settings, apis: Sequence[ImageApi]) -> Retention:
    return Retention(
        keep=_keep_days(settings),
        services=tuple(api.settings.title for api in apis),
        checker=host_of(settings.moderations_url).removesuffix(":443") if settings.moderations_url else None,
    )


def _keep_days(settings: Settings) -> KeepDays:
    jobs = settings.jobs_keep_days
    return KeepDays(
        jobs=jobs,
        thumbnails=min(settings.thumbnails_keep_days, jobs),
        references=min(settings.references_keep_days, jobs),
        images=min(settings.pictures_keep_days, jobs),
        moderation=settings.moderation_keep_days,
        audit=settings.audit_keep_days,
        ledger=settings.ledger_keep_days,
    )


def _served(settings: Settings) -> frozenset[int] | None:
    return None if settings.servers == "any" else frozenset(settings.servers)


def _operator_limits(settings: Settings) -> OperatorLimits:
    return OperatorLimits(
        bucket=Bucket(size=quota.microcredits(settings.quota_credits), refill_per_day=quota.microcredits(settings.quota_refill_per_day)),
        monthly_usd=settings.monthly_limit_usd,
        monthly_usd_per_guild=settings.monthly_limit_usd_per_server,
        max_waiting=settings.max_waiting_per_user,
        default_model=settings.default_model,
        reference_max_bytes=int(settings.reference_max_mb * _MB),
        reference_max_pixels=int(settings.reference_max_megapixels * 1_000_000),
    )
