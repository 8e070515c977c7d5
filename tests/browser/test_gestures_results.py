"""What can be done with a result on the chat page, with a restart of the bot in the middle of what takes two steps."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, expect

from tests.browser.bot import picture
from tests.browser.conftest import LookIn, last, saying
from tests.browser.home import Home, choose, command, finished, form, go_to, panel, pick, press, send, shown

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def upload(dialog: Locator, name: str) -> None:
    await dialog.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": picture()})
    await expect(dialog.locator(".uploads img")).to_be_visible()


# --- while it is made ------------------------------------------------------------------------------------------------


async def test_progress_is_true_before_and_after_a_restart_and_cancel_ends_it(home: Home, visit: LookIn) -> None:
    await home.picture("a first one, so that the usual time is known")
    page = await visit("Ada")
    with home.slow_pictures():
        await command(page, "generate", prompt="a slow river", count="2")
        waiting = saying(page, "a slow river")
        for _run in range(2):
            await expect(waiting).to_contain_text(re.compile(r"Being made\. █+░+ 0 of 2 done\. It usually takes about"))
            await home.restart(page)
        await press(waiting, "Cancel")
        await expect(waiting).to_contain_text("Cancelled; nothing was charged for it.")


async def test_who_waits_for_a_turn_is_told_the_place_in_the_queue(home: Home, visit: LookIn) -> None:
    page = await visit("Ada")
    with home.slow_pictures():
        for prompt in ("one of three", "two of three", "three of three"):
            await command(page, "generate", prompt=prompt)
        await expect(last(page)).to_contain_text(re.compile(r"Waiting\. (You are next|\d pictures? ahead of yours)\."))
        await home.restart(page)
    for prompt in ("one of three", "two of three", "three of three"):
        await expect(finished(page, prompt)).to_be_visible()


async def test_after_two_minutes_a_call_is_promised_and_kept_across_a_restart(home: Home, visit: LookIn) -> None:
    page = await visit("Ada")
    with home.slow_pictures():
        await command(page, "generate", prompt="a glacier")
        await expect(last(page)).to_contain_text("Being made")
        home.clock.advance(125_000)
        await expect(saying(page, "a glacier")).to_contain_text("you will be called here when it is there")
        await home.restart(page)
    await expect(page.locator("article.message.pings").last).to_contain_text("@Ada, it is there, as promised")


# --- the row of buttons ----------------------------------------------------------------------------------------------


async def test_edit_asks_which_picture_takes_a_file_and_outlives_a_restart(home: Home, visit: LookIn) -> None:
    first = await home.picture("a pair of owls", count=2)
    page = await visit("Ben")
    await press(shown(page, first), "Edit")
    dialog = form(page, "Edit with Easel")
    await pick(dialog, "Which picture", "Picture 2")
    await dialog.get_by_label("What should change").fill("with a hat each")
    await pick(dialog, "Model", "FLUX.2 [dev]")
    await dialog.get_by_label("Options").fill("steps=9")
    await upload(dialog, "hat.png")
    await home.restart(page)
    await send(dialog)
    await expect(finished(page, "with a hat each")).to_contain_text(re.compile(r"edited by @Ben from this picture · FLUX.2 \[dev\]"))
    sent = str((await home.env.generations())[-1])
    assert (first.attachments[1]["filename"] in sent, "'num_inference_steps': 9" in sent) == (True, True)


async def test_the_form_shows_each_price_and_what_is_left(home: Home, visit: LookIn) -> None:
    first = await home.picture("an owl by itself")
    page = await visit("Mo")
    await press(shown(page, first), "Edit")
    await form(page, "Edit with Easel").get_by_role("combobox", name="Model").click()
    await expect(page.get_by_role("option", name="FLUX.2 Klein 4B")).to_contain_text("1.4 credits a picture · you have 1000")
    await expect(form(page, "Edit with Easel").get_by_role("combobox")).to_have_count(1)


async def test_again_makes_another_for_whoever_presses_after_a_restart(home: Home, visit: LookIn) -> None:
    first = await home.picture("a tin robot")
    await home.restart()
    page = await visit("Ben")
    await press(shown(page, first), "Again")
    await expect(finished(page, "a tin robot").filter(has_text="@Ben · ")).to_be_visible()


async def test_details_lead_through_the_family_also_after_a_restart(home: Home, visit: LookIn) -> None:
    first = await home.picture("a bare tree", seed=3)
    await home.edit(first, "in blossom")
    page = await visit("Ben")
    await press(finished(page, "in blossom"), "Details")
    details = panel(page, "Prompt in blossom")
    await expect(details).to_contain_text("“a bare tree” by @Ada · studio › messageother words · seed 3 →")
    await home.restart(page)
    await pick(details, "Go to a relative", "a bare tree")
    relative = panel(page, "Prompt a bare tree")
    await expect(relative).to_contain_text("⬇️ 1 picture made from it")
    await home.restart(page)
    await press(relative, "Back to the first")
    await expect(details).to_be_visible()


async def test_delete_takes_the_message_away_for_everybody_after_a_restart(home: Home, visit: LookIn) -> None:
    first = await home.picture("a mistake")
    ada, ben = await visit("Ada"), await visit("Ben")
    await home.restart(ada)
    await press(shown(ada, first), "Delete")
    await expect(shown(ben, first)).to_have_count(0)


@pytest.mark.parametrize(("name", "way"), [("Ben", "button"), ("Mo", "menu")])
async def test_a_report_that_was_being_written_during_a_restart_arrives(home: Home, visit: LookIn, name: str, way: str) -> None:
    first = await home.picture(f"a doubtful picture, by {way}")
    page = await visit(name)
    await (press(shown(page, first), "Report") if way == "button" else choose(page, shown(page, first), "Report image"))
    dialog = form(page, "Report this picture")
    await dialog.get_by_label("What should the moderators know?").fill("I doubt it")
    await home.restart(page)
    await send(dialog)
    await expect(panel(page, "Thank you. The moderators of this server can read your report")).to_be_visible()


# --- menus -----------------------------------------------------------------------------------------------------------


async def test_the_menu_edits_anybodys_picture_after_a_restart(home: Home, visit: LookIn) -> None:
    page = await visit("Ada")
    await page.locator("#composer input[type=file]").set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": picture()})
    await page.locator("#draft").fill("A picture of mine")
    await page.keyboard.press("Enter")
    await choose(page, saying(page, "A picture of mine").first, "Edit with Easel")
    await form(page, "Edit with Easel").get_by_label("What should change").fill("as a stamp")
    await home.restart(page)
    await send(form(page, "Edit with Easel"))
    await expect(finished(page, "as a stamp")).to_contain_text("edited by @Ada from this picture")


async def test_the_menu_shows_details_of_what_was_made_here(home: Home, visit: LookIn) -> None:
    first = await home.picture("a known picture", seed=11)
    await home.restart()
    page = await visit("Ben")
    await choose(page, shown(page, first), "Image details")
    await expect(panel(page, "Prompt a known picture")).to_contain_text("Seeds 11")


async def test_references_lie_in_the_tray_across_a_restart_until_the_next_edit(home: Home, visit: LookIn) -> None:
    first = await home.picture("a brass key")
    page = await visit("Ben")
    await choose(page, shown(page, first), "Use as reference")
    await expect(panel(page, "Put by. Your tray holds 1 picture now")).to_be_visible()
    await home.restart(page)
    await command(page, "tray show")
    await expect(panel(page, "The next /edit takes this picture").locator(".gallery img")).to_have_count(1)
    await command(page, "edit", prompt="the key in a lock")
    await expect(finished(page, "the key in a lock")).to_be_visible()
    await expect(panel(page, "1 picture came from your tray, which is empty now")).to_be_visible()


async def test_a_moderator_reads_a_members_usage_in_their_menu(home: Home, visit: LookIn) -> None:
    await home.picture("a picture that counts")
    await home.restart()
    page = await visit("Mo")
    await page.locator("#people li", has_text="Ada").get_by_role("button", name="More").click(force=True)
    await page.get_by_role("menuitem", name="Image usage").click()
    await expect(panel(page, "Image usage of @Ada")).to_contain_text("a picture that counts")


# --- other places ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["Easel", "elsewhere", "Ben"])
async def test_in_direct_messages_and_without_the_bot_a_picture_is_made_and_edited(home: Home, visit: LookIn, channel: str) -> None:
    page = await visit("Ada")
    await go_to(page, channel)
    await command(page, "generate", prompt=f"a far place, {channel}")
    await press(finished(page, f"a far place, {channel}"), "Edit")
    await form(page, "Edit with Easel").get_by_label("What should change").fill(f"at dawn, {channel}")
    await home.restart(page)
    await send(form(page, "Edit with Easel"))
    await expect(finished(page, f"at dawn, {channel}")).to_contain_text("edited by @Ada")
