"""Members who order images one after the other, and again what the bot refused or did not hear of."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.many.busy_discord import BusyDiscord, job_buttons
from tests.many.payloads import ServerMember

_SHOWN_S = 20.0  # a process may be killed between its first answer and the words of it
_AGAIN_S = 0.5
_TRIES = 60  # of one order: the database may be away for a while


@dataclass(frozen=True, kw_only=True)
class PlannedOrder:
    """What a member means to order. The prompt names the member and the server, so that the image API's rows tell whose they are."""

    member: ServerMember
    model: str
    count: int = 1

    def prompt(self, number: int) -> str:
        return f"fox {number} of member {self.member.number} in server {self.member.guild}"


WHOSE = re.compile(r"fox (\d+) of member (\d+) in server (\d+)")


@dataclass(kw_only=True)
class MembersOrders:
    """MembersOrders of all members so far."""

    discord: BusyDiscord
    told: dict[str, str] = field(default_factory=dict)  # ids of accepted jobs by prompt
    told_ms: dict[str, int] = field(default_factory=dict)  # when (Unix ms), by prompt
    refusals: list[str] = field(default_factory=list)  # what members read instead
    unanswered: int = 0
    done: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def run(self, planned: Iterable[PlannedOrder], *, at_once: int, waits: bool = True) -> None:
        """Order all of these, `at_once` at a time; each waits until its image is shown before the next one, unless `waits` is False."""
        line = iter(planned)

        async def one_after_another() -> None:
            for order in line:
                job_id = await self._until_accepted(order)
                if waits:
                    await self._until_shown(job_id)
                self.done += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one_after_another(), name="members")

    async def until_shown(self) -> None:
        """Wait until every accepted job is shown."""
        for job_id in list(self.told.values()):
            await self._until_shown(job_id)

    async def _until_accepted(self, order: PlannedOrder) -> str:
        for _ in range(_TRIES):
            if (job_id := await self._try(order)) is not None:
                return job_id
            await asyncio.sleep(_AGAIN_S)
        raise AssertionError(f"An order was refused {_TRIES} times: {self.refusals[-3:]}")

    async def _try(self, order: PlannedOrder) -> str | None:
        prompt = order.prompt(next(self._numbers))
        options: dict[str, Any] = {"prompt": prompt, "model": order.model}
        if order.count > 1:
            options["count"] = order.count
        own = await self.discord.slash(order.member, "generate", **options)
        if own is None:
            self.unanswered += 1
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHOWN_S):
                await own.shown.wait()
        message = self.discord.messages.get(own.message_id or 0, {})
        found = next(job_buttons(message), None)
        if found is None:
            self.refusals.append(own.words)
            return None
        self.told[prompt], self.told_ms[prompt] = found[1], int(time.time() * 1000)
        return found[1]

    async def _until_shown(self, job_id: str) -> None:
        """Wait until a message shows that the job has ended."""
        await self.discord.ended[job_id].wait()
