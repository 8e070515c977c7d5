"""What shows images on the chat page without being an attachment, and the controls for Discord's special cases."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import FilePayload, Page, WebSocket, expect

from sandbox.faults import FAULTS
from sandbox.person import Person
from tests.browser.bot import image_bytes
from tests.browser.conftest import OpenPage, last, saying

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def actions_of(page: Page, words: str) -> None:
    await saying(page, words).last.get_by_role("button", name="Message actions").click(force=True)


async def test_a_message_is_forwarded_and_followed_back(open_page: OpenPage, ada: Person) -> None:
    first = await ada.say("Pass it on", files=(ada.upload("fox.png", image_bytes()),))
    page = await open_page("Ben")
    await actions_of(page, "Pass it on")
    await page.get_by_role("menuitem", name="Forward…").click()
    await page.get_by_role("menuitem", name="#gallery").click()
    await expect(page.locator("#toasts")).to_contain_text("Forwarded to #gallery.")
    await page.locator("#channels").get_by_role("button", name="gallery").click()
    forward = last(page).locator(".forwarded")
    await expect(forward).to_contain_text("Pass it on")
    await expect(forward.locator("img")).to_have_js_property("naturalWidth", 320)
    await forward.get_by_role("button", name="from #studio").click()
    await expect(page.locator(f"#message-{first}")).to_be_focused()


async def test_a_super_reaction_is_asked_for(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Splendid")
    sent: list[str] = []

    def follow(socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: sent.append(str(payload)))

    page = await open_page("Ben")
    page.on("websocket", follow)
    await page.reload()
    await actions_of(page, "Splendid")
    await page.get_by_role("switch", name="Super reaction").click()
    await page.get_by_role("button", name="React with ⭐").click()
    await expect(saying(page, "Splendid").last.locator(".reaction:not(.add)")).to_have_count(1)
    (asked,) = [frame for frame in map(json.loads, sent) if frame["do"] == "react"]
    assert (asked["emoji"], asked["burst"]) == ("⭐", True)


async def test_stickers_and_the_posts_of_another_bot_are_sent_and_shown(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    for sticker in ("Palette", "Wave"):
        await page.get_by_role("button", name="More to send").click()
        await page.get_by_role("menuitem", name=sticker).click()
    await expect(page.get_by_alt_text("Sticker: Palette").last).to_have_js_property("naturalWidth", 160)
    await expect(last(page)).to_contain_text("Sticker: Wave")
    for kind, shown in (("Embeds", ".embed img"), ("Gallery", ".components .gallery img")):
        file: FilePayload = {"name": "red fox.png", "mimeType": "image/png", "buffer": image_bytes()}
        await page.locator("#composer input[type=file]").set_input_files(file)
        await page.get_by_role("button", name="More to send").click()
        await page.get_by_role("menuitem", name=kind).click()
        await expect(last(page)).to_contain_text("Magpie")
        await expect(last(page).locator(shown)).to_have_js_property("naturalWidth", 320)


@pytest.mark.parametrize("name", ["words-refused", "server-unavailable"])
async def test_discord_s_special_cases_have_an_understandable_switch(open_page: OpenPage, name: str) -> None:
    page = await open_page("Ada")
    await page.locator("#faults-open").click()
    await page.get_by_text("All faults").click()
    switch = page.locator(f"#faults [data-key={name}]")
    meaning = next(fault.meaning for fault in FAULTS if fault.name == name)
    await expect(switch).to_have_accessible_name(re.compile(re.escape(meaning)))
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    if name == "words-refused":
        await page.get_by_label("Close faults").click()
        await page.locator("#draft").fill("/paint scam.example")
        await page.get_by_role("button", name="Run").click()
        await expect(page.get_by_text("did not respond").first).to_be_visible()
        await page.locator("#faults-open").click()
    await page.get_by_role("button", name="Turn all off").click()
    await expect(switch).to_have_attribute("aria-checked", "false")
