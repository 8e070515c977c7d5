"""Setup and the panel of all settings, through the page: what an owner sees and presses."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from sandbox.person import Person
from tests.browser.conftest import OpenPage, check_views, run, saying
from tests.browser.running_bot import RunningBot, command, finished, form, panel, press, send

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def pick(page: Page, message: Locator, menu: str, option: str) -> None:
    """Choose one option of a menu; one that takes several is closed after it."""
    await message.get_by_role("combobox", name=menu).click()
    await page.get_by_role("option", name=option).locator("visible=true").first.click()
    await page.keyboard.press("Escape")


async def test_an_owner_walks_through_setup(running_bot: RunningBot, visit: OpenPage) -> None:
    mo = await visit("Mo")
    await run(mo, "imageadmin setup")
    step = panel(mo, "Set up Easel · step")
    await expect(step).to_contain_text("step 1 of 6")
    await check_views(mo, "setup-budget")
    await pick(mo, step, "Budget", "$5 a month")
    await expect(step).to_contain_text("of $5.00 left")
    for name in ("channels", "cases", "gallery", "rules", "pause"):
        await press(step, "Next")
        await expect(step).to_contain_text("step")
        await check_views(mo, f"setup-{name}")
    await press(step, "Done")
    await expect(panel(mo, "Three things to try")).to_be_visible()
    await check_views(mo, "setup-done")
    await press(panel(mo, "Three things to try"), "All settings")
    await expect(panel(mo, "Easel on Easel Studio")).to_be_visible()
    await check_views(mo, "settings-panel")


async def test_joining_a_server_offers_setup(running_bot: RunningBot, visit: OpenPage) -> None:
    mo, ada = await visit("Mo"), await visit("Ada")
    async with Person.connect(running_bot.url, "Mo") as person:
        await person.bot_member(on=False)
        await person.bot_member(on=True)
    offer = saying(mo, "Easel is now on").last
    await expect(offer).to_be_visible()
    await check_views(mo, "setup-offer")
    await press(saying(ada, "Easel is now on").last, "Set up Easel")
    await expect(panel(ada, "Only members with the Manage Server permission")).to_be_visible()
    await press(offer, "Set up Easel")
    await expect(panel(mo, "Set up Easel · step")).to_contain_text("step 1 of 6")


async def test_what_is_wrong_with_a_channel_is_said_where_it_is_set(running_bot: RunningBot, visit: OpenPage) -> None:
    mo = await visit("Mo")
    async with Person.connect(running_bot.url, "Mo") as person:
        await person.slash("imageadmin cases", channel=person.channel("after-dark"))
    answer = mo.locator("article.message.ephemeral", has=mo.get_by_role("button", name="Undo"))
    await expect(answer).to_contain_text("reports would be public")
    await check_views(mo, "public-cases")
    await run(mo, "imageadmin panel")
    settings = panel(mo, "Easel on Easel Studio")
    await expect(settings).to_contain_text("reports would be public")
    await check_views(mo, "settings-warned")
    await pick(mo, settings, "Change moderation", "Cases channel")
    await expect(panel(mo, "Reports, flagged images")).to_contain_text("reports would be public")
    await expect(panel(mo, "Reports, flagged images").get_by_role("combobox", name="Channel for cases")).to_contain_text("#after-dark")
    await check_views(mo, "settings-cases")
    await press(panel(mo, "Reports, flagged images"), "Back to all settings")
    await press(answer, "Undo")
    await expect(panel(mo, "There's no cases channel. Cases")).to_be_visible()


async def test_the_panel_counts_the_same_money_as_usage(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, mo = await visit("Ada"), await visit("Mo")
    await command(ada, "generate", prompt="a silver moth")
    await expect(finished(ada, "a silver moth")).to_be_visible()
    await run(mo, "usage")
    counted = [await panel(mo, "Usage on this server").get_by_text(words).first.inner_text() for words in ("Last 30 days", "left")]
    await check_views(mo, "usage")
    await run(mo, "imageadmin panel")
    for line in counted:
        await expect(panel(mo, "Easel on Easel Studio")).to_contain_text(line)


async def test_a_new_limit_is_explained_and_a_form_sets_it(running_bot: RunningBot, visit: OpenPage) -> None:
    mo = await visit("Mo")
    await run(mo, "imageadmin panel")
    await pick(mo, panel(mo, "Easel on Easel Studio"), "Change images", "Limits for everyone")
    step = panel(mo, "Limits for everyone")
    await press(step, "Size, credits and queue")
    dialog = form(mo, "Size, credits and queue")
    await dialog.get_by_label("Most credits a member can have").fill("1")
    await check_views(mo, "settings-form")
    await send(dialog)
    await expect(step).to_contain_text("costs more than members can have here")
    await check_views(mo, "settings-everyone")
