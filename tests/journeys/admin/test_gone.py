"""Settings that name deleted channels and roles: managers are told once, members read nothing wrong, and both can be removed."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import App
from bot.domain.guild.document import Policy
from bot.store import outbox
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import admin, granted_left, guild_of, private_reply, rules_of, updated
from tests.journeys.moderator_steps import case_post, change_rules
from tests.journeys.reaction_steps import acted_on, new_image, seen
from tests.services.conftest import eventually


async def all_is_done(app: App) -> None:
    await eventually(lambda: app.store.read(lambda conn: not outbox.due(conn, 2**60)))


async def told(person: Person, words: str) -> Message:
    """The notice that a manager gets as a DM."""
    return await person.message(lambda m: "was deleted" in m.content and words in m.content, "dm")


async def test_a_deleted_channel_of_the_allowed_ones_is_told_and_removed(app: App, ada: Person, mo: Person) -> None:
    await mo.slash("imageadmin channels", allow=mo.channel("gallery"))
    await private_reply(mo, "only be created in")
    deleted = mo.channel("gallery")
    await mo.delete_channel("gallery")
    await told(mo, "Allowed channels")
    await ada.slash("generate", prompt="a red fox")
    assert deleted not in (await private_reply(ada, "the channels for them were deleted")).content
    panel = await admin(mo, "panel", f"only be created in deleted channel ({deleted})")
    assert "⚠️ Deleted, but still in the settings: Allowed channels." in panel.text
    await admin(mo, "channels", "remove it with `/imageadmin deleted`")
    (choice,) = await mo.autocomplete("imageadmin deleted", "remove", remove="allowed")
    removed = await admin(mo, "deleted", "✅ Removed from the settings", remove=choice["name"])
    assert "Images can be created in every channel" in removed.content
    assert (await rules_of(app, mo), await mo.autocomplete("imageadmin deleted", "remove", remove="")) == (Policy(), [])
    await admin(mo, "deleted", "name no such deleted channel or role")


async def test_the_button_of_the_panel_removes_all_that_is_gone(app: App, mo: Person) -> None:
    role = mo.roles["Artists"]
    await mo.slash("imageadmin role", role=role, max_images=2)
    await mo.slash("imageadmin moderators", add=role)
    await mo.slash("imageadmin flags", add_role=role)
    await mo.slash("imageadmin log", channel=mo.channel("gallery"))
    await asyncio.gather(mo.delete_role("Artists"), mo.delete_channel("gallery"))
    await told(mo, "Limits for roles")
    await told(mo, "Log channel")
    panel = await admin(mo, "panel", "Moderator roles")
    assert (f"<@&{role}>" in panel.text, f"deleted role ({role})" in panel.text) == (False, True)
    await mo.click(panel, "Remove")
    await updated(mo, panel, "The image log is off")
    assert await rules_of(app, mo) == Policy()


async def test_what_was_deleted_during_a_stop_is_found_at_the_start_and_told_once(env: Env) -> None:
    async with Person.connect(env.discord.url, "Mo") as mo:
        async with env.app(), person_in(env, "Mo"):
            for command, channel in {"log": "gallery", "cases": "after-dark"}.items():
                await mo.slash(f"imageadmin {command}", channel=mo.channel(channel))
        await mo.delete_channel("gallery")
        for _start in range(2):
            async with env.app() as app:
                await told(mo, "Log channel")
                await all_is_done(app)
        assert len([m for m in mo.messages("dm") if "was deleted" in m.content]) == 1


async def test_without_a_known_manager_the_cases_channel_is_told(app: App, mo: Person) -> None:
    await change_rules(app, mo, cases_channel_id=mo.channel("after-dark"), log_channel_id=mo.channel("gallery"))
    await mo.delete_channel("gallery")
    await mo.message(lambda m: "was deleted (Log channel)" in m.content, "after-dark")


async def test_an_open_case_is_posted_again_in_the_next_channel(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await mo.slash("imageadmin cases", channel=mo.channel("gallery"))
    first = await asked()
    await mo.react(await seen(mo, first), "🚩")
    await mo.message(lambda m: "**Case" in m.content, "gallery")
    await all_is_done(app)
    await mo.delete_channel("gallery")
    await told(mo, "Cases channel")
    await mo.slash("imageadmin cases", channel=mo.channel("after-dark"))
    await case_post(mo)


@pytest.mark.parametrize("heard", [True, False])
async def test_there_is_no_reward_without_a_post(env: Env, app: App, ada: Person, ben: Person, mo: Person, heard: bool) -> None:
    """A star after another channel was chosen shows the image there, and rewards it."""
    await change_rules(app, mo, gallery={"channel_id": mo.channel("gallery"), "stars": 1, "reward": 3})
    first = await new_image(ada)
    if not heard:
        env.switchboard.turn_on("deletions-unheard")
    await mo.delete_channel("gallery")
    if heard:
        await eventually(lambda: _is_gone(app, mo))
    await mo.react(await seen(mo, first), "⭐")
    await acted_on(app, mo, first, "⭐")
    await eventually(lambda: _is_gone(app, mo))
    await all_is_done(app)
    assert await granted_left(app, ada) == 0
    await change_rules(app, mo, gallery={"channel_id": mo.channel("after-dark")})
    await ben.react(await seen(ben, first), "⭐")
    await mo.message(has_image, "after-dark")
    await eventually(lambda: _has(app, ada, 3))


async def _is_gone(app: App, person: Person) -> bool:
    return bool((await app.services.guilds.settings(guild_of(person))).gone)


async def _has(app: App, person: Person, amount: float) -> bool:
    return await granted_left(app, person) == amount
