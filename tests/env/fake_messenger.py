"""Carries out nothing: where items of the outbox end in tests of the services behind it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.domain.job import Job
from bot.domain.outbox import ItemKind, OutboxItem
from bot.services.outbox import Handler

Sent = list[tuple[OutboxItem, Job | None]]


@dataclass(kw_only=True)
class FakeMessenger:
    """Writes down what it was to do, with which job."""

    sent: Sent = field(default_factory=list)
    troubles: deque[Exception] = field(default_factory=deque)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def handlers(self) -> Mapping[ItemKind, Handler]:
        """For all kinds but deliveries."""
        return dict.fromkeys(set(ItemKind) - {ItemKind.DELIVER}, self.carry_out)

    async def carry_out(self, item: OutboxItem, job: Job | None) -> None:
        async with self.came:
            self.sent.append((item, job))
            self.came.notify_all()
        if self.troubles:
            raise self.troubles.popleft()

    async def until(self, reached: Callable[[Sent], bool]) -> None:
        async with asyncio.timeout(5), self.came:
            await self.came.wait_for(lambda: reached(self.sent))
