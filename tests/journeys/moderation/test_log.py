"""The log channel: every image once, kept up to date, with the moderators' buttons."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.moderation.audit import AuditAction
from bot.store.moderation import audit_log, conduct
from sandbox.person import Message, Person
from tests.env.app import Env
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderator_steps import GALLERY, change_rules, decide, gone, shown
from tests.journeys.reaction_steps import new_image, seen
from tests.journeys.result_steps import press

LOG = GALLERY  # nothing else is posted in this channel


async def entry(person: Person, words: str = "a red fox") -> Message:
    return await person.message(lambda m: words in m.content and "klein" in m.content.casefold(), LOG)


async def with_log(app: App, person: Person) -> None:
    await change_rules(app, person, log_channel_id=person.channel(LOG))


async def test_every_image_is_logged_with_member_prompt_and_channel(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_log(app, ada)
    first = await asked()
    logged = await entry(mo)
    assert all(words in logged.content for words in (f"<@{ada.id}>", "FLUX.2 Klein 4B", "1.4 credits", "1 image", f"/{first.id}"))
    assert list(logged.buttons) == ["Keep", "Hide", "Delete", "Delete + refund", "Block 24 h"]
    assert logged.pings == []


async def test_a_failed_request_is_logged_with_its_reason(app: App, env: Env, ada: Person, mo: Person) -> None:
    await with_log(app, ada)
    env.switchboard.turn_on("generation-fails")
    await ada.slash("generate", prompt="a red fox")
    assert "no image:" in (await entry(mo)).content


@pytest.mark.parametrize(("button", "says"), [("Delete", "deleted"), ("Delete + refund", "deleted"), ("Block 24 h", "deleted")])
async def test_a_button_in_the_log_opens_and_decides_a_case(app: App, ada: Person, mo: Person, asked: Ask, button: str, says: str) -> None:
    await with_log(app, ada)
    first = await asked()
    logged = await entry(mo)
    await decide(mo, logged, button)
    await gone(ada, first)
    now = await mo.message(lambda m: m.id == logged.id and f"**{button}**, decided by <@{mo.id}>" in m.content, LOG)
    assert (says in now.content, now.buttons) == (True, {})
    actions = [line.action for line in await app.store.read(audit_log.latest, guild_of(mo))]
    assert (actions.count(AuditAction.CASE_OPENED), actions.count(AuditAction.CASE_DECIDED)) == (1, 1)


async def test_a_spoiler_from_the_log_hides_the_image_and_its_prompt(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_log(app, ada)
    first = await asked()
    await mo.click(await entry(mo), "Hide")
    await shown(ada, first, hidden=True)
    await mo.message(lambda m: "**||a red fox" in m.content and "**Hide**" in m.content, LOG)


async def test_an_image_deleted_by_its_author_is_logged_and_can_still_be_decided(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_log(app, ada)
    first = await asked()
    await entry(mo)
    await press(ada, await seen(ada, first), "Delete")
    logged = await entry(mo, "deleted")
    await decide(mo, logged, "Block 24 h")
    await mo.message(lambda m: m.id == logged.id and "**Block 24 h**" in m.content, LOG)
    assert [row.user_id for row in await app.store.read(conduct.blocked_now, guild_of(mo), system())] == [int(ada.id)]


async def test_each_image_is_logged_once_across_a_restart(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada, Person.connect(env.discord.url, "Mo") as mo:
        async with env.app() as app:
            await with_log(app, ada)
            first = await new_image(ada)
        async with env.app():
            logged = await entry(mo)
            await press(ada, await seen(ada, first), "Delete")
            await mo.message(lambda m: m.id == logged.id and "deleted" in m.content, LOG)
        assert len([m for m in mo.messages(LOG) if "a red fox" in m.content]) == 1
