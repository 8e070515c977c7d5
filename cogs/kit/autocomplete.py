"""Autocomplete of options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import wraps
from typing import Any

from discord import app_commands

from bot.core.errors import DatabaseAway, EaselError
from bot.core.markdown import plain
from bot.core.running import patience
from bot.domain.catalog.ideas import Choice, Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import folded, without_price
from bot.domain.catalog.params import preview_params
from bot.domain.catalog.purposes import serves
from bot.domain.job import Job, JobKind, JobState
from bot.domain.request import Request
from bot.services.money import upscalers
from bot.store import jobs
from cogs.kit import texts
from cogs.kit.request import Interaction, request_of, services_of

Suggestions = list[app_commands.Choice[str]]
Suggest = Callable[[Interaction, str], Coroutine[Any, Any, Suggestions]]

_MAX = 25  # choices; Discord shows no more
_NAME_MAX = 100  # characters of a choice


def brief(suggest: Suggest) -> Suggest:
    """Decorator: suggest nothing if the database is away, in time."""

    @wraps(suggest)
    async def suggestions(interaction: Interaction, typed: str) -> Suggestions:
        try:
            with patience.brief():
                return await suggest(interaction, typed)
        except DatabaseAway:
            return []

    return suggestions


def chosen(named: Iterable[tuple[str, str]], typed: str) -> str:
    """The value that a member typed, by itself or by the name that autocomplete shows; what was typed if there is no such value."""
    offers = [(name[:_NAME_MAX], value) for name, value in named]
    same = [value for name, value in offers if typed in (value, name)]
    alike = [value for name, value in offers if folded(typed) in (folded(value), folded(name))]
    return next(iter((*same, *alike)), typed)


@brief
async def model(interaction: Interaction, typed: str) -> Suggestions:
    """The models that match `typed` and that this member may use here, with their prices here; no upscalers."""
    return await _models(interaction, typed, JobKind.GENERATE)


@brief
async def upscaler(interaction: Interaction, typed: str) -> Suggestions:
    """The same of upscalers."""
    return await _models(interaction, typed, JobKind.UPSCALE)


async def _models(interaction: Interaction, typed: str, kind: JobKind) -> Suggestions:
    try:
        found = services_of(interaction).orders.models.catalog.search(without_price(typed), most=None)
    except EaselError:
        return []
    models = services_of(interaction).pricing.offers((model for model in found if serves(model, kind)), await request_of(interaction))
    return [app_commands.Choice(name=f"{model.title} · {texts.price(model)}"[:_NAME_MAX], value=model.id) for model in models[:_MAX]]


@brief
async def style(interaction: Interaction, typed: str) -> Suggestions:
    """The member's own styles."""
    styles = (await request_of(interaction)).preferences.styles
    wanted = typed.strip().casefold()
    return [app_commands.Choice(name=each.name, value=each.name) for each in styles if wanted in each.name.casefold()][:_MAX]


@brief
async def open_job(interaction: Interaction, typed: str) -> Suggestions:
    """The member's own unfinished images."""
    request = await request_of(interaction)
    found = await services_of(interaction).reader.read(jobs.of_member, request.actor.user_id, state=JobState.OPEN)
    wanted = typed.strip().casefold()
    return [app_commands.Choice(name=name, value=job_id) for name, job_id in named_jobs(found) if wanted in name.casefold()][:_MAX]


def named_jobs(found: Iterable[Job]) -> list[tuple[str, str]]:
    """Images by the name that the list shows, with their ids."""
    return [(plain(texts.subject(job))[:_NAME_MAX], job.id) for job in found]


def idea(wanted: Idea, kind: JobKind) -> Suggest:
    """What the model of this order allows for an option, with the model's default, and the price where that depends on options."""

    @brief
    async def suggestions(interaction: Interaction, typed: str) -> Suggestions:
        request = await request_of(interaction)
        try:
            info = _model_of(interaction, request, wanted, kind)
        except EaselError:
            return []
        offers = info.choices(wanted, typed)
        prices = _prices(interaction, request, info, wanted, offers) if info.price_varies else [""] * len(offers)
        names = [f"{choice.name}{price}"[:_NAME_MAX] for choice, price in zip(offers, prices, strict=True)]
        return [app_commands.Choice(name=name, value=choice.value) for name, choice in zip(names, offers, strict=True)]

    return suggestions


@brief
async def scale(interaction: Interaction, typed: str) -> Suggestions:
    """The scales of the chosen upscaler, or of all with the lowest price of each."""
    if vars(interaction.namespace).get("model"):
        return await idea(Idea.SCALE, JobKind.UPSCALE)(interaction, typed)
    request, pricing = await request_of(interaction), services_of(interaction).pricing
    lowest: dict[str, int] = {}
    for offer in upscalers.upscale_offers(pricing, pricing.offers(services_of(interaction).orders.models.offered, request), request):
        if offer.scale is not None and typed.strip().casefold() in offer.scale.casefold():
            lowest[offer.scale] = min(offer.price, lowest.get(offer.scale, offer.price))
    named = {each: f"{each} · {texts.amount_of(price)}"[:_NAME_MAX] for each, price in sorted(lowest.items())}
    return [app_commands.Choice(name=name, value=each) for each, name in named.items()][:_MAX]


def _model_of(interaction: Interaction, request: Request, wanted: Idea, kind: JobKind) -> ModelInfo:
    """The model that the options so far lead to. Raises an `EaselError` if there is none."""
    orders, pricing = services_of(interaction).orders, services_of(interaction).pricing
    chosen, given = request.preferences, vars(interaction.namespace)
    named = chosen.style(given["style"]) if given.get("style") else None
    catalog, usual = orders.models.catalog, (chosen.default_model, orders.default_model)
    model_id: str | None = given.get("model") or (named.model if named else None)
    if model_id is None and kind is JobKind.UPSCALE:
        options = {each: given.get(each) for each in Idea if each is not wanted}
        model_id = upscalers.upscaler(pricing, pricing.offers(catalog.models, request), request, options, usual=usual)
    elif model_id is None:
        model_id = next((name for name in usual if name and not catalog.get(name).upscales), orders.default_model)
    return catalog.get(model_id)


def _prices(interaction: Interaction, request: Request, model: ModelInfo, wanted: Idea, offers: Sequence[Choice]) -> list[str]:
    """The price that each choice leads to, beside the other options chosen so far; empty if the choice does not matter."""
    given = {each.value: value for each in Idea if (value := getattr(interaction.namespace, each, None))}
    pricing = services_of(interaction).pricing
    prices = [pricing.price(model, request.policy, preview_params(model, {**given, wanted: choice.value})) for choice in offers]
    if len(set(prices)) < 2:
        return [""] * len(offers)
    return ["" if price is None else f" · {texts.amount_of(price)}" for price in prices]
