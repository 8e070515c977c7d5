"""What can be done with a finished picture: buttons, menus and modals, also after a restart."""

from __future__ import annotations

import pytest

from bot.app import House
from sandbox.person import Message, Person
from tests.journeys.conftest import Ask
from tests.street import Street, street_person, with_picture


async def another(person: Person, *seen: Message) -> Message:
    """The next finished message."""
    known = {message.id for message in seen}
    return await person.message(lambda m: with_picture(m) and m.id not in known)


async def test_a_finished_message_offers_four_things(asked: Ask) -> None:
    assert list((await asked()).buttons) == ["Edit", "Again", "Details", "Delete"]


async def test_again_makes_another_picture_on_the_quota_of_who_presses(house: House, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ben.click(await another(ben), "Again")
    second = await another(ben, first)
    assert f"<@{ben.id}>" in second.content
    assert (await house.studio.statement(int(ben.id))).spent == 1_400_000


async def test_edit_opens_a_modal_and_starts_from_the_picture(street: Street, ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.click(first, "Edit")
    await ada.submit(await ada.modal(), prompt="as a watercolour")
    second = await another(ada, first)
    assert "as a watercolour" in second.content
    assert "easel-" in str((await street.generations())[1]["input_image"])


async def test_edit_of_several_pictures_asks_which_one(street: Street, ada: Person, asked: Ask) -> None:
    first = await asked(count=3)
    await ada.click(first, "Edit")
    await ada.submit(await ada.modal(), prompt="as a watercolour", picture=["2"])
    await another(ada, first)
    assert first.attachments[2]["filename"] in str((await street.generations())[3]["input_image"])


async def test_details_show_seed_model_options_cost_and_job(ada: Person, asked: Ask) -> None:
    await ada.click(await asked(seed=5, steps="9"), "Details")
    text = (await ada.message(lambda m: m.ephemeral)).text
    for part in ("**Seeds** `5`", "FLUX.2 Klein 4B", "`num_inference_steps=9`", "**Cost** 1.4 credits", "**Job** `"):
        assert part in text


async def test_the_requester_and_a_moderator_may_delete_and_others_not(ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first, second = await asked(), await asked()
    await ben.click(await ben.message(with_picture), "Delete")
    assert "manage messages" in (await ben.message(lambda m: m.ephemeral)).content
    await ada.click(first, "Delete")
    await mo.click(await mo.message(lambda m: m.id == second.id), "Delete")
    await ada.until(lambda: not any(with_picture(m) for m in ada.messages()) or None)


async def test_the_cancel_button_belongs_to_the_requester_and_moderators(street: Street, ada: Person, ben: Person, mo: Person) -> None:
    street.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    waiting = await ben.message(lambda m: "Being made" in m.content)
    await ben.click(waiting, "Cancel")
    assert "can cancel this" in (await ben.message(lambda m: m.ephemeral)).content
    await mo.click(waiting, "Cancel")
    await ada.message(lambda m: "Cancelled" in m.content)


async def test_the_message_menu_edits_anybodys_picture(street: Street, ada: Person, ben: Person, asked: Ask) -> None:
    data = await ada.fetch((await asked()).attachments[0]["url"])
    said = await ben.say("look what I found", files=(ben.upload("found.png", data),))
    await ada.menu("Edit with Easel", await ada.message(lambda m: m.id == said))
    await ada.submit(await ada.modal(), prompt="in winter")
    await ada.message(lambda m: "in winter" in m.content and with_picture(m))
    assert "found.png" in str((await street.generations())[1]["input_image"])


async def test_a_modal_takes_further_references(street: Street, ada: Person, asked: Ask) -> None:
    first = await asked()
    data = await ada.fetch(first.attachments[0]["url"])
    await ada.click(first, "Edit")
    await ada.submit(await ada.modal(), prompt="both", references=[ada.upload("more.png", data)])
    await another(ada, first)
    assert len(str((await street.generations())[1]["input_image"]).split(",")) == 2


async def test_the_message_menu_on_a_message_without_pictures_says_what_it_needs(ada: Person, ben: Person) -> None:
    said = await ben.say("just words")
    await ada.menu("Edit with Easel", await ada.message(lambda m: m.id == said))
    assert "no attached picture" in (await ada.message(lambda m: m.ephemeral)).content


@pytest.mark.parametrize("button", ["Again", "Details", "Delete"])
async def test_buttons_work_after_a_restart(street: Street, button: str) -> None:
    async with street.house(), street_person(street, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        await ada.message(with_picture)
    async with street.house(), street_person(street, "Ada") as ada:
        old = await ada.message(with_picture)
        await ada.click(old, button)
        done = {
            "Again": lambda: len([m for m in ada.messages() if with_picture(m)]) == 2,
            "Details": lambda: any("Seeds" in m.text for m in ada.messages()),
            "Delete": lambda: not any(with_picture(m) for m in ada.messages()),
        }
        await ada.until(lambda: done[button]() or None)


async def test_a_modal_that_was_open_during_a_restart_is_taken(street: Street) -> None:
    async with Person.connect(street.discord.url, "Ada") as ada:
        async with street.house():
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox")
            old = await ada.message(with_picture)
            await ada.menu("Edit with Easel", old)
            modal = await ada.modal()
        async with street.house():
            await ada.until(lambda: ada.bot_online or None)
            await ada.submit(modal, prompt="in winter")
            assert "in winter" in (await another(ada, old)).content
