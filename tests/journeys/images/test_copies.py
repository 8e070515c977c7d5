"""An image in several messages: found by the link of any of them, and hidden or deleted in all of them."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.job import JobState
from bot.store import messages
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.images.test_history import posted_once_more
from tests.journeys.moderation.test_imagemod import link_to, mod
from tests.journeys.moderator_steps import GALLERY, MODERATORS, case_post, change_rules, gone, with_moderators
from tests.journeys.reaction_steps import seen
from tests.journeys.result_steps import delete
from tests.services.conftest import eventually


async def is_hidden(person: Person, message: Message, channel: str) -> None:
    """Wait until its images are spoilers."""
    await person.message(lambda m: m.id == message.id and all(a["filename"].startswith("SPOILER_") for a in m.attachments), channel)


async def in_gallery(app: App, ada: Person, ben: Person, first: Message) -> Message:
    """Its copy in the gallery, once it is stored."""
    await change_rules(app, ada, gallery={"channel_id": ada.channel(GALLERY), "stars": 1})
    await ben.react(await seen(ben, first), "⭐")
    post = await ben.message(has_image, GALLERY)
    await recorded(app, post)
    return post


async def recorded(app: App, post: Message) -> None:
    async def is_known() -> bool | None:
        return await app.store.read(messages.get, int(post.id)) is not None or None

    await eventually(is_known)


# --- which image is this ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{link}", "<{link}>", "{link}?jump=1", "{id}"])
async def test_an_image_is_deleted_by_the_link_of_its_gallery_post(
    app: App, ada: Person, ben: Person, mo: Person, asked: Ask, form: str
) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await mod(mo, "delete", "Delete", image=form.format(link=link_to(post, mo), id=post.id))
    await gone(ben, first)
    await gone(ben, post, GALLERY)


async def test_an_image_is_deleted_by_the_link_of_its_log_post(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await change_rules(app, ada, log_channel_id=ada.channel(GALLERY))
    first = await asked()
    post = await mo.message(lambda m: "a red fox" in m.content, GALLERY)
    await recorded(app, post)
    await mod(mo, "delete", "Delete", image=link_to(post, mo))
    await gone(ada, first)
    await mo.message(lambda m: m.id == post.id and "deleted" in m.content, GALLERY)


async def test_an_image_is_deleted_by_the_link_of_its_case(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await mo.react(await seen(mo, first), "🚩")
    post = await case_post(mo)
    await recorded(app, post)
    await mod(mo, "delete", "Delete", image=link_to(post, mo))
    await gone(ada, first)
    await mo.message(lambda m: m.id == post.id and not m.buttons, MODERATORS)


async def test_an_image_that_was_reposted_is_deleted_by_the_link_of_its_first_message(
    app: App, ada: Person, mo: Person, asked: Ask
) -> None:
    first = await asked()
    await written_down(app, first)
    second = await posted_once_more(app, ada, first)
    await mod(mo, "delete", "Delete", image=link_to(first, mo))
    for message in (first, second):
        await gone(ada, message)
    assert (await app.services.orders.job(job_id_of(second))).state is JobState.DELETED


async def test_an_image_sent_by_direct_message_is_deleted_by_its_link(env: Env, app: App, ada: Person, mo: Person) -> None:
    for fault in ("channel-closed", "token-expired", "message-gone"):
        env.switchboard.turn_on(fault)
    await ada.slash("generate", prompt="a red fox")
    direct = await ada.message(has_image, "dm")
    await recorded(app, direct)
    await mod(mo, "delete", "Delete", image=f"https://discord.com/channels/@me/{direct.channel_id}/{direct.id}")
    await gone(ada, direct, "dm")


# --- hidden and taken away in all of them ----------------------------------------------------------------------------


async def test_an_image_hidden_by_its_author_is_hidden_in_the_gallery_too(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await ada.react(await seen(ada, first), "🙈")
    await is_hidden(ben, first, "studio")
    await is_hidden(ben, post, GALLERY)


async def test_a_reaction_to_the_gallery_s_copy_hides_the_image_everywhere(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await ada.react(await seen(ada, post, GALLERY), "🙈")
    await is_hidden(ben, post, GALLERY)
    await is_hidden(ben, first, "studio")
    assert (await app.services.orders.job(job_id_of(first))).spoiler


async def test_deleting_a_copy_by_reaction_keeps_the_image(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await ada.react(await seen(ada, post, GALLERY), "❌")
    await gone(ben, post, GALLERY)

    async def is_forgotten() -> bool | None:
        return await app.store.read(messages.get, int(post.id)) is None or None

    await eventually(is_forgotten)
    assert (await written_down(app, first)).state is JobState.DELIVERED


async def test_a_moderator_who_deletes_a_copy_deletes_the_image(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await mo.react(await seen(mo, post, GALLERY), "❌")
    await gone(ben, post, GALLERY)
    await gone(ben, first)
    assert (await app.services.orders.job(job_id_of(first))).state is JobState.DELETED


async def test_a_moderator_role_deletes_a_repost_from_history(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await mo.role("Ben", "Helpers")
    await change_rules(app, ada, moderator_role_ids=[mo.roles["Helpers"]])
    first = await asked()
    await written_down(app, first)
    second = await posted_once_more(app, ada, first)
    await delete(ben, await seen(ben, second))
    for message in (first, second):
        await gone(ada, message)
    await ada.message(lambda m: "A moderator of" in m.content, "dm")


async def test_a_moderator_s_reaction_to_a_case_decides_it_and_keeps_the_case_message(
    app: App, ada: Person, mo: Person, asked: Ask
) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await mo.react(await seen(mo, first), "🚩")
    post = await case_post(mo)
    await recorded(app, post)
    await mo.react(post, "❌")
    await gone(ada, first)
    await mo.message(lambda m: m.id == post.id and "**Delete**" in m.content, MODERATORS)


async def test_erasing_deletes_every_copy(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    post = await in_gallery(app, ada, ben, first)
    await written_down(app, first)
    second = await posted_once_more(app, ada, first)
    await app.services.privacy.erase(int(ada.id))
    for message in (first, second):
        await gone(ben, message)
    await gone(ben, post, GALLERY)
