"""What members pay covers what the image API charges, whatever they choose."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from decimal import Decimal
from functools import partial
from typing import Any

import aiohttp
import pytest

from bot.app import App
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import change_rules
from tests.services.conftest import eventually

CREDIT_USD = Decimal("0.01")


async def charges(env: Env) -> dict[str, Decimal]:
    """What the image API charged, in US dollars, by its generations' ids."""
    url = f"{env.images.url}/api/ai/generations?page_size=1000"
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": f"Bearer {env.images.key}"}) as response:
        rows = (await response.json())["generations"]
    return {row["generation_id"]: Decimal(row["cost"]) for row in rows if row["cost"] is not None}


async def charged(env: Env) -> Decimal:
    """What the image API charged in total, in credits."""
    url = f"{env.images.url}/api/ai/generations"
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Authorization": f"Bearer {env.images.key}"}) as response:
        return Decimal((await response.json())["total_cost"]) / CREDIT_USD


async def spent(app: App, person: Person) -> Decimal:
    statement = await statement_of(app, int(person.id))
    return Decimal(statement.spent) / 1_000_000


@pytest.mark.parametrize(
    ("options", "cost"),
    [
        ({"model": "gpt-image-2", "quality": "high", "resolution": "4K"}, 147),
        ({"model": "gpt-image-2", "quality": "low", "resolution": "1K"}, 1),
        ({"model": "gpt-image-2", "more": "quality=medium resolution=4k"}, 38),
        ({"model": "gpt-image-2"}, 42),
        ({"model": "gpt-image-2", "quality": "low", "count": 2}, 4),
        ({"model": "ideogram-v4"}, 6),
    ],
)
async def test_an_image_costs_what_its_options_cost(
    env: Env, app: App, ada: Person, asked: Ask, options: dict[str, Any], cost: int
) -> None:
    shown = await asked(**options)
    assert f"{cost} credit" in shown.text
    await eventually(lambda: spent(app, ada))
    assert (await spent(app, ada), await charged(env)) == (Decimal(cost),) * 2


async def test_the_price_of_the_chosen_options_is_held(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a fox", model="gpt-image-2", quality="high", resolution="4K")
    await ada.message(lambda m: "147 credits reserved" in m.text)


async def test_who_can_pay_only_the_default_cannot_order_more(env: Env) -> None:
    async with env.app(QUOTA_CREDITS="50"), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a fox", model="gpt-image-2", resolution="4K")
        await ada.message(lambda m: "This costs 147 credits, and you have 50." in m.text)
        assert await env.generations() == []


@pytest.mark.parametrize("more", ["num_images=4", "NUM_IMAGES=4", "n=4", 'num_images="4"'])
async def test_images_cannot_be_multiplied(env: Env, ada: Person, more: str) -> None:
    await ada.slash("generate", prompt="a fox", model="ideogram-v4", more=more)
    await ada.message(lambda m: "Use the option for the number of images" in m.text)
    assert await env.generations() == []


async def test_again_repeats_the_options_at_their_price(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked(model="gpt-image-2", quality="low", resolution="4K")
    await ada.click(first, "Again")
    await ada.message(lambda m: has_image(m) and m.id != first.id)
    assert await charged(env) == 10
    assert await spent(app, ada) == 10


async def test_a_model_that_is_charged_by_time_is_sold_at_the_upper_end_of_its_estimate(
    env: Env, app: App, ada: Person, asked: Ask
) -> None:
    await asked(model="z-image-turbo", steps="10")
    assert (await spent(app, ada), await charged(env)) == (Decimal(1), Decimal("0.5"))


@pytest.mark.parametrize("price", ["", "z-image-turbo=3"])
async def test_without_an_estimate_it_is_sold_only_at_the_operator_s_price(env: Env, price: str) -> None:
    async with env.app(MODEL_PRICES=price) as app, person_in(env, "Ada") as ada:
        env.switchboard.turn_on("models-down")
        await ada.slash("generate", prompt="a fox", model="z-image-turbo", steps="11")
        if not price:
            await ada.message(lambda m: "can't be used yet because it has no price" in m.text)
            return
        await ada.message(has_image)
        assert await spent(app, ada) == 3


async def test_a_server_s_price_does_not_sell_what_has_no_known_cost(env: Env, app: App, ada: Person) -> None:
    await change_rules(app, prices={"z-image-turbo": 0})
    env.switchboard.turn_on("models-down")
    await ada.slash("generate", prompt="a fox", model="z-image-turbo", steps="11")
    await ada.message(lambda m: "can't be used yet because it has no price" in m.text)
    assert await env.generations() == []


async def test_an_estimate_is_asked_once_for_the_same_options(env: Env, asked: Ask) -> None:
    for _ in range(2):
        await asked(model="z-image-turbo", steps="5")
    estimates = [request.json for request in env.images.received("POST", "/api/ai/models/z-image-turbo/estimate")]
    (estimate,) = [each for each in estimates if "num_inference_steps" in each]  # the others are for the list of models
    assert (estimate["num_inference_steps"], "fox" in estimate["prompt"]) == (5, False)


async def test_lists_say_that_a_price_depends_on_options(ada: Person) -> None:
    def listed(message: Message) -> bool:
        return "GPT Image 2" in message.text

    await ada.slash("models")
    panel = await ada.message(lambda m: "## Models" in m.text)
    await ada.select(panel, "v1:models:choose", "gpt-image-2")
    assert "usually 42 credits per image" in (await ada.message(listed)).text
    choices = await ada.autocomplete("generate", "model", model="klein")
    assert all("default" not in choice["name"] for choice in choices)


async def test_choices_show_what_they_lead_to(ada: Person) -> None:
    offers = await ada.autocomplete("generate", "resolution", model="gpt-image-2", quality="low", resolution="")
    assert [offer["name"] for offer in offers] == ["1K · 1 credit", "2K (default) · 2 credits", "4K · 5 credits"]
    shapes = await ada.autocomplete("generate", "aspect_ratio", model="gpt-image-2", aspect_ratio="16")
    assert [offer["name"] for offer in shapes] == ["16:9 (default)", "9:16"]


async def test_an_endpoint_s_price_is_that_of_the_chosen_size(env: Env) -> None:
    model = {"id": "stable-diffusion-1.5", "sizes": ["512x512", "768x768"], "prices": [{"when": {"size": "768x768"}, "credits": 9}]}
    endpoint = {"name": "local", "base_url": env.images.openai_url, "key": env.images.openai_key, "price_credits": 2, "models": [model]}
    async with env.app(OPENAI_ENDPOINTS=json.dumps([endpoint])) as app, person_in(env, "Ada") as ada:
        for size in ("512x512", "768x768"):
            await ada.slash("generate", prompt="a fox", model="stable-diffusion-1.5", resolution=size)
        await eventually(lambda: _is(spent(app, ada), 11))


async def test_an_edit_costs_the_size_that_is_chosen_after_its_image(env: Env) -> None:
    prices = [{"when": {"size": "1024x1536"}, "credits": 9}, {"when": {"size": "auto"}, "credits": 7}]
    wide, open_ = {"id": "wide", "sizes": ["1024x1024", "1024x1536"]}, {"id": "open", "sizes": ["512x512", "auto"]}
    models = [{**model, "edits": True, "prices": prices[n : n + 1]} for n, model in enumerate((wide, open_))]
    endpoint = {"name": "local", "base_url": env.images.openai_url, "key": env.images.openai_key, "price_credits": 2, "models": models}
    async with env.app(OPENAI_ENDPOINTS=json.dumps([endpoint])), person_in(env, "Ada") as ada:
        for model, price in (("wide", "9 credits"), ("open", "7 credits")):
            await ada.slash("edit", prompt=f"as {price}", model=model, image=ada.upload("day.png", png(480, 640)))
            await ada.message(partial(_shows, f"as {price}", f" {price}"))


def _shows(prompt: str, price: str, message: Message) -> bool:
    return prompt in message.content and price in message.content.replace(prompt, "")


async def _is(amount: Awaitable[Decimal], expected: int) -> bool:
    return await amount == expected
