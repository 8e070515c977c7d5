"""Answers of real image APIs to paid calls: what is sent again, what is charged, who is told what, and what is written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.app import App
from bot.ops import doctor_images
from bot.providers.http import open_session
from bot.store.money import ledger
from sandbox.answers import ANSWERS, LEAKED_HOST, LEAKED_KEY
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.operations.test_faults import finished
from tests.journeys.operations.test_providers import OXLO, both, made, oxlo_calls
from tests.services.conftest import MODEL

MADE = [name for name, answer in ANSWERS.items() if answer.made]
CONTENT = "content rules. Try a different prompt."
OPERATOR = "isn't available right now. The bot's operator has been told."
REASON = "refused this request: Side length must be divisible by 64."
TOLD = {
    "refused-by-code": CONTENT,
    "refused-by-mark": CONTENT,
    "refused-by-finish": CONTENT,
    "refused-by-filter": CONTENT,
    "refused-black": CONTENT,
    "refused-at-top": REASON,
    "refused-in-list": REASON,
    "account-blocked": OPERATOR,
    "address-wrong": OPERATOR,
    "firewall": OPERATOR,
    "words-leak": "refused this request",
}
LIMITS = {"limit-of-a-day": "reached its limit", "closed-for-a-day": "takes no new images for now"}
LATER = ("limit-inside", "limit-spoken", "limit-ms")


def test_every_answer_has_a_case() -> None:
    assert {*MADE, *TOLD, *LATER, *LIMITS} == set(ANSWERS)


async def paid(env: Env) -> int:
    return int((await oxlo_calls(env))["paid"])


async def is_settled(app: App, ada: Person, spent: int) -> bool:
    statement = await statement_of(app, int(ada.id))
    return (statement.held, statement.spent, await app.store.read(ledger.audit)) == (0, spent, [])


# --- one order is paid once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
async def test_a_call_that_may_be_paid_is_not_sent_again(env: Env, name: str) -> None:
    async with both(env) as (app, ada):
        env.switchboard.turn_on(name)
        message = await made(ada, model=OXLO[0])
        assert not has_image(message)
        assert "no image to show" in message.content
        assert await paid(env) == 1
        assert await is_settled(app, ada, 0)


@pytest.mark.parametrize("name", MADE)
async def test_an_uncertain_call_is_sent_once_more_if_the_operator_says_so(env: Env, name: str) -> None:
    async with both(env, UNCERTAIN_CALLS="retry") as (app, ada):
        env.switchboard.turn_on(name)
        assert not has_image(await made(ada, model=OXLO[0]))
        assert await paid(env) == 2
        assert await is_settled(app, ada, 0)


@pytest.mark.parametrize("mode", ["events", "sync"])
@pytest.mark.parametrize("name", MADE)
async def test_at_oxen_it_is_looked_up_and_delivered(env: Env, name: str, mode: str) -> None:
    env.switchboard.turn_on(name, times=1)
    async with env.app(OXEN_MODE=mode) as app, person_in(env, "Ada") as ada:
        assert has_image(await made(ada, model=MODEL))
        assert len(await env.generations()) == 1
        assert await is_settled(app, ada, 1_400_000)


@pytest.mark.faults("clock-behind")
@pytest.mark.parametrize("answer", ["enqueue-answer-lost", "answer-502"])
async def test_a_lost_answer_is_found_although_the_clocks_differ(env: Env, answer: str) -> None:
    env.switchboard.turn_on(answer, times=1)
    async with env.app() as app, person_in(env, "Ada") as ada:
        assert has_image(await made(ada, model=MODEL))
        assert len(await env.generations()) == 1
        assert await is_settled(app, ada, 1_400_000)


@pytest.mark.faults("rows-lean")
async def test_a_lost_answer_is_found_in_the_list_of_charges_where_the_queue_says_too_little(env: Env) -> None:
    env.switchboard.turn_on("enqueue-answer-lost", times=1)
    async with env.app(), person_in(env, "Ada") as ada:
        assert has_image(await made(ada, model=MODEL))
        assert len(await env.generations()) == 1


@pytest.mark.faults("rows-lean", "charges-down", "enqueue-answer-lost")
async def test_one_that_cannot_be_told_from_others_is_not_sent_again(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        assert "no image to show" in (await made(ada, model=MODEL)).content
        assert len(await env.generations()) == 1
        assert await is_settled(app, ada, 0)


@pytest.mark.faults("enqueue-cut")
async def test_what_never_arrives_is_sent_once_more_and_no_further(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        message = await made(ada, model=MODEL)
        assert "no image to show" in message.content
        assert len(env.images.received("POST", "/api/ai/queue")) == 2
        assert await is_settled(app, ada, 0)


# --- the right one is told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [OXLO[0], MODEL])
@pytest.mark.parametrize("name", TOLD)
async def test_the_right_one_is_told(env: Env, name: str, model: str) -> None:
    async with both(env) as (app, ada):
        env.switchboard.turn_on(name)
        message = await made(ada, model=model)
        assert TOLD[name] in message.content
        assert not has_image(message)
        assert LEAKED_KEY not in message.content
        assert LEAKED_HOST not in message.content
        assert sum(len(env.images.received("POST", path)) for path in ("/v1/images", "/api/ai/queue")) == 1
        assert await is_settled(app, ada, 0)


@pytest.mark.parametrize("model", [OXLO[0], MODEL])
@pytest.mark.parametrize("name", LATER)
async def test_a_rate_limit_is_waited_for_and_no_outage(env: Env, name: str, model: str) -> None:
    async with both(env) as (app, ada):
        env.switchboard.turn_on(name, times=4)
        assert has_image(await made(ada, model=model))
        assert all(guard.away_since is None for guard in app.guards.values())


@pytest.mark.parametrize("model", [OXLO[0], MODEL])
@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_beyond_the_deadline_ends_every_order_now(env: Env, model: str, name: str) -> None:
    async with both(env) as (app, ada):
        env.switchboard.turn_on(name)
        with capture_logs() as logs:
            for _ in range(2):
                assert LIMITS[name] in (await made(ada, model=model)).content
        assert len([entry for entry in logs if entry["event"] == "image API takes no requests for a while"]) == 1
        assert await is_settled(app, ada, 0)


async def test_a_limit_beyond_the_deadline_leads_to_the_fallback_model(env: Env) -> None:
    async with both(env, FALLBACK_MODELS=f"{OXLO[0]}={MODEL}") as (_, ada):
        env.switchboard.turn_on("limit-of-a-day", times=1)
        message = await made(ada, model=OXLO[0])
        assert has_image(message)
        assert "instead of" in message.content


async def test_while_the_limit_lasts_the_waiting_message_says_busy(env: Env) -> None:
    async with both(env) as (_, ada):
        env.switchboard.turn_on("images-rate-limited")
        await ada.slash("generate", prompt="a red fox", model=OXLO[0])
        await ada.message(lambda m: "is busy right now." in m.content)
        env.switchboard.turn_off("images-rate-limited")
        assert has_image(await ada.message(finished))


# --- causes are written down -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["answer-500", "answer-502", "words-leak", "account-blocked"])
async def test_each_failed_call_is_one_warning(env: Env, name: str) -> None:
    async with both(env) as (_, ada):
        env.switchboard.turn_on(name)
        with capture_logs() as logs:
            await made(ada, model=OXLO[0])
    (entry,) = [entry for entry in logs if entry["event"] == "image API call failed"]
    assert (entry["provider"], entry["status"], entry["request_id"]) == ("oxlo", ANSWERS[name].status, "req-4711")
    assert entry["call"] == "POST /images/generations"
    assert LEAKED_KEY not in str(entry)
    assert LEAKED_HOST not in str(entry)


async def test_an_account_s_problem_is_critical_once_until_it_works_again(env: Env) -> None:
    async with both(env) as (_, ada):
        with capture_logs() as logs:
            for _ in range(2):
                env.switchboard.turn_on("account-blocked", times=2)
                for _ in range(2):
                    await made(ada, model=OXLO[0])
                await made(ada, model=OXLO[0])
        assert [entry["provider"] for entry in logs if entry["log_level"] == "critical"] == ["oxlo", "oxlo"]


async def findings(env: Env) -> str:
    settings = env.settings(**env.oxlo)
    async with open_session() as session:
        found = doctor_images.judge(settings, await doctor_images.ask_apis(settings, session))
    return "\n".join(map(str, [*found, *await doctor_images.check_last_failures(settings)]))


async def test_the_doctor_tells_each_provider_s_last_failure(env: Env) -> None:
    async with both(env) as (_, ada):
        env.switchboard.turn_on("account-blocked", times=1)
        await made(ada, model=OXLO[0])
        told = next(line for line in (await findings(env)).splitlines() if "last failed call" in line)
        assert told.startswith("bad")
        assert "Oxlo.ai" in told
        assert "temporarily blocked" in told
        await made(ada, model=OXLO[0])
        assert "ok    : Oxlo.ai: its last failed call" in await findings(env)


@pytest.mark.faults("clock-behind")
async def test_the_doctor_says_that_the_clocks_differ(env: Env) -> None:
    assert "behind this machine's" in await findings(env)


# --- the services ----------------------------------------------------------------------------------------------------


async def test_an_answer_of_events_is_read(env: Env) -> None:
    async with both(env) as (_, ada):
        env.switchboard.turn_on("answer-events")
        assert has_image(await made(ada, model=OXLO[0]))
        assert await paid(env) == 1


@asynccontextmanager
async def endpoint(env: Env, **more: Any) -> AsyncIterator[tuple[App, Person]]:
    """The local Oxlo as an endpoint of OPENAI_ENDPOINTS."""
    models = [{"id": OXLO[0], "sizes": ["512x512"], "edits": True}]
    listed = {
        "name": "local",
        "base_url": env.images.openai_url,
        "key": env.images.openai_key,
        "models": models,
        "price_credits": 1,
        **more,
    }
    async with env.app(OXEN_API_KEY="", OPENAI_ENDPOINTS=json.dumps([listed])) as app, person_in(env, "Ada") as ada:
        yield app, ada


async def test_constants_are_sent_with_every_call(env: Env) -> None:
    async with endpoint(env, params={"response_format": "url", "user": "easel"}) as (_, ada):
        message: Message = await made(ada)
        assert has_image(message)
        (call,) = (await oxlo_calls(env))["calls"]
        assert (call["response_format"], call["user"]) == ("url", "easel")
