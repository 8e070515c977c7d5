"""The people of these journeys, and what they look for in a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.app import House
from bot.jobs.job import Job
from sandbox.person import Message, Person
from tests.jobs.conftest import eventually
from tests.street import with_picture

Ask = Callable[..., Awaitable[Message]]


def job_id_of(message: Message) -> str:
    """The job that a finished message shows."""
    return str(message.buttons["Details"]["custom_id"]).split(":")[2]


async def written_down(house: House, message: Message) -> Job:
    """The job of a finished message, once its delivery is written down, which is just after it is shown."""

    async def look() -> Job | None:
        job = await house.studio.job(job_id_of(message))
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
