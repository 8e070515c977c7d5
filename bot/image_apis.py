"""The image APIs that the settings turn on, built for the composition root: providers, their desks, and what may be fetched of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import aiohttp

from bot.clock import Clock
from bot.config import Settings
from bot.endpoints import TITLES
from bot.images.addresses import AddressRules, host_of
from bot.images.catalog import Catalog
from bot.images.desk import Desk
from bot.images.known import models_of
from bot.images.made import Fetch
from bot.images.openai import OpenAi
from bot.images.oxen import Oxen
from bot.images.provider import Provider, Slots
from bot.jobs.pace import Pace

_MB = 1_000_000


def providers_of(
    settings: Settings, session: aiohttp.ClientSession, fetch: Fetch, *, slots: Callable[[str, str], Slots]
) -> dict[str, Provider]:
    """The image APIs that the settings turn on, by name, in an order that stays."""
    max_bytes = int(settings.result_max_mb * _MB)
    providers: dict[str, Provider] = {}
    if settings.oxen_api_key:
        providers["oxen"] = Oxen(
            session=session,
            base_url=settings.oxen_base_url,
            api_key=settings.oxen_api_key.get_secret_value(),
            mode=settings.oxen_mode,
            namespace=settings.oxen_namespace,
            slots=lambda api_id: slots(api_id, "oxen"),
            fetch=fetch,
            max_result_bytes=max_bytes,
        )
    for endpoint in settings.endpoints:
        providers[endpoint.name] = OpenAi(
            name=endpoint.name,
            session=session,
            base_url=endpoint.base_url,
            api_key=endpoint.key.get_secret_value(),
            models=models_of(endpoint),
            edit_encoding=endpoint.edit_encoding,
            slots=partial(_slots_at, slots, endpoint.name),
            fetch=fetch,
            max_result_bytes=max_bytes,
            timeout_s=endpoint.timeout_s,
        )
    return providers


def desks_of(
    settings: Settings, providers: Mapping[str, Provider], pace: Pace, clock: Clock, on_back: Callable[[], None]
) -> dict[str, Desk]:
    limits = {endpoint.name: (endpoint.rate_per_minute, endpoint.max_running) for endpoint in settings.endpoints}
    limits["oxen"] = (settings.oxen_rate_per_minute, settings.oxen_max_running)
    return {
        name: Desk(
            provider,
            title=TITLES.get(name, name),
            rate_per_minute=limits[name][0],
            places=limits[name][1],
            clock=clock,
            pause_min_s=pace.ping_min_s,
            pause_max_s=pace.ping_max_s,
            on_back=on_back,
        )
        for name, provider in providers.items()
    }


def reader_of(settings: Settings) -> Callable[[Mapping[str, Sequence[Mapping[str, Any]]]], Catalog]:
    return lambda lists: Catalog.merge(lists, credit_usd=settings.credit_usd, model_prices=settings.model_prices)


def result_rules(settings: Settings) -> AddressRules:
    own = [settings.oxen_base_url] if settings.oxen_api_key else []
    hosts = (host_of(url) for url in (*own, *(endpoint.base_url for endpoint in settings.endpoints)))
    return AddressRules(allowed_hosts=settings.result_hosts, trusted_hosts=tuple(hosts))


def _slots_at(slots: Callable[[str, str], Slots], provider: str, api_id: str) -> Slots:
    return slots(api_id, provider)
