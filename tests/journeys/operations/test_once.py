"""What Discord delivers twice is done once: moments apart, and once more to the next run of the bot."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from bot.app import App
from bot.client import easel
from bot.client.deliveries import KEPT_MAX, Deliveries
from bot.core.clock import system
from bot.domain.job import JobState
from bot.domain.order import Order
from bot.services import reactions
from bot.services.orders import Orders
from bot.store import outbox, tables
from bot.store.engine.opening import read_once
from cogs.kit import answers
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.moderator_steps import GALLERY, MODERATORS
from tests.journeys.moderator_steps import change_rules as change_all_rules
from tests.journeys.operations.once_steps import SPENDING, STEPS, Day, Step
from tests.services.conftest import eventually

AGAIN = ("interactions-doubled", "gateway-doubled", "gateway-replayed")
COMPARED: Mapping[str, Sequence[str]] = {  # columns that are the same in every run
    "ledger": ("entry", "held", "spent", "note"),
    "jobs": ("kind", "prompt", "state", "spoiler", "reaction", "private"),
    "generations": ("n", "model", "state", "price"),
    "job_messages": ("role", "spoiler"),
    "audit": ("action",),
    "cases": ("cause", "state", "decision", "appeal"),
    "reports": ("reason", "counts", "outcome"),
    "blocks": ("reason",),
    "strikes": ("offence", "weight"),
    "sponsorships": ("cap", "state"),
    "gallery": ("stars",),
    "tray": ("width_px",),
    "members": ("preferences",),
    "guilds": ("settings",),
}
Books = Mapping[str, Counter[str]]


def books(conn: Connection) -> Books:
    """The rows of every table that members and managers change, without ids and times."""
    found: dict[str, Counter[str]] = {}
    for name, columns in COMPARED.items():
        table: Any = tables.metadata.tables[name]
        found[name] = Counter(str(tuple(row)) for row in conn.execute(select(*(table.c[column] for column in columns))))
    return {**found, "ledger": Counter({line: n for line, n in found["ledger"].items() if "'refill'" not in line})}  # by the time


def messages(*people: Person) -> Counter[str]:
    """How many messages each person sees in each channel."""
    return Counter(
        f"{person.name} in {channel['name']}"
        for person in people
        for channel in person.hello["channels"]
        for _ in person.messages(channel["id"])
    )


@asynccontextmanager
async def run(env: Env, *people: Person) -> AsyncIterator[App]:
    """One run of the bot. It ends when everything is done that was asked for, and the people see that."""
    async with env.app() as app:
        for person in people:
            await person.until(lambda person=person: (person.bot_online and "generate" in person.commands) or None)  # type: ignore[misc]
        yield app
        await people[0].slash("ping", "dm")  # all events before it were delivered

        async def settled() -> bool:
            is_open = tables.jobs.c.state.in_((JobState.OPEN, JobState.DELIVERABLE))
            return not await app.store.read(lambda conn: [*conn.execute(select(tables.jobs).where(is_open)), *outbox.due(conn, system())])

        await eventually(settled)
    for person in people:
        await person.until(lambda person=person: (not person.bot_online) or None)  # type: ignore[misc]


async def lived(folder: Path, steps: Sequence[Step], *faults: str) -> list[tuple[Books, Counter[str]]]:
    """The books, and what people see, after these steps; and after a restart."""
    board = Switchboard()
    for fault in faults:
        board.turn_on(fault)
    async with AsyncExitStack() as stack:
        image_server = await stack.enter_async_context(images.serve(switchboard=board, timing=images.FAST, draft=True))
        chat = await stack.enter_async_context(discord.serve(switchboard=board))
        env, url = Env(switchboard=board, images=image_server, discord=chat, folder=folder), f"sqlite:///{folder}/easel.sqlite3"
        ada, ben, mo = people = [await stack.enter_async_context(Person.connect(chat.url, name)) for name in ("Ada", "Ben", "Mo")]
        async with run(env, *people) as app:
            gifts, gallery = {"by_reaction": {"emoji": "💖", "credits": 1}}, {"channel_id": ada.channel(GALLERY), "stars": 1, "reward": 3}
            await change_all_rules(app, ada, cases_channel_id=ada.channel(MODERATORS), gifts=gifts, gallery=gallery, strikes={"ladder": []})
            for step in steps:
                await step(Day(env=env, app=app, ada=ada, ben=ben, mo=mo))
        first = await read_once(url, books), messages(*people)
        async with run(env, *people):
            pass
        return [first, (await read_once(url, books), messages(*people))]


def test_the_oldest_of_many_deliveries_are_forgotten() -> None:
    deliveries = Deliveries()
    deliveries.note(str(number) for number in range(KEPT_MAX + 1))
    assert (deliveries.is_new("1"), deliveries.is_new("0")) == (False, True)


async def test_an_order_that_one_run_did_not_get_to_is_taken_by_the_next(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    forever = asyncio.Event()  # kept here, or what waits for it could be collected as garbage in the middle of the test

    async def never(_orders: Orders, _order: Order) -> None:
        await forever.wait()

    env.switchboard.turn_on("gateway-replayed")
    async with Person.connect(env.discord.url, "Ada") as ada:
        with monkeypatch.context() as patch:
            patch.setattr(Orders, "order", never)
            patch.setattr(answers, "DEFER_AFTER_S", 0)
            patch.setattr(easel, "_CLOSING_S", 0.1)
            async with run(env, ada):
                await ada.slash("generate", prompt="a red fox")
        async with run(env, ada):
            await ada.message(has_image)
        assert len(ada.messages()) == 1


@pytest.mark.parametrize("steps", [pytest.param(SPENDING, id="spending"), pytest.param(STEPS, id="everything", marks=pytest.mark.slow)])
async def test_what_is_delivered_again_is_done_and_answered_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: Sequence[Step]
) -> None:
    for limit in ("BURST_MAKING", "BURST_JUDGING"):  # the steps come faster than people react
        monkeypatch.setattr(reactions, limit, 1_000)
    once, twice = tmp_path / "once", tmp_path / "twice"
    for folder in (once, twice):
        folder.mkdir()
    assert await lived(twice, steps, *AGAIN) == await lived(once, steps)
