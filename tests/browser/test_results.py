"""Finished images on the page: they lead, their buttons are few, and what else can be done is one press away."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from bot.core.clock import system
from tests.browser.conftest import PHONE, OpenPage, check_views, saying
from tests.browser.running_bot import RunningBot, command, finished, form, panel, press, press_more, send
from tests.journeys.images.test_edit_form import DEV
from tests.services.conftest import FakeClock

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

LONG = "a lighthouse on a cliff above the sea at dusk, with gulls over the waves and a small red boat far out, painted in oil, " * 2


async def test_one_image_leads_and_more_offers_the_rest(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, ben = await visit("Ada"), await visit("Ben")
    await command(ada, "generate", prompt=LONG)
    made = finished(ada, "a lighthouse")
    await expect(made.get_by_role("button", name=re.compile("^(Edit|Again|More)$"))).to_have_count(3)
    await expect(made.locator(".prose").first).to_contain_text("…")
    await check_views(ada, "one-image")

    await press(made, "More")
    await expect(panel(ada, "a lighthouse").get_by_role("button", name="Delete")).to_be_visible()
    await check_views(ada, "more-of-the-author")
    await press(finished(ben, "a lighthouse"), "More")
    theirs = panel(ben, "a lighthouse")
    await expect(theirs.get_by_role("button", name="Report")).to_be_visible()
    await expect(theirs.get_by_role("button", name="Delete")).to_have_count(0)
    await check_views(ben, "more-of-another")

    await press_more(ada, made, "Hide")
    await expect(panel(ada, "Hidden behind a spoiler")).to_be_visible()
    await expect(finished(ben, "a lighthouse").get_by_role("button", name="Spoiler: press to show the image")).to_be_visible()
    await press_more(ada, made, "Details")
    await expect(panel(ada, "Support code")).to_be_visible()


async def test_several_images_are_chosen_by_their_numbers(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await command(ada, "generate", prompt="four foxes", count="4")
    made = finished(ada, "four foxes")
    await expect(made.get_by_role("button", name="4", exact=True)).to_be_visible()
    await check_views(ada, "four-images")
    await press(made, "3")
    third = panel(ada, "Image 3")
    await expect(third.locator(".image img")).to_be_visible()
    await check_views(ada, "one-of-four")
    await press(third, "Edit")
    await form(ada, "Edit with Easel").get_by_label("What should change?").fill("in winter")
    await send(form(ada, "Edit with Easel"))
    await expect(finished(ada, "in winter")).to_contain_text("edited by @Ada from this image")


async def test_on_a_phone_the_buttons_of_a_result_stand_in_one_row(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada", viewport=PHONE)
    for words, count in (("one otter", "1"), ("four otters", "4")):
        await command(ada, "generate", prompt=words, count=count)
        made = finished(ada, words)
        for row in await made.locator(".row").all():
            tops = await row.locator("button").evaluate_all("buttons => buttons.map(each => each.offsetTop)")
            assert len(set(tops)) == 1
        width = await made.locator(".gallery").evaluate("each => each.getBoundingClientRect().width / each.parentElement.clientWidth")
        assert width > 0.95


async def test_a_moderator_is_asked_once_before_an_image_of_another_is_deleted(running_bot: RunningBot, visit: OpenPage) -> None:
    ada, mo = await visit("Ada"), await visit("Mo")
    await command(ada, "generate", prompt="a rude goose")
    await press_more(mo, finished(mo, "a rude goose"), "Delete")
    question = panel(mo, "counts as a strike")
    await expect(question).to_be_visible()
    await check_views(mo, "deletion-asks-once")
    await press(question, "Delete")
    await expect(finished(ada, "a rude goose")).to_have_count(0)


async def test_a_private_result_keeps_delete_beside_more(running_bot: RunningBot, visit: OpenPage) -> None:
    ada = await visit("Ada")
    await running_bot.ada.slash("generate", prompt="a secret owl", private=True)
    made = finished(ada, "a secret owl")
    await press(made, "More")
    await check_views(ada, "private-result")
    await press(made, "Delete")
    await expect(made).to_have_count(0)


@pytest_asyncio.fixture(loop_scope="package")
async def clock(running_bot: RunningBot) -> AsyncIterator[FakeClock]:
    """The bot with a clock that the test moves."""
    running_bot.clock = fake = FakeClock()
    await running_bot.restart()
    yield fake
    running_bot.clock = system
    await running_bot.restart()


async def test_a_waiting_message_says_what_is_true(running_bot: RunningBot, clock: FakeClock, visit: OpenPage) -> None:
    ada, faults = await visit("Ada"), running_bot.env.switchboard
    stuck = "generation-stuck"
    faults.turn_on(stuck)
    await running_bot.ada.slash("generate", prompt="a first whale", model=DEV)
    await expect(saying(ada, "a first whale")).to_contain_text("Generating")
    clock.advance(38_000)
    faults.turn_off(stuck)
    await expect(finished(ada, "a first whale")).to_be_visible()

    faults.turn_on(stuck)
    await running_bot.ada.slash("generate", prompt="two whales", model=DEV, count=2)
    whales = saying(ada, "two whales")
    await expect(whales).to_contain_text("Ready in about 40 s.")
    await running_bot.ada.slash("generate", prompt="a late whale", model=DEV)
    await expect(saying(ada, "a late whale")).to_contain_text("Waits for your other image. Ready in about 80 s.")
    clock.advance(20_000)
    await expect(whales).to_contain_text("█████░░░░░")
    await check_views(ada, "waiting-half-done")
    clock.advance(22_000)
    await expect(whales).not_to_contain_text("Ready in")
    await expect(whales).to_contain_text("█████████░")
    clock.advance(10_000)
    await expect(whales).to_contain_text("Taking longer than usual.")
    await expect(saying(ada, "a late whale")).not_to_contain_text("Ready in")  # nobody knows
    await check_views(ada, "waiting-longer-than-usual")
    clock.advance(70_000)
    await expect(whales).to_contain_text("You'll be mentioned here when it's ready.")
    faults.turn_off(stuck)
    await expect(finished(ada, "a late whale")).to_be_visible()
