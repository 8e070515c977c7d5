"""Reads the gauges of the database for the metrics, a few times a minute: a scrape never waits for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from bot.core import metrics
from bot.core.clock import Clock
from bot.core.metrics import Ages
from bot.core.running.supervision import pause
from bot.domain.money import quota
from bot.domain.money.accounts import operator_account
from bot.domain.money.quota import MICRO
from bot.domain.outbox import ItemKind
from bot.services.operating.monthly_limit import MonthlyLimit
from bot.store.engine.base import Store
from bot.store.figures import depths
from bot.store.figures.depths import STATES, Depths

EVERY_S: Final = 15.0


@dataclass(frozen=True, kw_only=True)
class Gauges:
    """The operator's month is in US dollars."""

    store: Store
    monthly_usd: float
    credit_usd: float
    clock: Clock
    _states: Ages = field(init=False, repr=False, default_factory=lambda: Ages(metrics.QUEUE_AGE))
    _outbox: Ages = field(init=False, repr=False, default_factory=lambda: Ages(metrics.OUTBOX_OVERDUE))
    _limit: MonthlyLimit = field(init=False, repr=False, default_factory=MonthlyLimit)
    _undelivered: Ages = field(init=False, repr=False, default_factory=lambda: Ages(metrics.UNDELIVERED_AGE))

    async def run(self) -> None:
        """Read at the start and then every `EVERY_S` seconds, until cancelled."""
        while True:
            await self.read()
            await pause(EVERY_S)

    async def read(self) -> None:
        """Read once."""
        now = self.clock()
        self._show(await self.store.read(depths.depths, account=operator_account(now), now=now), now)
        for part, size in (await self.store.sizes()).items():
            metrics.DATABASE_BYTES.labels(part).set(size)
        metrics.LAST_READ.set(time.time())

    def _show(self, found: Depths, now: int) -> None:
        for state in STATES:
            count, oldest = found.states.get(state, (0, None))
            metrics.QUEUE_ITEMS.labels(state).set(count)
            self._states.set(state, _age_s(oldest, now))
        for kind in ItemKind:
            count, due_at = found.outbox.get(kind, (0, None))
            metrics.OUTBOX_ITEMS.labels(kind).set(count)
            self._outbox.set(kind, _age_s(due_at, now) if due_at is None or due_at < now else None)
        self._undelivered.set("", _age_s(found.undelivered_since, now))
        today = {"images": found.images_today, "credits": found.paid_today / MICRO, "usd": self._usd(found.cost_today)}
        for what, amount in today.items():
            metrics.TODAY.labels(what).set(amount)
        spent, reserved = self._usd(found.spent), self._usd(found.held)
        self._limit.tell(spent + reserved, of_usd=self.monthly_usd)
        for part, amount in {"spent": spent, "reserved": reserved, "left": max(self.monthly_usd - spent - reserved, 0.0)}.items():
            metrics.MONTH_USD.labels(part).set(amount)

    def _usd(self, micro: int) -> float:
        return float(quota.in_usd(micro, self.credit_usd))


def _age_s(since: int | None, now: int) -> float | None:
    return None if since is None else max(now - since, 0) / 1000
