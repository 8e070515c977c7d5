"""Every documented model, ordered with every documented parameter and value: what arrives, what is charged, and what members pay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from bot.app import App
from bot.domain.catalog.costs import MICROCREDITS, needs_estimate
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.job import Job
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.env.option_table import CATALOG, FACTS
from tests.journeys.conftest import written_down
from tests.journeys.manager_steps import change_rules
from tests.journeys.money.test_costs import charges

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREDIT_USD = Decimal("0.01")
CHANNEL = "after-dark"  # where safety checkers may be turned off
LIMITS = {
    **dict.fromkeys(("MAX_RUNNING_PER_USER", "MAX_RUNNING_PER_SERVER", "MAX_RUNNING", "OXEN_MAX_RUNNING", "MAX_WAITING_PER_USER"), "50"),
    **dict.fromkeys(("QUOTA_CREDITS", "OXEN_RATE_PER_MINUTE"), "100000"),
    **dict.fromkeys(("MONTHLY_LIMIT_USD", "MONTHLY_LIMIT_USD_PER_SERVER"), "1000"),
}
# Prompt, images and mask are attached or typed apart from these, and the count is the order's.
APART = {"prompt", "input_image", "mask_url", "image_style_references", "num_images"}
IMAGES = (None, 1, 3)  # of the orders of a model that takes several, in turn


@dataclass(frozen=True, kw_only=True)
class OrderingStage:
    """A running bot, and a member with many credits."""

    env: Env
    app: App
    ada: Person
    numbers: Iterator[int] = field(default_factory=count)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Any) -> AsyncIterator[OrderingStage]:
    board = Switchboard()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(images.serve(switchboard=board, timing=images.FAST, draft=True))
        chat = await stack.enter_async_context(discord.serve(switchboard=board))
        env = Env(switchboard=board, images=api, discord=chat, folder=tmp_path_factory.mktemp("models"), empty_database=sqlite_template)
        app = await stack.enter_async_context(env.app(settings=LIMITS))
        ada = await stack.enter_async_context(person_in(env, "Ada"))  # who sees the bot online: it knows its server
        await change_rules(app, age_restricted={"unchecked": True})
        yield OrderingStage(env=env, app=app, ada=ada)


# --- the orders ------------------------------------------------------------------------------------------------------


def documented_values(node: Mapping[str, Any]) -> list[Any]:
    """Every listed value; both ends and the middle of a range; else examples."""
    if "enum" in node:
        return list(node["enum"])
    if node["type"] == "boolean":
        return [True, False]
    if "minimum" in node:
        least, most = node["minimum"], node["maximum"]
        middle = (least + most) / 2
        return [least, int(middle) if node["type"] == "integer" else middle, most]
    return [0, 7] if node["type"] == "integer" else ["red", "a long list, of things"]


def orders_of(model_id: str) -> list[dict[str, Any]]:
    """So many orders that each value of each parameter occurs; an order chooses all parameters."""
    values = {name: documented_values(node) for name, node in schema_of(model_id)["properties"].items() if name not in APART}
    return [
        {name: each[number % len(each)] for name, each in values.items()} for number in range(max(map(len, values.values()), default=3))
    ]


def schema_of(model_id: str) -> Mapping[str, Any]:
    facts = FACTS[model_id]
    schema: Mapping[str, Any] = facts.get("request_schema") or facts["json_request_schema"]
    return schema


def typed(model: ModelInfo, params: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a command for these parameters. What no option reaches is written into `more`."""
    reached = {option.name: idea for idea in Idea if (option := model.option(idea)) is not None and not option.sent_as}
    options = {str(reached[name]): value if name == "seed" else _text(value) for name, value in params.items() if name in reached}
    more = " ".join(f'{name}="{_text(value)}"' for name, value in params.items() if name not in reached)
    return {**options, **({"more": more} if more else {})}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def images_of(model: ModelInfo, number: int) -> int:
    """How many reference images the order with this number has."""
    wanted = IMAGES[number % len(IMAGES)] if model.takes_references else None
    least = 1 if model.references_required else 0
    return max(min(wanted or 0, model.max_references or 3), least)


async def ordered(stage: OrderingStage, model_id: str, params: Mapping[str, Any], attached: int) -> str:
    """Order an image, and return its prompt."""
    model, prompt = CATALOG.get(model_id), f"a fox, number {next(stage.numbers)}."
    files = [stage.ada.upload("source.png", png(48, 36)) for _ in range(attached)]
    command = "edit" if files and model.edits else "generate"
    names = ("image" if command == "edit" else "image1", "image2", "image3")
    options = {**typed(model, params), **dict(zip(names, files, strict=False))}
    if files and model.mask_option:
        options["mask"] = stage.ada.upload("mask.png", png(48, 36))
    await stage.ada.slash(command, CHANNEL, prompt=prompt, model=model_id, **options)
    return prompt


# --- what became of them ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model_id", [model_id for model_id in FACTS if "prompt" in schema_of(model_id)["required"]])
async def test_every_value_of_every_parameter_arrives_and_is_paid_for(stage: OrderingStage, model_id: str) -> None:
    model, orders = CATALOG.get(model_id), orders_of(model_id)
    before = await statement_of(stage.app, int(stage.ada.id))
    prompts = [await ordered(stage, model_id, params, images_of(model, number)) for number, params in enumerate(orders)]
    shown = [await stage.ada.message(lambda m, words=words: has_image(m) and words in m.content, CHANNEL) for words in prompts]  # type: ignore[misc]
    jobs = [await written_down(stage.app, message) for message in shown]
    after = await statement_of(stage.app, int(stage.ada.id))

    requests = {request.json["prompt"]: request.json for request in stage.env.images.received("POST", "/api/ai/queue")}
    for number, (prompt, params) in enumerate(zip(prompts, orders, strict=True)):
        assert parameters_in(requests[prompt]) == with_kinds(params)
        assert_images(model, requests[prompt], images_of(model, number))
    assert_paid(jobs, await charges(stage.env), is_exact=not needs_estimate(FACTS[model_id]))
    assert (after.held, after.spent - before.spent) == (0, sum(job.generations[0].price for job in jobs))


@pytest.mark.parametrize("model_id", [model_id for model_id in FACTS if "prompt" not in schema_of(model_id)["required"]])
async def test_every_value_of_every_parameter_of_an_upscaler_arrives_and_is_paid_for(stage: OrderingStage, model_id: str) -> None:
    if "upscale" not in stage.ada.commands:
        pytest.skip("there is no command for models without a prompt")
    for params in orders_of(model_id):
        seen = {message.id for message in stage.ada.messages(CHANNEL)}
        image = stage.ada.upload("source.png", png(48, 36))
        await stage.ada.slash("upscale", CHANNEL, image=image, model=model_id, **typed(stage.app.models.catalog.get(model_id), params))
        message = await stage.ada.message(lambda m, seen=seen: has_image(m) and m.id not in seen, CHANNEL)  # type: ignore[misc]
        sent = stage.env.images.received("POST", "/api/ai/queue")[-1].json
        assert parameters_in(sent) == with_kinds(params)
        assert_images(CATALOG.get(model_id), sent, 1)
        assert_paid([await written_down(stage.app, message)], await charges(stage.env), is_exact=True)


def parameters_in(sent: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    return with_kinds({name: value for name, value in sent.items() if name not in APART | {"model", "num_generations", "target_namespace"}})


def with_kinds(params: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """The values with their JSON types. Whole numbers are of one type, as in JSON Schema."""
    return {
        name: ("int" if isinstance(value, float) and value.is_integer() else type(value).__name__, value) for name, value in params.items()
    }


def assert_images(model: ModelInfo, request: Mapping[str, Any], wanted: int) -> None:
    """As many as were attached, as the schema says: one text, a list of texts, or a list of objects. A mask is a text."""
    assert isinstance(request.get("mask_url"), str) is (bool(wanted) and model.mask_option is not None)
    sent = request.get("input_image", request.get("image_style_references"))
    if not wanted:
        assert sent is None
    elif model.max_references == 1:
        assert isinstance(sent, str)
    else:
        assert [type(each if model.edits else each["image_url"]) for each in sent] == [str] * wanted


def assert_paid(jobs: Sequence[Job], charged: Mapping[str, Decimal], *, is_exact: bool) -> None:
    """What was held and settled covers the charge, and is equal to it if the model's prices say so."""
    for (generation,) in (job.generations for job in jobs):
        charge = charged[str(generation.provider_id)] / CREDIT_USD * MICROCREDITS
        assert generation.price == generation.cost >= charge
        assert generation.cost == charge or not is_exact
