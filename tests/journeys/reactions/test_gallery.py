"""Enough stars post an image in the gallery once; a gift emoji may give credits."""

from __future__ import annotations

import pytest

from bot.app import App
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import grant, granted_left
from tests.journeys.moderator_steps import GALLERY, change_rules, crowd, gone
from tests.journeys.reaction_steps import acted_on, direct_message, new_image, seen
from tests.journeys.result_steps import press
from tests.services.conftest import eventually


async def with_gallery(app: App, person: Person, *, stars: int = 2, reward: float = 3) -> None:
    await change_rules(app, person, gallery={"channel_id": person.channel(GALLERY), "stars": stars, "reward": reward})


async def test_enough_stars_post_an_image_in_the_gallery(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await with_gallery(app, ada)
    first = await asked()
    job = await written_down(app, first)
    for person in (ada, ben, mo):
        await person.react(await seen(person, first), "⭐")
    shown = await ben.message(has_image, GALLERY)
    assert all(words in shown.content for words in ("a red fox in the snow", f"<@{ada.id}>", "⭐ 2", first.id))
    assert shown.attachments[0]["filename"].startswith(f"easel-{job.id}-1")

    async def rewarded() -> bool:
        return await granted_left(app, ada) == 3

    await eventually(rewarded)


async def test_the_gallery_shows_an_image_once_across_restarts(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada, Person.connect(env.discord.url, "Ben") as ben:
        async with env.app() as app:
            await with_gallery(app, ada, stars=1)
            first = await new_image(ada)
            await ben.react(await seen(ben, first), "⭐")
            await acted_on(app, ben, first, "⭐")
        async with env.app() as app, crowd(env, "Mo") as (mo,):
            await ben.message(has_image, GALLERY)
            await ben.unreact(await seen(ben, first), "⭐")
            await mo.react(await seen(mo, first), "⭐")
            await acted_on(app, mo, first, "⭐")
            await ben.react(await seen(ben, first), "⭐")
        assert len([m for m in ben.messages(GALLERY) if has_image(m)]) == 1


@pytest.mark.parametrize("options", [{"spoiler": True}, {}])
async def test_hidden_and_reported_images_are_not_in_the_gallery(
    app: App, ada: Person, ben: Person, mo: Person, asked: Ask, options: dict[str, bool]
) -> None:
    await with_gallery(app, ada, stars=1)
    first = await asked(**options)
    if not options:
        await mo.react(await seen(mo, first), "🚩")
        await mo.message(lambda m: "Your report was counted." in m.content, "dm")
    await ben.react(await seen(ben, first), "⭐")
    await acted_on(app, ben, first, "⭐")
    other = await asked()
    await ben.react(await seen(ben, other), "⭐")
    shown = await ben.message(has_image, GALLERY)
    assert other.id in shown.content
    assert len([m for m in ben.messages(GALLERY) if has_image(m)]) == 1


async def test_a_deleted_image_is_removed_from_the_gallery(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await with_gallery(app, ada, stars=1)
    first = await asked()
    await ben.react(await seen(ben, first), "⭐")
    shown = await ben.message(has_image, GALLERY)
    await press(ada, await seen(ada, first), "Delete")
    await gone(ben, shown, GALLERY)


async def test_a_reaction_gives_the_author_credits_once(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await change_rules(app, ada, gifts={"by_reaction": {"emoji": "💖", "credits": 5}})
    first = await asked()
    await grant(app, ben, 20)
    await ben.react(await seen(ben, first), "💖")
    await ben.message(lambda m: f"You gave <@{ada.id}> 5 credits" in m.content, "dm")
    await ada.message(lambda m: f"<@{ben.id}> gave you 5 credits" in m.content, "dm")
    await ben.unreact(await seen(ben, first), "💖")
    await ben.react(await seen(ben, first), "💖")
    assert [await granted_left(app, each) for each in (ada, ben)] == [5, 15]


async def test_members_cannot_give_credits_to_themselves(app: App, ada: Person, asked: Ask) -> None:
    await change_rules(app, ada, gifts={"by_reaction": {"emoji": "💖", "credits": 5}})
    first = await asked()
    await ada.react(first, "💖")
    await direct_message(ada, "yourself")
