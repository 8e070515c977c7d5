"""Bursts of commands: every one is acknowledged in time, even while the database stalls, and nothing private becomes public."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from bot.app import App
from bot.client import easel as client
from cogs.kit import answers
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask, Traffic
from tests.journeys.manager_steps import grant
from tests.journeys.result_steps import panel_of

HANDLERS = 4


@asynccontextmanager
async def stalled_writer(app: App) -> AsyncIterator[None]:
    """Nothing is written until the end of the block."""
    held, over = threading.Event(), threading.Event()

    def hold(_conn: object) -> None:
        held.set()
        over.wait(timeout=30)

    writing = asyncio.create_task(app.store.write(hold))
    await asyncio.to_thread(held.wait, 30)
    try:
        yield
    finally:
        over.set()
        await writing


@contextmanager
def burst(app: App) -> Iterator[None]:
    """Every handler is busy until the end of the block, so whatever happens in it is deferred at once."""
    app.client.handlers = handlers = asyncio.Semaphore(0)
    yield
    for _ in range(HANDLERS):
        handlers.release()


async def deferred(person: Person) -> Message:
    return await person.message(lambda m: m.waiting)


async def private_answers(person: Person, app: App) -> None:
    await app.services.members.change(int(person.id), lambda chosen: chosen.model_copy(update={"private": True}))


# --- in time ---------------------------------------------------------------------------------------------------------


@pytest.mark.faults("generation-stuck")
async def test_a_hundred_commands_are_acknowledged_while_the_database_stalls(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "DEFER_AFTER_S", 0.2)
    async with env.app(MAX_WAITING_PER_USER="100") as app, person_in(env, "Ada") as ada:
        async with stalled_writer(app):
            await asyncio.gather(*(ada.slash("generate", prompt="a red fox") for _ in range(100)))
        await ada.until(lambda: len([m for m in ada.messages() if "1.4 credits reserved" in m.content]) == 100, timeout_s=30)
        assert ada.unanswered == []


async def test_a_command_is_deferred_before_anything_is_read(app: App, ada: Person, traffic: Traffic) -> None:
    with burst(app):
        await ada.slash("generate", prompt="a red fox")
        assert traffic.so_far() == ([], [])
    await ada.message(has_image)


async def test_a_slow_command_does_not_keep_others_waiting(app: App, ada: Person) -> None:
    app.client.handlers = asyncio.Semaphore(1)
    async with stalled_writer(app):
        await ada.slash("generate", prompt="a red fox")
        await ada.slash("quota")
        await ada.message(lambda m: "Your credits" in m.text)
    await ada.message(has_image)


async def test_commands_that_still_wait_end_with_the_bot(
    env: Env, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(client, "_CLOSING_S", 0.1)
    async with env.app() as app, person_in(env, "Ada") as ada:
        app.client.handlers = asyncio.Semaphore(0)
        await ada.slash("generate", prompt="a red fox")
    assert "[error" not in capsys.readouterr().out


# --- the answer after a deferral -------------------------------------------------------------------------------------


async def test_an_order_is_answered_in_place_of_its_deferral(app: App, ada: Person) -> None:
    with burst(app):
        await ada.slash("generate", prompt="a red fox")
        thinking = await deferred(ada)
    assert (await ada.message(has_image)).id == thinking.id
    assert (len(ada.messages()), thinking.ephemeral) == (1, False)


@pytest.mark.parametrize(("option", "private"), [({}, True), ({"private": True}, True), ({"private": False}, False)])
async def test_who_chose_private_answers_is_deferred_privately_after_a_restart(env: Env, option: dict[str, Any], private: bool) -> None:
    async with env.app() as first, person_in(env, "Ada") as ada:
        await private_answers(ada, first)
    async with env.app() as app, person_in(env, "Ada") as ada, person_in(env, "Ben") as ben:
        with burst(app):
            await ada.slash("generate", prompt="a red fox", **option)
            assert (await deferred(ada)).ephemeral == private
        assert (await ada.message(has_image)).ephemeral == private
        assert bool(ben.messages()) != private


async def test_an_option_makes_a_deferral_private(app: App, ada: Person, ben: Person) -> None:
    with burst(app):
        await ada.slash("edit", prompt="a red fox", private=True)
        assert (await deferred(ada)).ephemeral
    await ada.message(lambda m: "Attach an image" in m.content)
    assert ben.messages() == []


async def test_a_repeated_order_is_deferred_as_privately_as_its_member_chose(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await private_answers(ada, app)
    with burst(app):
        await ada.click(first, "Again")
        thinking = await deferred(ada)
    again = await ada.message(lambda m: has_image(m) and m.id != first.id)
    assert (again.id, again.ephemeral) == (thinking.id, True)
    assert [m.id for m in ben.messages()] == [first.id]


async def test_a_panel_is_changed_after_a_deferral(app: App, ada: Person) -> None:
    with burst(app):
        await ada.slash("settings")
        assert (await deferred(ada)).ephemeral
    panel = await ada.message(lambda m: "Your settings" in m.text)
    with burst(app):
        await ada.click(panel, "Private: off")
    await ada.message(lambda m: m.id == panel.id and "Private: on" in m.buttons)
    assert len(ada.messages()) == 1


@pytest.mark.parametrize("label", ["Edit", "Report"])
async def test_a_button_opens_its_form_at_once(app: App, ben: Person, asked: Ask, label: str) -> None:
    image = await asked()
    at = image if label in image.buttons else await panel_of(ben, image)
    with burst(app):
        await ben.click(at, label)
        assert await ben.modal()


@pytest.mark.parametrize("name", ["Edit with Easel", "Report image"])
async def test_a_menu_opens_its_form_at_once(app: App, ben: Person, asked: Ask, name: str) -> None:
    image = await asked()
    with burst(app):
        await ben.menu(name, image)
        assert await ben.modal()


async def test_a_form_is_answered_after_a_deferral(app: App, ada: Person, asked: Ask) -> None:
    await ada.click(await asked(), "Edit")
    with burst(app):
        await ada.submit(await ada.modal(), prompt="at night")
        thinking = await deferred(ada)
    assert (await ada.message(lambda m: has_image(m) and "at night" in m.content)).id == thinking.id


async def test_a_public_answer_follows_a_private_deferral(app: App, ada: Person, ben: Person) -> None:
    await grant(app, ada, 100)
    with burst(app):
        await ada.slash("gift", member=ben.id, credits=2.5)
        assert (await deferred(ada)).ephemeral
    said = await ben.message(lambda m: "gave" in m.content)
    assert said.pings == [ben.id]
    await ada.until(lambda: [m.id for m in ada.messages()] == [said.id])


async def test_an_error_after_a_private_deferral_stays_private(app: App, ada: Person, ben: Person) -> None:
    with burst(app):
        await ada.slash("gift", member=ben.id, credits=5000)
    refusal = await ada.message(lambda m: "🚫" in m.content)
    assert (refusal.ephemeral, len(ada.messages()), ben.messages()) == (True, 1, [])
