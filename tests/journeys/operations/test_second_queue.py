"""A second image API with a queue, defined outside the package, beside Oxen: both use the same image id without a mix-up."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest
from PIL import Image

from bot.app import App
from bot.domain.job import GenerationState
from bot.store.money import ledger
from sandbox.person import Message, Person
from tests.acme.provider import acme
from tests.acme.server import MODEL, SIZE_PX, AcmeServer, serve_acme
from tests.env.app import BRISK, Env, has_image, person_in
from tests.env.job_steps import generations_in
from tests.journeys.reaction_steps import PRICE, spent, until_generations
from tests.services.conftest import eventually

ACME_PRICE = 3_000_000
BY_EVENTS = replace(BRISK, slow_s=60, poll_min_s=60, poll_max_s=60)  # too slow for anything but events


@dataclass(kw_only=True)
class Twins:
    """An image at each provider, under the same id."""

    app: App
    ada: Person
    server: AcmeServer
    id: str

    async def finished(self, prompt: str) -> Message:
        return await self.ada.message(lambda m: has_image(m) and prompt in m.content)

    def is_open(self, prompt: str) -> bool:
        return any(prompt in m.content and not has_image(m) for m in self.ada.messages())


@asynccontextmanager
async def twins(env: Env, *, streams: bool = True, loses_answers: bool = False) -> AsyncIterator[Twins]:
    """Ada has asked Oxen for an ox and Acme for an anvil, and both are running."""
    env.switchboard.turn_on("generation-stuck")
    async with (
        serve_acme() as server,
        env.app(more_apis=[acme(server.url, streams=streams)], timing=BY_EVENTS if streams else BRISK) as app,
        person_in(env, "Ada") as ada,
    ):
        await eventually(lambda: is_connected(app, env, server, acme_streams=streams))
        await ada.slash("generate", prompt="an ox")
        await until_generations(env, 1)
        server.next_id, server.loses_answers = (await env.generations())[0]["generation_id"], loses_answers
        await ada.slash("generate", prompt="an anvil", model=MODEL["id"])
        await eventually(both_run(app))
        yield Twins(app=app, ada=ada, server=server, id=server.next_id)


async def is_connected(app: App, env: Env, server: AcmeServer, *, acme_streams: bool) -> bool:
    """Whether the bot has both model lists and both event streams, as far as they exist."""
    async with aiohttp.ClientSession() as session, session.get(f"{env.images.url}/sandbox/generations") as response:
        oxen_listeners = (await response.json())["listeners"]
    providers = {model.provider for model in app.models.offered}
    return providers == {"oxen", "acme"} and bool(oxen_listeners) and bool(server.listeners) is acme_streams


def both_run(app: App) -> Callable[[], Awaitable[bool]]:
    async def providers_run() -> bool:
        running = await app.store.read(generations_in, GenerationState.RUNNING)
        return {generation.provider for generation in running} == {"oxen", "acme"}

    return providers_run


async def size_of(person: Person, message: Message) -> tuple[int, int]:
    return Image.open(io.BytesIO(await person.fetch(message.attachments[0]["url"]))).size


@pytest.mark.parametrize("streams", [True, False], ids=["heard of", "polled"])
async def test_each_provider_delivers_its_own_image(env: Env, streams: bool) -> None:
    async with twins(env, streams=streams) as both:
        both.server.finish(both.id)
        assert await size_of(both.ada, await both.finished("an anvil")) == SIZE_PX
        assert both.is_open("an ox")
        env.switchboard.turn_off("generation-stuck")
        assert await size_of(both.ada, await both.finished("an ox")) != SIZE_PX
        assert await spent(both.app, both.ada) == PRICE + ACME_PRICE
        assert await both.app.store.read(ledger.audit) == []


async def test_an_event_of_one_provider_does_not_end_the_other_s_image(env: Env) -> None:
    async with twins(env) as both:
        env.switchboard.turn_off("generation-stuck")
        await both.finished("an ox")
        assert both.is_open("an anvil")
        both.server.finish(both.id)
        await both.finished("an anvil")


async def test_cancelling_one_image_leaves_the_other(env: Env) -> None:
    async with twins(env) as both:
        ox = await both.ada.message(lambda m: "an ox" in m.content)
        await both.ada.click(ox, "Cancel")
        await both.ada.message(lambda m: m.id == ox.id and "Cancelled" in m.content)
        both.server.finish(both.id)
        await both.finished("an anvil")
        assert await spent(both.app, both.ada) == ACME_PRICE


async def test_a_lost_response_is_recovered_under_an_id_that_both_have(env: Env) -> None:
    async with twins(env, loses_answers=True) as both:
        both.server.finish(both.id)
        await both.finished("an anvil")
        assert len(both.server.images) == 1


async def test_the_models_of_all_image_apis_are_listed_together(env: Env) -> None:
    async with twins(env) as both:
        await both.ada.slash("models")
        menu = next(c for c in (await both.ada.message(lambda m: "## Models" in m.text)).components if c["type"] == 3)
        assert "3 credits per image" in [each["description"] for each in menu["options"] if each["label"] == "Acme One"]
