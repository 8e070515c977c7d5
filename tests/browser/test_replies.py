"""Edits by reply on the page, of one's latest image, and what is cancelled while it waits."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, check_views, run, saying
from tests.browser.running_bot import RunningBot, command, finished, go_to, panel, press

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def reply(page: Page, message: Locator, words: str) -> None:
    """Answer a message with a mention of the bot, which is chosen from the names that `@` offers."""
    await message.get_by_role("button", name="Message actions").click(force=True)
    await page.get_by_role("menuitem", name="Reply").click()
    await page.locator("#draft").press_sequentially("@ea")
    await page.keyboard.press("Enter")
    await page.locator("#draft").press_sequentially(words)
    await page.keyboard.press("Enter")


async def test_a_reply_edits_the_image_and_says_what_it_took(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, ben = await visit("Ada"), await visit("Ben")
    await command(ada, "generate", prompt="a red fox")
    await reply(ben, finished(ben, "a red fox"), "make it winter")
    edit = finished(ben, "make it winter")
    await expect(edit).to_contain_text("edited by @Ben from this image")
    await expect(edit.locator(".origin")).to_contain_text("Ben @Easel make it winter")
    await check_views(ben, "reply")

    await command(ada, "generate", prompt="four foxes", count="4")
    await reply(ben, finished(ben, "four foxes"), "2 by night")
    await expect(saying(ben, "Image 2 of 4.")).to_be_visible()
    await expect(finished(ben, "by night")).to_be_visible()
    await check_views(ben, "reply-of-four")


async def test_a_reply_that_cannot_be_done_says_why(running_bot: RunningBot, visit: OpenPage) -> None:
    mo = await visit("Mo")
    await go_to(mo, "gallery")
    await running_bot.ada.say("what a day", "gallery")
    await reply(mo, saying(mo, "what a day"), "make it winter")
    await expect(saying(mo, "Apps > Edit with Easel instead")).to_be_visible()
    await mo.locator("#draft").fill("@Easel a cat")
    await mo.keyboard.press("Enter")
    await expect(saying(mo, "reply to it, mention")).to_be_visible()
    await check_views(mo, "reply-refused")


async def test_an_edit_without_an_image_says_which_it_took(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await command(ada, "generate", prompt="a lighthouse")
    await expect(finished(ada, "a lighthouse")).to_be_visible()
    await command(ada, "edit", prompt="in a storm")
    await expect(finished(ada, "in a storm")).to_contain_text("edited by @Ada from this image")
    await expect(panel(ada, "Using your latest image here: studio › message")).to_be_visible()
    await check_views(ada, "edit-latest")


async def test_several_unfinished_images_are_cancelled_by_buttons(running_bot: RunningBot, visit: OpenPage) -> None:
    running_bot.env.switchboard.turn_on("generation-stuck")
    ada = await visit("Ada")
    for prompt in ("a red fox in the snow under a very long and winding sky full of northern lights", "a grey owl", "a blue whale"):
        await command(ada, "generate", prompt=prompt)
    await run(ada, "cancel")
    shown = panel(ada, "Cancel an image")
    await check_views(ada, "cancel-several")
    await shown.get_by_role("button", name="Cancel", exact=True).last.click()
    await expect(shown).not_to_contain_text("red fox")
    await press(shown, "Cancel all (2)")
    await expect(panel(ada, "requests cancelled")).to_be_visible()
    await check_views(ada, "cancelled-several")
    running_bot.env.switchboard.turn_off("generation-stuck")
