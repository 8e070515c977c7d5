"""If an order costs too much: the cheapest model that can do it and that the member can pay now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from bot.core.errors import OutOfCredit, Refusal
from bot.core.i18n import _
from bot.core.markdown import escaped
from bot.domain import admission
from bot.domain.admission import Facts
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.params import check_mask, check_prompt, check_references
from bot.domain.catalog.purposes import serves
from bot.domain.money.quota import with_unit
from bot.domain.order import PROMPT_MAX, Order
from bot.services.admission import Admissions

_MODELS_MAX: Final = 25  # the options of each are checked
ParamsOf = Callable[[ModelInfo], Mapping[str, Any]]  # raises a `Refusal` if the model does not take the order's options


def with_affordable(error: OutOfCredit, found: tuple[ModelInfo, int] | None) -> OutOfCredit:
    """The refusal, naming the model that was found with its price in microcredits."""
    if found is None:
        return error
    model, price = found
    cheaper = _("{model} would cost {price}.").format(model=escaped(model.title), price=with_unit(price, up=True))
    return OutOfCredit(f"{error.reason} {cheaper}", reason=error.reason, model=model.id)


def affordable(
    admissions: Admissions, offers: Iterable[ModelInfo], order: Order, facts: Facts, *, images: int, has_mask: bool, params_of: ParamsOf
) -> tuple[ModelInfo, int] | None:
    """The model and the price of the whole order, in microcredits. `facts`: of the order that costs too much."""
    able = [each for each in offers if serves(each, order.kind) and each.id != facts.model and each.price_microcredits is not None]
    cheapest = sorted(able, key=lambda each: each.price_microcredits or 0)[:_MODELS_MAX]

    def prices() -> Iterator[tuple[int, ModelInfo]]:
        for model in cheapest:
            try:
                params = params_of(model)
                prompt = check_prompt(model, order.prompt, max_length=PROMPT_MAX)
                check_references(model, images, params)
                check_mask(model, given=has_mask)
                own = admissions.facts(order.request, model, prompt, params, count=order.count)
                stored = {name: getattr(facts, name) for name in ("payment", "blocked", "waiting", "funds", "owners")}
                admission.check(replace(own, **stored))
            except Refusal:
                continue
            if own.price is not None:
                yield own.price * order.count, model

    price, found = min(prices(), key=lambda each: each[0], default=(0, None))
    return None if found is None else (found, price)
