"""/readyz of the running bot: it names what does not work, and nobody."""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import App
from bot.core.errors import StartError
from bot.store import claims
from bot.store.engine.base import Topic
from tests.env.app import Env
from tests.journeys.operations.test_faults import AheadClock
from tests.services.conftest import eventually
from tests.services.operating.pages import PageAnswer, free_port, get


@pytest.fixture
def port() -> int:
    return free_port()


async def ready(port: int, *, is_ready: bool = True) -> PageAnswer:
    async def as_wanted() -> PageAnswer | None:
        answer = await get(port, "/readyz")
        return answer if (answer.status == 200) is is_ready else None

    return await eventually(as_wanted)


async def test_a_bot_at_work_is_ready_with_every_loop(env: Env, port: int) -> None:
    async with env.app(METRICS_PORT=str(port)) as app:
        answer = await ready(port)
        assert {"discord", "database", "loop dispatch", "loop events oxen", "loop outbox results"} <= answer.parts.keys()
        assert len(answer.parts) == len(app.supervisor.states) + 2
        assert [(await get(port, path)).status for path in ("/healthz", "/metrics")] == [200, 200]


async def test_a_loop_that_fails_is_named_until_it_works_again(env: Env, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise KeyError("member 123456789012345678")

    async with env.app(may_fail={"dispatch"}, METRICS_PORT=str(port)) as app:
        await ready(port)
        with monkeypatch.context() as patch:
            patch.setattr(claims, "to_submit", fail)
            app.store.wake(Topic.QUEUE)
            answer = await ready(port, is_ready=False)
            failing = {name: part for name, part in answer.parts.items() if not part["works"]}
            assert [(name, part["reason"]) for name, part in failing.items()] == [("loop dispatch", "KeyError")]
            assert "123456789012345678" not in answer.text
        await ready(port)


async def test_a_lost_connection_is_told_after_a_minute(env: Env, port: int) -> None:
    clock = AheadClock()
    async with env.app(clock=clock, METRICS_PORT=str(port)) as app:
        await ready(port)
        app.client.dispatch("shard_disconnect", 0)

        async def is_noticed() -> bool | None:
            clock.ahead_ms = 61_000
            is_lost = app.client.gateway_trouble() is not None
            clock.ahead_ms = 0
            return is_lost or None

        await eventually(is_noticed)
        assert (await get(port, "/readyz")).status == 200
        clock.ahead_ms = 61_000
        assert (await ready(port, is_ready=False)).parts["discord"]["reason"] == "the connection to Discord is lost"
        app.client.dispatch("shard_resumed", 0)
        await ready(port)


async def test_the_page_answers_before_the_bot_is_connected(env: Env, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = App._serve

    async def serve(app: App, *args: Any) -> None:
        seen.append(await get(port, "/readyz"))
        await real(app, *args)

    monkeypatch.setattr(App, "_serve", serve)
    async with env.app(METRICS_PORT=str(port)):
        assert (seen[0].status, seen[0].parts["discord"]["reason"]) == (503, "not connected to Discord yet")


async def test_a_port_that_is_taken_stops_the_start_with_a_sentence(env: Env) -> None:
    with pytest.raises(StartError, match="METRICS_PORT cannot be used: address already in use"):
        async with env.app(METRICS_PORT=env.discord.url.rpartition(":")[2]):
            pass
