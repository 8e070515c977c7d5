"""A member's panels on the chat page, open while the bot is restarted."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Locator, Page, expect

from bot.core import i18n
from cogs.kit.job_buttons import label_of
from tests.browser.conftest import PHONE, LookIn, last, run
from tests.browser.home import Home, command, finished, form, go_to, kept, panel, pick, press, react, send, shown

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def newcomer(home: Home, visit: LookIn, name: str) -> Page:
    """The page of somebody who was not here before."""
    await home.ada.join(name)
    return await visit(name)


async def generated(page: Page, prompt: str) -> Locator:
    await command(page, "generate", prompt=prompt)
    await expect(finished(page, prompt)).to_be_visible()
    return finished(page, prompt)


# --- /history --------------------------------------------------------------------------------------------------------


async def test_history_is_paged_and_searched_and_leads_on_after_a_restart(home: Home, visit: LookIn) -> None:
    for number in range(1, 8):
        await home.picture(f"page turner {number}")
    page = await visit("Ada")
    await command(page, "history", words="page turner")
    listed = panel(page, "Your history: page turner")
    await expect(listed).to_contain_text("7 requests")
    await expect(listed).to_contain_text("page turner 7")
    await home.restart(page)
    await press(listed, "Older")
    await expect(listed).to_contain_text("page turner 1")
    await expect(listed.locator(".gallery img").last).to_have_js_property("complete", True)
    await home.restart(page)
    await press(listed, "Newer")
    await expect(listed).to_contain_text("page turner 7")


async def test_one_of_the_history_is_posted_edited_looked_into_and_deleted_across_restarts(home: Home, visit: LookIn) -> None:
    first = await home.picture("a picture with a past")
    page = await visit("Ada")
    await command(page, "history", words="with a past")
    alone = await picked(page, "a picture with a past")
    await home.restart(page)
    await press(alone, "Post here")
    await expect(page.locator("article:not(.ephemeral)", has_text="a picture with a past").filter(has=page.locator("img"))).to_have_count(2)
    await press(alone, "Edit")
    await form(page, "Edit with Easel").get_by_label("What should change").fill("and with a future")
    await home.restart(page)
    await send(form(page, "Edit with Easel"))
    await expect(finished(page, "and with a future")).to_contain_text("edited by @Ada from this picture")
    await press(alone, "Details")
    await expect(panel(page, "Prompt a picture with a past")).to_contain_text("1 picture made from it")
    await home.restart(page)
    await press(alone, "Delete")
    await expect(alone).to_contain_text("Deleted, and its message with it.")
    await expect(shown(page, first)).to_have_count(0)


async def test_one_goes_back_to_the_list_after_a_restart(home: Home, visit: LookIn) -> None:
    await home.picture("a picture to come back from")
    page = await visit("Ada")
    await command(page, "history", words="to come back from")
    alone = await picked(page, "to come back from")
    await home.restart(page)
    await press(alone, "Back")
    await expect(alone).to_contain_text("Your history: to come back from")


async def picked(page: Page, words: str) -> Locator:
    """The panel of the history, once one of its requests was chosen."""
    listed = await kept(page, panel(page, "Your history"))
    await pick(listed, "Choose one to do something with it", words)
    await expect(listed.get_by_role("button", name="Back", exact=True)).to_be_visible()
    return listed


async def test_on_a_phone_no_panel_is_wider_than_its_message(home: Home, visit: LookIn) -> None:
    await home.picture("a wide plain")
    page = await visit("Ada", viewport=PHONE)
    for name, words in (("history", "Your history"), ("settings", "Your settings"), ("privacy", "What is kept of you")):
        await run(page, name)
        await expect(panel(page, words).locator(".container")).to_be_visible()
    edges = "boxes => boxes.map(box => Math.round(box.getBoundingClientRect().right)).filter(right => right > innerWidth)"
    assert await page.locator("article .container, article .container *").evaluate_all(edges) == []


# --- /settings, /style -----------------------------------------------------------------------------------------------


async def test_settings_are_switched_and_chosen_across_a_restart_and_hold(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Sol")
    await run(page, "settings")
    settings = panel(page, "Your settings")
    await press(settings, "Spoiler: off")
    await expect(settings.get_by_role("button", name="Spoiler: on")).to_be_visible()
    await home.restart(page)
    await pick(settings, 0, "FLUX.2 [dev]")
    await pick(settings, 1, "16:9")
    await press(settings, "Private: off")
    await expect(settings.get_by_role("button", name="Private: on")).to_be_visible()
    await command(page, "generate", prompt="a quiet place")
    await expect(finished(page, "a quiet place").get_by_role("button", name="Spoiler: press to show the picture")).to_be_visible()
    await expect(finished(page, "a quiet place")).to_contain_text("Only you can see this")
    made = (await home.env.generations())[-1]
    assert (made["model_name"], made["aspect_ratio"]) == ("flux-2-dev", "16:9")


async def test_the_role_that_may_edit_is_chosen_across_a_restart_and_holds(home: Home, visit: LookIn) -> None:
    page, ben = await newcomer(home, visit, "Tess"), await visit("Ben")
    await run(page, "settings")
    settings = panel(page, "Your settings")
    await pick(settings, 2, "Those who have a role")
    await expect(settings).to_contain_text("No role is chosen yet")
    await home.restart(page)
    await pick(settings, "Choose the role", "@Artists")
    await expect(settings).to_contain_text("Those who have the role @Artists")
    await generated(page, "a picture for artists")
    await press(finished(ben, "a picture for artists"), "Edit")
    await expect(panel(ben, "does not let you edit")).to_be_visible()


async def test_a_style_is_saved_suggested_after_a_restart_used_and_deleted(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Una")
    await command(page, "style save", name="Ink", suffix="in black ink", options="steps=9")
    await expect(last(page)).to_contain_text("Saved.")
    await home.restart(page)
    await page.locator("#draft").fill("/generate a heron")
    await page.locator('[data-option="style"]').click()
    await page.get_by_role("option", name="Ink").click()
    await press(page.locator("form.command"), "Run")
    await expect(finished(page, "a heron")).to_contain_text("in black ink")
    await run(page, "style list")
    await expect(panel(page, "Your styles")).to_contain_text("Ink … in black ink")
    await command(page, "style delete", name="Ink")
    await expect(last(page)).to_contain_text("Deleted.")


async def test_a_tray_is_emptied_by_its_button_after_a_restart(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Vic")
    await (await generated(page, "a tray of fruit")).get_by_role("button", name="Message actions").click(force=True)
    await page.get_by_role("menuitem", name="Use as reference").click()
    await expect(last(page)).to_contain_text("Put by.")
    await run(page, "tray show")
    await expect(panel(page, "Your tray").locator(".gallery img")).to_have_count(1)
    await home.restart(page)
    await press(panel(page, "Your tray"), "Empty it")
    await expect(panel(page, "Your tray")).to_contain_text("It is empty.")


# --- one's data ------------------------------------------------------------------------------------------------------


async def test_what_is_kept_is_told_and_handed_out_as_a_file(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Wim")
    await generated(page, "a picture to take along")
    await run(page, "privacy")
    await expect(panel(page, "What is kept of you")).to_contain_text("It is not told who you are.")
    await home.restart(page)
    await run(page, "mydata export")
    await expect(last(page)).to_contain_text("It is in your direct messages.")
    await go_to(page, "Easel")
    link = last(page).locator("a.file")
    kept = json.loads(await (await page.request.get(await link.get_attribute("href") or "")).text())
    assert "a picture to take along" in json.dumps(kept)


async def test_erasing_is_asked_once_and_answered_after_a_restart(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Xan")
    picture = await generated(page, "a picture to forget")
    await run(page, "mydata erase")
    question = page.locator("article.ephemeral").last
    await expect(question).to_contain_text("Erase what is yours?")
    await home.restart(page)
    await press(question, "Erase everything")
    await expect(question).to_contain_text("Done.")
    await expect(picture).to_have_count(0)
    await run(page, "history")
    await expect(panel(page, "Your history")).to_contain_text("Nothing here yet.")


# --- /presets, languages ---------------------------------------------------------------------------------------------


async def test_a_preset_is_put_on_an_emoji_and_runs_after_a_restart_until_the_presets_are_reset(home: Home, visit: LookIn) -> None:
    first = await home.picture("a garden gate")
    page = await visit("Mo")
    await command(page, "presets add", emoji="🦊", name="Fox face", prompt="everybody is a fox")
    await expect(last(page)).to_contain_text("🦊 runs Fox face from now on, with FLUX.2 Klein 4B at 1.4 credits a picture")
    await home.restart(page)
    await run(page, "presets list")
    await expect(last(page)).to_contain_text("8 of 20 presets")
    await react(page, shown(page, first), "🦊")
    await expect(finished(page, "everybody is a fox")).to_contain_text("edited by @Mo from this picture")
    await command(page, "presets remove", preset="Fox face")
    await expect(last(page)).to_contain_text("🦊 runs Fox face no more.")
    await run(page, "presets reset")
    await expect(last(page)).to_contain_text("The presets are as they were in the beginning")


async def test_who_speaks_german_is_answered_in_german_also_after_a_restart(home: Home, visit: LookIn) -> None:
    page = await newcomer(home, visit, "Yara")
    await page.get_by_text("Yara's settings").click()
    await page.get_by_role("combobox", name="Language").click()
    await page.get_by_role("option", name="Deutsch").click()
    await expect(page.get_by_role("combobox", name="Language")).to_have_text("Deutsch")
    await home.restart(page)
    with i18n.speaking("de"):
        edit, nothing = label_of("edit"), i18n._("Nothing here yet. /generate makes your first picture.")
    await run(page, "history")
    await expect(last(page)).to_contain_text(nothing)
    await expect((await generated(page, "ein roter Fuchs")).get_by_role("button", name=edit, exact=True)).to_be_visible()
