"""The forms of orders on the page: what they offer, and what becomes of an order that is refused."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, expect

from tests.browser.conftest import OpenPage, check_views, saying
from tests.browser.running_bot import RunningBot, command, finished, form, go_to, panel, press, send
from tests.journeys.moderator_steps import MODERATORS, change_rules, with_moderators

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

RETRY = "Change and try again"


async def pick(dialog: Locator, menu: str, option: str) -> None:
    await dialog.get_by_role("combobox", name=menu).click()
    await dialog.get_by_role("option", name=option).click()


async def test_the_form_offers_what_the_model_has(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await command(ada, "generate", prompt="a red fox")
    await press(finished(ada, "a red fox"), "Edit")
    dialog = form(ada, "Edit with Easel")
    await dialog.get_by_label("What should change?").fill("in winter")
    await expect(dialog.get_by_role("combobox", name="Aspect ratio")).to_be_visible()
    await check_views(ada, "edit-form")
    await pick(dialog, "Quality", "high")
    await send(dialog)
    await expect(finished(ada, "in winter")).to_contain_text("edited by @Ada from this image")


async def test_a_refusal_keeps_what_was_written(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await command(ada, "generate", prompt="a grey wolf", steps="99", count="2")
    refusal = panel(ada, "needs a whole number from 1 to 50 for steps, not 99")
    await expect(refusal.get_by_role("button", name=RETRY)).to_be_visible()
    await check_views(ada, "refused")
    await press(refusal, RETRY)
    dialog = form(ada, RETRY)
    await expect(dialog.get_by_label("Describe the image")).to_have_value("a grey wolf")
    await check_views(ada, "retry-form")
    await send(dialog)
    await expect(finished(ada, "a grey wolf").locator(".image img")).to_have_count(2)


async def test_too_expensive_names_a_model_that_fits(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await change_rules(running_bot.app, running_bot.ada, everyone={"purse": {"size": 2, "refill_per_day": 1}})
    await command(ada, "generate", prompt="a brown bear", model="gpt-image-2")
    refusal = panel(ada, "would cost")
    await check_views(ada, "too-expensive")
    await press(refusal, RETRY)
    await check_views(ada, "too-expensive-form")
    await send(form(ada, RETRY))
    await expect(finished(ada, "a brown bear")).to_be_visible()
    await change_rules(running_bot.app, running_bot.ada, everyone={"purse": None})


async def test_a_lock_out_says_its_end_and_is_appealed(running_bot: RunningBot, visit: OpenPage) -> None:
    strikes = {"ladder": [{"points": 2, "hours": 1}]}
    await with_moderators(running_bot.app, running_bot.ada, prompts={"block": {"words": ["gory"]}}, strikes=strikes)
    ada, mo = await visit("Ada"), await visit("Mo")
    await command(ada, "generate", prompt="a gory scene")
    await expect(panel(ada, "This is strike 1 of 2")).to_be_visible()
    await check_views(ada, "strike")
    await command(ada, "generate", prompt="a gory scene")
    refusal = panel(ada, "You now have 2 strike points")
    await expect(refusal).to_contain_text("It ends")
    await check_views(ada, "locked-out")
    await press(refusal, "Appeal")
    await form(ada, "Appeal").get_by_label("Why should the moderators lift the block?").fill("It was a film scene")
    await send(form(ada, "Appeal"))
    await expect(panel(ada, "The moderators will review the block")).to_be_visible()
    await go_to(mo, MODERATORS)
    case = saying(mo, "about the block of")
    await expect(case).to_contain_text("It was a film scene")
    await check_views(mo, "block-case")
    await press(case, "Lift the block")
    await expect(case).to_contain_text("decided by @Mo")
    await command(ada, "generate", prompt="a white owl")
    await expect(finished(ada, "a white owl")).to_be_visible()
