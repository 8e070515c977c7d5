"""The complete bot through the page: an image is made, edited by a button and by a reaction, and decided about, across restarts."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import findings
from tests.browser.conftest import PHONE, OpenPage, check_views, run, saying
from tests.browser.running_bot import RunningBot, command, finished, form, go_to, panel, press, react, send
from tests.journeys.moderator_steps import MODERATORS, with_moderators

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_an_image_is_made_edited_flagged_and_decided_about_across_restarts(running_bot: RunningBot, visit: OpenPage) -> None:
    await with_moderators(running_bot.app, running_bot.ada, quorum=1)
    ada, ben, mo = [await visit(name) for name in ("Ada", "Ben", "Mo")]
    await command(ada, "generate", prompt="a red fox")
    await running_bot.restart(ada)
    await press(finished(ada, "a red fox"), "Edit")
    await form(ada, "Edit with Easel").get_by_label("What should change?").fill("in winter")
    await running_bot.restart(ada)
    await send(form(ada, "Edit with Easel"))
    await expect(finished(ada, "in winter")).to_contain_text("edited by @Ada from this image")
    await check_views(ada, "edited")

    await react(ben, finished(ben, "in winter"), "✏️")
    note = saying(ben, "@Ben, what should change?")
    await press(note, "Describe the edit")
    await form(ben, "Edit with Easel").get_by_label("What should change?").fill("by night")
    await send(form(ben, "Edit with Easel"))
    await expect(finished(ben, "by night")).to_contain_text("edited by @Ben from this image")
    await expect(note).to_have_count(0)

    await react(ben, finished(ben, "a red fox"), "🚩")
    await go_to(mo, MODERATORS)
    case = saying(mo, "Flagged by 1 member")
    await expect(case).to_be_visible()
    await running_bot.restart(mo)
    await press(case, "Delete")
    await send(form(mo, "Delete this image?"))
    await expect(case).to_contain_text("decided by @Mo")
    await expect(finished(ada, "a red fox")).to_have_count(0)


async def test_on_a_phone_no_panel_is_wider_than_its_message(running_bot: RunningBot, visit: OpenPage) -> None:
    page = await visit("Ada", viewport=PHONE)
    for name, words in (("history", "Your history"), ("settings", "Your settings"), ("help", "Create and edit images")):
        await run(page, name)
        await expect(panel(page, words).locator(".container")).to_be_visible()
    assert await findings(page) == []
    edges = "boxes => boxes.map(box => Math.round(box.getBoundingClientRect().right)).filter(right => right > innerWidth)"
    assert await page.locator("article .container, article .container *").evaluate_all(edges) == []


async def test_a_click_on_a_command_in_the_help_puts_it_into_the_message_box(running_bot: RunningBot, visit: OpenPage) -> None:
    page = await visit("Ada", viewport=PHONE)
    await run(page, "help")
    await panel(page, "Create and edit images").get_by_role("button", name="/generate").click()
    await expect(page.get_by_role("form", name="Command generate")).to_be_visible()
    await panel(page, "Create and edit images").get_by_role("button", name="/style save").click()
    await expect(page.get_by_role("form", name="Command style save")).to_be_visible()
