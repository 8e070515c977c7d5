"""A strike is said with what it leads to, and a lock-out with its end and an appeal."""

from __future__ import annotations

from bot.app import App
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import CHECKED
from tests.journeys.manager_steps import private_reply
from tests.journeys.moderator_steps import MODERATORS, case_post, with_moderators

TWO = {"ladder": [{"points": 2, "hours": 1}]}


async def refused(person: Person, words: str) -> None:
    await person.slash("generate", prompt="a gory scene")
    await private_reply(person, words)


async def appealed(ada: Person, button_under: str, channel: str = "studio") -> None:
    told = await ada.message(lambda m: button_under in m.text and "Appeal" in m.buttons, channel)
    await ada.click(told, "Appeal")
    await ada.submit(await ada.modal(), words="It was a film scene")
    await ada.message(lambda m: "The moderators will review the block" in m.text, channel)


async def test_a_lock_out_is_said_with_its_end_and_lifted_after_an_appeal(app: App, ada: Person, mo: Person) -> None:
    await with_moderators(app, ada, prompts={"block": {"words": ["gory"]}}, strikes=TWO)
    await refused(ada, "This is strike 1 of 2; at 2 you can't create images here for 1 hour.")
    await refused(ada, "You now have 2 strike points, so you can't create images here for 1 hour. It ends <t:")
    await ada.slash("generate", prompt="a red fox")
    blocked = await private_reply(ada, "You're blocked from creating images here until <t:")
    assert list(blocked.buttons) == ["Appeal"]
    await appealed(ada, "It ends <t:")
    await ada.click(blocked, "Appeal")
    await private_reply(ada, "You can't appeal this")

    case = await case_post(mo, "about the block of")
    assert ("It was a film scene" in case.text, list(case.buttons)) == (True, ["Keep the block", "Lift the block"])
    await mo.click(case, "Lift the block")
    await mo.message(lambda m: m.id == case.id and "**Lift the block**, decided by" in m.content and not m.buttons, MODERATORS)
    await ada.message(lambda m: "lifted your block" in m.content, "dm")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(has_image)


async def test_a_moderator_s_block_is_appealed_once_and_may_be_kept(app: App, ada: Person, mo: Person) -> None:
    await with_moderators(app, ada)
    await ada.slash("generate", prompt="a fox")
    await ada.message(has_image)
    await mo.slash("imagemod block", member=ada.id, hours=5, reason="spam")
    await appealed(ada, "You can't create images on", "dm")
    await mo.click(await case_post(mo, "about the block of"), "Keep the block")
    await ada.message(lambda m: "kept your block. This decision is final" in m.content, "dm")
    await ada.slash("generate", prompt="a red fox")
    assert not (await private_reply(ada, "You're blocked from creating images here until <t:")).buttons
    await mo.slash("imagemod audit")
    log = await private_reply(mo, "appealed")
    assert "decided case" in log.text


async def test_the_strikes_of_checks_and_of_decisions_are_said_too(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada, person_in(env, "Mo") as mo:
        await with_moderators(app, ada, **CHECKED)
        await ada.slash("generate", prompt="a fox")
        image = await ada.message(has_image)
        await mo.slash("imagemod delete", image=image.id)
        await ada.message(lambda m: "You now have 2 strike points; at 5 you can't create images here for 1 hour." in m.content, "dm")
        await ada.slash("generate", prompt="kill the fox")
        failed = await ada.message(lambda m: "No image" in m.content)
        assert "This is strike 3 of 5; at 5 you can't create images here for 1 hour." in failed.content
