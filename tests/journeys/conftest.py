"""The people of these journeys, and what they look for in a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from sandbox.person import Message, Person
from tests.street import with_picture

Ask = Callable[..., Awaitable[Message]]


@pytest.fixture
def asked(ada: Person) -> Ask:
    """Ada runs /generate and waits for the finished message."""

    async def ask(channel: str = "studio", /, **options: object) -> Message:
        seen = {message.id for message in ada.messages(channel)}
        await ada.slash("generate", channel, **{"prompt": "a red fox in the snow", **options})
        return await ada.message(lambda message: with_picture(message) and message.id not in seen, channel)

    return ask
