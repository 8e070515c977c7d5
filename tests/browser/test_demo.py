"""What newcomers to the demo meet: the greeting, names that explain themselves, the command form, stories of faults, the bot's end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from sandbox.stories import STORIES
from tests.browser.conftest import OpenPage, check_views, pages_at, saying
from tests.browser.running_bot import RunningBot, command, finished, go_to
from tests.env.command import line_with, started

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="package")]


async def test_an_empty_studio_greets_with_three_things_to_try(visit: OpenPage) -> None:
    page = await visit("Ada")
    greeting = page.get_by_role("region", name="Try Easel here")
    await expect(greeting).to_contain_text("Images are simulated")
    await expect(greeting).to_contain_text("Nothing is sent anywhere")
    await check_views(page, "greeting")

    await greeting.get_by_role("button", name="Create an image").click()
    await expect(page.get_by_role("form", name="Command generate").get_by_label("prompt", exact=True)).to_have_value(
        "a red fox in the snow"
    )
    await page.keyboard.press("Escape")
    await greeting.get_by_role("button", name="Change a photo").click()
    await expect(page.get_by_role("form", name="Command edit")).to_contain_text("phone-photo.heic")
    await page.keyboard.press("Escape")
    await greeting.get_by_role("button", name="Break something").click()
    await expect(page.get_by_role("heading", name="Faults")).to_be_visible()
    await page.get_by_role("button", name="Close faults").click()
    await greeting.get_by_role("button", name="Be Mo").click()
    await expect(greeting).to_contain_text("You are Mo.")

    await greeting.get_by_role("button", name="Close the greeting").click()
    await expect(greeting).to_have_count(0)
    await page.reload()
    await expect(page.get_by_text("Nothing has been said in #studio yet.")).to_be_visible()


async def test_channels_people_and_the_bot_explain_themselves(visit: OpenPage, running_bot: RunningBot) -> None:
    page = await visit("Mo")
    for channel in ("studio", "gallery", "quiet", "after-dark", "moderators", "elsewhere", "Easel"):
        await go_to(page, channel)
        await expect(page.locator("#topic")).not_to_be_empty()
    await go_to(page, "moderators")
    await check_views(page, "topic")
    await expect(page.locator("#people li", has_text="Mo")).to_contain_text("moderator, operator")
    await page.locator("#people li", has_text="Mo").get_by_role("button", name="More").click(force=True)
    await expect(page.get_by_text("Moderators: decide about reported images")).to_be_visible()
    await page.keyboard.press("Escape")

    ada = await visit("Ada")
    await expect(ada.locator("#channels")).not_to_contain_text("moderators")
    await command(ada, "help")
    avatar = ada.locator("article .avatar img").last
    await expect(avatar).to_be_visible()
    assert await avatar.evaluate("image => image.decode().then(() => image.naturalWidth)") == 128


async def options_of(page: Page) -> list[str]:
    chips = page.locator("form.command .chips [data-option]")
    return [str(name) for name in await chips.evaluate_all("chips => chips.map(chip => chip.dataset.option)")]


async def test_commands_and_options_that_people_want_come_first_and_only_those_that_work(visit: OpenPage) -> None:
    page = await visit("Mo")
    await page.locator("#draft").fill("/")
    names = await page.locator(".commands .label").all_inner_texts()
    assert names[:3] == ["/generate", "/edit", "/help"]
    managers = [name.startswith(("/imageadmin", "/imagemod", "/presets", "/usage")) for name in names]
    assert managers == sorted(managers)
    assert True in managers
    await check_views(page, "commands")

    await page.locator("#draft").fill("/edit in winter")
    sheet = page.locator("form.command")
    assert (await sheet.locator(".field label span:first-child").all_inner_texts())[:2] == ["image", "prompt *"]
    await expect(sheet.get_by_label("prompt", exact=True)).to_be_focused()
    await expect(sheet.locator('[data-option="style"]')).to_have_count(0)  # Mo has none
    first = await options_of(page)
    assert first[0] == "model"
    await check_views(page, "edit-form")
    await sheet.locator('[data-option="model"]').click()
    await page.keyboard.type("GPT")
    await page.get_by_role("option", name="GPT").first.click()
    await sheet.locator('[data-option="private"]').focus()
    await expect(sheet.locator('[data-option="steps"]')).to_have_count(0)
    assert await options_of(page) != first


async def test_the_stories_turn_on_what_they_tell_and_end_as_they_say(visit: OpenPage, running_bot: RunningBot) -> None:
    page = await visit("Ada")
    await page.get_by_role("button", name="Faults").click()
    await check_views(page, "stories")
    for number, story in enumerate(STORIES):
        switch = page.get_by_role("switch", name=story.title)
        await expect(switch).to_have_attribute("aria-checked", "false")
        await switch.click()
        await expect(switch).to_have_attribute("aria-checked", "true")
        await command(page, "generate", prompt=f"fox number {number}")
        if story.name == "discord-refuses":
            await expect(saying(page, f"fox number {number}")).to_contain_text("You were refunded")
            await check_views(page, "story-refused")
        elif story.name == "api-down":
            await expect(saying(page, f"fox number {number}")).to_contain_text("reserved")
            await check_views(page, "story-down")
        else:
            await expect(finished(page, f"fox number {number}")).to_be_visible()
        if await switch.get_attribute("aria-checked") == "true":
            await switch.click()
        if story.name != "discord-refuses":
            await expect(finished(page, f"fox number {number}")).to_have_count(1)


async def test_whoever_kills_the_bot_sees_it_come_back_and_finish(browser: Browser) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with started("demo", "--port", "0", folder=Path(folder), environ={}) as process:
            url = (await line_with(process.stdout, "http://")).strip()
            async with pages_at(browser, url) as open_page:
                page = await open_page("Ada")
                await page.get_by_role("button", name="Faults").click()
                await page.get_by_text("All faults").click()
                stuck = page.get_by_role("switch", name="Generations stay in processing until this fault is turned off.")
                await stuck.click()
                await page.get_by_role("button", name="Close faults").click()
                await command(page, "generate", prompt="a red fox")
                await expect(saying(page, "a red fox")).to_contain_text("Generating")
                await page.get_by_role("button", name="Kill the bot").click()
                note = page.locator("#bot-note")
                await expect(note).to_contain_text("Easel was killed while 1 image was being made. It is starting again")
                await expect(note).to_contain_text("It is back; nothing was lost.", timeout=30_000)
                await check_views(page, "killed")
                await page.get_by_role("button", name="Faults").click()
                await page.get_by_role("button", name="Turn all off").click()
                await page.get_by_role("button", name="Close faults").click()
                await expect(finished(page, "a red fox")).to_be_visible(timeout=20_000)
                await check_views(page, "killed-finished")
            process.terminate()
            out, err = await process.communicate()
    assert ("Easel was killed. Starting it again" in out.decode(), err) == (True, b"")
