"""Reads what image APIs charged, and corrects what was counted for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import structlog

from bot.core.clock import Clock
from bot.core.errors import MachineTrouble, ProviderError
from bot.core.metrics import BILLED_USD, COUNTED_USD
from bot.core.running.supervision import apart, pause
from bot.domain.catalog.costs import microcredits
from bot.domain.money import quota
from bot.domain.money.quota import DAY_MS
from bot.providers.provider import Provider
from bot.store import kv
from bot.store.engine.base import Store
from bot.store.money import bill

log = structlog.get_logger(__name__)

_EVERY_S = 3600
_CHARGED_MORE_DO = "Compare with `python -m bot doctor --bill`, and set the model's price in MODEL_PRICES if it stays."
_LATE_MS = 2 * DAY_MS  # how long after its order an image may be charged
_AT_ONCE = 50  # charges in one write
_READ_UNTIL = "bill:"  # key in the key-value table, followed by the image API's name: when its charges were read last (Unix ms)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """Image APIs that do not say what they charged are left out: what was counted at the order stays."""

    store: Store
    providers: Mapping[str, Provider]
    credit_usd: float  # US dollars per credit
    clock: Clock

    async def run(self) -> None:
        """Read the charges at the start and then every hour, until cancelled."""
        while True:
            with apart() as attempt:
                for name in self.providers:
                    with attempt():
                        await self._try_to_read(name)
            await pause(_EVERY_S)

    async def _try_to_read(self, name: str) -> None:
        try:
            await self.read(name)
        except (ProviderError, MachineTrouble) as error:
            log.warning("charges not read", provider=name, reason=error.sentence)

    async def read(self, name: str) -> None:
        """Record the charges of one image API since they were read last. Raises `ProviderError`."""
        now = self.clock()
        last = await self.store.read(kv.get, f"{_READ_UNTIL}{name}")
        charges: dict[str, int] = {}
        async for charge in self.providers[name].billed(since=(last if isinstance(last, int) else now) - _LATE_MS):
            charges[charge.provider_id] = microcredits(charge.cost_usd / Decimal(str(self.credit_usd)))
            if len(charges) == _AT_ONCE:
                await self._record(name, charges)
                charges = {}
        await self._record(name, charges)
        await self.store.write(kv.put, f"{_READ_UNTIL}{name}", now, now)

    async def _record(self, name: str, charges: Mapping[str, int]) -> None:
        for charge in await self.store.write(bill.record, name, dict(charges), self.clock()) if charges else ():
            BILLED_USD.labels(name).inc(float(quota.in_usd(charge.billed, self.credit_usd)))
            COUNTED_USD.labels(name).inc(float(quota.in_usd(charge.counted, self.credit_usd)))
            if charge.billed > charge.counted:
                dollars = {key: str(quota.in_usd(getattr(charge, key), self.credit_usd)) for key in ("billed", "counted")}
                log.critical("image API charged more than expected", provider=name, model=charge.model, **dollars, do=_CHARGED_MORE_DO)
