"""The members' commands, through the local Discord."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image

from bot.app import App
from bot.core import i18n
from bot.services.orders import Orders
from cogs.kit import answers
from sandbox.person import NotDoneError, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.conftest import Ask
from tests.journeys.result_steps import press

DEV = "flux-2-dev"
SD = "stable-diffusion-1.5"


def image_bytes(colour: str = "teal", size: tuple[int, int] = (96, 64)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


async def test_the_image_arrives_in_the_first_response(ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox in the snow")
    message = await ada.message(has_image)
    assert [m.id for m in ada.messages()] == [message.id]


async def test_the_waiting_message_names_the_hold_and_can_be_cancelled(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    waiting = await ada.message(lambda m: "Generating" in m.content)
    assert "1.4 credits reserved" in waiting.content
    assert list(waiting.buttons) == ["Cancel"]


async def test_four_images_have_four_seeds_in_a_row_which_only_details_name(ada: Person, asked: Ask) -> None:
    message = await asked(count=4, seed=7)
    assert len(message.attachments) == 4
    assert "seed" not in message.content
    await press(ada, message, "Details")
    await ada.message(lambda m: m.ephemeral and "**Seeds** `7`, `8`, `9`, `10`" in m.text)


async def test_a_public_caption_has_prompt_author_model_and_cost(ada: Person, asked: Ask) -> None:
    assert (await asked()).content == f"**a red fox in the snow**\n-# <@{ada.id}> · FLUX.2 Klein 4B · 1.4 credits"


async def test_every_image_carries_a_description(asked: Ask) -> None:
    message = await asked()
    assert message.attachments[0]["description"] == "Image created from the prompt: a red fox in the snow"


async def test_a_spoiler_is_hidden_in_image_and_words(asked: Ask) -> None:
    message = await asked(spoiler=True)
    assert message.attachments[0]["filename"].startswith("SPOILER_")
    assert "||a red fox in the snow||" in message.content


async def test_every_option_of_flux_2_dev_is_passed_on_by_its_own_name(env: Env, asked: Ask) -> None:
    options = {"aspect_ratio": "3:2", "resolution": "0.5 MP", "steps": "12", "guidance": "3.5", "quality": "55", "format": "jpg"}
    await asked(model=DEV, **options)
    (made,) = await env.generations()
    names = ("aspect_ratio", "resolution", "num_inference_steps", "guidance", "output_quality", "output_format")
    assert [made[name] for name in names] == ["3:2", "0.5 MP", 12, 3.5, 55, "jpg"]


@pytest.mark.parametrize("model", ["black-forest-labs-flux-2-klein-4b", "black-forest-labs-flux-2-klein-9b"])
async def test_every_option_of_the_klein_models_is_passed_on(env: Env, asked: Ask, model: str) -> None:
    await asked(model=model, aspect_ratio="3:4", steps="4", guidance="1.5", quality="high", format="webp")
    (made,) = await env.generations()
    names = ("aspect_ratio", "num_inference_steps", "guidance_scale", "output_quality", "output_format")
    assert [made[name] for name in names] == ["3:4", 4, 1.5, "high", "webp"]


async def test_more_takes_parameters_without_an_option(env: Env, asked: Ask) -> None:
    await asked(more="num_inference_steps=9")
    (made,) = await env.generations()
    assert made["num_inference_steps"] == 9


async def test_references_shape_an_image_in_their_order(env: Env, ada: Person, asked: Ask) -> None:
    images = {f"image{n}": ada.upload(f"{n}.png", image_bytes(colour)) for n, colour in enumerate(("red", "green", "blue"), 1)}
    await asked(model=DEV, aspect_ratio="match_input_image", **images)
    (made,) = await env.generations()
    assert [str(url).rsplit("/", 1)[1].split("?")[0] for url in made["input_image"]] == ["1.png", "2.png", "3.png"]


async def test_references_can_be_sent_inline_and_cleaned(env: Env) -> None:
    async with env.app(REFERENCE_MODE="inline"), person_in(env, "Ada") as ada:
        await ada.slash("edit", prompt="make it night", image=ada.upload("day.png", image_bytes()))
        await ada.message(has_image)
        (made,) = await env.generations()
        assert made["input_image"][0].startswith("data:image/png;base64,")


async def test_an_unhandled_error_shows_an_id_that_is_in_the_log(
    app: App, ada: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the disk is full of foxes")

    monkeypatch.setattr(Orders, "order", broken)
    await ada.slash("generate", prompt="a red fox")
    told = (await ada.message(lambda m: m.ephemeral)).content
    fault = told.split("`")[1]
    assert "foxes" not in told
    assert f"fault={fault}" in capsys.readouterr().out


async def test_an_edit_starts_from_the_given_image(env: Env, ada: Person) -> None:
    await ada.slash("edit", prompt="make it night", image=ada.upload("day.png", image_bytes()))
    message = await ada.message(has_image)
    (made,) = await env.generations()
    assert "make it night" in message.content
    assert len(made["input_image"]) == 1


async def test_strength_is_passed_to_an_edit(env: Env) -> None:
    async with env.app(settings=env.oxlo), person_in(env, "Ada") as ada:
        day = ada.upload("day.png", image_bytes())
        offers = await ada.autocomplete("edit", "strength", prompt="night", model=SD, strength="0.6")
        await ada.slash("edit", prompt="night", image=day, model=SD, strength=offers[0]["value"])
        await ada.message(has_image)
        (edit,) = env.images.received("POST", "/v1/images/edits")
        assert (edit.json["model"], edit.json["strength"]) == (SD, 0.6)


async def test_a_private_image_is_seen_by_its_member_alone(ada: Person, ben: Person, asked: Ask) -> None:
    message = await asked(private=True)
    assert message.ephemeral
    assert ben.messages() == []


async def test_generate_works_in_direct_messages(asked: Ask) -> None:
    assert (await asked("dm")).attachments


async def test_nobody_is_pinged_by_a_prompt(asked: Ask) -> None:
    message = await asked(prompt="@everyone look at <@&123456789012345678>")
    assert message.raw.get("mention_everyone") is False
    assert message.raw.get("mention_roles", []) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": "99"}, "FLUX.2 Klein 4B needs a whole number from 1 to 50 for steps, not 99."),
        ({"resolution": "2 MP"}, "FLUX.2 Klein 4B has no option called resolution"),
        ({"aspect_ratio": "3:2"}, "FLUX.2 Klein 4B can't do 3:2. Choose 1:1, 16:9, 9:16, 4:3 or 3:4."),
        ({"model": "flux-3"}, "There's no model called flux-3"),
        ({"more": "banana=1"}, "banana"),
        ({"more": "disable_safety_checker=true", "model": DEV}, "safety checker can't be turned off"),
        ({"seed": -1}, "seed"),
        ({"prompt": "   "}, "prompt"),
        ({"strength": "0.5"}, "FLUX.2 Klein 4B has no option called strength"),
    ],
)
async def test_a_wrong_choice_is_refused_with_a_sentence_and_costs_nothing(
    app: App, ada: Person, options: dict[str, object], sentence: str
) -> None:
    await ada.slash("generate", **{"prompt": "a fox", **options})
    refusal = await ada.message(lambda m: m.ephemeral)
    assert sentence in refusal.content
    assert (await statement_of(app, int(ada.id))).lines == ()


@pytest.mark.parametrize("content", [b"not an image at all", image_bytes()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"])
async def test_an_attachment_that_is_no_image_is_refused(app: App, ada: Person, content: bytes) -> None:
    await ada.slash("edit", prompt="brighter", image=ada.upload("a.png", content))
    refusal = await ada.message(lambda m: m.ephemeral)
    assert refusal.content.startswith("🚫 a.png")
    assert (await statement_of(app, int(ada.id))).lines == ()


async def test_a_slow_order_is_deferred_and_answered_in_that_message(ada: Person, asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "DEFER_AFTER_S", 0)
    message = await asked()
    assert [m.id for m in ada.messages()] == [message.id]


async def test_a_refusal_after_deferring_is_private(ada: Person, ben: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "DEFER_AFTER_S", 0)
    await ada.slash("edit", prompt="brighter", image=ada.upload("a.png", b"nothing"))
    refusal = await ada.message(lambda m: m.content.startswith("🚫 a.png: The file"))
    await ben.until(lambda: ben.messages() == [])
    assert (refusal.ephemeral, ada.messages()) == (True, [refusal])


async def test_quota_shows_left_held_spent_refill_prices_and_entries(ada: Person, asked: Ask) -> None:
    await asked()
    await ada.slash("quota")
    text = (await ada.message(lambda m: "Your credits" in m.text)).text
    for part in ("**998.6** of 1,000 left", "0 reserved", "1.4 spent", "Next credit <t:", "FLUX.2 [dev]: 3 credits", "1.4 reserved\n"):
        assert part in text


async def test_a_refusal_for_lack_of_credit_says_when_there_will_be_enough(env: Env) -> None:
    async with env.app(QUOTA_CREDITS="2"), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a fox")
        await ada.message(has_image)
        await ada.slash("generate", prompt="another fox")
        refusal = await ada.message(lambda m: m.ephemeral)
        assert "<t:" in refusal.content
        assert len(await env.generations()) == 1


async def test_too_many_waiting_jobs_are_refused(env: Env) -> None:
    async with env.app(MAX_WAITING_PER_USER="2"), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a fox", count=3)
        refusal = await ada.message(lambda m: m.ephemeral)
        assert "images queued (limit: 2)" in refusal.content


async def test_cancel_releases_the_hold(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(lambda m: "Generating" in m.content)
    await ada.slash("cancel")
    await ada.message(lambda m: "You weren't charged" in m.content and not m.ephemeral)
    statement = await statement_of(app, int(ada.id))
    assert (statement.held, statement.spent) == (0, 0)
    assert [made["status"] for made in await env.generations()] == ["cancelled"]


async def test_cancel_with_nothing_to_cancel_says_so(ada: Person) -> None:
    await ada.slash("cancel")
    assert "no unfinished images" in (await ada.message(lambda m: m.ephemeral)).content


async def test_cancel_offers_the_members_own_unfinished_images(env: Env, ada: Person, ben: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    (choice,) = await ada.autocomplete("cancel", "image", image="")
    assert (choice["name"], await ben.autocomplete("cancel", "image", image="")) == ("a red fox", [])
    await ada.slash("cancel", image=choice["value"])
    await ada.message(lambda m: "You weren't charged" in m.content and not m.ephemeral)


async def test_cancel_of_several_shows_a_button_for_each_and_one_for_all(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    for prompt in ("a red fox", "a grey owl", "a blue whale"):
        await ada.slash("generate", prompt=prompt)
    await ada.slash("cancel")
    panel = await ada.message(lambda m: m.ephemeral and "Cancel all (3)" in m.buttons)
    *_others, fox = [each["custom_id"] for each in panel.components if each.get("label") == "Cancel"]
    await ada.click(panel, fox)
    panel = await ada.message(lambda m: m.ephemeral and "Cancel all (2)" in m.buttons)
    assert "red fox" not in panel.text
    await ada.click(panel, "Cancel all (2)")
    await ada.message(lambda m: m.ephemeral and "2 requests cancelled" in m.text)
    await ada.until(lambda: len([m for m in ada.messages() if "You weren't charged" in m.content and not m.ephemeral]) == 3 or None)
    statement = await statement_of(app, int(ada.id))
    assert (statement.held, statement.spent) == (0, 0)


async def test_help_and_ping_answer_ephemerally(ada: Person, ben: Person) -> None:
    await ada.slash("help")
    await ada.slash("ping")
    await ada.message(lambda m: "Create and edit images" in m.text)
    await ada.message(lambda m: "Online" in m.content)
    assert ben.messages() == []


@pytest.mark.parametrize("locale", ["en-US", *i18n.LANGUAGES])
async def test_help_fits_one_screen_and_its_commands_can_be_clicked(ada: Person, locale: str) -> None:
    await ada.speak({"es": "es-ES", "pt": "pt-BR"}.get(locale, locale))
    await ada.slash("help")
    text = (await ada.message(lambda m: m.text.startswith("## "))).text
    shown = re.sub(r":\d+>", ">", text)  # Discord shows no ids
    assert (len(shown) <= 800, text.count("\n") < 12, "{" in text) == (True, True, False), len(shown)
    for name in ("generate", "edit", "models", "quota", "settings", "privacy"):
        assert f"</{name}:{ada.commands[name]['id']}>" in text
    assert f"</style save:{ada.commands['style']['id']}>" in text


async def test_autocomplete_shows_what_the_chosen_model_allows(ada: Person) -> None:
    four = await ada.autocomplete("generate", "aspect_ratio", prompt="x", aspect_ratio="")
    dev = await ada.autocomplete("generate", "aspect_ratio", prompt="x", model=DEV, aspect_ratio="")
    assert {"name": "16:9 (default)", "value": "16:9"} in four
    assert "match_input_image" not in [choice["value"] for choice in four]
    assert "match_input_image" in [choice["value"] for choice in dev]


async def test_autocomplete_finds_models_by_any_part_of_their_name(ada: Person) -> None:
    found = await ada.autocomplete("generate", "model", prompt="x", model="9b")
    assert found == [{"name": "FLUX.2 Klein 9B · 2 credits per image", "value": "black-forest-labs-flux-2-klein-9b"}]


async def test_a_count_out_of_bounds_is_refused_by_discord(ada: Person) -> None:
    with pytest.raises(NotDoneError):
        await ada.slash("generate", prompt="a fox", count=5)


async def test_commands_are_registered_once_and_again_only_when_they_change(env: Env) -> None:
    async with env.app() as first:
        assert await first.client.sync_commands(always=False) is False
        assert await first.client.sync_commands(always=True) is True
    async with env.app() as second:
        assert await second.client.sync_commands(always=False) is False
