"""The panels behind More and behind the numbers of several images: what they offer to whom, and that each press is checked again."""

from __future__ import annotations

from io import BytesIO

import discord
import pytest

from bot.app import App
from bot.domain.job import JobState
from bot.store import jobs
from cogs.images.more import ACT
from cogs.kit.job_buttons import PRESS
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.env.images import png
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.images.test_presses import posted
from tests.journeys.manager_steps import private_reply
from tests.journeys.result_steps import panel_of, press

SEND = "Send me the file"


async def seen(person: Person, message: Message) -> Message:
    return await person.message(lambda m: m.id == message.id and has_image(m), message.channel_id)


def in_panel(action: str, message: Message, *, job_id: str = "", n: int = 0) -> str:
    return ACT(action=action, job=job_id or job_id_of(message), n=n, message=int(message.id))


async def forged(app: App, person: Person, custom_id: str) -> None:
    await person.click(await posted(app, person, custom_id), custom_id)


# --- what is offered -------------------------------------------------------------------------------------------------


async def test_more_offers_what_this_member_may_do(ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    always = ["Upscale", "Details", SEND]
    for person, more in ((ada, ["Hide", "Delete"]), (ben, ["Report"]), (mo, ["Hide", "Report", "Delete"])):
        assert list((await panel_of(person, await seen(person, first))).buttons) == always + more


@pytest.mark.parametrize("channel", ["dm", "private", "elsewhere", "studio"])
async def test_where_only_an_interaction_reaches_the_message_it_has_its_own_delete(ada: Person, asked: Ask, channel: str) -> None:
    first = await asked(channel, private=channel == "studio")
    assert list(first.buttons) == ["Edit", "Again", "More", "Delete"]
    assert list((await panel_of(ada, first)).buttons) == ["Upscale", "Details", SEND]
    await press(ada, first, "Upscale")
    modal = await ada.modal()
    await ada.submit(modal, offer=[modal.control("offer")["options"][0]["value"]])
    await ada.message(lambda m: has_image(m) and "upscaled by" in m.content, channel)
    await press(ada, first, SEND)
    await ada.message(lambda m: has_image(m) and "Model:" in m.content, "dm")
    await press(ada, first, "Delete")
    await ada.until(lambda: all(m.id != first.id for m in ada.messages(channel)) or None)


@pytest.mark.faults("generation-fails", times=1)
async def test_several_images_are_chosen_by_their_numbers(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked(count=3)
    shown = {each["filename"].rpartition("-")[2].partition(".")[0]: each["url"] for each in first.attachments}
    rows = [[each["label"] for each in row["components"]] for row in first.raw["components"]]
    assert (len(shown), rows) == (2, [[*shown], ["Again", "More"]])
    number = max(shown)
    panel = await panel_of(ben, await seen(ben, first), number)
    (gallery,) = [each for each in panel.components if each["type"] == discord.ComponentType.media_gallery.value]
    assert (gallery["items"][0]["media"]["url"], list(panel.buttons)) == (shown[number], ["Edit", "Upscale", SEND])
    await ben.click(panel, SEND)
    assert len((await ben.message(has_image, "dm")).attachments) == 1
    await ben.click(panel, "Edit")
    assert all(each.get("custom_id") != "picture" for each in (await ben.modal()).components)
    await ben.submit(await ben.modal(), prompt="in winter")
    edit = await ben.message(lambda m: has_image(m) and "in winter" in m.content)
    (reference,) = await app.store.read(jobs.references_of, job_id_of(edit))
    assert shown[number] == reference.url


# --- what is done ----------------------------------------------------------------------------------------------------


async def test_an_author_hides_and_a_moderator_is_asked_once_before_a_deletion(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    job = await written_down(app, first)
    await press(ada, first, "Hide")
    await ada.message(lambda m: m.ephemeral and "Hidden behind a spoiler" in m.text)
    await mo.message(lambda m: m.id == first.id and m.attachments[0]["filename"].startswith("SPOILER_"))
    panel = await panel_of(mo, await seen(mo, first))
    assert ("Hide" in panel.buttons, panel.text.startswith("**||a red fox")) == (False, True)
    await mo.click(panel, "Delete")
    question = await mo.message(lambda m: m.id == panel.id and "counts as a strike" in m.text)
    assert (await app.services.orders.job(job.id)).state is JobState.DELIVERED
    await mo.click(question, "Delete")
    await ada.until(lambda: all(m.id != first.id for m in ada.messages()) or None)
    await mo.message(lambda m: m.id == panel.id and "Deleted" in m.text and not m.buttons)


async def test_a_forged_press_does_nothing(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    """Neither with the message of another job, nor for a private job, nor where the button was never offered."""
    first, own, private = await asked(), await mo_image(mo), await asked(private=True)
    await forged(app, mo, in_panel("really", await seen(mo, first), job_id=job_id_of(own)))
    await private_reply(mo, "This message was deleted.")
    for action in ("hide", "delete", "really"):
        await forged(app, ben, in_panel(action, first))
    await ben.until(lambda: len([m for m in ben.messages() if "Only the author or a moderator" in m.text]) == 3 or None)
    for action in ("edit", "upscale", "details", "send"):
        await forged(app, ben, in_panel(action, private))
    await ben.until(lambda: len([m for m in ben.messages() if "That image is private" in m.text]) == 4 or None)
    assert {m.id for m in mo.messages()} >= {first.id, own.id}
    assert ben.messages("dm") == []


async def mo_image(mo: Person) -> Message:
    await mo.slash("generate", prompt="a badger")
    return await mo.message(lambda m: has_image(m) and "a badger" in m.content)


async def test_the_buttons_of_earlier_versions_keep_working(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    job = await written_down(app, await asked())
    old = discord.ui.View()
    for action in ("edit", "upscale", "again", "details", "delete", "report"):
        old.add_item(discord.ui.Button(label=action, custom_id=PRESS(action=action, job=job.id, n=0)))
    channel = app.client.get_partial_messageable(job.place.channel_id, guild_id=job.place.guild_id)
    sent = await channel.send("**a red fox**", view=old, file=discord.File(BytesIO(png(8, 8)), f"easel-{job.id}-1.png"))
    message = await ben.message(lambda m: m.id == str(sent.id))
    for action in ("edit", "upscale", "report"):
        await ben.click(message, action)
        await ben.dismiss(await ben.modal())
    await ben.click(message, "details")
    await private_reply(ben, "**Support code**")
    await ada.click(await seen(ada, message), "delete")
    await ben.until(lambda: all(m.id != message.id for m in ben.messages()) or None)
