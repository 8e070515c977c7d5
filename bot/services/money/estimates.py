"""Asks an image API what a request costs where its list of models does not say for certain."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.errors import MachineTrouble, ProviderError
from bot.domain.catalog.costs import is_certain
from bot.domain.catalog.models import ModelInfo
from bot.providers.provider import Provider

log = structlog.get_logger(__name__)

_KEPT_MS = 60_000
_KEPT = 1000  # estimates
_TIMEOUT_S = 5.0
_AT_ONCE = 4
_PROMPT_STEP = 256  # bytes; prompts of about one length share an estimate


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of requests, kept for a minute."""

    providers: Mapping[str, Provider]
    credit_usd: float  # US dollars per credit
    clock: Clock
    _turn: asyncio.Semaphore = field(init=False, repr=False, default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    # By request: until (Unix ms), US dollars.
    _known: OrderedDict[str, tuple[int, Decimal | None]] = field(init=False, repr=False, default_factory=OrderedDict)

    async def complete(self, model: ModelInfo, prompt: str, params: Mapping[str, Any]) -> ModelInfo:
        """The model, with the cost of exactly this request if it is not certain and the image API says it within `_TIMEOUT_S`."""
        if is_certain(model, params):
            return model
        prompt_bytes = -(-len(prompt.encode()) // _PROMPT_STEP) * _PROMPT_STEP
        dollars = await self._estimate(model, params, prompt_bytes)
        if dollars is None:
            return model
        return replace(model, costs=replace(model.costs, estimate=dollars / Decimal(str(self.credit_usd))))

    async def _estimate(self, model: ModelInfo, params: Mapping[str, Any], prompt_bytes: int) -> Decimal | None:
        key = json.dumps([model.provider, model.api_id, prompt_bytes, params], sort_keys=True)
        until, dollars = self._known.get(key, (0, None))
        if until > self.clock():
            return dollars
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._turn:
                dollars = await self.providers[model.provider].estimate(model.api_id, params, prompt_bytes=prompt_bytes)
        except (ProviderError, MachineTrouble, TimeoutError) as error:
            log.warning("no estimate", provider=model.provider, model=model.api_id, reason=str(error))
            dollars = None
        self._known[key] = (self.clock() + _KEPT_MS, dollars)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return dollars
