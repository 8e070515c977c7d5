"""The chat page for people who use a keyboard, a screen reader or strong contrast."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Literal

import pytest
from playwright.async_api import Route, expect

from sandbox.person import Person
from tests.browser.conftest import PHONE, OpenPage, last, run

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# The texts whose contrast with what is painted below them is less than 4.5:1. A canvas mixes the colours.
TOO_PALE = """() => {
  const paint = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const linear = (part) => part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
  const luminance = (...colours) => {
    for (paint.fillStyle of colours) paint.fillRect(0, 0, 1, 1);
    const [red, green, blue] = paint.getImageData(0, 0, 1, 1).data;
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const pale = (element) => {
    const below = [];
    for (let each = element; each; each = each.parentElement) below.unshift(getComputedStyle(each).backgroundColor);
    const [dark, light] = [luminance("#fff", ...below), luminance("#fff", ...below, getComputedStyle(element).color)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05) < 4.5;
  };
  const seen = (one) => one.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const written = [...document.querySelectorAll("body *")].filter((one) => seen(one)
    && [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim()));
  return written.filter(pale).map((one) => `${one.className}: ${one.textContent}`);
}"""
LEVELS = "[...document.querySelectorAll('h1, h2, h3, [role=heading]')].map(e => Number(e.ariaLevel ?? e.tagName[1]))"
TO_END = "() => { const log = document.querySelector('#log'); return log.scrollHeight - log.clientHeight - log.scrollTop < 2 }"


async def test_texts_can_be_read_and_headings_have_no_gaps(open_page: OpenPage, ada: Person) -> None:
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
    await run(page, "whisper")
    await expect(last(page)).to_contain_text("Only you can see this")
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        assert (scheme, await page.evaluate(TOO_PALE)) == (scheme, [])


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
