"""Reports, flags and cases on the page: what members and moderators read, and what asks before it deletes."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage, check_views, run, saying
from tests.browser.running_bot import RunningBot, command, finished, form, go_to, panel, press, press_more, react, send
from tests.journeys.moderator_steps import MODERATORS, change_rules, with_moderators

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def report(page: Page, words: str, reason: str) -> None:
    await press_more(page, finished(page, words), "Report")
    await form(page, "Report image").get_by_label("What should the moderators know?").fill(reason)
    await send(form(page, "Report image"))


async def test_a_report_opens_a_case_and_what_deletes_asks_once(running_bot: RunningBot, visit: OpenPage) -> None:
    await with_moderators(running_bot.app, running_bot.ada, quorum=3)
    ada, ben, mo = [await visit(name) for name in ("Ada", "Ben", "Mo")]
    await command(ada, "generate", prompt="a lighthouse at dusk")
    await report(ben, "a lighthouse", "This is a copy of my painting.")
    await expect(panel(ben, "moderators have your report")).to_be_visible()
    await check_views(ben, "report-sent")

    await go_to(mo, MODERATORS)
    case = saying(mo, "Reported by @Ben").first  # not the private panel below it
    await expect(case).to_contain_text("This is a copy of my painting.")
    await expect(case.locator(".image img")).to_be_visible()
    labels = await case.locator("button:has-text('Keep') ~ button, button:has-text('Keep')").all_inner_texts()
    assert [label.split(maxsplit=1)[-1] for label in labels] == ["Keep", "Hide", "Delete", "Delete + refund", "Block 24 h"]
    await check_views(mo, "case-reported")
    await run(mo, "imagemod cases")
    await expect(panel(mo, "1 case needs a decision").locator("img").first).to_be_visible()
    await check_views(mo, "cases-panel")

    await press(case, "Delete + refund")
    asked = form(mo, "Delete and refund this image?")
    await expect(asked).to_contain_text("@Ada")
    await asked.get_by_label("Reason (optional)").fill("The painter asked us to.")
    await check_views(mo, "case-asks-once")
    await send(asked)
    await expect(case).to_contain_text("Delete + refund, decided by @Mo")
    await expect(case).to_contain_text("The painter asked us to.")
    await expect(finished(ada, "a lighthouse")).to_have_count(0)
    await check_views(mo, "case-decided")
    await go_to(ada, "Easel")
    await expect(saying(ada, "deleted your image and refunded you")).to_contain_text("Reason: The painter asked us to.")
    await check_views(ada, "reason-told")


async def test_a_flag_is_taken_away_and_can_be_withdrawn(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, ben = [await visit(name) for name in ("Ada", "Ben")]
    await command(ada, "generate", prompt="a windmill")
    await react(ben, finished(ben, "a windmill"), "🚩")
    await go_to(ben, "Easel")
    told = saying(ben, "Your report was counted. The author isn't told.")
    await expect(told).to_be_visible()
    await expect(finished(ada, "a windmill").locator(".reactions button")).to_have_count(0)
    await check_views(ben, "flag-counted")
    await press(told, "Withdraw")
    await expect(saying(ben, "You've withdrawn your report.")).to_be_visible()


async def test_a_moderator_sees_what_a_check_withheld(running_bot: RunningBot, visit: OpenPage) -> None:
    await change_rules(running_bot.app, running_bot.ada, checks={"results": True, "thresholds": {"flag": 0, "block": 0}})
    ada, mo = await visit("Ada"), await visit("Mo")
    await command(ada, "generate", prompt="a battle at sea")
    await expect(saying(ada, "content check").last).to_be_visible()
    await change_rules(running_bot.app, running_bot.ada, checks={"results": False, "thresholds": {"flag": 0.5, "block": 0.9}})
    await run(mo, "imagemod cases")
    withheld = panel(mo, "A check withheld the image")
    await expect(withheld.locator("img").first).to_be_visible()
    await check_views(mo, "case-withheld")
    await withheld.get_by_role("button", name="Keep", exact=True).last.click()
    await go_to(ada, "Easel")
    sent = saying(ada, "found nothing wrong")
    await expect(sent.locator(".image img")).to_be_visible()
    await check_views(ada, "withheld-sent")
