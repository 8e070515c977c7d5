"""The doctor's checks of the image APIs: each by itself, then the models of all of them together. No request here costs anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final

import aiohttp

from bot.core.config import NAMES, Settings
from bot.core.errors import InvalidRequest, ProviderAccount, ProviderBusy, ProviderError, ProxyRefused, StartError
from bot.core.settings.endpoints import Endpoint, OxenMode, OxenSettings, ProviderSettings
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.money import quota
from bot.ops.findings import Finding, NotCheckedError, Severity, bad, ok, skip, some, warn
from bot.providers.http import Api
from bot.providers.openai_models import models_of
from bot.providers.oxen import Oxen
from bot.services.catalog import with_estimates
from bot.services.pipeline.last_failures import last_failures
from bot.store.engine.opening import read_once

_LIMIT_S: Final = 20.0  # for one image API: less than the doctor's own limit, so that a silent one does not hide the others

_CLOCKS_DIFFER_S: Final = 30.0

RawModel = Mapping[str, Any]  # as `Catalog.merge` reads it
_Answer = tuple[list[Finding], Sequence[RawModel]]  # what was found, the most important first, and the models


@dataclass(frozen=True, kw_only=True)
class ApiReport:
    """What was found out about one image API."""

    api: ProviderSettings
    finding: Finding
    models: Sequence[RawModel] | None  # None: not known now
    more: Sequence[Finding] = ()


async def ask_apis(settings: Settings, session: aiohttp.ClientSession) -> Sequence[ApiReport]:
    """Ask each image API, in the order of the settings, because the models' names depend on it."""
    return await asyncio.gather(*_check_each(settings, session))


def judge(settings: Settings, reports: Sequence[ApiReport]) -> Iterable[Finding]:
    """Each image API by itself, then what they offer together."""
    lists = {report.api.name: report.models or () for report in reports}
    catalog = Catalog.merge(lists, credit_usd=settings.credit_usd, model_prices=settings.model_prices)
    silent = [report.api.title for report in reports if report.models is None]
    return [
        *(report.finding for report in reports),
        *(finding for report in reports for finding in report.more),
        *(_count(report.api, catalog) for report in reports if report.models is not None),
        *_without_price(settings, catalog),
        _default_model(settings, catalog, silent),
        *([] if silent else _unknown_names(settings, catalog)),
    ]


async def check_event_stream(settings: Settings, session: aiohttp.ClientSession, reports: Sequence[ApiReport]) -> Iterable[Finding]:
    """The event stream, which only Oxen.ai has."""
    report = next((report for report in reports if isinstance(report.api, OxenSettings)), None)
    if report is None:
        return [ok("not used, because there is no OXEN_API_KEY.")]
    if settings.oxen_mode is not OxenMode.EVENTS:
        return [ok(f"not used, because OXEN_MODE is {settings.oxen_mode}.")]
    if report.finding.severity is Severity.BAD:
        raise NotCheckedError(f"not checked, because {report.api.title} can't be used now.")
    assert isinstance(report.api, OxenSettings)  # noqa: S101 - for the type checker
    try:
        async with oxen_of(settings, report.api, session).listen():
            return [ok("it is open; finished images are reported at once.")]
    except ProxyRefused as error:
        return [bad(f"a proxy or firewall on the way to it answers in its place{_why(error)}.")]
    except ProviderAccount:
        return [bad("it refuses OXEN_API_KEY.")]
    except ProviderBusy:
        return [warn("it is not available now; images still come, but Easel asks for them every few seconds until it is back.")]


async def check_last_failures(settings: Settings) -> list[Finding]:
    """Each image API's last failed call, as the bot has kept it; none if the database cannot be read now."""
    names = [api.name for api in settings.providers]
    try:
        kept = await read_once(settings.database, partial(last_failures, providers=names))
    except StartError:  # the check of the database says why
        return []
    failures = [(api.title, kept[api.name]) for api in settings.providers if api.name in kept]
    return [
        (bad if failure.needs_operator else ok)(f"{title}: its last failed call was at {_time_of(failure.at)}: {failure.reason}.")
        for title, failure in failures
    ]


def addresses(settings: Settings) -> list[tuple[str, str]]:
    """Each image API's address: what the settings call it, and the address."""
    return [(api.address_setting, api.base_url) for api in settings.providers]


# --- each by itself ----------------------------------------------------------------------------------------------------


def _check_each(settings: Settings, session: aiohttp.ClientSession) -> Iterator[Awaitable[ApiReport]]:
    for api in settings.providers:
        match api:
            case OxenSettings():
                yield _report(api, _place(settings, api), partial(_ask_oxen, settings, api, session), known=None)
            case Endpoint():
                client = _api_of(settings, api, session)
                yield _report(api, _place(settings, api), partial(_ask_endpoint, settings, api, session, client), known=models_of(api))


def _place(settings: Settings, api: ProviderSettings) -> str:
    """Where an image API is: the setting of its address, or the address itself if that is the default."""
    has_default = api.address_setting in NAMES and not settings.is_given(api.address_setting)
    return api.base_url if has_default else api.address_setting


async def _report(
    api: ProviderSettings, where: str, ask: Callable[[], Awaitable[_Answer]], *, known: Sequence[RawModel] | None
) -> ApiReport:
    """`known` are the models where they are in the settings: they are offered also if the API does not answer."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            (finding, *more), models = await ask()
            named = [replace(each, text=f"{api.title}: {each.text}") for each in more]
            return ApiReport(api=api, finding=replace(finding, text=f"{api.title}: {finding.text}"), models=models, more=named)
    except ProxyRefused as error:
        text = f"a proxy or firewall on the way to {where} answers in its place; ask who runs it to let Easel through{_why(error)}."
    except ProviderAccount as error:
        text = f"it refuses {api.key_setting}, has no credit left for it, or has moved; check your account there, and {where}{_why(error)}."
    except ProviderError as error:
        text = (
            f"{where} does not answer as an image API does; check the address, the connection, and whether the service is up{_why(error)}."
        )
    except TimeoutError:
        text = f"no answer within {_LIMIT_S:g} s; check {where}, the connection, and whether the service is up."
    return ApiReport(api=api, finding=bad(f"{api.title}: {text}"), models=known)


def _why(error: ProviderError) -> str:
    return f" ({error.detail})" if error.detail else ""


async def _ask_oxen(settings: Settings, api: OxenSettings, session: aiohttp.ClientSession) -> _Answer:
    oxen = oxen_of(settings, api, session)
    await oxen.list_generations()
    models = await with_estimates(oxen, await oxen.models())
    return [ok("it accepts the key."), *_clocks(oxen.clock_ahead_s)], models


def oxen_of(settings: Settings, api: OxenSettings, session: aiohttp.ClientSession) -> Oxen:
    return Oxen(
        session=session,
        base_url=api.base_url,
        api_key=api.key.get_secret_value(),
        namespace=api.namespace,
        attempts=1,
        proxy=settings.proxies.proxy_for(api.base_url),
    )


def _api_of(settings: Settings, endpoint: Endpoint, session: aiohttp.ClientSession, *, with_key: bool = True) -> Api:
    return Api(
        session=session,
        base_url=endpoint.base_url,
        api_key=endpoint.key.get_secret_value() if with_key else "",
        attempts=1,
        name=endpoint.name,
        proxy=settings.proxies.proxy_for(endpoint.base_url),
    )


async def _ask_endpoint(settings: Settings, endpoint: Endpoint, session: aiohttp.ClientSession, client: Api) -> _Answer:
    models = models_of(endpoint)
    listed = await _list(client)
    wanted = [str(model["id"]) for model in models]
    without_key = _api_of(settings, endpoint, session, with_key=False)
    finding = await _judge_endpoint(endpoint, without_key, listed, wanted)
    return [finding, *_ending(listed or {}, wanted), *_clocks(client.clock_ahead_s)], models


def _clocks(ahead_s: float | None) -> Iterator[Finding]:
    if ahead_s is not None and abs(ahead_s) > _CLOCKS_DIFFER_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        yield warn(f"its clock is {abs(ahead_s):.0f} s {side} this machine's; check that this machine keeps its time by NTP.")


def _ending(listed: Mapping[str, RawModel], wanted: Sequence[str]) -> Iterator[Finding]:
    """The models whose end is announced."""
    for name in wanted:
        end = listed.get(name, {}).get("shutdown_date")
        if isinstance(end, str | int) and (day := _day_of(end)):
            yield warn(f"{name} shuts down on {day}; choose another one in the settings before.")


def _day_of(value: str | int) -> str:
    """A date, or Unix seconds, as a date; "" if it is neither."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, int) or value.isdecimal():
            return datetime.fromtimestamp(int(value), UTC).date().isoformat()
        return date.fromisoformat(value[:10]).isoformat()
    return ""


def _time_of(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, UTC):%Y-%m-%d %H:%M} UTC"


async def _judge_endpoint(endpoint: Endpoint, without_key: Api, listed: Mapping[str, RawModel] | None, wanted: list[str]) -> Finding:
    if listed is None:
        return warn("it has no list of models, so only the first image shows whether its address and key are right.")
    absent = [name for name in wanted if name not in listed]
    if absent:
        return warn(f"it answers, but its list of models does not include {some(absent)}; check these ids.")
    if not endpoint.key:
        return ok("it answers without a key, and has all the models.")
    if await _is_open_to_all(without_key):
        return warn("it lists its models without a key too, so only the first image shows whether the key is right.")
    return ok("it accepts the key, and has all the models.")


async def _list(api: Api) -> Mapping[str, RawModel] | None:
    """The models that it lists, by id; None if it publishes no list. Raises `ProviderAccount` or `ProviderBusy`."""
    try:
        body = await api.ask("/models")
    except (ProviderAccount, ProviderBusy):
        raise
    except ProviderError:  # it has no such endpoint
        return None
    rows = body.get("data") if isinstance(body, Mapping) else None
    return {str(row["id"]): row for row in rows if isinstance(row, Mapping) and "id" in row} if isinstance(rows, list) else None


async def _is_open_to_all(api: Api) -> bool:
    """Whether it lists its models without a key too: then an answer does not prove that the key is right."""
    try:
        return await _list(api) is not None
    except ProviderError:
        return False


# --- all together ------------------------------------------------------------------------------------------------------


def _count(api: ProviderSettings, catalog: Catalog) -> Finding:
    models = [model for model in catalog.models if model.provider == api.name]
    priced = sum(model.price_microcredits is not None for model in models)
    return (ok if priced else warn)(f"{api.title}: models for images: {len(models)}; with a price: {priced}.")


def _without_price(settings: Settings, catalog: Catalog) -> list[Finding]:
    without = [model for model in catalog.models if model.price_microcredits is None]
    if not without:
        return []
    ours = {endpoint.name for endpoint in settings.openai_endpoints}
    or_there = ", or price_credits in OPENAI_ENDPOINTS" if any(model.provider in ours for model in without) else ""
    names = some([model.id for model in without])
    return [warn(f"these models have no price, so members can't use them: {names}. Set MODEL_PRICES (id=credits){or_there}.")]


def _default_model(settings: Settings, catalog: Catalog, silent: list[str]) -> Finding:
    try:
        model = catalog.get(settings.default_model)
    except InvalidRequest:
        if silent:
            return skip(f"DEFAULT_MODEL {settings.default_model} is not checked, because {some(silent)} lists no models now.")
        return bad(f"DEFAULT_MODEL {settings.default_model} is not offered; choose one that /models lists.")
    if model.price_microcredits is None:
        return bad(f"DEFAULT_MODEL {model.title} has no price per image; set one in MODEL_PRICES ({model.id}=credits).")
    return _affordable(settings, model, model.price_microcredits)


def _affordable(settings: Settings, model: ModelInfo, price: int) -> Finding:
    bucket = quota.microcredits(settings.quota_credits)
    told = f"DEFAULT_MODEL {model.title} costs {quota.in_credits(price, up=True)} credits an image"
    if price > bucket:
        return bad(f"{told}, more than a member can have; raise QUOTA_CREDITS.")
    return ok(f"{told}; QUOTA_CREDITS pays for {bucket // price} of them." if price else f"{told}.")


def _unknown_names(settings: Settings, catalog: Catalog) -> list[Finding]:
    """Models that other settings name and no image API offers."""
    routes = dict.fromkeys(name for route in settings.fallback_models.items() for name in route)
    findings = [warn(f"FALLBACK_MODELS: {sentence}") for name in routes if (sentence := _refusal(catalog, name))]
    findings += [warn(sentence) for asked, other in settings.fallback_models.items() if (sentence := _costs_more(catalog, asked, other))]
    ids = {name for model in catalog.models for name in (model.id, f"{model.api_id}@{model.provider}")}
    for name in settings.model_prices:
        if name not in ids:
            told = _refusal(catalog, name) or f"it takes ids; write {catalog.get(name).id} instead of {name}."
            findings.append(warn(f"MODEL_PRICES: {told}"))
    return findings


def _costs_more(catalog: Catalog, asked: str, other: str) -> str | None:
    """Why a fallback model is not used; None if it is."""
    try:
        cost, other_cost = (cost_microcredits(catalog.get(name), {}) for name in (asked, other))
    except InvalidRequest:
        return None  # `_refusal` says so
    if cost is None or other_cost is None or other_cost <= cost:
        return None
    return f"FALLBACK_MODELS: {other} costs more than {asked} and is not used where it does."


def _refusal(catalog: Catalog, name: str) -> str | None:
    """Why there is no such model; None if there is one."""
    try:
        catalog.get(name)
    except InvalidRequest as error:
        return error.sentence
    return None
