"""Fixtures of the journeys: finished messages, and the transactions that presses lead to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from bot.domain.job import Job
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.services.conftest import eventually

Ask = Callable[..., Awaitable[Message]]
PRESSED = ("discord.py: ", "CommandTree-invoker", "Task-")  # names of the tasks that answer presses


def job_id_of(message: Message) -> str:
    """The job that a finished message shows."""
    return str(message.buttons["More"]["custom_id"]).split(":")[2]


async def written_down(app: App, message: Message) -> Job:
    """The job of a finished message, once its delivery is stored, which happens just after the message is shown."""

    async def read_job() -> Job | None:
        job = await app.services.orders.job(job_id_of(message))
        return job if job.delivered_at is not None else None

    return await eventually(read_job)


@pytest.fixture
def asked(ada: Person) -> Ask:
    """Ada runs /generate and waits for the finished message."""

    async def ask(channel: str = "studio", /, **options: object) -> Message:
        seen = {message.id for message in ada.messages(channel)}
        await ada.slash("generate", channel, **{"prompt": "a red fox in the snow", **options})
        return await ada.message(lambda message: has_image(message) and message.id not in seen, channel)

    return ask


@pytest.fixture
async def reading_env(tmp_path: Path) -> AsyncIterator[Env]:
    """An environment with the message-content intent."""
    board = Switchboard()
    async with (
        images.serve(switchboard=board, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=board, privileged_intents=frozenset({"message_content"})) as chat,
    ):
        yield Env(switchboard=board, images=image_server, discord=chat, folder=tmp_path, overrides={"MESSAGE_CONTENT_INTENT": "true"})


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Transactions that presses lead to, by the name of their operation, without those of the background loops."""

    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)

    def so_far(self) -> tuple[list[str], list[str]]:
        """The reads and writes since the last call."""
        seen = list(self.reads), list(self.writes)
        self.reads.clear()
        self.writes.clear()
        return seen


@pytest.fixture
async def traffic(app: App, ada: Person, monkeypatch: pytest.MonkeyPatch) -> Traffic:
    """Traffic of a member whose language is known, in a guild whose settings are cached since it became available."""
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
