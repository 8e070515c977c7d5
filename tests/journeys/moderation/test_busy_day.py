"""A flag brigade, an exhausted budget and a blocked member who returns, handled by commands and buttons across a restart."""

from __future__ import annotations

from bot.store.moderation.cases import waiting
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.manager_steps import admin, private_reply, updated
from tests.journeys.moderator_steps import MODERATORS, case_post, crowd, decided, shown

BRIGADE = ("Ben", "Cleo", "Dan", "Eve")


async def fox(person: Person) -> Message:
    known = {message.id for message in person.messages()}
    await person.slash("generate", prompt="a red fox")
    return await person.message(lambda m: has_image(m) and m.id not in known)


async def refused(person: Person, words: str) -> None:
    """Run /generate and wait for a new refusal with these words."""
    known = {message.id for message in person.messages()}
    await person.slash("generate", prompt="a red fox")
    await person.message(lambda m: m.id not in known and m.ephemeral and words in m.text)


async def test_a_moderator_runs_a_busy_server_without_a_shell(env: Env) -> None:
    async with env.app() as app, person_in(env, "Mo") as mo, person_in(env, "Ada") as ada:
        await admin(mo, "cases", "Cases are posted", channel=mo.channel(MODERATORS))
        await admin(mo, "flags", "2", needed=2)
        first, second = await fox(ada), await fox(ada)

        # A brigade hides one image; the moderator locks flags, and the next image stays visible.
        async with crowd(env, *BRIGADE) as members:
            for member in members[:2]:
                await member.react(await member.message(lambda m: m.id == first.id), "🚩")
            await shown(ada, first, hidden=True)
            post = await case_post(mo)
            panel = await admin(mo, "panel", "## Easel on")
            await mo.click(panel, "Lock flags")
            await updated(mo, panel, "locked")
            for member in members:
                await member.react(await member.message(lambda m: m.id == second.id), "🚩")
                await member.message(lambda m: "Your report is kept." in m.content and f"/{second.id}" in m.content, "dm")
        await mo.click(post, "Keep")
        await decided(mo, post, f"<@{mo.id}>")
        await shown(ada, first, hidden=False)
        assert not (await ada.message(lambda m: m.id == second.id)).attachments[0]["filename"].startswith("SPOILER_")

        # The month's budget runs out: nothing is made until the manager raises it.
        await admin(mo, "budget", "$0.05", dollars=0.05)
        await fox(ada)
        await refused(ada, "monthly budget")
        await admin(mo, "pause", "paused", reason="We look into it")
        await refused(ada, "We look into it")

        # A member is blocked, leaves, and comes back.
        async with person_in(env, "Ben") as ben:
            await mo.slash("imagemod block", member=ben.id, reason="Brigading")
            await private_reply(mo, "until you unblock them")
            await ben.leave()

    async with env.app() as app, person_in(env, "Mo") as mo, person_in(env, "Ada") as ada:
        panel = await admin(mo, "panel", "We look into it")
        await mo.click(panel, "Resume")
        await updated(mo, panel, "Image creation is on")
        await admin(mo, "budget", "$5", dollars=5)
        await fox(ada)
        await mo.join("Ben")
        async with person_in(env, "Ben") as ben:
            await refused(ben, "Brigading")
            await mo.slash("imagemod unblock", member=ben.id)
            await private_reply(mo, "can create images here again")
            await fox(ben)
        await mo.slash("imagemod audit")
        audit = await private_reply(mo, "Audit")
        assert f"<@{mo.id}>" in audit.text
        assert await app.store.read(waiting, int(mo.hello["guild"]["id"])) == []
