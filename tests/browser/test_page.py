"""What a person can do on the chat page."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import ViewportSize, expect

from sandbox.discord.server import DiscordServer
from sandbox.person import Message, Person
from tests.browser.bot import image_bytes
from tests.browser.conftest import DESKTOP, PHONE, Line, OpenPage, last, run, saying

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]

HOSTILE = "<img src=x onerror=\"document.title='taken'\"> [go](javascript:alert(1)) **<script>document.title='taken'</script>**"


async def painted(ada: Person, subject: str) -> Message:
    await ada.slash("paint", subject=subject)
    return await ada.message(lambda message: subject in message.content)


# ------------------------------------------------------------------- slash commands


async def test_a_command_with_suggestions_runs_by_keyboard_alone(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.keyboard.type("/pai")
    await expect(page.get_by_role("option", name="/paint")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.keyboard.type("a slow river")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # the first chip: style
    await page.keyboard.type("penc")
    await expect(page.get_by_role("option")).to_have_text(["Pencil"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("style", exact=True)).to_have_value("Pencil")
    await page.keyboard.press("Enter")
    await expect(last(page)).to_contain_text("a slow river in pencil x1")
    await expect(page.locator("#draft")).to_be_focused()


async def test_a_command_says_what_is_missing_or_out_of_bounds(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint ")
    await page.get_by_role("button", name="count").click()
    await page.keyboard.type("9")
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator(".field .problem")).to_have_text(["subject is needed.", "count must be 1 to 4."])
    await expect(page.get_by_label("subject", exact=True)).to_be_focused()


async def test_escape_closes_the_suggestions_first_and_then_the_command(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint a hill")
    await page.get_by_role("button", name="style").click()
    await expect(page.get_by_role("option")).to_have_count(4)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("option")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(page.locator("#draft")).to_be_focused()


async def test_an_image_is_attached_to_a_command(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint a copy")
    await page.get_by_role("button", name="reference").click()
    await page.locator("form.command input[type=file]").set_input_files(
        {"name": "sky.png", "mimeType": "image/png", "buffer": image_bytes()}
    )
    await expect(page.locator(".uploads img")).to_be_visible()
    await page.get_by_role("button", name="Run").click()
    await expect(last(page)).to_contain_text("a copy in ink x1 after sky.png")


async def test_an_example_photo_is_attached_to_a_command(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint a lake")
    await page.get_by_role("button", name="reference").click()
    await page.get_by_role("button", name="Example phone photo (HEIC)").click()
    await page.get_by_role("button", name="Run").click()
    await expect(last(page)).to_contain_text("a lake in ink x1 after phone-photo.heic")


async def test_a_pasted_image_fills_the_attachment_option_by_itself(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#draft").fill("/paint a paste")
    await page.get_by_label("subject", exact=True).evaluate(
        """field => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array([1, 2, 3])], "pasted.bin"));
          field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
        }"""
    )
    await page.keyboard.press("Enter")
    await expect(last(page)).to_contain_text("a paste in ink x1 after pasted.bin")


async def test_a_message_is_sent_with_its_image(open_page: OpenPage) -> None:
    page = await open_page("Ben")
    await page.locator("#composer input[type=file]").set_input_files({"name": "hill.png", "mimeType": "image/png", "buffer": image_bytes()})
    await page.locator("#draft").fill("My hill")
    await page.keyboard.press("Enter")
    await expect(saying(page, "My hill").locator(".image img")).to_have_attribute("width", "320")
    await expect(page.locator(".uploads")).to_be_hidden()


# --------------------------------------------------------- buttons, modals, menus


async def test_a_button_opens_a_modal_that_checks_its_fields_and_answers(open_page: OpenPage, ada: Person) -> None:
    await painted(ada, "a modal scene")
    page = await open_page("Ada")
    await saying(page, "a modal scene").get_by_role("button", name="Rework").click()
    dialog = page.get_by_role("dialog", name="Rework this image")
    await expect(dialog).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(dialog.locator(".problem").first).to_have_text("What to change is needed.")
    await page.keyboard.type("Make it night")
    await page.keyboard.press("Enter")
    await expect(last(page)).to_contain_text("Reworked: Make it night")
    await expect(dialog).to_have_count(0)


async def test_escape_dismisses_a_modal(open_page: OpenPage, ada: Person) -> None:
    await painted(ada, "a dismissed scene")
    page = await open_page("Ada")
    await saying(page, "a dismissed scene").get_by_role("button", name="Rework").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_pressed_button_keeps_the_focus_when_its_message_changes(open_page: OpenPage, ada: Person) -> None:
    await painted(ada, "a framed scene")
    page = await open_page("Ada")
    message = saying(page, "a framed scene")
    await message.get_by_role("button", name="Frame", exact=True).press("Enter")
    await expect(message.get_by_role("button", name="Framed", exact=True)).to_be_disabled()
    assert await message.evaluate("message => message.contains(document.activeElement)")


async def test_a_select_menu_is_chosen_with_the_arrow_keys(open_page: OpenPage, ada: Person) -> None:
    await painted(ada, "a selected scene")
    page = await open_page("Ada")
    await saying(page, "a selected scene").get_by_role("combobox", name="Paper").focus()
    for key in ("Enter", "ArrowDown", "Enter"):
        await page.keyboard.press(key)
    await expect(last(page)).to_contain_text("Paper: Smooth")


async def test_a_message_menu_command_runs_by_keyboard_alone(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Who wrote this?")
    page = await open_page("Ben")
    await expect(last(page)).to_contain_text("Who wrote this?")
    await last(page).focus()
    for key in ("Enter", "ArrowDown", "Enter"):
        await page.keyboard.press(key)
    await expect(last(page)).to_contain_text("Ada wrote it.")


async def test_a_panel_of_new_components_is_shown(open_page: OpenPage, ada: Person) -> None:
    await ada.slash("recipe")
    page = await open_page("Ada")
    panel = last(page).locator(".container")
    await expect(panel.get_by_role("heading", name="Ochre")).to_be_visible()
    await expect(panel.get_by_role("button", name="Later")).to_be_disabled()
    await panel.get_by_role("button", name="Spoiler").press("Enter")
    await expect(panel.locator(".spoiler span")).to_be_visible()


async def test_an_image_opens_large_and_escape_closes_it(open_page: OpenPage, ada: Person) -> None:
    await painted(ada, "a large scene")
    page = await open_page("Ada")
    await page.get_by_role("button", name="Open large: An image of a large scene").click()
    await expect(page.get_by_role("dialog", name="Image").get_by_role("img")).to_have_attribute("alt", "An image of a large scene")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


# -------------------------------------------------------------- people and viewers


async def test_two_viewers_see_the_same_messages(open_page: OpenPage) -> None:
    ada, ben = await open_page("Ada"), await open_page("Ben")
    await ada.locator("#draft").fill("Good morning, Ben")
    await ada.keyboard.press("Enter")
    await expect(last(ben)).to_contain_text("Good morning, Ben")
    await last(ben).focus()
    await last(ben).get_by_role("button", name="Message actions").click()
    await ben.get_by_role("button", name="React with ⭐").click()
    chip = last(ada).get_by_role("button", name="⭐, 1")
    await expect(chip).to_have_attribute("aria-pressed", "false")
    await chip.click()
    await expect(last(ben).get_by_role("button", name="⭐, 2")).to_have_attribute("aria-pressed", "true")


async def test_only_its_person_sees_an_ephemeral_answer_and_can_dismiss_it(open_page: OpenPage) -> None:
    ada, ben = await open_page("Ada"), await open_page("Ben")
    await run(ada, "whisper")
    await expect(last(ada)).to_contain_text("Only you can see this")
    await ada.locator("#draft").fill("After the whisper")
    await ada.keyboard.press("Enter")
    await expect(last(ben)).to_contain_text("After the whisper")
    await expect(saying(ben, "Between the two of us.")).to_have_count(0)
    await ada.get_by_role("button", name="Dismiss").last.click()
    await expect(saying(ada, "Between the two of us.")).to_have_count(0)


async def test_switching_the_person_changes_the_author_and_the_address(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.locator("#people").get_by_role("button", name="Ben").click()
    await expect(page.locator("#people [aria-current]")).to_contain_text("Ben")
    await page.locator("#draft").fill("It is me, Ben")
    await page.keyboard.press("Enter")
    await expect(last(page)).to_contain_text("It is me, Ben")
    assert (await last(page).get_attribute("aria-label") or "").startswith("Ben, ")
    assert page.url.endswith("?as=Ben")


async def test_a_moderator_deletes_what_a_member_may_not(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Delete me if you may")
    for name, allowed in (("Ben", 0), ("Mo", 1)):
        page = await open_page(name)
        await saying(page, "Delete me if you may").get_by_role("button", name="Message actions").click(force=True)
        await expect(page.get_by_role("menuitem", name="Delete message")).to_have_count(allowed)
    await page.get_by_role("menuitem", name="Delete message").click()
    await expect(saying(page, "Delete me if you may")).to_have_count(0)


async def test_a_new_member_joins_and_writes(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.get_by_text("New member").click()
    await page.get_by_label("Name of the new member").fill("Zoe")
    await page.get_by_role("button", name="Join").click()
    await expect(page.locator("#people [aria-current]")).to_contain_text("Zoe")


async def test_other_channels_are_marked_until_they_are_read(open_page: OpenPage, ada: Person) -> None:
    page = await open_page("Ben")
    await ada.say("News in the gallery", "gallery")
    channel = page.locator("#channels").get_by_role("button", name="gallery")
    await expect(channel.get_by_label("1 unread")).to_be_visible()
    await channel.click()
    await expect(channel.locator(".count")).to_have_count(0)
    await expect(last(page)).to_contain_text("News in the gallery")


# ------------------------------------------------------------ the sandbox's own parts


async def test_a_fault_is_turned_on_for_everybody_and_off_again(open_page: OpenPage) -> None:
    page, other = await open_page("Ada"), await open_page("Ben")
    await page.get_by_role("button", name="Faults").click()
    await page.get_by_text("All faults").click()
    switch = page.get_by_role("switch", name="Attachments cannot be fetched from the CDN.")
    await switch.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await expect(other.locator("#faults-open .count")).to_have_text("1")
    await switch.press("Space")
    await expect(other.locator("#faults-open .count")).to_have_count(0)


async def test_a_fault_for_once_says_so(open_page: OpenPage) -> None:
    page = await open_page("Ada")
    await page.get_by_role("button", name="Faults").click()
    await page.get_by_text("All faults").click()
    await page.get_by_role("button", name="Once: The generation is queued").click()
    await expect(page.locator(".fault-groups .left")).to_have_text("once more")
    await page.get_by_role("button", name="Turn all off").click()
    await expect(page.locator(".fault-lists .on")).to_have_count(0)


async def test_messages_are_shown_as_text_not_html(open_page: OpenPage, ada: Person) -> None:
    await ada.say(HOSTILE)
    page = await open_page("Ada")
    await expect(last(page)).to_contain_text("<img src=x onerror=")
    await expect(last(page).locator("strong", has_text="<script>")).to_be_visible()
    assert await last(page).locator("img, script, a").count() == 0
    assert "taken" not in await page.title()


async def test_a_lost_connection_is_shown_and_missed_messages_arrive_later(open_page: OpenPage, ada: Person) -> None:
    line = Line()
    page = await open_page("Ben", line=line)
    await line.cut()
    await expect(page.get_by_role("alert").filter(has_text="Connection lost")).to_be_visible()
    await ada.say("Said meanwhile")
    line.mend()
    await expect(last(page)).to_contain_text("Said meanwhile")
    await expect(page.locator("#lost")).to_be_hidden()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_nothing_is_wider_than_the_window(open_page: OpenPage, ada: Person, viewport: ViewportSize) -> None:
    await ada.say("long" * 200 + "\n```\n" + "wide " * 60 + "\n```")
    await painted(ada, "a narrow scene")
    page = await open_page("Ada", viewport=viewport)
    await expect(last(page)).to_contain_text("a narrow scene")
    await page.locator("#draft").fill("/paint a form")
    await page.get_by_role("button", name="style").click()
    overhang = "['html', '#log', '#composer'].map(name => document.querySelector(name)).map(e => e.scrollWidth - e.clientWidth)"
    assert await page.evaluate(overhang) == [0, 0, 0]


async def test_on_a_phone_the_channels_are_a_drawer_and_the_actions_a_sheet(open_page: OpenPage, ada: Person) -> None:
    await ada.say("Touch me")
    page = await open_page("Ada", viewport=PHONE)
    await page.get_by_role("button", name="Channels and people").click()
    await page.locator("#channels").get_by_role("button", name="studio").click()
    await expect(page.locator("#sidebar")).not_to_be_in_viewport()
    await last(page).get_by_role("button", name="Message actions").click(force=True)
    await expect(page.get_by_role("menuitem", name="Copy message ID")).to_be_in_viewport()


async def test_the_page_asks_nothing_of_other_hosts(open_page: OpenPage, chat: DiscordServer, ada: Person) -> None:
    await painted(ada, "a local scene")
    page = await open_page("Ada")
    hosts = await page.evaluate("performance.getEntriesByType('resource').map(entry => new URL(entry.name).host)")
    assert set(hosts) == {chat.cdn_host}
    async with aiohttp.ClientSession() as http, http.get(chat.url) as response:
        assert "http://" not in (await response.text()).replace("http: https:", "")
