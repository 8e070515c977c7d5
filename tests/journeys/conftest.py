"""The people of these journeys, and what they look for in a channel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.app import App
from bot.domain.job import Job
from sandbox.person import Message, Person
from tests.env.app import with_picture
from tests.services.conftest import eventually

Ask = Callable[..., Awaitable[Message]]
PRESSED = ("discord.py: ", "CommandTree-invoker", "Task-")  # how the tasks are called in which a press is answered


def job_id_of(message: Message) -> str:
    """The job that a finished message shows."""
    return str(message.buttons["Details"]["custom_id"]).split(":")[2]


async def written_down(app: App, message: Message) -> Job:
    """The job of a finished message, once its delivery is written down, which is just after it is shown."""

    async def look() -> Job | None:
        job = await app.services.orders.job(job_id_of(message))
        return job if job.delivered_at is not None else None

    return await eventually(look)


@pytest.fixture
def asked(ada: Person) -> Ask:
    """Ada runs /generate and waits for the finished message."""

    async def ask(channel: str = "studio", /, **options: object) -> Message:
        seen = {message.id for message in ada.messages(channel)}
        await ada.slash("generate", channel, **{"prompt": "a red fox in the snow", **options})
        return await ada.message(lambda message: with_picture(message) and message.id not in seen, channel)

    return ask


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The transactions that presses lead to, by the operation that each runs; those of the background loops are left out."""

    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def so_far(self) -> tuple[list[str], list[str]]:
        """The reads and the writes since this was last asked."""
        seen = list(self.reads), list(self.writes)
        self.reads.clear()
        self.writes.clear()
        return seen


@pytest.fixture
async def traffic(app: App, ada: Person, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Of a member whose language is known, in a server whose settings are not remembered yet."""
    seen = Traffic()
    for name, kept in (("read", seen.reads), ("write", seen.writes)):
        monkeypatch.setattr(app.store, name, _counted(getattr(app.store, name), kept))
    await ada.slash("ping", "dm")

    async def language_is_known() -> bool:
        return "preferences" in seen.reads

    await eventually(language_is_known)
    seen.so_far()
    return seen


def _counted(run: Callable[..., Any], kept: list[str]) -> Callable[..., Any]:
    async def counted(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        done = await run(op, *args, **kwargs)
        task = asyncio.current_task()
        if task is not None and task.get_name().startswith(PRESSED):
            kept.append(op.__name__)
        return done

    return counted
