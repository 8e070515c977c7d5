"""Builds the providers and their guards from the settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp

from bot.core.clock import Clock
from bot.core.config import Settings
from bot.core.proxies import ProxyRules
from bot.core.running.loops import Timing
from bot.core.settings.endpoints import Endpoint, OxenSettings, ProviderSettings
from bot.domain.catalog.models import Catalog, Slots
from bot.media.addresses import AddressRules, host_of
from bot.media.fetch import Credential
from bot.providers.guard import ProviderGuard, SharedStates
from bot.providers.openai import OpenAi
from bot.providers.openai_models import models_of
from bot.providers.oxen import Oxen
from bot.providers.provider import Provider
from bot.providers.response_images import Fetch


@dataclass(frozen=True, kw_only=True)
class BuildContext:
    """What every client is built with, besides its settings."""

    session: aiohttp.ClientSession
    fetch: Fetch  # downloads an image that the image API returned as a link
    max_result_bytes: int
    slots: Callable[[str], Slots]  # by the image API's id of a model
    proxy: str | None = None  # the address of the proxy that leads to the image API


UNKNOWN_API: Final = ""  # no image API has this name

Build = Callable[[Any, BuildContext], Provider]  # the first argument is the settings class of its kind


@dataclass(frozen=True, kw_only=True)
class ImageApi:
    """An image API's settings, and the function that builds its client."""

    settings: ProviderSettings
    build: Build


def _oxen(settings: OxenSettings, context: BuildContext) -> Provider:
    return Oxen(
        session=context.session,
        base_url=settings.base_url,
        api_key=settings.key.get_secret_value(),
        mode=settings.mode,
        namespace=settings.namespace,
        slots=context.slots,
        fetch=context.fetch,
        max_result_bytes=context.max_result_bytes,
        proxy=context.proxy,
    )


def _openai(settings: Endpoint, context: BuildContext) -> Provider:
    return OpenAi(
        name=settings.name,
        session=context.session,
        base_url=settings.base_url,
        api_key=settings.key.get_secret_value(),
        models=models_of(settings),
        edit_encoding=settings.edit_encoding,
        slots=context.slots,
        fetch=context.fetch,
        max_result_bytes=context.max_result_bytes,
        proxy=context.proxy,
        timeout_s=settings.timeout_s,
        params=settings.params,
    )


BUILDERS: Final[Mapping[str, Build]] = {OxenSettings.kind: _oxen, Endpoint.kind: _openai}


def image_apis_of(settings: Settings) -> tuple[ImageApi, ...]:
    """The enabled image APIs, in a stable order."""
    return tuple(ImageApi(settings=each, build=BUILDERS[each.kind]) for each in settings.providers)


def providers_of(
    apis: Iterable[ImageApi],
    *,
    session: aiohttp.ClientSession,
    fetch: Mapping[str, Fetch],
    max_result_bytes: int,
    slots: Callable[[str, str], Slots],
    proxies: ProxyRules,
) -> dict[str, Provider]:
    """The clients by name. `fetch` is by name too; `slots` takes the image API's id of a model, and the image API's name."""

    def build(api: ImageApi) -> Provider:
        own_slots = partial(_slots_at, slots, api.settings.name)
        context = BuildContext(
            session=session,
            fetch=fetch[api.settings.name],
            max_result_bytes=max_result_bytes,
            slots=own_slots,
            proxy=proxies.proxy_for(api.settings.base_url),
        )
        return api.build(api.settings, context)

    return {api.settings.name: build(api) for api in apis}


def guards_of(
    apis: Iterable[ImageApi],
    providers: Mapping[str, Provider],
    *,
    states: SharedStates,
    timing: Timing,
    clock: Clock,
    on_change: Callable[[], None],
    on_recovery: Callable[[], None],
) -> dict[str, ProviderGuard]:
    return {
        api.settings.name: ProviderGuard(
            providers[api.settings.name],
            title=api.settings.title,
            rate_per_minute=api.settings.rate_per_minute,
            max_running=api.settings.max_running,
            states=states,
            clock=clock,
            failures=timing.unavailable_after,
            pause_min_s=timing.ping_min_s,
            pause_max_s=timing.ping_max_s,
            on_change=on_change,
            on_recovery=on_recovery,
        )
        for api in apis
    }


def reader_of(settings: Settings) -> Callable[[Mapping[str, Sequence[Mapping[str, Any]]]], Catalog]:
    return lambda lists: Catalog.merge(lists, credit_usd=settings.credit_usd, model_prices=settings.model_prices)


def result_rules(apis: Iterable[ImageApi], *, more_hosts: Sequence[str]) -> dict[str, AddressRules]:
    """The address rules for the results of each image API, by its name: its own hosts, and `more_hosts`.

    Under `UNKNOWN_API` those for the results of one that is not used any more: `more_hosts` only.
    """
    known = {
        api.settings.name: AddressRules(
            allowed_hosts=tuple(more_hosts),
            trusted_hosts=(host_of(api.settings.base_url),),
            public_hosts=api.settings.result_hosts,
        )
        for api in apis
    }
    return {UNKNOWN_API: AddressRules(allowed_hosts=tuple(more_hosts)), **known}


def result_credentials(apis: Iterable[ImageApi]) -> dict[str, Credential]:
    """The keys for result links on the image APIs' own hosts, by name."""
    return {
        api.settings.name: Credential(base_url=api.settings.base_url, key=api.settings.key.get_secret_value())
        for api in apis
        if api.settings.key
    }


def _slots_at(slots: Callable[[str, str], Slots], provider: str, api_id: str) -> Slots:
    return slots(api_id, provider)
