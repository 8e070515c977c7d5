"""Carries out nothing: where errands end in tests of the services behind them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.jobs.job import Job
from bot.store.errands import Errand


@dataclass(kw_only=True)
class ErrandBoy:
    """A stand-in of the errands' port: it writes down what it was sent for, with which job."""

    sent: list[tuple[Errand, Job | None]] = field(default_factory=list)
    troubles: deque[Exception] = field(default_factory=deque)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def carry_out(self, errand: Errand, job: Job | None) -> None:
        async with self.came:
            self.sent.append((errand, job))
            self.came.notify_all()
        if self.troubles:
            raise self.troubles.popleft()

    async def until(self, reached: Callable[[list[tuple[Errand, Job | None]]], bool]) -> None:
        async with asyncio.timeout(5), self.came:
            await self.came.wait_for(lambda: reached(self.sent))
