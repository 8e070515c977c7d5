"""Jobs whose channel was deleted, and of a server that removed the bot: to the member by DM, or refunded."""

from __future__ import annotations

from bot.app import App
from bot.domain.money.quota import MICRO
from sandbox.person import Person
from tests.env.app import Env, has_image, statement_of
from tests.journeys.manager_steps import admin
from tests.services.conftest import eventually


async def test_the_image_of_a_deleted_thread_arrives_by_dm(env: Env, app: App, ada: Person, mo: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    thread = await ada.thread("a thread")
    await ada.slash("generate", thread, prompt="a red fox")
    await ada.message(lambda m: "Cancel" in m.buttons, thread)
    await mo.delete_channel(thread)
    env.switchboard.turn_off("generation-stuck")
    await ada.message(has_image, "dm")
    assert len(env.discord.refused) <= 1


async def test_a_server_that_removes_the_bot_and_invites_it_again(env: Env, app: App, ada: Person, ben: Person, mo: Person) -> None:
    """A job under way goes to its member by DM, or is refunded. The settings hold."""
    await admin(mo, "members", "can't sponsor images", sponsoring=False)
    await admin(mo, "log", "logged in", channel=mo.channel("gallery"))
    env.switchboard.turn_on("generation-stuck")
    await ben.dms(open=False)
    for person in (ada, ben):
        await person.slash("generate", prompt="a red fox")
        await person.message(lambda m: "Cancel" in m.buttons)
    await app.client.wait_until_ready()
    env.switchboard.turn_on("token-expired")
    await mo.bot_member(on=False)
    env.switchboard.turn_off("generation-stuck")
    await ada.message(has_image, "dm")

    async def is_refunded() -> bool:
        statement = await statement_of(app, int(ben.id))
        return (statement.available, statement.held) == (1000 * MICRO, 0)

    await eventually(is_refunded)
    sent = [each.line for each in env.discord.refused if each.status == 403 and each.line.startswith("POST")]
    assert [line.split("/")[1] for line in sent] == ["channels"]  # Ben's DM
    env.switchboard.turn_off("token-expired")
    await mo.bot_member(on=True)
    await admin(mo, "members", "can't sponsor images")
    await ben.slash("generate", prompt="a blue fox")
    await ben.message(has_image)
