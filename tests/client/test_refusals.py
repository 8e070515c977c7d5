"""What Discord's errors mean for a message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from bot.client.refusals import delivery_error, is_dm_closed
from bot.core.errors import DeliveryError, MessageRefused, RouteClosed, TooLarge, TryLater


def answer(status: int, code: int) -> discord.HTTPException:
    response = cast(Any, SimpleNamespace(status=status, reason=""))
    return discord.HTTPException(response, {"code": code, "message": ""})


@pytest.mark.parametrize(
    ("status", "code", "means", "is_closed"),
    [
        (403, 50007, RouteClosed, True),
        (403, 50278, RouteClosed, True),
        (403, 40003, TryLater, False),
        (403, 20026, TryLater, False),
        (403, 50013, RouteClosed, False),
        (404, 10008, RouteClosed, False),
        (400, 50083, RouteClosed, False),
        (400, 240000, MessageRefused, False),
        (400, 200000, MessageRefused, False),
        (400, 20009, MessageRefused, False),
        (403, 20009, MessageRefused, False),
        (400, 50035, MessageRefused, False),
        (400, 50006, MessageRefused, False),
        (400, 50109, MessageRefused, False),
        (400, 99999, MessageRefused, False),
        (413, 0, TooLarge, False),
        (400, 40005, TooLarge, False),
        (408, 0, TryLater, False),
        (429, 0, TryLater, False),
        (503, 0, TryLater, False),
    ],
)
def test_each_answer_has_a_meaning(status: int, code: int, means: type[DeliveryError], is_closed: bool) -> None:
    error = answer(status, code)
    assert (type(delivery_error(error)), is_dm_closed(error)) == (means, is_closed)
