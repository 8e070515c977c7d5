"""The audit log on the page: who did what, about whom and why, with a link that leads to the image."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.axe import findings
from tests.browser.conftest import OpenPage, check_views, saying
from tests.browser.running_bot import RunningBot, command, finished, go_to, panel, react

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_the_audit_log_leads_to_what_it_names(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, mo = await visit("Ada"), await visit("Mo")
    for prompt in ("a red fox", "a blue hare"):
        await command(ada, "generate", prompt=prompt)
        await expect(finished(ada, prompt)).to_be_visible()
    await react(mo, finished(mo, "a red fox"), "🙈")
    await react(ada, finished(ada, "a blue hare"), "❌")
    await expect(saying(mo, "a blue hare")).to_have_count(0)
    fox = (await finished(mo, "a red fox").get_attribute("id") or "").removeprefix("message-")
    await command(mo, "imagemod refund", image=fox, reason="It is blurred")
    await expect(panel(mo, "Refunded")).to_be_visible()
    await go_to(mo, "gallery")
    await command(mo, "imagemod audit")
    log = panel(mo, "Audit log")
    hidden = "@Mo put an image by @Ada behind a spoiler"
    for line in ("@Mo refunded @Ada 1.4 credits", "It is blurred", "@Ada deleted their own image", hidden):
        await expect(log).to_contain_text(line)
    await check_views(mo, "audit-log")
    assert await findings(mo) == []
    await log.get_by_role("button", name="studio › message").first.click()
    await expect(finished(mo, "a red fox")).to_be_focused()
