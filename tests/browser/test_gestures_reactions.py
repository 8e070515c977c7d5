"""Reacting to pictures on the chat page, with a restart of the bot in the middle of what takes two steps."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.bot import picture
from tests.browser.conftest import LookIn, last, saying
from tests.browser.home import DESCRIBE, Home, finished, form, go_to, press, react, reaction, send, shown

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_pencil_leads_through_its_note_and_form_to_an_edit(home: Home, visit: LookIn) -> None:
    first = await home.picture("a red fox in the snow")
    page = await visit("Ben")
    await react(page, shown(page, first), "✏️")
    note = saying(page, "@Ben, what should change in this picture?")
    await expect(note).to_be_visible()
    await home.restart(page)
    await press(note, DESCRIBE)
    await form(page, "Edit with Easel").get_by_label("What should change").fill("in deep winter")
    await home.restart(page)
    await send(form(page, "Edit with Easel"))
    await expect(finished(page, "in deep winter")).to_contain_text("edited by @Ben from this picture")
    await expect(note).to_have_count(0)


async def test_a_pencil_taken_back_takes_its_note_along(home: Home, visit: LookIn) -> None:
    first = await home.picture("a fox that stays as it is")
    page = await visit("Ben")
    await react(page, shown(page, first), "✏️")
    note = saying(page, "@Ben, what should change in this picture?")
    await expect(note).to_be_visible()
    await home.restart(page)
    await reaction(shown(page, first), "✏️").click()
    await expect(note).to_have_count(0)


@pytest.mark.parametrize(("emoji", "words"), [("🎨", "edited by @Ben from this picture"), ("🔁", "a harbour at noon, for 🔁@Ben · ")])
async def test_an_edit_and_a_repetition_outlive_a_restart_and_reply_with_credit(home: Home, visit: LookIn, emoji: str, words: str) -> None:
    first = await home.picture(f"a harbour at noon, for {emoji}")
    page = await visit("Ben")
    with home.slow_pictures():
        await react(page, shown(page, first), emoji)
        await expect(reaction(shown(page, first), "⏳")).to_be_visible()
        await home.restart(page)
    answer = finished(page, words)
    await expect(answer.locator(".origin")).to_contain_text(f"a harbour at noon, for {emoji}")
    await expect(reaction(shown(page, first), "✅")).to_be_visible()
    await expect(reaction(shown(page, first), "⏳")).to_have_count(0)


async def test_a_letter_brings_the_file_by_direct_message(home: Home, visit: LookIn) -> None:
    first = await home.picture("a windmill", seed=5)
    await home.restart()
    page = await visit("Ben")
    await react(page, shown(page, first), "✉️")
    await expect(reaction(shown(page, first), "✅")).to_be_visible()
    await go_to(page, "Easel")
    for words in ("a windmill", "FLUX.2 Klein 4B", "Seed: 5", "Job: "):
        await expect(last(page)).to_contain_text(words)
    await expect(last(page).locator(".image img")).to_be_visible()


async def test_closed_direct_messages_are_said_by_a_mark_alone(home: Home, visit: LookIn) -> None:
    first = await home.picture("a lighthouse nobody hears of")
    await home.ada.join("Zoe")
    page = await visit("Zoe")
    await page.get_by_text("Zoe's settings").click()
    await page.get_by_label("Take direct messages").uncheck()
    await react(page, shown(page, first), "✉️")
    await expect(reaction(shown(page, first), "🚫")).to_be_visible()


async def test_a_monkey_hides_a_picture_and_a_press_shows_it(home: Home, visit: LookIn) -> None:
    first = await home.picture("a spider")
    await home.restart()
    page = await visit("Ada")
    await react(page, shown(page, first), "🙈")
    await shown(page, first).get_by_role("button", name="Spoiler: press to show the picture").click()
    await expect(shown(page, first).get_by_role("button", name="Open large")).to_be_enabled()
    await expect(reaction(shown(page, first), "✅")).to_be_visible()


@pytest.mark.parametrize("emoji", ["🚩", "⭐"])
async def test_a_flag_and_a_star_are_marked_as_heard(home: Home, visit: LookIn, emoji: str) -> None:
    first = await home.picture(f"a picture for {emoji}")
    await home.restart()
    page = await visit("Ben")
    await react(page, shown(page, first), emoji)
    await expect(reaction(shown(page, first), "✅")).to_be_visible()


async def test_a_cross_takes_a_picture_away_for_its_requester_and_not_for_others(home: Home, visit: LookIn) -> None:
    first = await home.picture("a picture of no use")
    await home.restart()
    ada, ben = await visit("Ada"), await visit("Ben")
    await react(ben, shown(ben, first), "❌")
    await expect(reaction(shown(ben, first), "🚫")).to_be_visible()
    await react(ada, shown(ada, first), "❌")
    await expect(shown(ben, first)).to_have_count(0)


async def test_a_cross_on_a_waiting_message_cancels_it_after_a_restart(home: Home, visit: LookIn) -> None:
    with home.slow_pictures():
        await home.ada.slash("generate", prompt="a picture nobody waits for")
        page = await visit("Ada")
        waiting = saying(page, "a picture nobody waits for")
        await expect(waiting).to_contain_text("Being made")
        await home.restart(page)
        await react(page, waiting, "❌")
        await expect(waiting).to_contain_text("Cancelled; nothing was charged for it.")


async def test_other_peoples_pictures_are_edited_where_the_operator_turned_it_on(home: Home, visit: LookIn) -> None:
    page, ben = await visit("Ada"), await visit("Ben")
    await ben.locator("#composer input[type=file]").set_input_files({"name": "hill.png", "mimeType": "image/png", "buffer": picture()})
    await ben.locator("#draft").fill("My own hill")
    await ben.keyboard.press("Enter")
    await react(page, saying(page, "My own hill").first, "❄️")
    await expect(finished(page, "deep winter").filter(has_text="edited by @Ada").locator(".origin")).to_contain_text("My own hill")
