"""The guard of each image API: when it may be asked, when it counts as away, and how it comes back without paying for the question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from bot.core.errors import AnswerLost, ProviderAccount
from bot.core.metrics import Submitted
from bot.providers.guard import ProviderGuard
from bot.providers.openai import OpenAi
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, CompletedImage, Provider, Submission
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.providers import KLEIN_4B, SD_15
from tests.providers.guards import HandClock, at_work, fail

RETRY_AFTER_S = 30
PAID_CALLS = ("/api/ai/queue", "/api/ai/images", "/v1/images")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the sandbox's contracts."""

    down: str  # the fault that shuts its door
    ox: Submission
    open: Callable[[aiohttp.ClientSession, images.Server], Provider]


SIDES = {
    "oxen": Side(
        down="oxen-down",
        ox=Submission(model=KLEIN_4B, prompt="an ox in the rain", seed=7),
        open=lambda session, server: Oxen(session=session, base_url=server.url, api_key=server.key, attempts=1),
    ),
    "oxlo": Side(
        down="oxlo-down",
        ox=Submission(model=SD_15, prompt="an ox in the rain", seed=7, params={"size": "512x512"}),
        open=lambda session, server: OpenAi(name="oxlo", session=session, base_url=server.openai_url, api_key=server.openai_key),
    ),
}

MakeGuard = Callable[..., ProviderGuard]


@pytest.fixture
def timing() -> images.Timing:
    return replace(images.FAST, retry_after_s=RETRY_AFTER_S)


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    return SIDES[request.param]


@pytest.fixture
def ox(side: Side) -> Submission:
    return side.ox


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def make_guard(side: Side, session: aiohttp.ClientSession, server: images.Server, clock: HandClock) -> MakeGuard:
    def make(**more: Any) -> ProviderGuard:
        given = {"provider": side.open(session, server), "title": "A service", "rate_per_minute": 60, "max_running": 4, "clock": clock}
        return ProviderGuard(**{**given, "pause_min_s": 0.002, "pause_max_s": 0.008, **more})

    return make


@pytest.fixture
def guard(make_guard: MakeGuard) -> ProviderGuard:
    return make_guard()


def paid_calls(server: images.Server) -> int:
    return sum(len(server.received("POST", path)) for path in PAID_CALLS)


def is_up(guard: ProviderGuard) -> float | None:
    return REGISTRY.get_sample_value("easel_provider_up", {"provider": guard.name})


def counted(guard: ProviderGuard, outcome: Submitted) -> float:
    value = REGISTRY.get_sample_value("easel_submissions_total", {"provider": guard.name, "outcome": outcome})
    assert value is not None
    return value


# --- the breaker -----------------------------------------------------------------------------------------------------


async def test_it_hands_out_what_the_provider_answers(guard: ProviderGuard, ox: Submission) -> None:
    answer = await guard.submit(ox)
    assert isinstance(answer, Accepted if guard.provider.queues else CompletedImage)
    assert (guard.name, guard.ready(), guard.away_since, guard.waits_until()) == (guard.provider.name, True, None, None)


async def test_three_failures_in_a_row_make_it_away_since_the_first(
    guard: ProviderGuard, side: Side, switchboard: Switchboard, clock: HandClock
) -> None:
    began = clock.now
    switchboard.turn_on(side.down)
    for _ in range(2):
        await fail(guard, side.ox, times=1)
        assert guard.ready()
        clock.turn(10)
    await fail(guard, side.ox, times=1)
    assert (guard.ready(), guard.away_since, guard.waits_until()) == (False, began, None)


@pytest.mark.faults("images-error")
async def test_errors_that_it_answers_itself_count_too(guard: ProviderGuard, ox: Submission) -> None:
    await fail(guard, ox)
    assert guard.away_since is not None


async def test_a_success_in_between_begins_the_row_anew(guard: ProviderGuard, ox: Submission, switchboard: Switchboard) -> None:
    for _ in range(2):
        switchboard.turn_on("images-error", times=2)
        await fail(guard, ox, times=2)
        assert guard.away_since is None
        await guard.submit(ox)


async def test_a_refusal_in_between_begins_the_row_anew(guard: ProviderGuard, ox: Submission, switchboard: Switchboard) -> None:
    for _ in range(2):
        switchboard.turn_on("images-error", times=2)
        await fail(guard, ox, times=2)
        assert guard.away_since is None
        await fail(guard, replace(ox, model="no-such-model"), times=1)


@pytest.mark.faults("key-refused")
async def test_what_is_wrong_with_the_account_does_not_make_it_away(guard: ProviderGuard, ox: Submission) -> None:
    with pytest.raises(ProviderAccount):
        await guard.submit(ox)
    await fail(guard, ox, times=5)
    assert guard.ready()


@pytest.mark.parametrize("side", ["oxlo"], indirect=True)  # the other's answers come at once
async def test_what_was_sent_before_it_came_back_says_nothing_of_now(
    make_guard: MakeGuard, side: Side, server: images.Server, switchboard: Switchboard
) -> None:
    back = asyncio.Event()
    guard = make_guard(failures=1, on_back=back.set)
    async with at_work(guard):
        switchboard.turn_on("generation-stuck")
        under_way = asyncio.create_task(guard.submit(side.ox), name="under way")
        while paid_calls(server) == 0:  # noqa: ASYNC110  the sandbox announces no arrivals
            await asyncio.sleep(0.001)
        for _ in range(3):  # by the time these are answered, the call before them is past its faults
            await guard.provider.ping()
        switchboard.turn_on("images-error", times=1)
        await fail(guard, side.ox, times=1)
        await back.wait()
        switchboard.turn_on(side.down)
        with pytest.raises(AnswerLost):
            await under_way
        assert guard.ready()


# --- coming back -----------------------------------------------------------------------------------------------------


async def test_it_comes_back_by_a_ping_and_without_a_paid_call(
    make_guard: MakeGuard, side: Side, server: images.Server, switchboard: Switchboard, ox: Submission
) -> None:
    back = asyncio.Event()
    guard = make_guard(on_back=back.set)
    async with at_work(guard):
        switchboard.turn_on(side.down)
        await fail(guard, ox)
        paid, asked = paid_calls(server), len(server.requests)
        while len(server.requests) < asked + 3:  # noqa: ASYNC110  pings into the void
            await asyncio.sleep(0.001)
        assert guard.away_since is not None
        switchboard.turn_off(side.down)
        await back.wait()
    assert (guard.ready(), paid_calls(server)) == (True, paid)


async def test_after_it_came_back_three_more_failures_are_needed(make_guard: MakeGuard, ox: Submission, switchboard: Switchboard) -> None:
    back = asyncio.Event()
    guard = make_guard(on_back=back.set)
    async with at_work(guard):
        switchboard.turn_on("images-error", times=5)
        await fail(guard, ox)
        await back.wait()
        await fail(guard, ox, times=2)
        assert guard.ready()
        await guard.submit(ox)


async def test_an_answer_to_what_was_under_way_brings_it_back_too(make_guard: MakeGuard, ox: Submission, switchboard: Switchboard) -> None:
    returns = list[str]()
    guard = make_guard(on_back=lambda: returns.append("back"))
    switchboard.turn_on("images-error", times=3)
    await fail(guard, ox)
    await guard.submit(ox)
    await guard.submit(ox)
    assert (guard.ready(), returns) == (True, ["back"])


async def test_while_it_is_there_nobody_pings(guard: ProviderGuard, ox: Submission, server: images.Server) -> None:
    async with at_work(guard):
        await guard.submit(ox)
        await asyncio.sleep(0.02)
    assert [request.method for request in server.requests] == ["POST"]


async def test_coming_and_going_is_logged_once(guard: ProviderGuard, side: Side, switchboard: Switchboard, clock: HandClock) -> None:
    with capture_logs() as logs:
        switchboard.turn_on(side.down)
        await fail(guard, side.ox, times=5)
        switchboard.turn_off(side.down)
        clock.turn(90)
        await guard.submit(side.ox)
    assert [(entry["event"], entry["provider"], entry.get("away_s")) for entry in logs] == [
        ("provider away", guard.name, None),
        ("provider back", guard.name, 90),
    ]


# --- being left alone ------------------------------------------------------------------------------------------------


async def test_retry_after_pauses_the_whole_guard_and_is_no_failure(
    guard: ProviderGuard, ox: Submission, switchboard: Switchboard, clock: HandClock
) -> None:
    switchboard.turn_on("images-rate-limited")
    await fail(guard, ox, times=5)
    until = clock.now + RETRY_AFTER_S * 1000
    assert guard.away_since is None
    readiness = list[tuple[bool, int | None]]()
    for seconds in (0, RETRY_AFTER_S - 1, 1):
        clock.turn(seconds)
        readiness.append((guard.ready(), guard.waits_until()))
    assert readiness == [(False, until), (False, until), (True, None)]


async def test_the_longest_wish_counts(guard: ProviderGuard, ox: Submission, switchboard: Switchboard, clock: HandClock) -> None:
    switchboard.turn_on("images-rate-limited", times=1)
    await fail(guard, ox, times=1)
    until = guard.waits_until()
    await guard.submit(ox)  # one that was under way
    assert guard.waits_until() == until


async def test_the_61st_in_a_minute_is_not_ready(guard: ProviderGuard, clock: HandClock) -> None:
    for _ in range(60):
        assert guard.ready()
        await guard.take_turn()
    assert not guard.ready()
    assert guard.waits_until() == clock.now + 1000


async def test_a_turn_is_waited_for(make_guard: MakeGuard) -> None:
    guard = make_guard(rate_per_minute=1200)  # one in 50 ms
    began = asyncio.get_running_loop().time()
    for _ in range(1201):
        await guard.take_turn()
    assert asyncio.get_running_loop().time() - began >= 0.049


async def test_less_than_one_a_minute_is_possible(make_guard: MakeGuard, clock: HandClock) -> None:
    guard = make_guard(rate_per_minute=0.5)
    await guard.take_turn()
    assert guard.waits_until() == clock.now + 120_000


# --- what is counted -------------------------------------------------------------------------------------------------


async def test_the_gauge_tells_whether_it_is_there(guard: ProviderGuard, side: Side, switchboard: Switchboard) -> None:
    assert is_up(guard) == 1
    switchboard.turn_on(side.down)
    await fail(guard, side.ox)
    assert is_up(guard) == 0
    switchboard.turn_off(side.down)
    await guard.submit(side.ox)
    assert is_up(guard) == 1


async def test_every_outcome_is_counted_by_its_name(guard: ProviderGuard, side: Side, switchboard: Switchboard) -> None:
    before = {outcome: counted(guard, outcome) for outcome in Submitted}
    await guard.submit(side.ox)
    await fail(guard, replace(side.ox, model="no-such-model"), times=1)
    for fault in ("images-error", side.down, "key-refused"):
        switchboard.turn_on(fault, times=1)
        await fail(guard, side.ox, times=1)
    counts = {outcome for outcome in Submitted if counted(guard, outcome) == before[outcome] + 1}
    assert counts == set(Submitted) - {Submitted.MADE if guard.provider.queues else Submitted.ACCEPTED}
