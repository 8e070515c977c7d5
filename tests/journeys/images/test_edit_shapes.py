"""Edits keep the shape of the image that they start from, on every route, and say so."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.journeys.conftest import Ask, written_down
from tests.journeys.images.test_menus import posted
from tests.journeys.manager_steps import guild_of, private_reply
from tests.journeys.reaction_steps import answer_to

DEV, KLEIN, GPT = "flux-2-dev", "black-forest-labs-flux-2-klein-4b", "gpt-image-2"
PORTRAIT = png(480, 640)


def turned_portrait() -> bytes:
    """A portrait as phones store it: a landscape with an orientation."""
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    Image.open(io.BytesIO(png(640, 480))).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


async def edited(ada: Person, /, image: bytes = PORTRAIT, name: str = "day.png", **options: Any) -> Message:
    """The finished message of an /edit."""
    await ada.slash("edit", prompt="make it night", image=ada.upload(name, image), **options)
    return await ada.message(lambda m: has_image(m) and "make it night" in m.content)


async def sent(env: Env) -> dict[str, Any]:
    """The parameters of the newest generation."""
    return (await env.generations())[-1]


@pytest.mark.parametrize(
    ("image", "model", "ratio", "said"),
    [
        (PORTRAIT, KLEIN, "3:4", "3:4, like the original image"),
        (turned_portrait(), KLEIN, "3:4", "3:4, like the original image"),
        (png(640, 160), KLEIN, "16:9", "16:9, the closest to the original image"),
        (PORTRAIT, DEV, "match_input_image", "the original image's aspect ratio"),
        (PORTRAIT, GPT, "auto", "aspect ratio chosen by the model"),
    ],
)
async def test_an_edit_has_the_shape_of_its_image(env: Env, ada: Person, image: bytes, model: str, ratio: str, said: str) -> None:
    message = await edited(ada, image, model=model)
    assert (await sent(env))["aspect_ratio"] == ratio
    assert message.content.endswith(f" · {said}")
    await ada.menu("Image details", message)
    assert f"**Aspect ratio** {said}" in (await private_reply(ada, "**Support code**")).text


async def test_the_image_comes_back_as_a_portrait(ada: Person) -> None:
    made = Image.open(io.BytesIO(await ada.fetch((await edited(ada)).attachments[0]["url"])))
    assert made.width / made.height == pytest.approx(3 / 4, abs=0.02)


async def test_a_repetition_obeys_the_rules_of_now(app: App, env: Env, ada: Person) -> None:
    message = await edited(ada, model=DEV)
    await change_rules(app.services.guilds, guild_of(ada), everyone={"aspect_ratios": ["2:3", "1:1"]})
    await ada.click(message, "Again")
    await ada.message(lambda m: has_image(m) and m.id != message.id)
    assert [g["aspect_ratio"] for g in await env.generations()] == ["match_input_image", "2:3"]


@pytest.mark.parametrize("chosen", [{"aspect_ratio": "16:9"}, {"more": "aspect_ratio=16:9"}, {"style": "wide"}])
async def test_a_ratio_that_was_chosen_stays(env: Env, ada: Person, chosen: dict[str, Any]) -> None:
    await ada.slash("style save", name="wide", options="aspect_ratio=16:9")
    message = await edited(ada, **chosen)
    assert (await sent(env))["aspect_ratio"] == "16:9"
    assert "original image" not in message.content.replace("this image", "")


async def test_a_server_s_ratios_restrict_what_is_chosen(app: App, env: Env, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), everyone={"aspect_ratios": ["2:3", "1:1"]})
    await edited(ada, model=DEV)
    assert (await sent(env))["aspect_ratio"] == "2:3"


async def test_the_form_the_menu_and_the_tray_keep_it(env: Env, ada: Person) -> None:
    found = await posted(ada, PORTRAIT)
    await ada.menu("Edit with Easel", found)
    await ada.submit(await ada.modal(), prompt="in winter", model=[KLEIN])
    await ada.message(lambda m: "in winter" in m.content and has_image(m))
    assert (await sent(env))["aspect_ratio"] == "3:4"
    await ada.menu("Use as reference", found)
    await private_reply(ada, "Saved to your tray")
    await ada.slash("edit", prompt="in spring")
    assert "3:4, like" in (await ada.message(lambda m: "in spring" in m.content and has_image(m))).content


async def test_an_image_without_a_link_is_kept_in_shape(app: App, env: Env, ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked(aspect_ratio="9:16")
    await written_down(app, first)
    await mo.delete(await mo.message(lambda m: m.id == first.id))
    await ada.slash("history")
    panel = await ada.message(lambda m: m.ephemeral and m.components)
    pick = next(c for c in panel.components if str(c.get("custom_id", "")).startswith("v1:history:pick"))
    await ada.select(panel, pick["custom_id"], pick["options"][0]["value"])
    await ada.click(await ada.message(lambda m: m.id == panel.id and "Edit" in m.buttons), "Edit")
    await ada.submit(await ada.modal(), prompt="in winter")
    await ada.message(lambda m: "in winter" in m.content and has_image(m))
    assert (await sent(env))["aspect_ratio"] == "9:16"


async def test_a_preset_and_a_repetition_keep_it(env: Env, mo: Person, ada: Person, asked: Ask) -> None:
    await mo.slash("presets add", emoji="🦊", name="Fox face", prompt="everybody is a fox", model=KLEIN)
    found = await asked(aspect_ratio="9:16")
    await ada.react(found, "🦊")
    made = await answer_to(ada, found)
    await ada.click(made, "Again")
    again = await ada.message(lambda m: has_image(m) and "everybody" in m.content and m.id != made.id)
    assert [g["aspect_ratio"] for g in await env.generations()] == ["9:16"] * 3
    assert again.content.endswith("9:16, like the original image")


async def test_a_preset_s_own_ratio_stays(env: Env, mo: Person, ada: Person, asked: Ask) -> None:
    await mo.slash("presets add", emoji="🦊", name="Fox face", prompt="everybody is a fox", model=KLEIN, options="aspect_ratio=1:1")
    found = await asked(aspect_ratio="9:16")
    await ada.react(found, "🦊")
    await answer_to(ada, found)
    assert (await sent(env))["aspect_ratio"] == "1:1"


async def test_a_single_size_stays(env: Env) -> None:
    async with env.app(settings=env.oxlo), person_in(env, "Ada") as ada:
        await edited(ada, model="stable-diffusion-1.5")
        (edit,) = env.images.received("POST", "/v1/images/edits")
        assert edit.json["size"] == "512x512"


async def test_a_new_image_with_references_is_no_edit(env: Env, ada: Person, asked: Ask) -> None:
    await asked(image1=ada.upload("day.png", PORTRAIT))
    assert (await sent(env)).get("aspect_ratio") is None
