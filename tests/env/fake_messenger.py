"""A fake handler of outbox items."""

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
    """Records the items that it handles, with their jobs."""

    sent: Sent = field(default_factory=list)
    errors: deque[Exception] = field(default_factory=deque)  # raised by the next calls
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def handlers(self) -> Mapping[ItemKind, Handler]:
        """For all kinds except DELIVER."""
        return dict.fromkeys(set(ItemKind) - {ItemKind.DELIVER}, self.handle)

    async def handle(self, item: OutboxItem, job: Job | None) -> None:
        async with self.changed:
            self.sent.append((item, job))
            self.changed.notify_all()
        if self.errors:
            raise self.errors.popleft()

    async def until(self, reached: Callable[[Sent], bool]) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: reached(self.sent))
