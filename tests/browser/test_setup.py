"""Setup and the panel of all settings, through the page: what an owner sees and presses."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import OpenPage, check_views, run
from tests.browser.running_bot import RunningBot, panel, press

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
