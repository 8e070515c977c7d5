"""Which upscalers a member may use, and what each scale costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.allowance import merge
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.params import build_params
from bot.domain.guild.document import Policy
from bot.domain.request import Request
from bot.services.money.pricing import Pricing

_MODELS_MAX = 25
Options = Mapping[Idea, str | int | float | None]


@dataclass(frozen=True, kw_only=True)
class UpscaleOffer:
    """One scale of one model."""

    model: ModelInfo
    scale: str | None  # None: the model has no scales
    price: int  # microcredits


def upscale_offers(pricing: Pricing, offers: Sequence[ModelInfo], request: Request) -> list[UpscaleOffer]:
    """Every scale of every upscaler among `offers`, which come from `Pricing.offers`; the cheapest model first."""
    found = [list(_offers_of(pricing, model, request)) for model in _cheapest(offers)]
    return [offer for each in sorted(filter(None, found), key=lambda each: min(offer.price for offer in each)) for offer in each]


def is_upscaling_offered(pricing: Pricing, models: Iterable[ModelInfo], policy: Policy) -> bool:
    """Whether anyone may upscale under these rules, whatever their roles."""
    opened = merge(policy, policy.roles).models
    return any(model.upscales and is_usable(pricing.priced(model, policy)) for model in models if opened is None or model.id in opened)


def is_usable(model: ModelInfo) -> bool:
    """Whether it upscales and has a price."""
    return model.upscales and model.price_microcredits is not None


def upscaler(pricing: Pricing, offers: Sequence[ModelInfo], request: Request, options: Options, *, usual: Sequence[str | None]) -> str:
    """The id of the model that upscales if none was chosen: the first of `usual` that takes the options, else the cheapest that does.

    If none takes all of them, one that takes the scale. Raises `InvalidRequest` if there is no upscaler.
    """
    able = _cheapest(offers, usual)
    if not able:
        raise InvalidRequest(_("No model here can upscale images."))
    tries: tuple[Options, ...] = (options, {Idea.SCALE: options.get(Idea.SCALE)}, {})
    prices = next(filter(None, (_prices(pricing, able, request, each) for each in tries)), {able[0].id: 0})
    named = [model.id for name in usual for model in able if name in (model.id, model.title) and model.id in prices]
    return next(iter(named), None) or min(prices, key=lambda model_id: prices[model_id])


def _cheapest(offers: Iterable[ModelInfo], usual: Sequence[str | None] = ()) -> list[ModelInfo]:
    """At most `_MODELS_MAX` upscalers, the usual ones and then the cheapest first: the options of each are checked."""
    able = [model for model in offers if is_usable(model)]
    return sorted(able, key=lambda model: (model.id not in usual and model.title not in usual, model.price_microcredits))[:_MODELS_MAX]


def _offers_of(pricing: Pricing, model: ModelInfo, request: Request) -> Iterator[UpscaleOffer]:
    scales: list[str | None] = [choice.value for choice in model.choices(Idea.SCALE)]
    for scale in scales or [None]:
        price = _price(pricing, model, request, {Idea.SCALE: scale})
        if price is not None:
            yield UpscaleOffer(model=model, scale=scale, price=price)


def _prices(pricing: Pricing, models: Sequence[ModelInfo], request: Request, options: Options) -> dict[str, int]:
    """The prices of those that take the options, by id."""
    return {model.id: price for model in models if (price := _price(pricing, model, request, options)) is not None}


def _price(pricing: Pricing, model: ModelInfo, request: Request, options: Options) -> int | None:
    """None: the model does not take these options. Where only an estimate is known, it is that of the default options."""
    try:
        price = pricing.price(model, request.policy, build_params(model, options))
    except InvalidRequest:
        return None
    return model.price_microcredits if price is None else price
