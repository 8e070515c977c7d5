"""/style and its effect on a request; /tray and its effect on an edit."""

from __future__ import annotations

import pytest

from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask
from tests.journeys.images.test_commands import image_bytes

DEV = "flux-2-dev"
INK = {"name": "Ink", "prefix": "an ink drawing of", "suffix": "on rough paper", "model": DEV, "options": "aspect_ratio=3:2 steps=12"}


async def private_reply(person: Person, text: str, channel: str = "studio") -> Message:
    return await person.message(lambda m: m.ephemeral and text in m.text, channel)


async def test_a_style_adds_words_model_and_options_to_a_prompt(env: Env, ada: Person, asked: Ask) -> None:
    await ada.slash("style save", **INK)
    await private_reply(ada, "Saved")
    await asked(style="ink", prompt="a fox")
    (made,) = await env.generations()
    assert [made[name] for name in ("model_name", "prompt", "aspect_ratio", "num_inference_steps")] == [
        DEV,
        "an ink drawing of, a fox, on rough paper",
        "3:2",
        12,
    ]


async def test_a_style_is_not_for_upscalers(ada: Person) -> None:
    assert await ada.autocomplete("style save", "model", name="Sharp", model="topaz") == []
    await ada.slash("style save", name="Sharp", model="topazlabs-image-upscale")
    await private_reply(ada, "Topaz Image Upscaler only upscales images. Use /upscale instead.")


async def test_an_option_overrides_a_style(env: Env, ada: Person, asked: Ask) -> None:
    await ada.slash("style save", **INK)
    await asked(style="Ink", prompt="a fox", aspect_ratio="1:1")
    assert [made["aspect_ratio"] for made in await env.generations()] == ["1:1"]


async def test_an_edit_takes_a_style_too(env: Env, ada: Person) -> None:
    await ada.slash("style save", name="Ink", suffix="as an ink drawing")
    await ada.slash("edit", prompt="the same", style="Ink", image=ada.upload("day.png", image_bytes()))
    await ada.message(has_image)
    assert [made["prompt"] for made in await env.generations()] == ["the same, as an ink drawing"]


async def test_styles_are_offered_listed_shown_and_deleted(ada: Person) -> None:
    await ada.slash("style save", **INK)
    assert [c["value"] for c in await ada.autocomplete("generate", "style", prompt="x", style="in")] == ["Ink"]
    await ada.slash("style list")
    await private_reply(ada, "**Ink** an ink drawing of … on rough paper")
    await ada.slash("style show", name="ink")
    await private_reply(ada, "`aspect_ratio=3:2`")
    await ada.slash("style delete", name="INK")
    await private_reply(ada, "Deleted")
    await ada.slash("generate", prompt="a fox", style="Ink")
    await private_reply(ada, "You have no style called")


async def test_a_style_of_the_same_name_replaces_the_old_one(ada: Person) -> None:
    await ada.slash("style save", name="Ink", prefix="old")
    await ada.slash("style save", name="INK", prefix="new")
    await ada.slash("style list")
    panel = await private_reply(ada, "Your styles")
    assert ("new" in panel.text, "old" in panel.text) == (True, False)


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"options": "colour=red"}, "can set aspect_ratio, steps"),
        ({"options": "aspect_ratio=7:11", "model": DEV}, "can't do 7:11"),
        ({"options": "aspect_ratio"}, "name=value"),
        ({"prefix": " "}, "needs a prefix, a suffix, a model or options"),
        ({"prefix": "x", "model": "no such"}, "There's no model"),
    ],
)
async def test_a_style_that_cannot_be_used_is_refused_when_it_is_saved(ada: Person, given: dict[str, str], refusal: str) -> None:
    await ada.slash("style save", name="Ink", **given)
    assert refusal in (await private_reply(ada, "🚫")).text


async def test_the_number_of_styles_is_limited(ada: Person) -> None:
    for number in range(25):
        await ada.slash("style save", name=f"style {number}", prefix="x")
    await ada.slash("style save", name="one more", prefix="x")
    await private_reply(ada, "which is the limit")
    await ada.slash("style save", name="style 3", prefix="other")
    await private_reply(ada, "Saved")


# --- the tray --------------------------------------------------------------------------------------------------------


async def add_to_tray(person: Person, message: Message) -> None:
    await person.menu("Use as reference", message)
    await private_reply(person, "tray")


async def test_an_edit_without_an_image_uses_the_tray_and_says_so(env: Env, ada: Person, asked: Ask) -> None:
    made = await asked()
    await add_to_tray(ada, made)
    await ada.slash("edit", prompt="as a watercolour")
    await ada.message(lambda m: has_image(m) and "watercolour" in m.content)
    await private_reply(ada, "Used 1 image from your tray, which is now empty.")
    assert len((await env.generations())[1]["input_image"]) == 1
    await ada.slash("tray show")
    await private_reply(ada, "Your tray is empty")


async def test_images_of_the_tray_follow_the_attached_ones(env: Env, ada: Person, asked: Ask) -> None:
    await add_to_tray(ada, await asked())
    await ada.slash("edit", prompt="both", model=DEV, image=ada.upload("day.png", image_bytes()))
    await ada.message(lambda m: has_image(m) and "both" in m.content)
    assert len((await env.generations())[1]["input_image"]) == 2


async def test_an_edit_without_any_image_says_what_it_needs(ada: Person) -> None:
    await ada.slash("edit", prompt="as a watercolour")
    await private_reply(ada, "Attach an image to edit")


async def test_a_refused_edit_keeps_the_tray_and_says_so(ada: Person, asked: Ask) -> None:
    await add_to_tray(ada, await asked())
    await ada.slash("edit", prompt="night", aspect_ratio="7:11")
    await private_reply(ada, "Also used 1 image from your tray")
    await ada.slash("tray clear")
    await private_reply(ada, "Removed 1 image from your tray")


async def test_the_tray_is_shown_and_emptied_by_its_button_also_after_a_restart(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            await ada.until(lambda: (ada.bot_online and "tray" in ada.commands) or None)
            await ada.slash("generate", prompt="a fox")
            await add_to_tray(ada, await ada.message(has_image))
            await ada.slash("tray show")
            panel = await ada.message(lambda m: "Empty tray" in m.buttons)
            assert [c["type"] for c in panel.components].count(12) == 1
        async with env.app():
            await ada.until(lambda: ada.bot_online or None)
            await ada.click(panel, "Empty tray")
            assert not (await ada.message(lambda m: m.id == panel.id and "Your tray is empty" in m.text)).buttons
