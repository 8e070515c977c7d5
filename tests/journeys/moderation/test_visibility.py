"""An image, its prompt and its link reach only those who may see them where they were made: every way out of a channel is pressed.

After-dark is age-restricted. Quiet is hidden: only artists (Ada) and moderators (Mo) read it. Ben reads neither of them from the studio.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import App
from bot.domain.outbox import ItemKind, OutboxItem
from bot.store import gallery, outbox, tray
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.images.test_details import details
from tests.journeys.images.test_reposts import post_here, public_images
from tests.journeys.manager_steps import granted_left, guild_of, private_reply
from tests.journeys.moderation.test_every_route import chosen_in_history
from tests.journeys.moderator_steps import GALLERY, change_rules
from tests.journeys.reaction_steps import acted_on, seen
from tests.services.conftest import eventually

ADULT, HIDDEN = "after-dark", "quiet"


async def hide(mo: Person, channel: str, *roles: str) -> None:
    """Only these roles, and the bot, read the channel from now on."""
    await mo.permit(channel, "view_channel", True)
    await mo.permit(channel, "send_messages", True)
    for role in (*roles, "Moderators"):
        await mo.permit(channel, "view_channel", True, role=role)
    await mo.permit(channel, "view_channel", False, role="@everyone")


@pytest.fixture
async def hidden(app: App, ada: Person, mo: Person) -> str:
    """The hidden channel, once the bot has heard that it is."""
    await hide(mo, HIDDEN, "Artists")

    async def is_known() -> bool:
        channel = app.client.get_channel(int(ada.channel(HIDDEN)))
        guild = app.client.get_guild(guild_of(ada))
        return guild is not None and not channel.permissions_for(guild.default_role).view_channel  # type: ignore[union-attr]

    await eventually(is_known)
    return HIDDEN


async def starred(app: App, person: Person, message: Message, channel: str) -> None:
    await written_down(app, message)
    await person.react(await seen(person, message, channel), "⭐")
    await acted_on(app, person, message, "⭐")


async def test_the_gallery_shows_nothing_that_its_readers_may_not_see(app: App, ada: Person, mo: Person, hidden: str, asked: Ask) -> None:
    """Nor does it earn anything there."""
    await change_rules(app, ada, gallery={"channel_id": mo.channel(GALLERY), "stars": 1, "reward": 3})
    for where in (ADULT, hidden, await ada.thread("late", ADULT), await ada.thread("inside", hidden)):
        await starred(app, mo, await asked(where, prompt="a secret"), where)
    assert await granted_left(app, ada) == 0
    for where in ("studio", await ada.thread("outside")):
        await starred(app, mo, await asked(where, prompt=f"shown {where}"), where)
        await finished(mo, f"shown {where}", GALLERY)
    assert not any("a secret" in message.content for message in mo.messages(GALLERY))


async def test_an_image_is_checked_again_when_it_is_posted_in_the_gallery(
    app: App, ada: Person, mo: Person, hidden: str, asked: Ask
) -> None:
    """It may have got its stars before the channel was hidden."""
    await change_rules(app, ada, gallery={"channel_id": mo.channel(GALLERY), "stars": 1})
    message = await asked(hidden)
    job, data = await written_down(app, message), {"message_id": int(message.id)}
    entry: dict[str, Any] = {"guild_id": guild_of(ada), "job_id": job.id, "author_id": int(ada.id), "stars": 1, "now": 0}
    await app.store.write(gallery.record, int(message.id), **entry)
    await app.store.write(outbox.add, OutboxItem(kind=ItemKind.GALLERY, due_at=0, job_id=job.id, data=data))

    async def is_forgotten() -> bool:
        return await app.store.read(gallery.get, int(message.id)) is None

    await eventually(is_forgotten)
    assert not any(has_image(post) for post in mo.messages(GALLERY))


async def test_a_gallery_of_the_same_readers_shows_a_hidden_image(app: App, ada: Person, mo: Person, hidden: str, asked: Ask) -> None:
    await change_rules(app, ada, gallery={"channel_id": mo.channel(GALLERY), "stars": 1})
    await hide(mo, GALLERY, "Artists")
    await starred(app, mo, await asked(hidden), hidden)
    assert "a red fox" in (await mo.message(has_image, GALLERY)).content


# --- details ---------------------------------------------------------------------------------------------------------


async def put_by(app: App, person: Person, source: Message) -> None:
    await person.menu("Use as reference", source)

    async def is_there() -> bool:
        return await app.store.read(tray.size, int(person.id)) == 1

    await eventually(is_there)


async def edited_in(app: App, person: Person, channel: str, source: Message, words: str) -> Message:
    """An edit of this image, made in another channel by way of the tray."""
    await put_by(app, person, source)
    await person.slash("edit", channel, prompt=words)
    return await finished(person, words, channel)


async def finished(person: Person, words: str, channel: str) -> Message:
    return await person.message(lambda m: has_image(m) and words in m.content, channel)


async def test_details_count_relatives_that_the_member_may_not_see(
    app: App, ada: Person, ben: Person, mo: Person, hidden: str, asked: Ask
) -> None:
    first = await asked()
    for channel in (ADULT, hidden, GALLERY):
        await edited_in(app, ada, channel, first, f"edited in {channel}")
    theirs = await details(ben, first)
    assert ("edited in gallery" in theirs.text, "-# 2 more are private, or in channels" in theirs.text) == (True, True)
    assert not any(words in str(theirs.raw) for words in (f"edited in {ADULT}", "edited in quiet", ada.channel(hidden), ada.channel(ADULT)))
    moderators = (await details(mo, first)).text
    assert ("edited in quiet" in moderators, f"edited in {ADULT}" in moderators, "-# 1 more is private" in moderators) == (
        True,
        False,
        True,
    )
    assert "**3 edits of this image**" in (await details(ada, first)).text


async def test_details_link_no_parent_that_the_member_may_not_see(app: App, ada: Person, ben: Person, hidden: str, asked: Ask) -> None:
    child = await edited_in(app, ada, "studio", await asked(hidden, prompt="a secret"), "by day")
    theirs, own = (await details(ben, child)).text, (await details(ada, child)).text
    assert ("a secret" in theirs, ada.channel(hidden) in theirs, "-# 1 more is private" in theirs) == (False, False, True)
    assert ("a secret" in own, ada.channel(hidden) in own) == (True, True)


# --- other channels --------------------------------------------------------------------------------------------------


ONLY_ADULT, ONLY_THERE = (
    "only be shown or used in age-restricted channels",
    "not everyone here can see. Use it there, or with a private answer",
)
REFERENCES = [
    (ADULT, "studio", False, ONLY_ADULT),
    (ADULT, "studio", True, ONLY_ADULT),
    (ADULT, "dm", False, ONLY_ADULT),
    (ADULT, ADULT, False, None),
    (HIDDEN, "studio", False, ONLY_THERE),
    (HIDDEN, "studio", True, None),
    (HIDDEN, "dm", False, None),
]


async def test_a_reference_is_used_where_its_image_may_be_seen(app: App, ada: Person, mo: Person, hidden: str, asked: Ask) -> None:
    """Mo reads both channels, and the images are Ada's. Ada may use her own where others read them, without a link to the channel."""
    images = {where: await asked(where) for where in (ADULT, hidden)}
    for number, (where, target, private, words) in enumerate(REFERENCES):
        await put_by(app, mo, await seen(mo, images[where], where))
        await mo.slash("edit", target, prompt=f"by day {number}", private=private)
        if words is None:
            made = await finished(mo, f"by day {number}", target)
            assert (made.ephemeral, images[where].id in made.content) == (private, True)
        else:
            await private_reply(mo, words, target)
            await mo.slash("tray clear", target)
    own = await edited_in(app, ada, "studio", images[hidden], "my own")
    assert images[hidden].id not in own.content


async def test_what_comes_of_an_age_restricted_image_is_age_restricted(app: App, ada: Person, asked: Ask) -> None:
    await put_by(app, ada, await asked(ADULT))
    await ada.click(await chosen_in_history(ada), "Edit")
    await private_reply(ada, "from an age-restricted channel")
    await ada.slash("edit", prompt="by day", private=True)
    made = await ada.message(lambda m: has_image(m) and "by day" in m.content)
    assert (await written_down(app, made)).age_restricted
    seen_before = {m.id for m in ada.messages()}
    await post_here(ada)
    await ada.message(lambda m: m.id not in seen_before and "from an age-restricted channel" in m.text)
    assert (public_images(ada), ada.modals) == ([], [])


async def test_an_image_that_its_owner_posts_elsewhere_names_no_hidden_channel(app: App, ada: Person, hidden: str, asked: Ask) -> None:
    await written_down(app, await edited_in(app, ada, hidden, await asked(hidden), "by day"))
    await post_here(ada)
    again = await ada.message(lambda m: has_image(m) and not m.ephemeral)
    assert ("by day" in again.content, ada.channel(hidden) in again.content) == (True, False)


# --- moderators ------------------------------------------------------------------------------------------------------


async def test_the_log_and_the_cases_show_only_what_all_their_readers_may_see(
    app: App, ada: Person, mo: Person, hidden: str, asked: Ask
) -> None:
    """Moderators decide nevertheless: with the link, which Discord opens for those who may, or with the list that only they see."""
    await change_rules(
        app, ada, log_channel_id=mo.channel(GALLERY), cases_channel_id=mo.channel(GALLERY), prompts={"flag": {"words": ["fox"]}}
    )
    wheres = {"studio": "fox number 1", ADULT: "fox number 2", hidden: "fox number 3"}
    for where, prompt in wheres.items():
        await asked(where, prompt=prompt)
    await ada.slash("generate", prompt="fox number 4", private=True)

    async def all_posts() -> list[Message]:
        posts = [m for m in mo.messages(GALLERY) if "Keep" in m.buttons]
        return posts if len(posts) == 8 else []

    posts = await eventually(all_posts)
    assert {words for words in (*wheres.values(), "fox number 4") for post in posts if words in post.content} == {"fox number 1"}
    assert sum(has_image(post) for post in posts) == 1
    assert sum("Not everyone here can see" in post.content for post in posts) == 6
    assert sum(f"/{mo.channel(hidden)}/" in post.content for post in posts) == 2
    await mo.slash("imagemod cases")
    first = await private_reply(mo, "Cases")
    await mo.click(first, "Next")
    second = await mo.message(lambda m: m.id == first.id and m.text != first.text)
    assert [words in first.text + second.text for words in (*wheres.values(), "fox number 4")] == [True] * 4


async def test_a_moderator_sees_nothing_of_a_channel_that_they_cannot_read(
    env: Env, app: App, ada: Person, mo: Person, hidden: str, asked: Ask
) -> None:
    """Stewards moderate, and cannot read the hidden channel."""
    await change_rules(app, ada, prompts={"flag": {"words": ["fox"]}})
    for where, prompt in ((ADULT, "fox by day"), (hidden, "fox by night")):
        await written_down(app, await asked(where, prompt=prompt))
    await ada.join("Max")
    await mo.role("Max", "Stewards")
    async with person_in(env, "Max") as steward:
        await steward.slash("imagemod cases")
        panel = await private_reply(steward, "Cases")
        assert ("fox by day" in panel.text, "fox by night" in panel.text, "you can't read its channel" in panel.text) == (True, False, True)
        await steward.slash("imagemod member", member=ada.id)
        record = await private_reply(steward, "Latest images")
        assert ("fox by day" in record.text, "fox by night" in record.text, "-# 1 more is in a channel" in record.text) == (
            True,
            False,
            True,
        )
