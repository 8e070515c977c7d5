"""The chat page for people who use a keyboard or a screen reader, or who read slowly."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Literal

import pytest
from playwright.async_api import Route, expect

from sandbox.person import Person
from tests.browser.conftest import PHONE, OpenPage, check_views, last, run, saying
from tests.browser.running_bot import command

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

LEVELS = "[...document.querySelectorAll('h1, h2, h3, [role=heading]')].map(e => Number(e.ariaLevel ?? e.tagName[1]))"
TO_END = "() => { const log = document.querySelector('#log'); return log.scrollHeight - log.clientHeight - log.scrollTop < 2 }"


async def test_headings_have_no_gaps(open_page: OpenPage, ada: Person) -> None:
    async with Person.connect(ada.url, "Ben") as ben:
        await ben.say("First")
        await ben.say(
            f"<@{ada.id}> <@{ben.id}> <@&{ben.roles['Artists']}> `code` https://example.org\n### Small\n# Large\n### Small\n-# subtext"
        )
    page = await open_page("Ada")
    await expect(last(page).locator(".mention.me").first).to_have_text("@Ada")
    levels = await page.evaluate(LEVELS)
    assert [lower for higher, lower in pairwise(levels) if lower > higher + 1] == []
    assert [await each.get_attribute("aria-level") for each in await last(page).get_by_role("heading").all()] == ["2", "2", "3"]


async def test_controls_have_names_roles_and_targets(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    draft = page.locator("#draft")
    assert [await draft.get_attribute(name) for name in ("role", "aria-expanded", "aria-autocomplete")] == [None, None, "list"]
    await draft.fill("/paint ")
    await page.get_by_role("button", name="reference").click()
    await expect(page.locator("form.command .drop")).to_have_accessible_name("reference: Choose, paste or drop a file")
    await page.locator("a.skip").press("Enter")
    await expect(page.get_by_label("subject", exact=True)).to_be_focused()
    await expect(page.locator(await page.locator("a.skip").get_attribute("href") or "")).to_be_visible()
    scrolled = ("#sidebar", "#log", "form.command .fields")
    assert "auto" not in [await page.locator(each).evaluate("e => getComputedStyle(e).scrollbarColor") for each in scrolled]
    await page.keyboard.press("Escape")
    await run(page, "fields")
    await expect(page.get_by_role("dialog").locator(".drop")).to_have_accessible_name("Sketch: Choose, paste or drop files")
    await page.keyboard.press("Escape")
    await page.locator("#people").get_by_role("button", name="More").first.click(force=True)
    menu = page.get_by_role("dialog", name="Person").get_by_role("menu")
    assert await menu.evaluate("menu => [...menu.children].filter(e => !e.role.startsWith('menuitem')).length") == 0


async def test_an_unknown_name_in_the_address_is_no_error(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await page.goto(page.url.replace("Ada", "Nobody"))
    await expect(page.locator("#people [aria-current]")).to_contain_text("Ada")
    assert (said, page.url.endswith("?as=Ada")) == ([], True)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_the_channel_list_of_a_phone_takes_the_focus_and_closes_with_escape(
    open_page: OpenPage, motion: Literal["reduce", "no-preference"]
) -> None:
    page = await open_page("Ada", viewport=PHONE)
    await page.emulate_media(reduced_motion=motion)
    opener = page.get_by_role("button", name="Channels and people")
    await opener.click()
    await expect(page.locator("#channels [aria-current]")).to_be_focused()
    await page.get_by_text("New member").click()
    await expect(page.get_by_label("Name of the new member")).to_be_focused()
    await page.locator("#sidebar h2").first.click()  # the focus is nowhere now
    await page.keyboard.press("Escape")
    await expect(opener).to_be_focused()
    await expect(page.locator("#sidebar")).not_to_be_in_viewport()


async def test_a_private_answer_stays_in_view_while_its_images_arrive(open_page: OpenPage, ada: Person) -> None:
    for number in range(4):
        await ada.say(f"Line {number}\n" * 12)
    page = await open_page("Ada")
    arrived = asyncio.Event()

    async def hold(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    await page.route("**/page-*.png*", hold)
    await run(page, "display")
    image = last(page).locator(".gallery img").first
    await image.evaluate("image => image.removeAttribute('height')")  # its height is known when it arrives, as that of images in a panel
    await last(page).locator(".image").first.evaluate("frame => frame.style.aspectRatio = 'auto'")
    arrived.set()
    await expect(image).to_have_js_property("naturalWidth", 320)
    await page.wait_for_function(TO_END)
    await last(page).evaluate(
        "message => { message.style.paddingBottom = '300px'; message.parentElement.dispatchEvent(new Event('scroll')) }"
    )
    await ada.say("A word after it")
    await expect(last(page)).to_contain_text("A word after it")
    await page.wait_for_function(TO_END)


async def test_new_messages_are_counted_while_one_reads_further_up(open_page: OpenPage, ada: Person) -> None:
    for number in range(4):
        await ada.say(f"Line {number}\n" * 12)
    page = await open_page("Ben")
    newest = page.get_by_role("button", name="new message")
    await page.wait_for_function(TO_END)
    await page.locator("#log").hover()
    await page.mouse.wheel(0, -400)
    await page.wait_for_function(f"() => !({TO_END})()")
    await ada.say("First of two")
    await expect(newest).to_have_text("1 new message")
    await ada.say("Second of two")
    await expect(newest).to_have_text("2 new messages")
    await check_views(page, "newest")
    await newest.press("Enter")
    await page.wait_for_function(TO_END)
    await expect(newest).to_have_count(0)
    await expect(last(page)).to_be_focused()


async def test_a_long_private_answer_opens_at_its_beginning(open_page: OpenPage, ada: Person) -> None:
    page = await open_page("Ada")
    await command(page, "whisper", lines="60")
    await expect(last(page)).to_contain_text("Line 60")
    top = "message => Math.round(message.getBoundingClientRect().top - message.parentElement.getBoundingClientRect().top)"
    assert 0 <= await last(page).evaluate(top) <= 10
    await check_views(page, "long-private-answer")
    await ada.say("A word after it")
    await expect(page.get_by_role("button", name="1 new message")).to_have_count(0)  # one's own words are gone to
    await page.wait_for_function(TO_END)


async def test_escape_closes_the_innermost_wherever_the_focus_is_and_gives_it_back(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Nothing to do here")
    page = await open_page("Ada")
    draft, opener, faults = page.locator("#draft"), page.locator("#faults-open"), page.locator("#faults")
    await draft.fill("/paint ")
    await opener.click()
    await expect(faults.get_by_role("button").first).to_be_focused()
    await saying(page, "Nothing to do here").last.locator(".prose").click()
    await page.keyboard.press("Escape")
    await expect(faults).to_be_hidden()
    await expect(opener).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("form.command")).to_have_count(0)
    await expect(draft).to_be_focused()

    await command(page, "paint", subject="a fox")
    rework = saying(page, "a fox").last.get_by_role("button", name="Rework")
    await rework.click()
    await expect(page.get_by_label("What to change")).to_be_focused()
    await saying(page, "a fox").last.evaluate("message => message.replaceWith(message.cloneNode(true))")  # as if it was edited
    await page.keyboard.press("Escape")
    await expect(rework).to_be_focused()


async def test_a_sent_command_leaves_the_focus_where_it_was_moved(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    draft, button = page.locator("#draft"), page.get_by_role("button", name="Run")
    await draft.fill("/whisper ")
    await button.evaluate("run => { run.click(); document.querySelector('#faults-open').focus(); }")
    await expect(page.locator("form.command")).to_have_count(0)
    await expect(page.locator("#faults-open")).to_be_focused()
    await draft.fill("/whisper ")
    await button.click()
    await expect(draft).to_be_focused()


async def test_an_optional_field_is_given_up_by_the_keyboard(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint ")
    await page.get_by_role("button", name="reference", exact=True).press("Enter")
    await expect(page.locator("form.command .drop")).to_be_focused()
    await page.keyboard.press("Backspace")
    await expect(page.locator("form.command .drop")).to_have_count(0)
    await expect(page.get_by_role("button", name="reference", exact=True)).to_be_focused()
