"""Credits on the page: a sponsor's public message says when it is over."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, check_views, saying
from tests.browser.running_bot import RunningBot, command, finished, press
from tests.journeys.manager_steps import grant

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_sponsor_s_message_says_when_it_is_over(running_bot: RunningBot, visit: OpenPage) -> None:
    await grant(running_bot.app, running_bot.ada, 1000)
    ada, ben = await visit("Ada"), await visit("Ben")
    await command(ada, "sponsor start", credits="1.4")
    line = saying(ben, "sponsors everyone here")
    await expect(line).to_contain_text("1.4 of 1.4 credits left")
    await command(ben, "generate", prompt="a red fox")
    await expect(finished(ben, "a red fox")).to_be_visible()
    over = saying(ben, "@Ada's sponsorship has ended. It covered 1.4 of 1.4 credits.")
    await expect(over).to_be_visible()
    await expect(over.get_by_role("button", name="How much is left?")).to_have_count(0)
    await check_views(ben, "sponsorship-over")

    await command(ada, "sponsor start", credits="5")
    await expect(line).to_be_visible()
    await press(line, "How much is left?")
    await command(ada, "sponsor stop")
    await expect(line).to_have_count(0)
    await expect(saying(ben, "It covered 0 of 5 credits.")).to_be_visible()
