"""What the doctor looks at where images come from: each image API of the settings, and the models of all of them together.

Everything that is asked here costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp

from bot.core.config import Settings
from bot.core.endpoints import Endpoint, OxenMode, OxenSettings, ProviderSettings
from bot.core.errors import InvalidRequest, ProviderAccount, ProviderBusy, ProviderError
from bot.domain import quota
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.ops.findings import Found, Mark, some
from bot.providers.http import Api
from bot.providers.openai_models import models_of
from bot.providers.oxen import Oxen

_PATIENCE_S: Final = 20.0  # for one image API, so that a silent one does not hide the others

Raw = Mapping[str, Any]  # a model, as `Catalog.merge` reads it


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """What one image API answered."""

    api: ProviderSettings
    found: tuple[Found, ...]
    models: Sequence[Raw] | None  # None: not known now


async def look_at_apis(settings: Settings, session: aiohttp.ClientSession) -> Iterable[Found]:
    """Each image API by itself, then what they offer together."""
    heard = await asyncio.gather(*_questions(settings, session))
    lists = {each.api.name: each.models or () for each in heard}
    catalog = Catalog.merge(lists, credit_usd=settings.credit_usd, model_prices=settings.model_prices)
    counts = [_count(each.api, catalog) for each in heard if each.models is not None]
    silent = [each.api.title for each in heard if each.models is None]
    names = [] if silent else _unknown_names(settings, catalog)
    return [
        *(found for each in heard for found in each.found),
        *counts,
        *_without_price(settings, catalog),
        _default_model(settings, catalog, silent),
        *names,
    ]


async def look_at_stream(settings: Settings, session: aiohttp.ClientSession) -> Iterable[Found]:
    """The event stream, which Oxen alone has."""
    oxen = next((each for each in settings.providers if isinstance(each, OxenSettings)), None)
    if oxen is None:
        return [(Mark.OK, "not used, because there is no OXEN_API_KEY.")]
    if oxen.mode is not OxenMode.EVENTS:
        return [(Mark.OK, f"not used, because OXEN_MODE is {oxen.mode}.")]
    try:
        async with _oxen(oxen, session).listen():
            return [(Mark.OK, "it is open; finished pictures are heard of at once.")]
    except ProviderAccount:
        return [(Mark.BAD, "it refuses OXEN_API_KEY.")]
    except ProviderBusy:
        return [(Mark.WARN, "it cannot be had now; pictures still come, but are asked for every few seconds until it is back.")]


def addresses(settings: Settings) -> list[tuple[str, str]]:
    """Each image API's address: what the settings call it, and the address."""
    return [(api.address_setting, api.base_url) for api in settings.providers]


# --- each by itself ----------------------------------------------------------------------------------------------------


def _questions(settings: Settings, session: aiohttp.ClientSession) -> Iterator[Awaitable[_Heard]]:
    """In the order of the settings, since models' names depend on it."""
    for api in settings.providers:
        match api:
            case OxenSettings():
                yield _hear(api, partial(_ask_oxen, api, session), known=None)
            case Endpoint():
                yield _hear(api, partial(_ask_endpoint, api, session), known=models_of(api))


async def _hear(api: ProviderSettings, ask: Callable[[], Awaitable[tuple[Found, Sequence[Raw]]]], *, known: Sequence[Raw] | None) -> _Heard:
    """The answer; whatever went wrong is a finding. `known` are the models that need not be asked for."""
    where = api.address_setting
    try:
        async with asyncio.timeout(_PATIENCE_S):
            (mark, text), models = await ask()
            return _Heard(api=api, found=((mark, f"{api.title}: {text}"),), models=models)
    except ProviderAccount:
        told = f"it refuses {api.key_setting}, has no credit left for it, or has moved; look at your account there, and at {where}."
    except ProviderError:
        told = f"{where} does not answer as an image API does; is the address right, and is the service up?"
    except TimeoutError:
        told = f"no answer within {_PATIENCE_S:g} s; is the address right, and is the service up?"
    return _Heard(api=api, found=((Mark.BAD, f"{api.title}: {told}"),), models=known)


async def _ask_oxen(settings: OxenSettings, session: aiohttp.ClientSession) -> tuple[Found, Sequence[Raw]]:
    oxen = _oxen(settings, session)
    await oxen.list_generations()
    return (Mark.OK, "it takes the key."), await oxen.models()


def _oxen(settings: OxenSettings, session: aiohttp.ClientSession) -> Oxen:
    return Oxen(
        session=session,
        base_url=settings.base_url,
        api_key=settings.key.get_secret_value(),
        namespace=settings.namespace,
        attempts=1,
    )


async def _ask_endpoint(endpoint: Endpoint, session: aiohttp.ClientSession) -> tuple[Found, Sequence[Raw]]:
    models = models_of(endpoint)
    listed = await _list(endpoint, session, key=endpoint.key.get_secret_value())
    return await _judge(endpoint, session, listed, [str(model["id"]) for model in models]), models


async def _judge(endpoint: Endpoint, session: aiohttp.ClientSession, listed: set[str] | None, wanted: list[str]) -> Found:
    if listed is None:
        return Mark.WARN, "it publishes no list of models; whether its address and key are right shows with the first picture."
    absent = [name for name in wanted if name not in listed]
    if absent:
        return Mark.WARN, f"it answers, but its list of models does not name {some(absent)}; are these ids right?"
    if not endpoint.key:
        return Mark.OK, "it answers without a key, and has all the models."
    if await _is_open_to_all(endpoint, session):
        return Mark.WARN, "it shows its models to anybody; whether its key is right shows with the first picture."
    return Mark.OK, "it takes the key, and has all the models."


async def _list(endpoint: Endpoint, session: aiohttp.ClientSession, *, key: str) -> set[str] | None:
    """Ids of the models that it names; `None` where it publishes no list. Raise `ProviderAccount`, `ProviderBusy`."""
    api = Api(session=session, base_url=endpoint.base_url, api_key=key, attempts=1)
    try:
        body = await api.ask("/models")
    except (ProviderAccount, ProviderBusy):
        raise
    except ProviderError:  # it does not know such a call
        return None
    rows = body.get("data") if isinstance(body, Mapping) else None
    return {str(row["id"]) for row in rows if isinstance(row, Mapping) and "id" in row} if isinstance(rows, list) else None


async def _is_open_to_all(endpoint: Endpoint, session: aiohttp.ClientSession) -> bool:
    """Whether it names its models without a key too: then an answer says nothing about the key."""
    try:
        return await _list(endpoint, session, key="") is not None
    except ProviderError:
        return False


# --- all together ------------------------------------------------------------------------------------------------------


def _count(api: ProviderSettings, catalog: Catalog) -> Found:
    models = [model for model in catalog.models if model.provider == api.name]
    priced = sum(model.price_microcredits is not None for model in models)
    return (Mark.OK if priced else Mark.WARN), f"{api.title}: models that make pictures: {len(models)}; with a price: {priced}."


def _without_price(settings: Settings, catalog: Catalog) -> list[Found]:
    without = [model for model in catalog.models if model.price_microcredits is None]
    if not without:
        return []
    ours = {endpoint.name for endpoint in settings.openai_endpoints}
    or_there = ", or price_credits in OPENAI_ENDPOINTS" if any(model.provider in ours for model in without) else ""
    names = some([model.id for model in without])
    return [(Mark.WARN, f"without a price per picture, so not for sale: {names}. Set MODEL_PRICES (id=credits){or_there}.")]


def _default_model(settings: Settings, catalog: Catalog, silent: list[str]) -> Found:
    try:
        model = catalog.get(settings.default_model)
    except InvalidRequest:
        if silent:
            return Mark.WARN, f"DEFAULT_MODEL {settings.default_model} cannot be looked up while {some(silent)} lists no models."
        return Mark.BAD, f"DEFAULT_MODEL {settings.default_model} is not offered; choose one that /models lists."
    if model.price_microcredits is None:
        return Mark.BAD, f"DEFAULT_MODEL {model.title} has no price per picture; name one in MODEL_PRICES ({model.id}=credits)."
    return _affordable(settings, model, model.price_microcredits)


def _affordable(settings: Settings, model: ModelInfo, price: int) -> Found:
    bucket = quota.microcredits(settings.quota_credits)
    told = f"DEFAULT_MODEL {model.title} costs {quota.in_credits(price, up=True)} credits a picture"
    if price > bucket:
        return Mark.BAD, f"{told}, more than a full bucket holds; raise QUOTA_CREDITS."
    return Mark.OK, f"{told}; a full bucket pays for {bucket // price} of them." if price else f"{told}."


def _unknown_names(settings: Settings, catalog: Catalog) -> list[Found]:
    """Models that other settings name and nobody offers."""
    routes = dict.fromkeys(name for route in settings.fallback_models.items() for name in route)
    found = [(Mark.WARN, f"FALLBACK_MODELS: {sentence}") for name in routes if (sentence := _refusal(catalog, name))]
    ids = {name for model in catalog.models for name in (model.id, f"{model.api_id}@{model.provider}")}
    for name in settings.model_prices:
        if name not in ids:
            told = _refusal(catalog, name) or f"it goes by ids; write {catalog.get(name).id} instead of {name}."
            found.append((Mark.WARN, f"MODEL_PRICES: {told}"))
    return found


def _refusal(catalog: Catalog, name: str) -> str | None:
    """Why there is no such model; `None` where there is."""
    try:
        catalog.get(name)
    except InvalidRequest as error:
        return error.sentence
    return None
