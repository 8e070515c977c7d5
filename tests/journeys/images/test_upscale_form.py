"""The button and the message menu Upscale, and their form."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.job import JobKind
from bot.domain.preferences import Consent
from sandbox.person import Message, Modal, Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.manager_steps import guild_of, private_reply
from tests.journeys.result_steps import panel_of, press

KLEIN = "black-forest-labs-flux-2-klein-4b"
WONDER = "topazlabs-wonder-3-image"


async def opened(person: Person, message: Message) -> Modal:
    """The form behind the button."""
    await press(person, message, "Upscale")
    return await person.modal()


def offer(modal: Modal, label: str) -> list[str]:
    """The value of an option of the menu, as it is submitted."""
    return [next(option["value"] for option in modal.control("offer")["options"] if option["label"] == label)]


async def upscaled(person: Person, channel: str = "studio") -> Message:
    return await person.message(lambda m: has_image(m) and "Upscaled image" in m.content, channel)


async def test_every_scale_is_offered_with_its_price_and_the_balance(ada: Person, asked: Ask) -> None:
    modal = await opened(ada, await asked())
    options = {each["label"]: each for each in modal.control("offer")["options"]}
    assert options["Topaz Image Upscaler · 4x"]["description"] == "10 credits · you have 998.6"
    assert options["Topaz Wonder 3 · 6x"]["description"] == "18 credits · you have 998.6"
    assert [label for label, each in options.items() if each.get("default")] == ["Topaz Image Upscaler · 2x"]


async def test_the_chosen_scale_is_sent_and_the_result_descends_from_the_image(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    modal = await opened(ada, first)
    await ada.submit(modal, offer=offer(modal, "Topaz Wonder 3 · 4x"))
    message = await upscaled(ada)
    sent = env.images.received("POST", "/api/ai/queue")[1].json
    assert (sent["model"], sent["scale"], "prompt" in sent) == (WONDER, "4x", False)
    assert f"upscaled by <@{ada.id}> from [this image](" in message.content
    job = await written_down(app, message)
    assert (job.kind, job.parent_id, job.parent_n) == (JobKind.UPSCALE, job_id_of(first), 0)
    await press(ada, first, "Details")
    assert "“Upscaled image” by" in (await private_reply(ada, "**Support code**")).text


async def test_of_several_images_one_is_chosen(app: App, ada: Person, asked: Ask) -> None:
    modal = await opened(ada, await asked(count=3))
    await ada.submit(modal, picture=["2"], offer=offer(modal, "Topaz Image Upscaler · 2x"))
    assert (await written_down(app, await upscaled(ada))).parent_n == 2


async def test_an_upscale_may_be_upscaled(env: Env, ada: Person, asked: Ask) -> None:
    modal = await opened(ada, await asked())
    await ada.submit(modal, offer=offer(modal, "Topaz Image Upscaler · 2x"))
    second = await upscaled(ada)
    modal = await opened(ada, second)
    await ada.submit(modal, offer=offer(modal, "Topaz Image Upscaler · 4x"))
    await ada.message(lambda m: has_image(m) and "10 credits" in m.content)


@pytest.mark.parametrize("channel", ["studio", "dm", "private", "elsewhere"])
async def test_the_menu_upscales_any_image(ada: Person, channel: str) -> None:
    said = await ada.say("look", channel, files=(ada.upload("found.png", png(48, 32)),))
    await ada.menu("Upscale with Easel", await ada.message(lambda m: m.id == said, channel))
    modal = await ada.modal()
    await ada.submit(modal, offer=offer(modal, "Topaz Image Upscaler · 2x"))
    await upscaled(ada, channel)


async def test_an_image_from_the_history_is_upscaled(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await written_down(app, first)
    await ada.slash("history")
    panel = await ada.message(lambda m: m.ephemeral and m.components)
    pick = next(c for c in panel.components if str(c.get("custom_id", "")).startswith("v1:history:pick"))
    await ada.select(panel, pick["custom_id"], pick["options"][0]["value"])
    await ada.click(await ada.message(lambda m: m.id == panel.id and "Upscale" in m.buttons), "Upscale")
    modal = await ada.modal()
    await ada.submit(modal, offer=offer(modal, "Topaz Image Upscaler · 2x"))
    assert (await written_down(app, await upscaled(ada))).parent_id == job_id_of(first)


# --- what is refused -------------------------------------------------------------------------------------------------


async def test_the_owner_of_an_image_decides(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    message = await ben.message(lambda m: m.id == first.id and has_image(m))
    modal = await opened(ben, message)
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    await ben.submit(modal, offer=offer(modal, "Topaz Image Upscaler · 2x"))
    await private_reply(ben, "doesn't let you edit their images")
    assert "Upscale" not in (await panel_of(ben, message)).buttons


async def test_without_an_upscaler_there_is_no_button_and_an_old_one_says_why(app: App, ada: Person, asked: Ask) -> None:
    old = await panel_of(ada, image := await asked())
    await change_rules(app.services.guilds, guild_of(ada), everyone={"models": [KLEIN]})
    assert "Upscale" not in (await panel_of(ada, image)).buttons
    await ada.click(old, "Upscale")
    await private_reply(ada, "No model here can upscale images.")


async def test_a_role_that_may_upscale_keeps_the_button(app: App, ada: Person, asked: Ask) -> None:
    roles = {ada.roles["Patron"] if "Patron" in ada.roles else next(iter(ada.roles.values())): {"models": [WONDER]}}
    await change_rules(app.services.guilds, guild_of(ada), everyone={"models": [KLEIN]}, roles=roles)
    assert "Upscale" in (await panel_of(ada, await asked())).buttons


async def test_an_image_api_without_upscalers_shows_no_button(env: Env) -> None:
    async with env.app(settings=env.oxlo, OXEN_API_KEY=""), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert "Upscale" not in (await panel_of(ada, await ada.message(has_image))).buttons
        await ada.slash("upscale", image=ada.upload("photo.png", png(48, 32)))
        await private_reply(ada, "No model here can upscale images.")


async def test_a_form_open_during_a_restart_is_accepted(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox")
            modal = await opened(ada, await ada.message(has_image))
        async with env.app():
            await ada.until(lambda: ada.bot_online or None)
            await ada.submit(modal, offer=offer(modal, "Topaz Wonder 3 · 6x"))
            assert "18 credits" in (await upscaled(ada)).content
