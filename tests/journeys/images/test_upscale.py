"""Upscales: the command, what it costs, and the rules that hold for it."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.job import JobKind
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.manager_steps import guild_of, private_reply
from tests.journeys.result_steps import press

UPSCALER = "topazlabs-image-upscale"
WONDER = "topazlabs-wonder-3-image"
BLOOM = "topazlabs-bloom-image"
KLEIN = "black-forest-labs-flux-2-klein-4b"


async def upscaled(person: Person, channel: str = "studio", /, **options: object) -> Message:
    """The finished message of an upscale of a small image."""
    seen = {message.id for message in person.messages(channel)}
    await person.slash("upscale", channel, **{"image": person.upload("photo.png", png(48, 32)), **options})
    return await person.message(lambda m: has_image(m) and m.id not in seen, channel)


async def refused(person: Person, **options: object) -> str:
    await person.slash("upscale", **{"image": person.upload("photo.png", png(48, 32)), **options})
    return (await person.message(lambda m: m.ephemeral and m.content.startswith("🚫"))).content


# --- the command -----------------------------------------------------------------------------------------------------


async def test_an_upscale_sends_the_image_and_no_prompt(env: Env, app: App, ada: Person) -> None:
    message = await upscaled(ada, model=UPSCALER, scale="4x", format="jpg")
    (sent,) = env.images.received("POST", "/api/ai/queue")
    assert "photo.png" in sent.json.pop("input_image")
    assert sent.json == {"model": UPSCALER, "upscale_factor": "4x", "output_format": "jpg"}
    assert message.content == f"**Upscaled image**\n-# upscaled by <@{ada.id}> · Topaz Image Upscaler · 10 credits"
    assert message.attachments[0]["description"] == "Upscaled image"
    assert (await written_down(app, message)).kind is JobKind.UPSCALE


@pytest.mark.parametrize(
    ("options", "model", "price"),
    [
        ({}, UPSCALER, "5 credits"),  # the cheapest of its default
        ({"scale": "6x"}, WONDER, "18 credits"),  # the only one that can
        ({"scale": "2"}, UPSCALER, "5 credits"),
        ({"scale": "4x", "model": WONDER, "more": "enhancement_strength=high"}, WONDER, "15 credits"),
    ],
)
async def test_the_price_is_that_of_the_scale(env: Env, ada: Person, options: dict[str, object], model: str, price: str) -> None:
    message = await upscaled(ada, **options)
    (sent,) = env.images.received("POST", "/api/ai/queue")
    assert sent.json["model"] == model
    assert price in message.content


async def test_scales_are_suggested_with_their_prices(ada: Person) -> None:
    every = await ada.autocomplete("upscale", "scale", scale="")
    assert [each["name"] for each in every] == ["1x · 5 credits", "2x · 5 credits", "4x · 10 credits", "6x · 18 credits"]
    own = await ada.autocomplete("upscale", "scale", model=UPSCALER, scale="")
    assert [each["name"] for each in own] == ["4x · 10 credits", "2x (default) · 5 credits"]


async def test_an_attached_image_leaves_the_tray_alone(env: Env, ada: Person, asked: Ask) -> None:
    await ada.menu("Use as reference", await asked())
    await private_reply(ada, "Saved to your tray")
    await upscaled(ada)
    await ada.slash("upscale")
    await private_reply(ada, "from your tray")
    await ada.slash("upscale")
    await private_reply(ada, "Using your latest image here")
    await ada.slash("upscale", "gallery")
    assert "Attach an image to upscale" in (await private_reply(ada, "🚫", "gallery")).content


async def test_a_prompt_is_passed_on_where_the_model_uses_one(env: Env, ada: Person) -> None:
    message = await upscaled(ada, model=BLOOM, prompt="an old oak", more="creativity=7")
    (sent,) = env.images.received("POST", "/api/ai/queue")
    assert (sent.json["prompt"], sent.json["creativity"]) == ("an old oak", 7)
    assert "**an old oak**" in message.content


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": KLEIN}, "FLUX.2 Klein 4B can't upscale images. Choose another model."),
        ({"model": UPSCALER, "scale": "3x"}, "Topaz Image Upscaler can't use 3x for scale. Choose 4x or 2x."),
        ({"model": UPSCALER, "prompt": "a fox"}, "Topaz Image Upscaler doesn't use a prompt."),
        ({"model": BLOOM, "scale": "2x"}, "has no option called scale"),
        ({"scale": "6x", "format": "jpg"}, "Topaz Wonder 3 has no option called format"),  # none does both
        ({"scale": "9x"}, "Topaz Image Upscaler can't use 9x for scale."),
    ],
)
async def test_a_wrong_choice_is_refused_and_costs_nothing(app: App, ada: Person, options: dict[str, object], sentence: str) -> None:
    assert sentence in await refused(ada, **options)
    assert (await statement_of(app, int(ada.id))).lines == ()


@pytest.mark.parametrize("command", ["generate", "edit"])
async def test_other_commands_neither_offer_nor_take_upscalers(ada: Person, command: str) -> None:
    offers = await ada.autocomplete(command, "model", prompt="a fox", model="topaz")
    assert offers == []
    await ada.slash(command, prompt="a fox", model=UPSCALER, image2=ada.upload("a.png", png(48, 32)))
    assert "Topaz Image Upscaler only upscales images. Use /upscale instead." in (await private_reply(ada, "🚫")).content


async def test_upscale_offers_upscalers_only(ada: Person) -> None:
    offers = await ada.autocomplete("upscale", "model", model="")
    assert {each["value"] for each in offers} >= {UPSCALER, WONDER}
    assert KLEIN not in {each["value"] for each in offers}


async def test_the_servers_limit_holds_for_the_size_of_the_result(app: App, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), everyone={"max_megapixels": 2})
    large = {"image": ada.upload("large.png", png(1000, 500))}
    assert "up to 2 MP. This one would have 8 MP." in await refused(ada, model=UPSCALER, scale="4x", **large)
    assert (await upscaled(ada, model=UPSCALER, **large)).attachments  # twice as large by default: 2 MP
    assert "up to 2 MP" in await refused(ada, scale="6x", **large)


async def test_the_limit_holds_for_a_repeat(app: App, ada: Person) -> None:
    message = await upscaled(ada, scale="4x", image=ada.upload("large.png", png(500, 500)))
    await change_rules(app.services.guilds, guild_of(ada), everyone={"max_megapixels": 2})
    await ada.click(message, "Again")
    await private_reply(ada, "up to 2 MP. This one would have 4 MP.")


async def test_an_image_that_is_larger_than_discord_says_is_refused_too(app: App, ada: Person) -> None:
    """A message of another bot may show an image of any size."""
    await change_rules(app.services.guilds, guild_of(ada), everyone={"max_megapixels": 2})
    said = await ada.say("look", files=(ada.upload("found.png", png(1000, 500)),))
    await ada.menu("Upscale with Easel", await ada.message(lambda m: m.id == said))
    modal = await ada.modal()
    await ada.submit(modal, offer=[next(each["value"] for each in modal.control("offer")["options"] if "4x" in each["label"])])
    await private_reply(ada, "up to 2 MP. This one would have 8 MP.")


async def test_a_result_that_could_not_be_shown_is_refused_before_it_is_paid(app: App, ada: Person) -> None:
    told = await refused(ada, scale="6x", image=ada.upload("large.png", png(3000, 2000)))
    assert "The result would have 216 MP, and Easel can show up to 100 MP." in told


async def test_models_that_the_server_does_not_allow_are_not_used(app: App, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), everyone={"models": [KLEIN, WONDER]})
    assert "Topaz Wonder 3" in (await upscaled(ada)).content
    await change_rules(app.services.guilds, guild_of(ada), everyone={"models": [KLEIN]})
    assert "No model here can upscale images." in await refused(ada)


async def test_the_default_model_counts_only_for_what_it_can_do(app: App, ada: Person, asked: Ask) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"default_model": WONDER}))
    assert "Topaz Wonder 3" in (await upscaled(ada)).content
    assert "FLUX.2 Klein 4B" in (await asked()).content
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"default_model": KLEIN}))
    assert "Topaz Image Upscaler" in (await upscaled(ada)).content


# --- like every other image ------------------------------------------------------------------------------------------


async def test_an_upscale_is_private_and_hidden_as_asked(ada: Person, ben: Person) -> None:
    message = await upscaled(ada, private=True, spoiler=True)
    assert message.ephemeral
    assert message.attachments[0]["filename"].startswith("SPOILER_")
    assert ben.messages() == []


async def test_an_upscale_is_repeated_and_listed(env: Env, ada: Person) -> None:
    message = await upscaled(ada, scale="4x")
    await ada.click(message, "Again")
    await ada.message(lambda m: has_image(m) and m.id != message.id)
    first, second = (request.json for request in env.images.received("POST", "/api/ai/queue"))
    assert first == second
    await ada.slash("history")
    assert "Upscaled image" in (await private_reply(ada, "Your history")).text
    await press(ada, message, "Details")
    assert "upscale_factor=4x" in (await private_reply(ada, "**Support code**")).text


async def test_without_a_prompt_nothing_is_checked_but_the_result(env: Env, app: App, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), checks={"prompts": True, "results": True})
    await upscaled(ada)
    checked = [request.json["input"] for request in env.images.received("POST", "/moderation/v1/moderations")]
    assert [each for each in checked if isinstance(each, str)] == []
    assert len(checked) == 1


async def test_a_failed_upscale_is_refunded(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-fails")
    await ada.slash("upscale", image=ada.upload("photo.png", png(48, 32)))
    message = await ada.message(lambda m: "You weren't charged" in m.content)
    assert message.content.startswith("**Upscaled image**")
    assert job_id_of(message)


async def test_the_synchronous_mode_upscales_too(env: Env) -> None:
    async with env.app(OXEN_MODE="sync"), person_in(env, "Ada") as ada:
        await upscaled(ada, scale="4x")
        (sent,) = env.images.received("POST", "/api/ai/images/edit")
        assert "prompt" not in sent.json
