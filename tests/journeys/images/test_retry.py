"""A refused order is kept: the button under the refusal opens a form with what was written."""

from __future__ import annotations

import pytest

from bot.app import App
from sandbox.person import Message, Modal, Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.journeys.conftest import written_down
from tests.journeys.manager_steps import guild_of, private_reply

BUTTON = "Change and try again"
DEV = "flux-2-dev"


async def reopened(person: Person, words: str, channel: str = "studio") -> Modal:
    """The form behind the button under a refusal."""
    refusal = await person.message(lambda m: m.ephemeral and words in m.text and BUTTON in m.buttons, channel)
    await person.click(refusal, BUTTON)
    return await person.modal()


def preset(modal: Modal, name: str) -> list[str]:
    return [option["value"] for option in modal.control(name)["options"] if option.get("default")]


async def made(person: Person, words: str, channel: str = "studio") -> Message:
    return await person.message(lambda m: has_image(m) and words in m.content, channel)


@pytest.mark.parametrize("channel", ["studio", "dm", "elsewhere"])
async def test_a_refused_command_keeps_everything_that_was_written(env: Env, ada: Person, channel: str) -> None:
    photo = ada.upload("photo.png", png(48, 32))
    wrong = {"model": DEV, "steps": "99", "aspect_ratio": "3:2", "count": 2, "seed": 7, "spoiler": True, "image1": photo}
    await ada.slash("generate", channel, prompt="a red fox", **wrong)
    modal = await reopened(ada, "steps, not 99", channel)
    assert (modal.control("prompt")["value"], preset(modal, "model"), preset(modal, "count")) == ("a red fox", [DEV], ["2"])
    assert (preset(modal, "option-steps"), preset(modal, "option-aspect_ratio")) == (["-"], ["3:2"])
    await ada.submit(modal, prompt="a blue fox")
    message = await made(ada, "a blue fox", channel)
    first, second = sorted(await env.generations(), key=lambda each: int(each["seed"]))
    assert [first[name] for name in ("aspect_ratio", "seed")] == ["3:2", 7]
    assert "FLUX.2 [dev]" in message.content
    assert (second["seed"], "num_inference_steps" in first, "input_image" in first) == (8, False, True)
    assert [each["filename"].startswith("SPOILER_") for each in message.attachments] == [True, True]


async def test_only_what_can_be_helped_has_the_button(app: App, ada: Person) -> None:
    guild_id = guild_of(ada)
    await change_rules(app.services.guilds, guild_id, pause={"on": True})
    await ada.slash("generate", prompt="a red fox")
    assert BUTTON not in (await private_reply(ada, "paused")).buttons
    await change_rules(app.services.guilds, guild_id, pause={"on": False}, prompts={"block": {"words": ["fox"]}})
    await ada.slash("generate", prompt="a red fox", private=True)
    await ada.submit(await reopened(ada, "doesn't allow that prompt"), prompt="a red wolf")
    assert (await made(ada, "a red wolf")).ephemeral
    await change_rules(app.services.guilds, guild_id, everyone={"private": False})
    await ada.slash("generate", prompt="a grey wolf", private=True)
    await ada.submit(await reopened(ada, "You can't create private images"))
    assert not (await made(ada, "a grey wolf")).ephemeral


async def test_an_unusable_image_is_replaced(env: Env, ada: Person) -> None:
    await ada.slash("edit", prompt="at night", image=ada.upload("notes.png", b"just text"))
    modal = await reopened(ada, "notes.png")
    await ada.submit(modal, references=[ada.upload("photo.png", png(48, 32))])
    await made(ada, "at night")
    assert len((await env.generations())[-1]["input_image"]) > 0


async def test_an_edit_without_an_image_asks_for_one(ada: Person) -> None:
    await ada.slash("edit", prompt="at night")
    await ada.submit(await reopened(ada, "Attach an image"), references=[ada.upload("photo.png", png(48, 32))])
    await made(ada, "at night")


async def test_an_upscale_keeps_its_image_and_another_scale_is_chosen(ada: Person) -> None:
    await ada.slash("upscale", image=ada.upload("photo.png", png(48, 32)), scale="9x")
    modal = await reopened(ada, "9x")
    await ada.submit(modal, **{"option-scale": ["2x"]})
    await made(ada, "Upscaled image")


async def test_an_edit_that_could_not_be_repeated_is_changed_with_its_references(app: App, env: Env, ada: Person) -> None:
    await ada.slash("edit", prompt="in winter", image=ada.upload("photo.png", png(48, 32)), aspect_ratio="4:3")
    old = await made(ada, "in winter")
    await written_down(app, old)
    await change_rules(app.services.guilds, guild_of(ada), everyone={"models": [DEV]})
    await ada.click(old, "Again")
    modal = await reopened(ada, "Your roles don't let you use")
    assert (modal.control("prompt")["value"], preset(modal, "option-aspect_ratio"), preset(modal, "model")) == ("in winter", ["4:3"], [DEV])
    await ada.submit(modal, prompt="in spring")
    job = await written_down(app, await made(ada, "in spring"))
    assert bool((await env.generations())[-1]["input_image"])
    assert (job.model, job.parent_id) == (DEV, (await written_down(app, old)).id)


async def test_the_author_of_a_prompt_that_the_image_api_refused_changes_it(env: Env) -> None:
    async with env.app(settings=env.oxlo, OXEN_API_KEY=""), person_in(env, "Ada") as ada, person_in(env, "Ben") as ben:
        await ada.slash("generate", prompt="a forbidden fox", count=2)
        failed = await ada.message(lambda m: "No image" in m.content and BUTTON in m.buttons)
        await ben.click(await ben.message(lambda m: m.id == failed.id and BUTTON in m.buttons), BUTTON)
        await private_reply(ben, f"Only <@{ada.id}> can change this")
        await ada.click(failed, BUTTON)
        modal = await ada.modal()
        assert (modal.control("prompt")["value"], preset(modal, "count")) == ("a forbidden fox", ["2"])
        await ada.submit(modal, prompt="a blue fox")
        await made(ada, "a blue fox")


async def test_what_was_kept_survives_a_restart_and_is_erased_with_its_member(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox", steps="99")
            told = await private_reply(ada, "not 99")
        async with env.app() as app:
            await ada.until(lambda: ada.bot_online or None)
            await ada.click(told, BUTTON)
            modal = await ada.modal()
            await app.services.privacy.erase(int(ada.id))
            await ada.submit(modal)
            await private_reply(ada, "This form has expired")
    async with env.app(), person_in(env, "Ben") as ben:
        await ben.slash("generate", prompt="a red fox")
        await ben.message(has_image)


# --- too expensive -----------------------------------------------------------------------------------------------------


async def test_an_order_that_costs_too_much_names_a_model_that_fits(env: Env) -> None:
    async with env.app(QUOTA_CREDITS="3", QUOTA_REFILL_PER_DAY="0"), person_in(env, "Ada") as ada:
        photo = ada.upload("photo.png", png(48, 32))
        await ada.slash("edit", prompt="at night", model="gpt-image-2", aspect_ratio="3:2", image=photo)
        modal = await reopened(ada, "and you have 3. FLUX.1-Kontext [dev] would cost 2.5 credits.")  # of those with 3:2 the cheapest
        assert (preset(modal, "model"), preset(modal, "option-aspect_ratio")) == (["flux-kontext-dev"], ["3:2"])
        await ada.submit(modal)
        await made(ada, "at night")
        await ada.slash("generate", prompt="a red fox", model="gpt-image-2", count=2)
        refusal = await private_reply(ada, "and you have 0.5. You can never have more")
        assert BUTTON in refusal.buttons


async def test_an_image_that_costs_too_much_to_repeat_names_a_model_that_fits(app: App, ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox", model=DEV)
    old = await made(ada, "a red fox")
    await change_rules(app.services.guilds, guild_of(ada), everyone={"purse": {"size": 2, "refill_per_day": 1}})
    await ada.click(old, "Again")
    await ada.submit(await reopened(ada, "would cost"))
    await made(ada, "a red fox")
