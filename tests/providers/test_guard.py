"""The guard of an image API: rate limit, Retry-After, and a circuit breaker that closes without a paid request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from bot.core.errors import AnswerLost, DatabaseAway, ProviderAccount
from bot.core.metrics import Submitted
from bot.domain.queueing.provider_state import ProviderState, Transition
from bot.providers.guard import ProviderGuard
from bot.providers.openai import OpenAi
from bot.providers.oxen import Oxen
from bot.providers.provider import Accepted, CompletedImage, Provider, Submission
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.providers import KLEIN_4B, SD_15
from tests.providers.guards import ManualClock, MemoryStates, fail, running

RETRY_AFTER_S = 30
PAID_CALLS = ("/api/ai/queue", "/api/ai/images", "/v1/images")


@dataclass(frozen=True, kw_only=True)
class Side:
    """An API of the sandbox."""

    down: str  # the fault that makes it unavailable
    ox: Submission
    open: Callable[[aiohttp.ClientSession, images.ImageServer], Provider]


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
def timing() -> images.ApiTiming:
    return replace(images.FAST, retry_after_s=RETRY_AFTER_S)


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest) -> Side:
    return SIDES[request.param]


@pytest.fixture
def ox(side: Side) -> Submission:
    return side.ox


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_guard(side: Side, session: aiohttp.ClientSession, server: images.ImageServer, clock: ManualClock) -> MakeGuard:
    """Guards of one image API in several processes."""
    states = MemoryStates()

    def make(**more: Any) -> ProviderGuard:
        given = {"provider": side.open(session, server), "title": "A service", "rate_per_minute": 60, "max_running": 4, "clock": clock}
        return ProviderGuard(**{**given, "states": states, "pause_min_s": 0.002, "pause_max_s": 0.008, **more})

    return make


@pytest.fixture
def guard(make_guard: MakeGuard) -> ProviderGuard:
    return make_guard()


def paid_calls(server: images.ImageServer) -> int:
    return sum(len(server.received("POST", path)) for path in PAID_CALLS)


def is_up(guard: ProviderGuard) -> float | None:
    return REGISTRY.get_sample_value("easel_provider_up", {"provider": guard.name})


def counted(guard: ProviderGuard, outcome: Submitted) -> float:
    value = REGISTRY.get_sample_value("easel_submissions_total", {"provider": guard.name, "outcome": outcome})
    assert value is not None
    return value


# --- the circuit breaker ---------------------------------------------------------------------------------------------


async def test_submit_returns_the_provider_s_result(guard: ProviderGuard, ox: Submission) -> None:
    answer = await guard.submit(ox)
    assert isinstance(answer, Accepted if guard.provider.queues else CompletedImage)
    assert (guard.name, guard.is_open, guard.away_since, guard.limited_until) == (guard.provider.name, True, None, None)


async def test_three_failures_in_a_row_open_the_breaker(
    guard: ProviderGuard, side: Side, switchboard: Switchboard, clock: ManualClock
) -> None:
    began = clock.now
    switchboard.turn_on(side.down)
    for _ in range(2):
        await fail(guard, side.ox, times=1)
        assert guard.is_open
        clock.advance(10)
    await fail(guard, side.ox, times=1)
    assert (guard.is_open, guard.away_since, guard.limited_until) == (False, began, None)


@pytest.mark.faults("images-error")
async def test_error_responses_count_as_failures(guard: ProviderGuard, ox: Submission) -> None:
    await fail(guard, ox)
    assert guard.away_since is not None


async def test_a_success_resets_the_failures(guard: ProviderGuard, ox: Submission, switchboard: Switchboard) -> None:
    for _ in range(2):
        switchboard.turn_on("images-error", times=2)
        await fail(guard, ox, times=2)
        assert guard.away_since is None
        await guard.submit(ox)


async def test_a_refusal_resets_the_failures(guard: ProviderGuard, ox: Submission, switchboard: Switchboard) -> None:
    for _ in range(2):
        switchboard.turn_on("images-error", times=2)
        await fail(guard, ox, times=2)
        assert guard.away_since is None
        await fail(guard, replace(ox, model="no-such-model"), times=1)


@pytest.mark.faults("key-refused")
async def test_account_errors_do_not_open_the_breaker(guard: ProviderGuard, ox: Submission) -> None:
    with pytest.raises(ProviderAccount):
        await guard.submit(ox)
    await fail(guard, ox, times=5)
    assert guard.is_open


@pytest.mark.parametrize("side", ["oxlo"], indirect=True)  # the other's answers come at once
async def test_results_of_submissions_before_a_recovery_are_ignored(
    make_guard: MakeGuard, side: Side, server: images.ImageServer, switchboard: Switchboard
) -> None:
    recovered = asyncio.Event()
    guard = make_guard(failures=1, on_recovery=recovered.set)
    async with running(guard):
        switchboard.turn_on("generation-stuck")
        submission = asyncio.create_task(guard.submit(side.ox), name="submission")
        while paid_calls(server) == 0:  # noqa: ASYNC110  the sandbox has no event for this
            await asyncio.sleep(0.001)
        for _ in range(3):  # once these are answered, the submission has passed the sandbox's faults
            await guard.provider.ping()
        switchboard.turn_on("images-error", times=1)
        await fail(guard, side.ox, times=1)
        await recovered.wait()
        switchboard.turn_on(side.down)
        with pytest.raises(AnswerLost):
            await submission
        assert guard.is_open


# --- recovery --------------------------------------------------------------------------------------------------------


async def test_a_ping_closes_the_breaker_without_a_paid_call(
    make_guard: MakeGuard, side: Side, server: images.ImageServer, switchboard: Switchboard, ox: Submission
) -> None:
    recovered = asyncio.Event()
    guard = make_guard(on_recovery=recovered.set)
    async with running(guard):
        switchboard.turn_on(side.down)
        await fail(guard, ox)
        paid, asked = paid_calls(server), len(server.requests)
        while len(server.requests) < asked + 3:  # noqa: ASYNC110  the sandbox has no event for this
            await asyncio.sleep(0.001)
        assert guard.away_since is not None
        switchboard.turn_off(side.down)
        await recovered.wait()
    assert (guard.is_open, paid_calls(server)) == (True, paid)


async def test_after_a_recovery_three_more_failures_are_needed(make_guard: MakeGuard, ox: Submission, switchboard: Switchboard) -> None:
    recovered = asyncio.Event()
    guard = make_guard(on_recovery=recovered.set)
    async with running(guard):
        switchboard.turn_on("images-error", times=5)
        await fail(guard, ox)
        await recovered.wait()
        await fail(guard, ox, times=2)
        assert guard.is_open
        await guard.submit(ox)


async def test_a_successful_submission_closes_the_breaker_too(make_guard: MakeGuard, ox: Submission, switchboard: Switchboard) -> None:
    recoveries = list[str]()
    guard = make_guard(on_recovery=lambda: recoveries.append("recovered"))
    switchboard.turn_on("images-error", times=3)
    await fail(guard, ox)
    await guard.submit(ox)
    await guard.submit(ox)
    assert (guard.is_open, recoveries) == (True, ["recovered"])


async def test_an_available_provider_is_not_pinged(guard: ProviderGuard, ox: Submission, server: images.ImageServer) -> None:
    async with running(guard):
        await guard.submit(ox)
        await asyncio.sleep(0.02)
    assert [request.method for request in server.requests] == ["POST"]


async def test_outage_and_recovery_are_logged_once(guard: ProviderGuard, side: Side, switchboard: Switchboard, clock: ManualClock) -> None:
    with capture_logs() as logs:
        switchboard.turn_on(side.down)
        await fail(guard, side.ox, times=5)
        switchboard.turn_off(side.down)
        clock.advance(90)
        await guard.submit(side.ox)
        await guard.share()
    about = [entry for entry in logs if entry["event"] != "image API call failed"]
    assert [(entry["event"], entry["provider"], entry.get("outage_s")) for entry in about] == [
        ("provider unavailable", guard.name, None),
        ("provider recovered", guard.name, 90),
    ]


async def test_a_long_outage_is_told_to_the_operator_once_and_so_is_its_end(
    make_guard: MakeGuard, side: Side, switchboard: Switchboard, clock: ManualClock
) -> None:
    guard = make_guard(failures=1)
    with capture_logs() as logs:
        switchboard.turn_on(side.down)
        await fail(guard, side.ox, times=1)
        async with running(guard):
            clock.advance(601)
            while not any(line["event"] == "image API down" for line in logs):  # noqa: ASYNC110  nothing announces it
                await asyncio.sleep(0.01)
            switchboard.turn_off(side.down)
            while guard.away_since is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    told = [(line["event"], line["log_level"]) for line in logs if line["event"].startswith("image API down")]
    assert told == [("image API down", "critical"), ("image API down is over", "warning")]


# --- several processes -----------------------------------------------------------------------------------------------


async def test_failures_in_a_row_count_in_all_processes_together(make_guard: MakeGuard, side: Side, switchboard: Switchboard) -> None:
    guards, recovered = [make_guard() for _ in range(3)], list[str]()
    guards[2]._on_recovery = lambda: recovered.append("recovered")
    with capture_logs() as logs:
        switchboard.turn_on(side.down)
        for guard in guards:
            await fail(guard, side.ox, times=1)
        await guards[0].share()
        assert [guard.is_open for guard in guards] == [False, True, False]  # the second one has not heard of it yet
        switchboard.turn_off(side.down)
        await guards[0].submit(side.ox)
        for guard in guards:
            await guard.share()
    assert ([guard.is_open for guard in guards], recovered) == ([True] * 3, ["recovered"])
    assert [entry["event"] for entry in logs if entry["event"].startswith("provider ")] == ["provider unavailable", "provider recovered"]


async def test_a_success_in_one_process_resets_the_failures_of_another(make_guard: MakeGuard, side: Side, switchboard: Switchboard) -> None:
    guard, other = make_guard(), make_guard()
    switchboard.turn_on(side.down)
    await fail(guard, side.ox, times=2)
    await other.share()
    switchboard.turn_off(side.down)
    await other.submit(side.ox)
    await other.share()
    switchboard.turn_on(side.down)
    await fail(guard, side.ox, times=2)
    assert guard.is_open


async def test_a_pause_holds_for_other_processes_and_after_a_restart(
    make_guard: MakeGuard, ox: Submission, switchboard: Switchboard
) -> None:
    guard, next_run = make_guard(), make_guard()
    switchboard.turn_on("images-rate-limited", times=1)
    await fail(guard, ox, times=1)
    await next_run.share()
    assert next_run.limited_until == guard.limited_until is not None


async def test_what_cannot_be_written_is_written_later(make_guard: MakeGuard, side: Side, switchboard: Switchboard) -> None:
    guard, other = make_guard(failures=2), make_guard(failures=2)
    written, guard._states = guard._states, AwayStates()
    switchboard.turn_on(side.down)
    for _ in range(2):
        with pytest.raises(DatabaseAway):
            await fail(guard, side.ox, times=1)
    assert not guard.is_open
    guard._states = written
    await guard.share()
    await other.share()
    assert not other.is_open


async def test_while_all_is_well_nothing_is_written(make_guard: MakeGuard, ox: Submission) -> None:
    guard = make_guard(states=AwayStates())
    await guard.submit(ox)
    assert guard._unwritten == []


class AwayStates(MemoryStates):
    """While the database does not answer."""

    async def change(self, provider: str, transitions: Sequence[Transition]) -> tuple[ProviderState, ProviderState]:
        del provider, transitions
        raise DatabaseAway("The database does not answer.")


# --- rate limits -----------------------------------------------------------------------------------------------------


async def test_retry_after_pauses_the_guard_and_is_not_a_failure(
    guard: ProviderGuard, ox: Submission, switchboard: Switchboard, clock: ManualClock
) -> None:
    switchboard.turn_on("images-rate-limited")
    await fail(guard, ox, times=5)
    until = clock.now + RETRY_AFTER_S * 1000
    assert guard.away_since is None
    readiness = list[tuple[bool, int | None]]()
    for seconds in (0, RETRY_AFTER_S - 1, 1):
        clock.advance(seconds)
        readiness.append((guard.is_open, guard.limited_until))
    assert readiness == [(False, until), (False, until), (True, None)]


async def test_a_success_keeps_retry_after(guard: ProviderGuard, ox: Submission, switchboard: Switchboard, clock: ManualClock) -> None:
    switchboard.turn_on("images-rate-limited", times=1)
    await fail(guard, ox, times=1)
    until = guard.limited_until
    await guard.submit(ox)  # sent before the response
    assert guard.limited_until == until


# --- metrics ---------------------------------------------------------------------------------------------------------


async def test_the_gauge_shows_whether_the_provider_is_available(guard: ProviderGuard, side: Side, switchboard: Switchboard) -> None:
    assert is_up(guard) == 1
    switchboard.turn_on(side.down)
    await fail(guard, side.ox)
    assert is_up(guard) == 0
    switchboard.turn_off(side.down)
    await guard.submit(side.ox)
    assert is_up(guard) == 1


async def test_every_outcome_is_counted(guard: ProviderGuard, side: Side, switchboard: Switchboard) -> None:
    before = {outcome: counted(guard, outcome) for outcome in Submitted}
    await guard.submit(side.ox)
    await fail(guard, replace(side.ox, model="no-such-model"), times=1)
    for fault in ("images-rate-limited", side.down, "key-refused"):
        switchboard.turn_on(fault, times=1)
        await fail(guard, side.ox, times=1)
    counts = {outcome for outcome in Submitted if counted(guard, outcome) == before[outcome] + 1}
    assert counts == set(Submitted) - {Submitted.MADE if guard.provider.queues else Submitted.ACCEPTED}
