"""What an image API charges for a request with exactly these options, and what members pay for it by default.

Source: a model's `pricing`. `cost_per_image` is the base, `cost_per_image_grid` has prices by quality and tier (US dollars), and
`credits_per_image` with `prices` come from the operator's settings (credits). Where options decide and are not known for certain, the
cost is the highest that is possible. Models with another method than per_image have no cost until the image API estimates it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Protocol

from bot.domain.catalog.counts import images_made, leaves, names_a_count, single_image
from bot.domain.catalog.grids import Given, Grid, Values, fold, read_grid
from bot.domain.catalog.schema import Option, Schema

MICROCREDITS: Final = 1_000_000  # one credit
PER_IMAGE: Final = "per_image"
LISTED_ESTIMATE: Final = "estimated_usd"  # key in `pricing`, added by `with_estimate`
_BASE: Final = "cost_per_image"
_MAX_RULES: Final = 200


@dataclass(frozen=True, kw_only=True)
class PriceRule:
    """The operator's price for certain option values."""

    when: Mapping[str, str]  # option name to value, folded
    amount: Decimal | None  # credits per image


@dataclass(frozen=True, kw_only=True)
class Costs:
    """A model's costs per image, in credits."""

    base: Decimal | None = None  # None: unknown
    grids: tuple[Grid, ...] = ()
    rules: tuple[PriceRule, ...] = ()  # the first that fits is used, else the base
    listed: Decimal | None = None  # an estimate with the default options, for lists only
    hidden_images: int | None = 1  # images per request by defaults that cannot be overridden; None: unknown
    estimate: Decimal | None = None  # for the whole request, by the image API for exactly its options; overrides everything

    @property
    def vary(self) -> bool:
        """Whether they depend on options."""
        return bool(self.grids or self.rules or self.listed is not None)

    def is_certain(self, values: Values) -> bool:
        """Whether an image with these option values costs exactly `most`."""
        if self.estimate is not None:
            return True
        if self.hidden_images is None:
            return False
        amounts = self._possible(values)
        return len(amounts) == 1 and None not in amounts

    def most(self, values: Values) -> Decimal | None:
        """The highest cost of an image with these option values, in credits. None: unknown."""
        highest = Decimal(0)
        for amount in self._possible(values):
            if amount is None:
                return None
            highest = max(highest, amount)
        return highest

    def _possible(self, values: Values) -> set[Decimal | None]:
        if self.rules:
            return _by_rules(self.rules, self.base, values)
        possible: set[Decimal | None] = set()
        for grid in self.grids:
            possible |= grid.amounts(values)
            if not grid.is_certain(values) and self.base is not None:
                possible.add(self.base)
        return possible or {self.base}


UNKNOWN: Final = Costs()


class CostedModel(Protocol):
    """The parts of a model that decide what a request costs."""

    @property
    def schema(self) -> Schema: ...
    @property
    def options(self) -> Mapping[str, Option]: ...
    @property
    def costs(self) -> Costs: ...
    @property
    def operator_price(self) -> int | None: ...  # microcredits per image, from MODEL_PRICES


def cost_microcredits(model: CostedModel, params: Mapping[str, Any]) -> int | None:
    """What the image API charges at most for one request with exactly these params, in microcredits, rounded up.

    None: it is not known, and the operator set no price that counts instead, so the model cannot be ordered.
    """
    if model.costs.estimate is not None:
        return microcredits(model.costs.estimate)
    images = _images(model, params)
    if images is None:
        return None
    most = model.costs.most(_values(model, params))
    if most is not None:
        return microcredits(most * images)
    return None if model.operator_price is None else model.operator_price * images


def price_microcredits(model: CostedModel, params: Mapping[str, Any]) -> int | None:
    """What members pay for one request with exactly these params where a server sets no price: the operator's price, else the cost."""
    if model.operator_price is None:
        return cost_microcredits(model, params)
    images = images_made(model.options if _has_counts(model) else {}, params)
    return None if images is None else model.operator_price * images


def default_price_microcredits(model: CostedModel) -> int | None:
    """The price with the model's default options, for lists."""
    price = price_microcredits(model, single_image(model.options) if _has_counts(model) else {})
    return microcredits(model.costs.listed) if price is None and model.costs.listed is not None else price


def is_certain(model: CostedModel, params: Mapping[str, Any]) -> bool:
    """Whether `cost_microcredits` is exact. Otherwise it is the highest possible cost, or unknown."""
    return model.costs.is_certain(_values(model, params))


def read_costs(raw: Mapping[str, Any], *, credit_usd: float) -> Costs:
    """The costs in a raw model's `pricing`. Never raises; what cannot be read is unknown."""
    pricing = raw.get("pricing")
    if not isinstance(pricing, Mapping):
        return UNKNOWN
    credit = Decimal(str(credit_usd))

    def from_usd(given: object) -> Decimal | None:
        dollars = amount_of(given)
        return None if dollars is None else dollars / credit

    if pricing.get("method") != PER_IMAGE:
        return Costs(listed=from_usd(pricing.get(LISTED_ESTIMATE)))
    if "credits_per_image" in pricing or "prices" in pricing:
        return Costs(base=amount_of(pricing.get("credits_per_image")), rules=_read_rules(pricing.get("prices")))
    grids = [read_grid(value, from_usd) for name, value in pricing.items() if str(name).startswith(f"{_BASE}_")]
    return Costs(base=from_usd(pricing.get(_BASE)), grids=tuple(grid for grid in grids if grid is not None))


def needs_estimate(raw: Mapping[str, Any]) -> bool:
    """Whether a raw model has prices, but none per image."""
    pricing = raw.get("pricing")
    return isinstance(pricing, Mapping) and pricing.get("method") != PER_IMAGE


def with_estimate(raw: Mapping[str, Any], usd: Decimal) -> Mapping[str, Any]:
    """A raw model with the estimated cost of its default options, for lists only."""
    return {**raw, "pricing": {**raw["pricing"], LISTED_ESTIMATE: str(usd)}}


def amount_of(given: object) -> Decimal | None:
    """A price as a number or text, from 0 to 1,000,000; None for anything else."""
    try:
        amount = Decimal("NaN") if isinstance(given, bool) else Decimal(str(given))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= 1_000_000 else None


def microcredits(credit: Decimal) -> int:
    """Credits as microcredits, rounded up."""
    return math.ceil(credit * MICROCREDITS)


def _read_rules(raw: object) -> tuple[PriceRule, ...]:
    rules = [each for each in raw if isinstance(each, Mapping)][:_MAX_RULES] if isinstance(raw, list | tuple) else []
    return tuple(PriceRule(when=_folded(each.get("when")), amount=amount_of(each.get("credits"))) for each in rules)


def _folded(when: object) -> dict[str, str]:
    return {str(name): _spelled(value) for name, value in when.items()} if isinstance(when, Mapping) else {}


def _by_rules(rules: tuple[PriceRule, ...], base: Decimal | None, values: Values) -> set[Decimal | None]:
    """The amounts of all rules that may apply, up to the first that surely does."""
    possible: set[Decimal | None] = set()
    for rule in rules:
        fits = [_fits(values.get(name), value) for name, value in rule.when.items()]
        if False in fits:
            continue
        possible.add(rule.amount)
        if None not in fits:
            return possible
    return possible | {base}


def _fits(given: Given | None, wanted: str) -> bool | None:
    """None: the image API chooses, so it may be any value."""
    return None if given is None or None in given.values else wanted in [_spelled(value) for value in given.values]


def _spelled(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else fold(value)


def _values(model: CostedModel, params: Mapping[str, Any]) -> Values:
    """Every option's values, chosen or by default, also those within nested values. Empty if no cost depends on them."""
    if not model.costs.vary:
        return {}
    values: dict[str, list[Any]] = {}
    for name, value in leaves(params):
        values.setdefault(name, []).append(value)
    defaults = {name: [option.default] for name, option in model.options.items()}
    return {name: Given(values=given, listed=_listed(model.options.get(name))) for name, given in (defaults | values).items()}


def _listed(option: Option | None) -> frozenset[str]:
    return frozenset(map(fold, option.values)) if option is not None and option.closed else frozenset()


def _images(model: CostedModel, params: Mapping[str, Any]) -> int | None:
    images, hidden = images_made(model.options if _has_counts(model) else {}, params), model.costs.hidden_images
    return None if images is None or hidden is None else images * hidden


def _has_counts(model: CostedModel) -> bool:
    """Cheap: reading the options of a whole list of models would take long."""
    return any(names_a_count(name) for name in model.schema["properties"])
