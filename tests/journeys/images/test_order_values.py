"""The dataclasses that a plain order creates, from the command to the receipt. A new one needs a reason."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sandbox.person import Person
from tests.journeys.conftest import PRESSED, Ask

VALUES = {
    *("Request", "Actor", "Channel", "Audience", "ReplyTarget"),  # who asks, where, and who sees it
    "Order",  # what is ordered
    *("Facts", "Allowance", "Payment", "AccountRef", "Limit", "Statement"),  # what the rules read: limits, accounts, balances
    *("Admission", "Charge"),  # whether and at what price
    *("Job", "Generation"),  # what is stored
    *("Write", "IdempotencyKey"),  # the store's queue, and the delivery that asked
    *("Capacity", "Receipt"),  # what the member is shown, and how fast the queue moves
}


@contextmanager
def values_made() -> Iterator[set[str]]:
    """Names of the project's dataclasses that the tasks of commands instantiate inside the block."""
    made: set[str] = set()

    def called(frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or frame.f_code.co_name != "__init__":
            return
        kind, task = type(frame.f_locals.get("self")), asyncio.current_task()
        is_ours = kind.__module__.startswith(("bot.", "cogs.")) and dataclasses.is_dataclass(kind) and not kind.__name__.startswith("_")
        if is_ours and task is not None and task.get_name().startswith(PRESSED):
            made.add(kind.__name__)

    sys.setprofile(called)
    try:
        yield made
    finally:
        sys.setprofile(None)


async def test_an_order_creates_these_values_and_no_others(ada: Person, asked: Ask) -> None:
    await asked()  # what is created once does not count
    with values_made() as made:
        await ada.slash("generate", prompt="a red fox in the snow")
    assert made - VALUES == set()
    assert {"Request", "Order", "Admission", "Job", "Receipt"} <= made
