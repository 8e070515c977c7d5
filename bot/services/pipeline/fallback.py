"""Fallback models: which model makes an image while the provider of the requested one is unavailable."""

from __future__ import annotations

import random
from collections.abc import Container, Iterator, Mapping

from bot.core.errors import InvalidRequest
from bot.domain.catalog.costs import cost_microcredits
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.params import carry_over, check_mask, check_prompt, check_references
from bot.store.claims import Stuck
from bot.store.steps import Fallback


def fallback_for(stuck: Stuck, *, catalog: Catalog, routes: Mapping[str, str], answering: Container[str]) -> Fallback | None:
    """The first fallback model that can make the same image for at most its cost and whose provider is in `answering`, or None.

    Price and cost stay those that are held: the operator chose the fallback, and its cost was not checked against any limit.
    """
    generation = stuck.generation
    for model in _fallback_chain(routes, catalog, generation.model):
        if model.provider not in answering:
            continue
        try:
            asked = catalog.get(generation.model)
            if model.upscales != asked.upscales:
                continue
            check_prompt(model, generation.prompt, max_length=len(generation.prompt))
            params = carry_over(generation.params, asked, model, source=stuck.source_shape)
            check_references(model, stuck.references, params)
            check_mask(model, given=stuck.has_mask)
        except InvalidRequest:
            continue
        cost = cost_microcredits(model, params)
        if cost is None or cost > generation.cost:
            continue
        seed = _seed(generation.seed, model)
        return Fallback(model=model.id, api_model=model.api_id, provider=model.provider, seed=seed, params=params)
    return None


def _fallback_chain(routes: Mapping[str, str], catalog: Catalog, model_id: str) -> Iterator[ModelInfo]:
    """The fallbacks of a model in order, each once: `routes` may have cycles and name models that are not offered."""
    named: dict[str, str] = {}
    for asked, other in routes.items():
        try:
            named[catalog.get(asked).id] = catalog.get(other).id
        except InvalidRequest:
            continue
    seen = {model_id}
    while (model_id := named.get(model_id, model_id)) not in seen:
        seen.add(model_id)
        yield catalog.get(model_id)


def _seed(seed: int | None, model: ModelInfo) -> int | None:
    if model.seed_field is None:
        return None
    low, high = model.seed_range
    return seed if seed is not None and low <= seed <= high else random.randint(low, high)
