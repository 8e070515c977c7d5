"""Reactions, hidden images and settings, through the page: what members, authors and moderators see."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, check_views, run, saying
from tests.browser.running_bot import RunningBot, command, finished, go_to, panel, press, react
from tests.env.app import has_image
from tests.env.timing import BRISK
from tests.journeys.moderator_steps import with_moderators

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def patient_bot(running_bot: RunningBot) -> AsyncIterator[RunningBot]:
    """A bot that waits for as long as a member takes to choose the next reaction, with little credit."""
    running_bot.timing = replace(BRISK, reactions_quiet_s=2.0, reactions_longest_s=30.0)
    running_bot.env.overrides = {**running_bot.env.overrides, "QUOTA_CREDITS": "4.5", "QUOTA_REFILL_PER_DAY": "0"}
    await running_bot.restart()
    yield running_bot


async def test_settings_are_readable_on_a_phone(patient_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await run(ada, "settings")
    await press(panel(ada, "Your settings"), "Private: off")
    await expect(panel(ada, "Your settings").get_by_role("button", name="Private: on")).to_be_visible()
    await check_views(ada, "settings")
    await press(panel(ada, "Your settings"), "Private: on")  # nobody can react to private images
    await expect(panel(ada, "Your settings").get_by_role("button", name="Private: off")).to_be_visible()


async def test_several_reactions_get_one_answer(patient_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await command(ada, "generate", prompt="a red fox")
    await react(ada, finished(ada, "a red fox"), "🌙")
    first = await patient_bot.ada.message(lambda m: "a red fox" in m.content and has_image(m))
    for emoji in ("❄️", "🎬", "🕹️"):  # faster than on the page
        await patient_bot.ada.react(first, emoji)
    await expect(ada.locator("article.message:has(.image img)", has_text="from this image")).to_have_count(2)
    await check_views(ada, "taken-reactions")
    await go_to(ada, "Easel")
    await expect(saying(ada, "Of your 4 reactions, 2 were taken: 🌙 ❄️")).to_have_count(1)
    await check_views(ada, "several-reactions")


async def test_a_hidden_image_says_who_hid_it_and_its_author_is_told(patient_bot: RunningBot, visit: OpenPage) -> None:
    await with_moderators(patient_bot.app, patient_bot.ada, quorum=1)
    ben, mo = await visit("Ben"), await visit("Mo")
    await command(ben, "generate", prompt="a blue fox")
    await react(mo, finished(mo, "a blue fox"), "🙈")
    await expect(finished(ben, "a blue fox")).to_contain_text("Hidden by a moderator.")
    await command(ben, "generate", prompt="a green fox")
    first = await patient_bot.ada.message(lambda m: "a green fox" in m.content and has_image(m))
    await patient_bot.ada.react(first, "🚩")
    await expect(finished(ben, "a green fox")).to_contain_text("Hidden by reports until a moderator decides.")
    await check_views(ben, "hidden-in-place")
    await go_to(ben, "Easel")
    await expect(saying(ben, "reported your image")).to_have_count(1)
    await check_views(ben, "hidden-author-told")
