"""Edits by reply on the page: a member answers an image and mentions the bot."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, check_views, saying
from tests.browser.running_bot import RunningBot, command, finished, go_to

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
