"""Messages on the chat page: mentions, links, replies, reactions and panels."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from sandbox.person import Person
from tests.browser.bot import image_bytes
from tests.browser.conftest import OpenPage, last, run, saying

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_mentions_pings_and_links_to_messages_are_shown_and_followed(open_page: OpenPage, ada: Person) -> None:
    first = await ada.say("Where it began", "gallery")
    link = f"https://discord.com/channels/{ada.hello['guild']['id']}/{ada.channel('gallery')}/{first}"
    async with Person.connect(ada.url, "Mo") as mo:
        await mo.say(f"<@&{mo.roles['Artists']}>, <@{ada.id}>: see {link} <t:86400:d> <:easel:{mo.hello['emojis'][0]['id']}>")
    page = await open_page("Ada")
    await expect(page.locator("article.message.pings").last).to_contain_text("@Artists, @Ada: see")
    await expect(last(page).get_by_role("img", name=":easel:")).to_be_visible()
    await last(page).get_by_role("button", name="gallery › message").click()
    await expect(page.locator("#place")).to_have_text("gallery")
    await expect(page.locator(f"#message-{first}")).to_be_focused()


async def test_a_reply_is_written_and_links_to_its_message(open_page: OpenPage, ada: Person) -> None:
    question = await ada.say("A question of taste")
    page = await open_page("Ben")
    await saying(page, "A question of taste").last.get_by_role("button", name="Message actions").click(force=True)
    await page.get_by_role("menuitem", name="Reply").click()
    await expect(page.locator(".replying")).to_contain_text("Replying to Ada")
    await page.keyboard.type("Green")
    await page.keyboard.press("Enter")
    await last(page).locator(".origin").get_by_role("button").click()
    await expect(page.locator(f"#message-{question}")).to_be_focused()
    await expect(page.locator(".replying")).to_be_empty()


async def test_the_servers_own_emoji_is_typed_and_counted(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Decorate me")
    page = await open_page("Ben")
    await expect(last(page)).to_contain_text("Decorate me")
    await last(page).get_by_role("button", name="Message actions").click(force=True)
    await page.get_by_label("Another emoji").fill(":easel:")
    await page.keyboard.press("Enter")
    chip = last(page).get_by_role("button", name="easel, 1")
    await expect(chip).to_have_attribute("aria-pressed", "true")
    await chip.click()
    await expect(chip).to_have_count(0)


async def test_a_private_panel_changes_its_images_in_place(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await run(page, "display")
    for number in (1, 2):
        panel = last(page).locator(".components")
        await expect(panel.get_by_role("heading", name=f"Page {number}")).to_be_visible()
        await expect(panel.locator(".gallery img").first).to_have_js_property("naturalWidth", 320)
        await expect(panel.get_by_role("button", name="Spoiler: press to show the image")).to_be_visible()
        await expect(panel.get_by_role("link", name=f"page-{number}.png")).to_be_visible()
        await panel.get_by_role("button", name="Turn the page").click()


async def test_every_kind_of_select_menu_offers_its_options(open_page: OpenPage, ada: Person) -> None:
    await ada.slash("choices")
    page = await open_page("Ada")
    for menu, option, chosen in (
        ("Paper", "rough", "rough"),
        ("Person", "Ben", "Ben"),
        ("Role", "@Artists", "Artists"),
        ("Anybody", "@Moderators", "Moderators"),
        ("Place", "#gallery", "gallery"),
    ):
        await last(page).get_by_role("combobox", name=menu).click()
        await page.get_by_role("option", name=option).click()
        await expect(last(page)).to_contain_text(f"Chosen: {chosen}")


async def test_a_form_with_every_kind_of_control_is_sent(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await run(page, "fields")
    dialog = page.get_by_role("dialog", name="A survey")
    await dialog.get_by_role("button", name="Submit").click()
    await expect(dialog.locator(".problem").filter(has_text="Medium is needed.")).to_be_visible()
    await dialog.get_by_label("oil").check()
    await dialog.get_by_label("signature").check()
    await dialog.get_by_label("I agree").last.check()
    await dialog.locator("input[type=file]").set_input_files({"name": "idea.png", "mimeType": "image/png", "buffer": image_bytes()})
    await dialog.get_by_role("button", name="Submit").click()
    await expect(last(page)).to_contain_text("oil ['signature'] True ['idea.png']")
