"""axe-core over everything that the chat page shows, in light and dark, in a wide window and on a phone."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from sandbox.person import Person
from tests.browser.axe import findings
from tests.browser.bot import image_bytes
from tests.browser.conftest import PHONE, OpenPage, last, run, saying
from tests.browser.running_bot import command, react

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

EVERY_MARKUP = (
    "<@{ada}> <@&{role}> `code` ||secret|| https://example.org <t:1700000000:R>\n### Small\n# Large\n### Small\n> quote\n-# subtext\n"
    "- one\n- two\n```\nblock\n```"
)


async def test_the_page_and_its_messages_have_no_findings(open_page: OpenPage, ada: Person) -> None:
    page = await open_page("Ada")
    assert await findings(page) == [], "an empty channel"
    async with Person.connect(ada.url, "Ben") as ben:
        attached = (ben.upload("fox.png", image_bytes()), ben.upload("fox.txt", b"hello"))
        await ben.say(EVERY_MARKUP.format(ada=ada.id, role=ben.roles["Artists"]), files=attached)
        await ben.say("A reply", reply_to=await ben.message(lambda m: "subtext" in m.content))
    for name, words in (
        ("recipe", "Ochre"),
        ("choices", "Nothing chosen yet"),
        ("whisper", "Between the two of us"),
        ("display", "Page 1"),
    ):
        await run(page, name)
        await expect(saying(page, words)).to_be_visible()
    await command(page, "paint", subject="a fox")
    await saying(page, "a fox").get_by_role("button", name="Frame").click()
    await expect(saying(page, "a fox").get_by_role("button", name="Framed")).to_be_disabled()
    await react(page, saying(page, "a fox"), "⭐")
    await page.locator("#channels button").first.hover()
    assert await findings(page) == [], "messages"
    await saying(page, "A reply").hover()
    await page.set_viewport_size(PHONE)
    assert await findings(page) == [], "messages on a phone"


async def test_what_opens_over_the_page_has_no_findings(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Look at this", files=(ada.upload("fox.png", image_bytes()),))
    page = await open_page("Mo")
    message = saying(page, "Look at this").last
    await page.get_by_text("New member").click()
    await page.get_by_text("Mo's settings").click()
    await page.get_by_role("button", name="Faults").click()
    await page.locator("#faults").get_by_role("switch").first.click()
    await page.locator("#draft").fill("/")
    assert await findings(page) == [], "settings, faults and the list of commands"
    await page.get_by_role("button", name="Turn all off").click()
    await page.get_by_role("button", name="Close faults").click()
    await page.locator("#draft").fill("/paint ")
    while await page.locator("form.command [data-option]").count():
        await page.locator("form.command [data-option]").first.click()
    await page.get_by_role("button", name="Run").click()
    await page.get_by_label("style", exact=True).focus()
    await expect(page.get_by_role("option")).to_have_count(4)
    assert await findings(page) == [], "a command with every option, a problem and a list"
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")

    await message.locator(".image").click()
    assert await findings(page) == [], "a large image"
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="More to send").click()
    await check_closing(page, "stickers and other bots")
    await page.locator("#people").get_by_role("button", name="More").nth(1).click(force=True)
    await check_closing(page, "the menu of a person")
    await page.get_by_role("button", name="What the bot may do").click()
    await check_closing(page, "the bot's permissions")
    await page.get_by_role("button", name="New thread").click()
    await check_closing(page, "a new thread")
    await message.get_by_role("button", name="Message actions").click(force=True)
    await check_closing(page, "the menu of a message")
    await page.set_viewport_size(PHONE)
    await message.get_by_role("button", name="Message actions").click(force=True)
    await check_closing(page, "the same on a phone")
    await page.get_by_role("button", name="Channels and people").click()
    await check_closing(page, "the sidebar of a phone")


async def test_a_form_with_every_kind_of_field_has_no_findings(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await run(page, "fields")
    form = page.get_by_role("dialog", name="A survey")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_contain_text("Medium is needed.")
    await form.get_by_role("combobox").click()
    assert await findings(page) == []
    await page.set_viewport_size(PHONE)
    assert await findings(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(last(page)).not_to_contain_text("None")
    await expect(form).to_have_count(0)


async def check_closing(page: Page, what: str) -> None:
    """No findings, and Escape closes it."""
    shown = page.locator("[popover]:popover-open, #sidebar.open")
    await expect(shown).to_have_count(1)
    assert await findings(page) == [], what
    await page.keyboard.press("Escape")
    await expect(shown).to_have_count(0)
