"""/presets: edits that managers assign to emoji."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.domain.catalog.purposes import serves
from bot.domain.job import JobKind
from sandbox.person import Message, Person
from tests.env.app import Env
from tests.journeys.conftest import Ask
from tests.journeys.reaction_steps import answer_to


async def said_privately(person: Person, words: str) -> Message:
    return await person.message(lambda m: m.ephemeral and words in m.text)


async def test_an_added_preset_is_run_by_its_emoji(env: Env, mo: Person, ada: Person, asked: Ask) -> None:
    await mo.slash("presets add", emoji="🦊", name="Fox face", prompt="everybody is a fox", options="output_quality=high")
    await said_privately(mo, "🦊 now runs Fox face with FLUX.2 Klein 4B at 1.4 credits per image")
    first = await asked()
    await ada.react(first, "🦊")
    assert "everybody is a fox" in (await answer_to(ada, first)).content
    assert (await env.generations())[1]["output_quality"] == "high"


@pytest.mark.parametrize(("preset", "given"), [("🩷", "🩷"), ("👋", "👋🏿"), ("◼️", "◼")])
async def test_emoji_of_any_age_tone_and_style_run_their_preset(mo: Person, ada: Person, asked: Ask, preset: str, given: str) -> None:
    await mo.slash("presets add", emoji=preset, name="Fox face", prompt="everybody is a fox")
    first = await asked()
    await ada.react(first, given)
    assert "everybody is a fox" in (await answer_to(ada, first)).content


async def test_the_server_s_own_emoji_runs_one(mo: Person, ada: Person, asked: Ask) -> None:
    emoji = f"<:easel:{mo.hello['emojis'][0]['id']}>"
    await mo.slash("presets add", emoji=emoji, name="Oil", prompt="as an oil painting")
    first = await asked()
    await ada.react(first, emoji)
    assert "as an oil painting" in (await answer_to(ada, first)).content


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"emoji": "🔁"}, "already has a meaning"),
        ({"emoji": "fox"}, "isn't an emoji. Choose one emoji"),
        ({"emoji": "🦊🦊"}, "isn't an emoji. Choose one emoji"),
        ({"emoji": "<:other:123456789012345678>"}, "from another server"),
        ({"emoji": "<a:other:99999999999999999999>"}, "from another server"),
        ({"options": "output_quality=best"}, "best"),
        ({"model": "no such model"}, "There's no model"),
    ],
)
async def test_a_preset_that_could_not_run_is_refused(app: App, mo: Person, options: dict[str, str], sentence: str) -> None:
    await mo.slash("presets add", **{"emoji": "🦊", "name": "Fox", "prompt": "a fox", **options})
    await said_privately(mo, sentence)


async def test_the_list_shows_prices_and_what_each_does(mo: Person) -> None:
    await mo.slash("presets list")
    text = (await said_privately(mo, "Presets")).text
    for part in ("🎨 **Watercolour** · FLUX.2 Klein 4B · 1.4 credits per image", "loose watercolour painting", "7 of 20 presets"):
        assert part in text


async def test_a_preset_costs_what_its_options_cost(mo: Person) -> None:
    options = "quality=low resolution=4K"
    await mo.slash("presets add", emoji="🦊", name="Fox", prompt="a fox", model="gpt-image-2", options=options)
    assert "GPT Image 2 at 5 credits per image." in (await said_privately(mo, "🦊 now runs Fox with")).text
    await mo.slash("presets list")
    assert "🦊 **Fox** · GPT Image 2 · 5 credits per image\n" in (await said_privately(mo, "8 of 20 presets")).text


async def test_a_removed_preset_no_longer_runs(env: Env, mo: Person, ada: Person, asked: Ask) -> None:
    await mo.slash("presets remove", preset="watercolour")
    await said_privately(mo, "Removed Watercolour from 🎨")
    first = await asked()
    await ada.react(first, "🎨")
    await ada.react(first, "🌙")
    await answer_to(ada, first)
    assert len(await env.generations()) == 2


async def test_presets_are_suggested_for_removal(mo: Person) -> None:
    assert await mo.autocomplete("presets remove", "preset", preset="water") == [{"name": "🎨 Watercolour", "value": "🎨"}]


def editing(app: App) -> set[str]:
    return {model.id for model in app.models.offered if serves(model, JobKind.EDIT) and model.price_microcredits is not None}


async def test_only_models_that_edit_images_are_suggested(app: App, mo: Person) -> None:
    at_least = editing(app)  # prices of some models are still being estimated
    offered = {choice["value"] for choice in await mo.autocomplete("presets add", "model", model="")}
    assert at_least <= offered <= editing(app)
    assert await mo.autocomplete("presets add", "model", model="nano banana") != []


async def test_presets_are_kept_until_they_are_reset(mo: Person) -> None:
    await mo.slash("presets add", emoji="🦊", name="Fox face", prompt="everybody is a fox")
    await said_privately(mo, "🦊 now runs Fox face")
    await mo.slash("presets list")
    assert "Fox face" in (await said_privately(mo, "8 of 20 presets")).text
    await mo.slash("presets reset")
    await said_privately(mo, "Reset the presets to the defaults")
    await mo.slash("presets list")
    await said_privately(mo, "7 of 20 presets")


async def test_a_preset_is_not_for_upscalers(mo: Person) -> None:
    assert await mo.autocomplete("presets add", "model", emoji="🦊", name="Sharp", prompt="sharp", model="topaz") == []
    await mo.slash("presets add", emoji="🦊", name="Sharp", prompt="sharp", model="topazlabs-bloom-image")
    await said_privately(mo, "Topaz Bloom can't edit images. Choose another model for a preset.")
