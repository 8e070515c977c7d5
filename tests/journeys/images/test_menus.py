"""The menus of messages and of members."""

from __future__ import annotations

from collections import Counter

import pytest
from discord.app_commands import ContextMenu

from bot.app import App
from bot.core.clock import system
from bot.store import tray
from bot.store.moderation import conduct, record
from cogs import load
from sandbox.person import Message, NotDoneError, Person
from tests.env.app import Env, has_image
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import guild_of, private_reply
from tests.journeys.result_steps import press


async def posted(person: Person, image: bytes, filename: str = "found.png", channel: str = "studio") -> Message:
    """An image that somebody posted."""
    said = await person.say("look what I found", channel, files=(person.upload(filename, image),))
    return await person.message(lambda m: m.id == said, channel)


async def test_there_are_no_more_menu_commands_than_discord_allows() -> None:
    tree = await load.command_tree()
    kinds = Counter(command.type for command in tree.get_commands() if isinstance(command, ContextMenu))
    assert max(kinds.values()) <= 5


# --- Edit with Easel -------------------------------------------------------------------------------------------------


async def test_edit_with_easel_edits_the_images_of_others(env: Env, ada: Person, ben: Person, asked: Ask) -> None:
    found = await posted(ben, await ada.fetch((await asked()).attachments[0]["url"]))
    await ada.menu("Edit with Easel", await ada.message(lambda m: m.id == found.id))
    await ada.submit(await ada.modal(), prompt="in winter")
    await ada.message(lambda m: "in winter" in m.content and has_image(m))
    assert "found.png" in str((await env.generations())[1]["input_image"])


@pytest.mark.parametrize("menu", ["Edit with Easel", "Image details", "Use as reference", "Report image"])
async def test_a_message_without_images_says_what_is_needed(ada: Person, ben: Person, menu: str) -> None:
    said = await ben.say("just words")
    await ada.menu(menu, await ada.message(lambda m: m.id == said))
    await private_reply(ada, "no ")


@pytest.mark.parametrize("channel", ["private", "elsewhere"])
async def test_editing_works_where_the_bot_is_not_a_member(ada: Person, asked: Ask, channel: str) -> None:
    found = await posted(ada, await ada.fetch((await asked()).attachments[0]["url"]), channel=channel)
    await ada.menu("Edit with Easel", found)
    await ada.submit(await ada.modal(), prompt="in winter")
    await ada.message(lambda m: "in winter" in m.content and has_image(m), channel)


@pytest.mark.parametrize("channel", ["dm", "private", "elsewhere"])
async def test_details_and_the_tray_work_where_the_bot_has_no_permissions(app: App, ada: Person, asked: Ask, channel: str) -> None:
    made = await asked(channel)
    await ada.menu("Image details", made)
    await private_reply(ada, "**Support code**", channel)
    await ada.menu("Use as reference", made)
    await private_reply(ada, "Saved to your tray", channel)


# --- Image details ---------------------------------------------------------------------------------------------------


async def test_details_of_an_image_made_here(ada: Person, asked: Ask) -> None:
    await ada.menu("Image details", await asked(seed=5))
    assert "**Seeds** `5`" in (await private_reply(ada, "**Support code**")).text


async def test_details_of_a_photo_name_its_poster(ada: Person, ben: Person, asked: Ask) -> None:
    found = await posted(ben, await ada.fetch((await asked()).attachments[0]["url"]))
    await ada.menu("Image details", await ada.message(lambda m: m.id == found.id))
    text = (await private_reply(ada, "didn't create this image")).text
    assert f"<@{ben.id}>" in text
    assert "found.png" in text


async def test_a_file_name_like_the_bot_s_is_not_trusted(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    found = await posted(ben, await ada.fetch(first.attachments[0]["url"]), first.attachments[0]["filename"])
    await ada.menu("Image details", await ada.message(lambda m: m.id == found.id))
    await private_reply(ada, "didn't create this image")


# --- Use as reference ------------------------------------------------------------------------------------------------


async def test_references_are_saved_and_counted(app: App, ada: Person, asked: Ask) -> None:
    await ada.menu("Use as reference", await asked())
    await private_reply(ada, "Saved to your tray (1 image). Your next /edit or /upscale will use it")
    await ada.menu("Use as reference", await asked(count=2))
    await private_reply(ada, "Saved to your tray (3 images). Your next /edit or /upscale will use them")
    sources = [put.source for put in await app.store.read(tray.of, int(ada.id))]
    assert [(source.owner_id, source.n) for source in sources] == [(int(ada.id), n) for n in (0, 0, 1)]


async def test_a_full_tray_refuses_more(app: App, ada: Person, asked: Ask) -> None:
    four = await asked(count=4)
    await ada.menu("Use as reference", four)
    await private_reply(ada, "Your tray is now full.")
    await ada.menu("Use as reference", four)
    await private_reply(ada, "Your tray is full (4 images)")
    assert len(await app.store.read(tray.of, int(ada.id))) == 4


async def test_a_full_tray_downloads_nothing(env: Env, ada: Person, asked: Ask) -> None:
    four = await asked(count=4)
    await ada.menu("Use as reference", four)
    await private_reply(ada, "Your tray is now full.")
    before = len(env.discord.downloads)
    await ada.menu("Use as reference", four)
    await private_reply(ada, "Your tray is full (4 images)")
    assert len(env.discord.downloads) == before


@pytest.mark.parametrize("sentence", ["Image creation is paused", "You're blocked from creating images here"])
async def test_nothing_is_downloaded_for_the_tray_of_a_member_who_may_not_order(env: Env, app: App, ada: Person, sentence: str) -> None:
    found = await posted(ada, b"no image at all")
    if "paused" in sentence:
        await change_rules(app.services.guilds, guild_of(ada), pause={"on": True})
    else:
        await app.store.write(conduct.block, guild_of(ada), int(ada.id), until=None, reason="spam", by_id=1, now=system())
    await ada.menu("Use as reference", found)
    await private_reply(ada, sentence)
    assert env.discord.downloads == []


async def test_a_file_that_is_no_image_is_refused_by_name(ada: Person, ben: Person) -> None:
    found = await posted(ben, b"not an image at all", "fake.png")
    await ada.menu("Use as reference", await ada.message(lambda m: m.id == found.id))
    await private_reply(ada, "fake.png")


async def test_what_was_saved_and_what_was_not_are_both_told(app: App, ada: Person, ben: Person) -> None:
    files = [("fox.png", png(40, 30)), ("fake.png", b"no image at all"), *((f"{n}.png", png(40, 30)) for n in range(4))]
    said = await ben.say("", files=tuple(ada.upload(*file) for file in (*files[:2], ("fox.bmp", b"BM"))))
    await ada.menu("Use as reference", await ada.message(lambda m: m.id == said))
    text = (await private_reply(ada, "Saved to your tray (1 image)")).text
    assert "2 images couldn't be saved: fake.png: The file" in text
    assert "fox.bmp is in BMP format. Save it as PNG or JPEG and try again." in text
    said = await ben.say("", files=tuple(ada.upload(*file) for file in files))
    await ada.menu("Use as reference", await ada.message(lambda m: m.id == said))
    text = (await private_reply(ada, "Saved to your tray (4 images)")).text
    for part in ("1 image couldn't be saved: fake.png", "Your tray is now full.", "2 more images weren't saved."):
        assert part in text
    assert len(await app.store.read(tray.of, int(ada.id))) == 4


# --- Report image ----------------------------------------------------------------------------------------------------


async def test_a_report_needs_a_server_with_the_bot_in_it(ada: Person, asked: Ask) -> None:
    found = await posted(ada, await ada.fetch((await asked()).attachments[0]["url"]), channel="elsewhere")
    with pytest.raises(NotDoneError):
        await ada.menu("Report image", found)


async def test_a_report_is_stored_once_for_each_member_and_message(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    image = await asked()
    first = await ben.message(lambda m: m.id == image.id and has_image(m))
    for words in ("Thanks", "already reported this message"):
        await ben.menu("Report image", first)
        await ben.submit(await ben.modal(), reason="that is me")
        await private_reply(ben, words)
    (report,) = (await app.store.read(record.of_member, int(ada.id), int(ada.hello["guild"]["id"]), now=system())).reports
    assert (report.user_id, report.message_id, report.reason) == (int(ben.id), int(first.id), "that is me")


# --- Image usage -----------------------------------------------------------------------------------------------------


async def test_moderators_see_a_member_s_images_and_reports(ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first = await asked(count=2)
    await asked(private=True, prompt="a secret")
    await press(ben, await ben.message(lambda m: m.id == first.id and has_image(m)), "Report")
    await ben.submit(await ben.modal(), reason="too red")
    await private_reply(ben, "Thanks")
    await mo.user_menu("Image usage", ada)
    text = (await private_reply(mo, "Image usage:")).text
    for part in ("**Last 30 days** 3 images · 4.2 credits", "a red fox in the snow", f"/{first.id}", "too red", f"<@{ben.id}>"):
        assert part in text
    assert "a secret" not in text


async def test_a_member_who_never_made_anything_has_an_empty_record(ben: Person, mo: Person) -> None:
    await mo.user_menu("Image usage", ben)
    text = (await private_reply(mo, "Image usage:")).text
    assert "0 images · 0 credits" in text
