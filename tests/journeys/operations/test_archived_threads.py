"""An archived thread allows no change until it is reopened: results, deletions and spoilers reopen it."""

from __future__ import annotations

from bot.app import App
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask, written_down


async def test_a_result_takes_the_place_of_its_waiting_message(env: Env, app: App, ada: Person, mo: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    thread = await ada.thread("a thread")
    await ada.slash("generate", thread, prompt="a red fox")
    waiting = await ada.message(lambda m: "Cancel" in m.buttons, thread)
    await mo.archive(thread)
    env.switchboard.turn_off("generation-stuck")
    shown = await ada.message(has_image, thread)
    assert (shown.id, [m.id for m in ada.messages(thread)]) == (waiting.id, [waiting.id])


async def test_a_locked_thread_leaves_the_member_a_dm(env: Env, app: App, ada: Person, mo: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    thread = await ada.thread("a thread")
    await ada.slash("generate", thread, prompt="a red fox")
    await ada.message(lambda m: "Cancel" in m.buttons, thread)
    await mo.archive(thread, locked=True)
    env.switchboard.turn_off("generation-stuck")
    await ada.message(has_image, "dm")


async def test_a_deleted_image_is_deleted_there_too(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    thread = await ada.thread("a thread")
    shown = await asked(thread)
    await written_down(app, shown)
    await mo.archive(thread)
    await mo.slash("imagemod delete", image=f"https://discord.com/channels/{mo.hello['guild']['id']}/{thread}/{shown.id}")
    await ada.until(lambda: all(m.id != shown.id for m in ada.messages(thread)) or None)
