"""What /edit takes if no image is given and the tray is empty: the member's latest image in the channel."""

from __future__ import annotations

from bot.app import App
from bot.domain.job import Job
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.journeys.conftest import Ask, written_down


async def edited(app: App, person: Person, prompt: str) -> Job:
    """The job of an edit without an image."""
    await person.slash("edit", prompt=prompt)
    return await written_down(app, await person.message(lambda m: has_image(m) and prompt in m.content))


def link(person: Person, message: Message) -> str:
    return f"https://discord.com/channels/{person.hello['guild']['id']}/{message.channel_id}/{message.id}"


async def test_an_edit_without_an_image_takes_the_latest_here_and_says_which(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await written_down(app, first)
    await asked("gallery")
    await asked(private=True)
    await ben.slash("generate", prompt="an owl")
    await ben.message(lambda m: has_image(m) and "an owl" in m.content)
    assert (await edited(app, ada, "in winter")).origin_message_id == int(first.id)
    await ada.message(lambda m: m.ephemeral and f"Using your latest image here: {link(ada, first)}" in m.content)

    pair = await asked(count=2)
    await written_down(app, pair)
    second = await edited(app, ada, "by night")
    assert (second.origin_message_id, second.parent_n) == (int(pair.id), 0)
    await ada.message(lambda m: m.ephemeral and "the first image of your latest request here" in m.content)


async def test_a_deleted_image_is_not_taken(app: App, ada: Person, asked: Ask) -> None:
    only = await asked()
    await written_down(app, only)
    await ada.react(only, "❌")
    await ada.until(lambda: not any(m.id == only.id for m in ada.messages()) or None)
    await ada.slash("edit", prompt="in winter")
    await ada.message(lambda m: m.ephemeral and "Attach an image to edit" in m.content)
