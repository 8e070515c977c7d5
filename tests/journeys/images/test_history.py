"""/history: a member's requests are found, reposted, edited and deleted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.app import App
from bot.domain.job import JobState
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.env.job_steps import in_state
from tests.journeys.conftest import Ask, job_id_of
from tests.journeys.result_steps import press
from tests.services.conftest import eventually

CHOOSE, GALLERY = 3, 12  # component types


async def all_delivered(app: App, state: JobState = JobState.DELIVERABLE) -> None:
    """Wait until no job is in this state: deliveries are stored just after their message is posted."""
    async with asyncio.timeout(5):
        while await app.store.read(in_state, state):  # noqa: ASYNC110  the database sends no event
            await asyncio.sleep(0.005)


@pytest.fixture
def asked(app: App, asked: Ask) -> Ask:
    """Ada runs /generate and waits until it is in her history as finished."""

    async def ask(channel: str = "studio", /, **options: object) -> Message:
        message = await asked(channel, **options)
        await all_delivered(app)
        return message

    return ask


def is_history(message: Message) -> bool:
    return "Your history" in message.text


async def opened(person: Person, channel: str = "studio", /, **options: Any) -> Message:
    """A fresh panel."""
    seen = {message.id for message in person.messages(channel)}
    await person.slash("history", channel, **options)
    return await person.message(lambda m: is_history(m) and m.id not in seen, channel)


async def picked(person: Person, panel: Message, number: int = 0) -> Message:
    """The panel of one request."""
    (menu,) = [c for c in panel.components if c["type"] == CHOOSE]
    await person.select(panel, menu["custom_id"], menu["options"][number]["value"])
    return await person.message(lambda m: m.id == panel.id and "Back" in m.buttons)


def gallery(message: Message) -> list[str]:
    return [item["media"]["url"] for c in message.components if c["type"] == GALLERY for item in c["items"]]


async def test_history_is_private_and_shows_prompt_model_cost_age_and_link(ada: Person, ben: Person, asked: Ask) -> None:
    made = await asked()
    panel = await opened(ada)
    assert panel.ephemeral
    for part in ("a red fox in the snow", "FLUX.2 Klein 4B", "1.4 credits", "<t:", f"/{made.id})"):
        assert part in panel.text
    assert not any(is_history(m) for m in ben.messages())


async def test_history_shows_thumbnails(ada: Person, asked: Ask) -> None:
    await asked(count=2)
    small = [await ada.fetch(url) for url in gallery(await opened(ada))]
    assert [image[8:12] for image in small] == [b"WEBP", b"WEBP"]


async def test_history_shows_at_most_ten_images_and_the_first_of_each_request(ada: Person, asked: Ask) -> None:
    for number in range(4):
        await asked(prompt=f"fox {number}", count=4)
    panel = await opened(ada)
    assert [len(c["items"]) for c in panel.components if c["type"] == GALLERY] == [3, 3, 2, 2]
    assert "1 more image" in panel.text


async def test_history_pages_are_newest_first(ada: Person, asked: Ask) -> None:
    for number in range(6):
        await asked(prompt=f"fox {number}")
    panel = await opened(ada)
    assert ("fox 5" in panel.text, "fox 0" in panel.text) == (True, False)
    await ada.click(panel, "Older")
    older = await ada.message(lambda m: m.id == panel.id and "fox 0" in m.text)
    assert "fox 5" not in older.text
    await ada.click(older, "Newer")
    await ada.message(lambda m: m.id == panel.id and "fox 5" in m.text)


async def test_a_search_filters_history_on_every_page(ada: Person, asked: Ask) -> None:
    for number in range(6):
        await asked(prompt=f"a blue cat {number}")
    await asked()
    panel = await opened(ada, search="BLUE cat")
    assert "6 requests" in panel.text
    await ada.click(panel, "Older")
    assert "red fox" not in (await ada.message(lambda m: m.id == panel.id and "cat 0" in m.text)).text


async def test_an_empty_history_says_how_to_begin(ada: Person) -> None:
    assert "/generate to create your first image" in (await opened(ada)).text


async def test_a_request_is_reposted_as_an_ordinary_result(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked(count=2)
    alone = await picked(ada, await opened(ada))
    await ada.click(alone, "Post here")
    again = await ben.message(lambda m: has_image(m) and m.id != first.id)
    assert (len(again.attachments), list(again.buttons)) == (2, ["1", "2", "Again", "More"])
    assert f"<@{ada.id}>" in again.content
    async with asyncio.timeout(5):
        while str((await app.store.read(in_state, JobState.DELIVERED))[0].place.message_id) != again.id:  # noqa: ASYNC110  as above
            await asyncio.sleep(0.005)


async def test_a_request_whose_message_was_deleted_is_reposted(ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    await mo.delete(await mo.message(lambda m: m.id == first.id))
    await ada.until(lambda: not any(has_image(m) for m in ada.messages()) or None)
    await ada.click(await picked(ada, await opened(ada)), "Post here")
    await ada.message(lambda m: has_image(m) and not m.ephemeral)


async def test_a_running_request_is_cancelled_from_history(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    panel = await opened(ada)
    assert "Generating" in panel.text or "Queued" in panel.text
    alone = await picked(ada, panel)
    assert list(alone.buttons) == ["Details", "Cancel", "Back"]
    await ada.click(alone, "Cancel")
    await ada.message(lambda m: "Cancelled" in m.content)


async def test_an_edit_starts_from_an_image_in_history(env: Env, ada: Person, asked: Ask) -> None:
    first = await asked()
    await ada.click(await picked(ada, await opened(ada)), "Edit")
    await ada.submit(await ada.modal(), prompt="as a watercolour")
    await ada.message(lambda m: has_image(m) and m.id != first.id and "as a watercolour" in m.content)
    assert (await env.generations())[1]["input_image"]


async def test_details_open_from_history(ada: Person, asked: Ask) -> None:
    await asked()
    await ada.click(await picked(ada, await opened(ada)), "Details")
    await ada.message(lambda m: "Seed" in m.text and m.ephemeral)


async def test_deleting_removes_every_message_of_the_request(ada: Person, asked: Ask) -> None:
    await asked()
    alone = await picked(ada, await opened(ada))
    await ada.click(alone, "Post here")
    await ada.until(lambda: len([m for m in ada.messages() if has_image(m) and not m.ephemeral]) == 2 or None)
    await ada.click(alone, "Delete")
    await ada.message(lambda m: m.id == alone.id and "Nothing here yet" in m.text)
    await ada.until(lambda: not any(has_image(m) and not m.ephemeral for m in ada.messages()) or None)


async def posted_once_more(app: App, ada: Person, first: Message) -> Message:
    """The repost of an image, once it is the job's current message."""
    await ada.click(await picked(ada, await opened(ada)), "Post here")
    second = await ada.message(lambda m: has_image(m) and not m.ephemeral and m.id != first.id)

    async def is_its_own() -> bool | None:
        return (await app.services.orders.job(job_id_of(second))).place.message_id == int(second.id) or None

    await eventually(is_its_own)
    return second


async def test_deleting_the_current_message_deletes_earlier_ones(app: App, ada: Person, asked: Ask) -> None:
    second = await posted_once_more(app, ada, await asked())
    await press(ada, second, "Delete")
    await ada.until(lambda: not any(has_image(m) and not m.ephemeral for m in ada.messages()) or None)


async def test_deleting_an_earlier_message_keeps_the_image(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    second = await posted_once_more(app, ada, first)
    await press(ada, first, "Delete")
    await ada.until(lambda: all(m.id != first.id for m in ada.messages()) or None)
    assert (await app.services.orders.job(job_id_of(second))).state is JobState.DELIVERED


async def test_deleting_says_whether_the_message_was_deleted(app: App, ada: Person) -> None:
    await ada.slash("generate", "elsewhere", prompt="a red fox")
    await ada.message(has_image, "elsewhere")
    await all_delivered(app)
    await ada.click(await picked(ada, await opened(ada)), "Delete")
    await ada.message(lambda m: "Its message stays" in m.text)


async def test_history_has_no_images_of_others(ben: Person, asked: Ask) -> None:
    await asked()
    assert "red fox" not in (await opened(ben)).text


async def test_a_panel_open_during_a_restart_works(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app() as app:
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox")
            await ada.message(has_image)
            await all_delivered(app)
            alone = await picked(ada, await opened(ada))
        async with env.app():
            await ada.until(lambda: ada.bot_online or None)
            await ada.click(alone, "Back")
            await ada.message(lambda m: m.id == alone.id and "1 request" in m.text)


@pytest.mark.parametrize("channel", ["dm", "elsewhere", "private"])
async def test_history_works_where_the_bot_is_not_a_member(ada: Person, asked: Ask, channel: str) -> None:
    await asked()
    panel = await opened(ada, channel)
    (menu,) = [c for c in panel.components if c["type"] == CHOOSE]
    await ada.select(panel, menu["custom_id"], menu["options"][0]["value"])
    await ada.click(await ada.message(lambda m: "Back" in m.buttons, channel), "Post here")
    await ada.message(lambda m: has_image(m) and not m.ephemeral, channel)


async def test_an_undeliverable_image_is_posted_from_history(env: Env) -> None:
    for fault in ("channel-closed", "dms-closed", "token-expired", "message-gone"):
        env.switchboard.turn_on(fault)
    async with env.app() as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        async with asyncio.timeout(10):
            while not await app.store.read(in_state, JobState.STRANDED):  # noqa: ASYNC110  as above
                await asyncio.sleep(0.005)
        for fault in ("token-expired", "message-gone"):
            env.switchboard.turn_off(fault)
        panel = await opened(ada)
        assert "couldn't be posted" in panel.text
        await ada.click(await picked(ada, panel), "Post here")
        await ada.message(lambda m: has_image(m) and not m.ephemeral)
        await all_delivered(app, JobState.STRANDED)
        assert gallery(await opened(ada))
