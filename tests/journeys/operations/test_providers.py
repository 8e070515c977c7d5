"""Two image providers side by side: their models, outages, lost responses and failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.app import App
from bot.store.cluster import provider_states
from bot.store.money import ledger
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.journeys.images.test_commands import image_bytes
from tests.journeys.operations.test_crash import ask, in_database, killable_app, online, until
from tests.journeys.operations.test_faults import finished
from tests.services.conftest import eventually

OXEN = ("black-forest-labs-flux-2-klein-4b", "black-forest-labs-flux-2-klein-9b", "flux-2-dev")
OXLO = ("stable-diffusion-1.5", "sdxl_lightning_4step.safetensors", "flux.1-schnell", "oxlo-image-pro")
WIDE = {f"MAX_{what}": "40" for what in ("RUNNING", "RUNNING_PER_SERVER", "RUNNING_PER_USER", "WAITING_PER_USER")}
PLACES = {"OXEN_MAX_RUNNING": "10", "OXLO_MAX_RUNNING": "10"}


@asynccontextmanager
async def both(env: Env, **overrides: str) -> AsyncIterator[tuple[App, Person]]:
    """A bot with both providers, and Ada in it."""
    async with env.app(settings={**env.oxlo, **overrides}) as app, person_in(env, "Ada") as ada:

        async def all_offered() -> bool | None:
            return len(app.models.offered) >= len(OXEN) + len(OXLO) or None

        await eventually(all_offered)
        yield app, ada


async def oxlo_calls(env: Env) -> dict[str, Any]:
    """Calls to the second image API, and how many were paid."""
    async with aiohttp.ClientSession() as session, session.get(f"{env.images.url}/sandbox/openai/calls") as response:
        calls: dict[str, Any] = await response.json()
        return calls


async def made(person: Person, command: str = "generate", **options: object) -> Message:
    seen = {message.id for message in person.messages()}
    await person.slash(command, **{"prompt": "a red fox", **options})
    return await person.message(lambda m: finished(m) and m.id not in seen)


async def test_all_seven_models_make_images(env: Env) -> None:
    async with both(env) as (app, ada):
        for model in (*OXEN, *OXLO):
            assert has_image(await made(ada, model=model)), model
        assert await app.store.read(ledger.audit) == []


async def test_every_model_that_edits_edits(env: Env) -> None:
    async with both(env) as (_, ada):
        for model in (*OXEN, *(name for name in OXLO if name != "flux.1-schnell")):
            assert has_image(await made(ada, "edit", model=model, image=ada.upload("a.png", image_bytes()))), model


async def test_a_model_that_does_not_edit_says_so(env: Env) -> None:
    async with both(env) as (_, ada):
        await ada.slash("edit", prompt="night", model="flux.1-schnell", image=ada.upload("a.png", image_bytes()))
        assert "can't use reference images" in (await ada.message(lambda m: m.ephemeral)).content


async def test_the_bot_runs_with_the_second_provider_alone(env: Env) -> None:
    async with env.app(settings=env.oxlo, OXEN_API_KEY="") as app, person_in(env, "Ada") as ada:
        assert has_image(await made(ada))
        assert {model.provider for model in app.models.offered} == {"oxlo"}


async def test_ten_jobs_of_each_kind_survive_an_outage_of_both_providers(env: Env) -> None:
    async with both(env, **WIDE, **PLACES, UNCERTAIN_CALLS="retry") as (app, ada):
        env.switchboard.turn_on("generation-stuck")
        asks = [ada.slash("generate", prompt=f"fox {n}", model=model) for n in range(10) for model in (OXEN[0], OXLO[1])]
        await asyncio.gather(*asks)
        await ada.until(lambda: len([m for m in ada.messages() if "Generating" in m.content]) == 20 or None)
        for fault in ("oxen-down", "oxlo-down"):
            env.switchboard.turn_on(fault)
        env.switchboard.turn_off("generation-stuck")
        await away(app, "oxlo")
        for fault in ("oxen-down", "oxlo-down"):
            env.switchboard.turn_off(fault)
        await ada.until(lambda: len([m for m in ada.messages() if finished(m)]) == 20 or None, timeout_s=30)
        assert all(has_image(m) for m in ada.messages())
        assert len(await env.generations()) == 10
        assert (await oxlo_calls(env))["paid"] == 10
        statement = await statement_of(app, int(ada.id))
        assert (statement.held, statement.spent) == (0, 10 * 1_400_000 + 10 * 2_000_000)


async def away(app: App, provider: str) -> None:
    """Wait until the bot's circuit breaker for this provider is open."""
    async with asyncio.timeout(10):
        while app.guards[provider].away_since is None:  # noqa: ASYNC110  nothing announces it to a test
            await asyncio.sleep(0.01)


async def lose_oxlo(env: Env, app: App, person: Person) -> None:
    """Oxlo goes down, and three orders show it to the bot."""
    env.switchboard.turn_on("oxlo-down")
    for n in range(3):
        await person.slash("generate", prompt=f"fox {n}", model=OXLO[0])
    await away(app, "oxlo")


async def test_during_an_outage_the_waiting_message_says_since_when(env: Env) -> None:
    async with both(env) as (app, ada):
        await lose_oxlo(env, app, ada)
        await ada.slash("generate", prompt="the last fox", model=OXLO[0])
        waiting = await ada.message(lambda m: "the last fox" in m.content and "responded since" in m.content)
        assert "Oxlo.ai hasn't responded since <t:" in waiting.content
        env.switchboard.turn_off("oxlo-down")
        assert has_image(await ada.message(lambda m: "the last fox" in m.content and finished(m)))


async def test_an_outage_is_known_after_a_restart_and_costs_no_call(env: Env) -> None:
    async with both(env) as (app, ada):
        await lose_oxlo(env, app, ada)
        since = app.guards["oxlo"].away_since
        await eventually(lambda: is_stored(app, since))
    calls = len(env.images.received("POST", "/v1/images"))
    async with both(env) as (app, ada):
        assert app.guards["oxlo"].away_since == since
        await ada.slash("generate", prompt="the last fox", model=OXLO[0])
        await ada.message(lambda m: "the last fox" in m.content and "responded since" in m.content)
        pings = len(env.images.received("GET", "/v1/models"))
        async with asyncio.timeout(10):
            while len(env.images.received("GET", "/v1/models")) < pings + 2:  # noqa: ASYNC110  the sandbox has no event for this
                await asyncio.sleep(0.01)
        assert len(env.images.received("POST", "/v1/images")) == calls
        env.switchboard.turn_off("oxlo-down")
        assert has_image(await ada.message(lambda m: "the last fox" in m.content and finished(m)))


async def is_stored(app: App, since: int | None) -> bool:
    return (await app.store.read(provider_states.read, "oxlo")).away_since == since


async def test_a_fallback_model_is_named_and_costs_the_held_price(env: Env) -> None:
    async with both(env, FALLBACK_MODELS=f"{OXLO[0]}={OXEN[0]}") as (app, ada):
        await lose_oxlo(env, app, ada)
        message = await made(ada, prompt="the last fox", model=OXLO[0])
        assert "FLUX.2 Klein 4B instead of Stable Diffusion 1.5" in message.content
        assert "2 credits" in message.content


async def test_a_fallback_model_keeps_the_shape_of_an_edit_in_its_own_way(env: Env) -> None:
    async with both(env, FALLBACK_MODELS=f"{OXLO[0]}={OXEN[0]}") as (app, ada):
        await lose_oxlo(env, app, ada)
        day = ada.upload("day.png", png(480, 640))
        assert "3:4, like the original image" in (await made(ada, "edit", prompt="the last fox", model=OXLO[0], image=day)).content
        assert (await env.generations())[-1]["aspect_ratio"] == "3:4"


async def test_a_model_whose_cost_is_unknown_is_no_fallback(env: Env) -> None:
    async with both(env, FALLBACK_MODELS=f"{OXLO[0]}=z-image-turbo, z-image-turbo={OXEN[0]}") as (app, ada):
        await lose_oxlo(env, app, ada)
        assert "FLUX.2 Klein 4B instead of Stable Diffusion 1.5" in (await made(ada, prompt="the last fox", model=OXLO[0])).content


@pytest.mark.parametrize(("rule", "paid", "is_made"), [("release", 1, False), ("retry", 2, True)])
async def test_a_lost_response_follows_the_operator_s_setting_and_is_explained(env: Env, rule: str, paid: int, is_made: bool) -> None:
    async with both(env, UNCERTAIN_CALLS=rule) as (app, ada):
        env.switchboard.turn_on("enqueue-answer-lost", times=1)
        message = await made(ada, model=OXLO[0])
        assert has_image(message) is is_made
        assert ("generated again. You pay once" if is_made else "answer got lost") in message.content
        assert (await oxlo_calls(env))["paid"] == paid
        assert (await statement_of(app, int(ada.id))).spent == (2_000_000 if is_made else 0)


@pytest.mark.parametrize(
    ("prompt", "fault", "says", "offers_again"),
    [
        ("a forbidden fox", None, "refused this because of its content rules", False),
        ("a fox", "out-of-credit", "isn't available right now. The bot's operator has been told", True),
        ("a fox", "key-refused", "isn't available right now. The bot's operator has been told", True),
        ("a fox", "generation-fails", "No image", True),
        ("a fox", "result-not-image", "You were refunded", True),
    ],
)
async def test_each_kind_of_failure_has_its_message_refund_and_buttons(
    env: Env, prompt: str, fault: str | None, says: str, offers_again: bool
) -> None:
    async with both(env) as (app, ada):
        if fault:
            env.switchboard.turn_on(fault)
        # Oxen reports a failed generation; of a failed call to Oxlo nobody knows whether it was paid.
        message = await made(ada, prompt=prompt, model=OXEN[0] if fault == "generation-fails" else OXLO[0])
        statement = await statement_of(app, int(ada.id))
        assert says in message.content
        assert ("Again" in message.buttons) is offers_again
        assert (statement.held, statement.spent) == (0, 0)


async def test_a_rate_limited_call_is_retried_and_paid_once(env: Env) -> None:
    async with both(env) as (_, ada):
        env.switchboard.turn_on("images-rate-limited", times=1)
        assert has_image(await made(ada, model=OXLO[0]))
        assert (await oxlo_calls(env))["paid"] == 1


async def test_removing_a_provider_from_the_settings_releases_its_holds(env: Env) -> None:
    env.switchboard.turn_on("oxlo-down")
    async with both(env) as (_, ada):
        await ada.slash("generate", prompt="a red fox", model=OXLO[0])
        await ada.message(lambda m: "a red fox" in m.content)
    async with env.app() as app, person_in(env, "Ada") as ada:
        await ada.message(finished)
        assert (await statement_of(app, int(ada.id))).held == 0


WAITS = "SELECT 1 FROM generations WHERE state = 'waiting'"
IS_MADE = "SELECT 1 FROM generations WHERE state = 'submitting'"
IS_PAID = "SELECT 1 FROM generations WHERE state = 'succeeded'"


@pytest.mark.parametrize("moment", [WAITS, IS_MADE, IS_PAID], ids=["it waits", "it is being made", "it is paid"])
async def test_killed_around_a_call_without_a_status_query(env: Env, moment: str) -> None:
    """A stored result is shown, an uncertain one is reported and refunded, and no call is repeated automatically."""
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with killable_app(env, **env.oxlo) as process:
            await online(ada)
            if moment is IS_MADE:
                env.switchboard.turn_on("generation-stuck")
            asking = asyncio.create_task(ask(ada, model=OXLO[0]), name="asking")
            await until(in_database(env, moment))
            process.kill()
            await asking
        env.switchboard.turn_off("generation-stuck")
        async with env.app(settings=env.oxlo) as app:
            message = await ada.message(finished)
            statement = await statement_of(app, int(ada.id))
            assert (statement.held, statement.spent) == (0, 2_000_000 if has_image(message) else 0)
            assert has_image(message) or "answer got lost" in message.content
            assert len((await oxlo_calls(env))["calls"]) <= 1
            assert len([m for m in ada.messages() if finished(m)]) == 1
