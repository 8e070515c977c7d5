"""What one run measures: the interactions that the stand-ins send, and when each of their steps happened."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count

_ids = count(10**17)


class InteractionStep(StrEnum):
    """The steps of an interaction, in order. `empty` and `quota` end with the first answer."""

    DISPATCHED = "dispatched"  # sent to the gateway
    ACKNOWLEDGED = "acknowledged"  # the first callback arrived
    COMPLETED = "completed"  # the event of its generation was sent
    POSTED = "posted"  # the edit with the image arrived


@dataclass(kw_only=True, eq=False)
class TimedInteraction:
    """One interaction. Times are seconds of this process's clock."""

    command: str
    user: int
    id: int = field(default_factory=lambda: next(_ids))
    times: dict[InteractionStep, float] = field(default_factory=dict)
    posts: int = 0  # edits with an image: more than one is a duplicate delivery
    _events: dict[InteractionStep, asyncio.Event] = field(default_factory=dict)

    @property
    def token(self) -> str:
        return f"token-{self.id}"

    def reach(self, step: InteractionStep) -> None:
        if step is InteractionStep.POSTED:
            self.posts += 1
        self.times.setdefault(step, time.perf_counter())
        self._event(step).set()

    async def reached(self, step: InteractionStep) -> None:
        await self._event(step).wait()

    def _event(self, step: InteractionStep) -> asyncio.Event:
        return self._events.setdefault(step, asyncio.Event())


@dataclass(kw_only=True)
class InteractionLog:
    """Every interaction since the process started, by token, and counts of calls by name."""

    by_token: dict[str, TimedInteraction] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    posted: int = 0

    def new(self, command: str, user: int) -> TimedInteraction:
        order = TimedInteraction(command=command, user=user)
        self.by_token[order.token] = order
        return order

    def reach(self, token: str, step: InteractionStep) -> None:
        """Record a step; ignore tokens of orders that were not sent from here, such as jobs inserted by a benchmark."""
        self.posted += step is InteractionStep.POSTED
        if (order := self.by_token.get(token)) is not None:
            order.reach(step)
