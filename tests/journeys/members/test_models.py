"""/models: choosing a model shows what it can do and costs, and lets the member use it."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.env.images import png
from tests.env.providers import DEV, KLEIN_4B
from tests.journeys.manager_steps import change_rules

CHOOSE = "v1:models:choose"


async def opened(person: Person, channel: str = "studio") -> Message:
    await person.slash("models", channel)
    return await person.message(lambda m: "## Models" in m.text, channel)


async def chosen(person: Person, panel: Message, model: str, title: str) -> Message:
    await person.select(panel, CHOOSE, model)
    return await person.message(lambda m: m.id == panel.id and f"### {title}" in m.text)


async def test_the_panel_is_private_and_shows_the_default_model_first(ada: Person, ben: Person) -> None:
    panel = await opened(ada)
    assert (panel.ephemeral, ben.messages()) == (True, [])
    assert "### FLUX.2 Klein 4B · default" in panel.text
    assert panel.components[2 if panel.components[0]["type"] == 17 else 1]


async def test_a_model_shows_what_it_can_do_and_costs(ada: Person) -> None:
    text = (await chosen(ada, await opened(ada), DEV, "FLUX.2 [dev]")).text
    for part in ("3 credits", "4 images cost 12 credits.", "reference image", "`aspect_ratio` 1:1", "`steps` "):
        assert part in text
    assert not any(word in text for word in ("tier", "Oxen", DEV))


async def test_a_model_whose_price_varies_lists_the_prices(ada: Person) -> None:
    text = (await chosen(ada, await opened(ada), "gpt-image-2", "GPT Image 2")).text
    assert "usually 42 credits per image" in text
    assert "`resolution` 1K: " in text


@pytest.mark.parametrize(
    ("model", "title", "prices"),
    [
        ("ideogram-v4", "Ideogram V4", "`quality` TURBO: 3 credits, BALANCED (default): 6 credits, QUALITY: 9 credits"),
        ("nano-banana-2-lite", "Nano Banana 2 Lite", "`thinking_level` minimal (default): 3.4 credits, high: 5 credits"),
        ("topazlabs-bloom-image", "Topaz Bloom", "`enhancement_strength` low: 8 credits, medium (default): 10 credits, high: 12 credits"),
    ],
)
async def test_prices_are_listed_by_every_option_that_changes_them(ada: Person, model: str, title: str, prices: str) -> None:
    panel = await opened(ada)
    if model not in str(panel.raw):
        panel = await paged(ada, panel, "+24")
    assert prices in (await chosen(ada, panel, model, title)).text


async def test_what_is_set_with_more_is_named(ada: Person) -> None:
    assert "`more` `negative_prompt`, `disable_safety_checker`" in (await chosen(ada, await opened(ada), "flux-1-dev", "FLUX.1")).text


async def test_an_image_is_created_with_the_model(ada: Person) -> None:
    panel = await chosen(ada, await opened(ada), DEV, "FLUX.2 [dev]")
    await ada.click(panel, "Create with this model")
    modal = await ada.modal()
    assert modal.title == "FLUX.2 [dev]"
    await ada.submit(modal, prompt="a fox", **{"option-resolution": ["0.5 MP"]})
    made = await ada.message(has_image)
    assert ("FLUX.2 [dev]" in made.content, made.ephemeral) == (True, False)


async def test_an_upscaler_says_so_and_asks_for_an_image_alone(ada: Person) -> None:
    panel = await chosen(ada, await paged(ada, await opened(ada), "+24"), "topazlabs-image-upscale", "Topaz Image Upscaler")
    for part in ("Makes an image larger and sharper, with </upscale:", "`scale` 4x, 2x (default)", "`scale` 4x: 10 credits"):
        assert part in panel.text
    await ada.click(panel, "Upscale with this model")
    modal = await ada.modal()
    assert [row["component"]["custom_id"] for row in modal.components] == ["references", "option-scale", "option-format"]
    await ada.submit(modal, references=[ada.upload("photo.png", png(48, 32))], **{"option-scale": ["4x"]})
    made = await ada.message(has_image)
    assert made.content.startswith(f"**Upscaled image**\n-# upscaled by <@{ada.id}>")
    assert "10 credits" in made.content


async def test_a_model_becomes_the_member_s_default(app: App, ada: Person) -> None:
    panel = await chosen(ada, await opened(ada), DEV, "FLUX.2 [dev]")
    await ada.click(panel, "Make it my default")
    kept = await ada.message(lambda m: m.id == panel.id and "· default" in m.text)
    assert kept.buttons["Make it my default"]["disabled"]
    assert (await app.services.members.preferences(int(ada.id))).default_model == DEV


async def test_only_the_models_of_this_server_are_listed(app: App, ada: Person) -> None:
    old = await chosen(ada, await opened(ada), DEV, "FLUX.2 [dev]")
    await change_rules(app, everyone={"models": [KLEIN_4B]})
    menu = next(c for c in (await opened(ada)).components if c.get("custom_id") == CHOOSE)
    assert [each["value"] for each in menu["options"]] == [KLEIN_4B]
    await ada.click(old, "Create with this model")
    await ada.message(lambda m: "isn't available here any more" in m.content)


async def paged(person: Person, panel: Message, start: str) -> Message:
    """The panel once its menu shows the models from this one on."""
    await person.select(panel, CHOOSE, start)
    return await person.message(lambda m: m.id == panel.id and repr(start) not in str(m.raw))


async def test_more_models_than_a_menu_holds_are_paged(env: Env) -> None:
    models = ", ".join(f'{{"id": "model-{n:02d}", "sizes": ["512x512"]}}' for n in range(40))
    endpoint = f'[{{"name": "local", "base_url": "{env.images.openai_url}", "price_credits": 1, "models": [{models}]}}]'
    async with env.app(OPENAI_ENDPOINTS=endpoint) as app, person_in(env, "Ada") as ada:
        while len(app.models.offered) <= 40:  # noqa: ASYNC110  until both lists were read
            await asyncio.sleep(0.005)
        panel = await opened(ada)
        further = await paged(ada, await paged(ada, panel, "+24"), "+48")
        await chosen(ada, further, "model-39", "model-39")


@pytest.mark.parametrize("channel", ["dm", "elsewhere"])
async def test_models_can_be_used_where_the_bot_is_not_a_member(ada: Person, channel: str) -> None:
    panel = await opened(ada, channel)
    await ada.click(panel, "Create with this model")
    await ada.submit(await ada.modal(), prompt="a fox")
    assert has_image(await ada.message(has_image, channel))
