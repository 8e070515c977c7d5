"""People and channels on the chat page: menus, roles, languages, threads, and servers without the bot."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from sandbox.person import Person
from tests.browser.conftest import OpenPage, last, run, saying

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_a_command_in_a_persons_menu_runs_from_the_list_and_from_a_message(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Draw me")
    page = await open_page("Ben")
    await page.locator("#people li", has_text="Mo").get_by_role("button", name="More").click(force=True)
    await page.get_by_role("menuitem", name="Portrait").click()
    await expect(last(page)).to_contain_text("A portrait of Mo.")
    await saying(page, "Draw me").get_by_role("button", name="Ada", exact=True).click()
    await page.get_by_role("menuitem", name="Portrait").click()
    await expect(last(page)).to_contain_text("A portrait of Ada.")


async def test_managers_give_roles(open_page: OpenPage, ada: Person) -> None:
    page = await open_page("Mo")
    more = page.locator("#people li", has_text="Ben").get_by_role("button", name="More")
    for given in (True, False):
        await more.click(force=True)
        await page.get_by_role("menuitemcheckbox", name="Artists").click()
        await ada.until(lambda given=given: (ada.roles["Artists"] in ada.people["Ben"]["roles"]) is given)  # type: ignore[misc]


async def test_managers_set_the_bot_s_permissions(open_page: OpenPage, ada: Person) -> None:
    def allowed() -> bool:
        return "add_reactions" in next(c for c in ada.hello["channels"] if c["name"] == "studio")["bot_may"]

    page = await open_page("Mo")
    for expected in (False, True):
        await page.get_by_role("button", name="What the bot may do").click()
        item = page.get_by_role("menuitemcheckbox", name="Add Reactions")
        await expect(item).to_have_attribute("aria-checked", "false" if expected else "true")
        await item.click()
        await ada.until(lambda expected=expected: allowed() is expected)  # type: ignore[misc]


async def test_commands_and_times_are_shown_in_the_persons_language(open_page: OpenPage, ada: Person) -> None:
    await ada.say("<t:129600:D>, <t:129600:R>")
    page = await open_page("Ada")
    await expect(last(page)).to_contain_text(re.compile(r"January 2, 1970, \d+ years ago"))
    await page.get_by_text("Ada's settings").click()
    await page.get_by_role("combobox", name="Language").click()
    await page.get_by_role("option", name="Deutsch").click()
    await expect(page.get_by_role("combobox", name="Language")).to_have_text("Deutsch")
    await ada.until(lambda: ada.people["Ada"]["locale"] == "de")
    await expect(last(page)).to_contain_text(re.compile(r"2\. Januar 1970, vor \d+ Jahren"))
    await expect(last(page).locator("header time")).to_have_text(re.compile(r"^\d\d:\d\d$"))
    await expect(page.locator("[data-day]").first).to_have_attribute(
        "data-day", re.compile(r"^[a-z]+tag, \d+\. |^Mittwoch, ", re.IGNORECASE)
    )
    await page.locator("#draft").fill("/mal")
    await page.get_by_role("option", name="/malen").click()
    await page.get_by_label("motiv", exact=True).fill("ein Fluss")
    await page.keyboard.press("Enter")
    await expect(last(page)).to_contain_text("ein Fluss in ink x1")
    await ada.speak("en-US")


async def test_a_member_leaves_the_server_and_comes_back(open_page: OpenPage) -> None:
    page = await open_page("Ben")
    await page.get_by_text("Ben's settings").click()
    await page.get_by_role("button", name="Leave the server").click()
    await expect(page.locator("#channels").get_by_role("button", name="studio")).to_have_count(0)
    await page.get_by_role("button", name="Rejoin the server").click()
    await expect(page.locator("#channels").get_by_role("button", name="studio")).to_have_count(1)


async def test_a_thread_is_started_and_listed_under_its_channel(open_page: OpenPage) -> None:
    page, other = await open_page("Ada"), await open_page("Ben")
    await page.get_by_role("button", name="New thread").click()
    await page.get_by_label("Name of the thread").fill("Colour studies")
    await page.keyboard.press("Enter")
    await expect(page.locator("#place")).to_have_text("Colour studies")
    await saying(other, "started a thread").get_by_role("button", name="Colour studies").click()
    await expect(other.locator("#channels .thread [aria-current]")).to_have_text("Colour studies")


async def test_only_the_commands_for_a_place_are_offered_there(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    for place, said in (("elsewhere", "We are in a server."), ("Ben", "We are in private.")):
        await page.locator("#channels").get_by_role("button", name=place, exact=True).click()
        await page.locator("#draft").fill("/")
        await expect(page.get_by_role("option")).to_have_count(1)
        await run(page, "anywhere")
        await expect(last(page)).to_contain_text(said)
