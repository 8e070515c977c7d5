"""Reactions that a moderator clears, super reactions beside normal ones, and what was removed while the bot was down."""

from __future__ import annotations

from bot.app import App
from bot.domain.gestures import Reaction
from bot.store import reactions
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask
from tests.journeys.moderator_steps import GALLERY, crowd, shown, with_moderators
from tests.journeys.reaction_steps import PRICE, answer_to, marked, new_image, seen, spent, unmarked, until_stars
from tests.journeys.reactions.test_gallery import with_gallery
from tests.journeys.reactions.test_reactions import until_flagged
from tests.services.conftest import eventually


async def test_cleared_flags_and_stars_do_not_count(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await mo.permit_bot("manage_messages", on=False)
    first = await asked()
    for emoji in ("🚩", "⭐"):
        await ben.react(await seen(ben, first), emoji)
    await until_flagged(app, ada, [(int(ben.id), int(first.id))], stays=True)
    await until_stars(app, first, 1)
    await mo.clear_reactions(await seen(mo, first), "🚩")
    await until_flagged(app, ada, [])
    await until_stars(app, first, 1)
    await mo.clear_reactions(await seen(mo, first))
    await until_stars(app, first, 0)
    await ben.react(await seen(ben, first), "🚩")
    await until_flagged(app, ada, [(int(ben.id), int(first.id))], stays=True)


async def test_what_a_cleared_reaction_ordered_stays_ordered(env: Env, app: App, ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked()
    env.switchboard.turn_on("generation-stuck")
    await ada.react(first, "🎨")
    await marked(ada, first)
    await mo.clear_reactions(await seen(mo, first))
    env.switchboard.turn_off("generation-stuck")
    await answer_to(ada, first)


async def test_a_super_reaction_is_beside_the_normal_one(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await mo.permit_bot("manage_messages", on=False)
    first = await asked()
    for burst in (False, True):
        await ben.react(await seen(ben, first), "⭐", burst=burst)
        await ben.react(await seen(ben, first), "🚩", burst=burst)
        await until_stars(app, first, 1)
        for emoji in ("⭐", "🚩"):
            await until_handled(app, Reaction(message_id=int(first.id), user_id=int(ben.id), emoji=emoji, burst=burst))
    await until_flagged(app, ada, [(int(ben.id), int(first.id))], stays=True)
    await ben.unreact(await seen(ben, first), "⭐")
    await ben.unreact(await seen(ben, first), "🚩")
    await ada.slash("ping")
    await until_stars(app, first, 1)
    await until_flagged(app, ada, [(int(ben.id), int(first.id))])
    await ben.unreact(await seen(ben, first), "⭐", burst=True)
    await ben.unreact(await seen(ben, first), "🚩", burst=True)
    await until_stars(app, first, 0)
    await until_flagged(app, ada, [])


async def until_handled(app: App, reaction: Reaction) -> None:
    async def is_handled() -> bool | None:
        return await app.store.read(reactions.is_present, reaction) or None

    await eventually(is_handled)


async def test_what_was_removed_while_the_bot_was_down_does_not_count(env: Env) -> None:
    async with (
        Person.connect(env.discord.url, "Ada") as ada,
        Person.connect(env.discord.url, "Ben") as ben,
        Person.connect(env.discord.url, "Mo") as mo,
    ):
        await mo.permit_bot("manage_messages", on=False)
        async with env.app() as app:
            await with_moderators(app, ada)
            await with_gallery(app, ada, stars=2)
            first = await new_image(ada)
            for emoji in ("🚩", "⭐"):
                await ben.react(await seen(ben, first), emoji)
            await until_flagged(app, ada, [(int(ben.id), int(first.id))], stays=True)
            await until_stars(app, first, 1)
        await mo.clear_reactions(await seen(mo, first))
        async with env.app() as app, crowd(env, "Ada", "Cyd", "Dan") as (_, cyd, dan):
            for emoji in ("🚩", "⭐"):
                await cyd.react(await seen(cyd, first), emoji)
            await until_flagged(app, ada, [(int(cyd.id), int(first.id))])
            await shown(ada, first, hidden=False)
            await dan.react(await seen(dan, first), "⭐")
            assert "⭐ 2" in (await ben.message(has_image, GALLERY)).content
            await dan.react(await seen(dan, first), "🚩")
            await shown(ada, first, hidden=True)


async def test_reactions_that_came_while_the_bot_was_down_are_found_on_new_images(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada, Person.connect(env.discord.url, "Ben") as ben:
        async with env.app() as app:
            first = await new_image(ada)
            await ada.react(first, "🌙")
            await answer_to(ada, first)
            await unmarked(ada, first)
        await ben.react(await seen(ben, first), "🎨", burst=True)
        async with env.app() as app:
            await ben.message(lambda m: "watercolour" in m.content and has_image(m))
            await unmarked(ben, first)
            assert (await spent(app, ben), await spent(app, ada)) == (PRICE, 2 * PRICE)
        async with env.app():
            await ada.until(lambda: ada.bot_online or None)
            await ada.slash("ping")
        assert len(await env.generations()) == 3
