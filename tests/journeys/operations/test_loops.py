"""The background loops of the running bot: each may fail, and images are delivered all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import discord
import pytest
from discord.gateway import DiscordWebSocket

from bot.app import App
from bot.client.easel import Easel
from bot.core.errors import DatabaseInUse
from bot.core.running.lag import LoopLag
from bot.core.running.supervision import Supervisor
from bot.services.backups.scheduled import ScheduledBackups
from bot.services.catalog import Models
from bot.services.gauges import Gauges
from bot.services.money.bill import Bill
from bot.services.operating.heartbeat import Heartbeat
from bot.services.operating.notices import Notices
from bot.services.pipeline.api_states import ApiStates
from bot.services.pipeline.progress import Progress
from bot.services.pipeline.watch import Watch
from bot.services.processes.membership import Membership
from bot.store import claims, delivery, outbox, tray
from bot.store.engine.base import Topic
from bot.store.moderation import flagging
from bot.store.money import sponsorships
from bot.store.privacy import erase
from tests.env.app import Env, has_image, person_in
from tests.services.conftest import eventually

# What each loop calls: it fails at once, and then works.
SEAMS: dict[str, tuple[object, str]] = {
    "backups": (ScheduledBackups, "run"),
    "bill": (Bill, "read"),
    "commands": (Easel, "sync_commands"),
    "lease": (Membership, "run"),
    "models": (Models, "follow"),
    "flags": (flagging, "guilds_with_flags"),
    "dispatch": (claims, "to_submit"),
    "erased": (erase, "unfinished"),
    "events oxen": (Watch, "_handle"),
    "gauges": (Gauges, "read"),
    "heartbeat": (Heartbeat, "run"),
    "housekeeping": (delivery, "old_references"),
    "loop lag": (LoopLag, "run"),
    "image API states": (ApiStates, "run"),
    "lookups": (claims, "lost"),
    "models oxen": (Models, "refresh"),
    "notices": (Notices, "run"),
    "progress": (Progress, "turn"),
    "prompt checks": (claims, "to_check"),
    "removed image APIs": (claims, "of_others"),
    "sponsorships": (sponsorships, "due"),
    "supervisor": (Supervisor, "_tell"),
    "watch oxen": (claims, "to_read"),
    **dict.fromkeys(("outbox results", "outbox members", "outbox moderators"), (outbox, "claim")),
}
IDLE = {"discord", "guard oxen"}  # the one has a test below; the other does nothing while the image API answers


def failing(real: Callable[..., Any], times: int, error: Exception | type[Exception] = ZeroDivisionError) -> Callable[..., Any]:
    """The function, which fails this often first."""
    left = times

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise error
        return real(*args, **kwargs)

    return call


async def test_each_loop_may_fail_and_the_image_is_delivered(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name in dict.fromkeys(SEAMS.values()):
        times = sum(seam == (owner, name) for seam in SEAMS.values())
        monkeypatch.setattr(owner, name, failing(getattr(owner, name), times))
    async with env.app(may_fail=SEAMS) as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", "studio", prompt="a red fox")
        await ada.message(has_image, "studio")
        assert set(app.supervisor.states) - IDLE == set(SEAMS)

        async def all_failed_and_work_again() -> bool | None:
            failed = {name for name, state in app.supervisor.states.items() if state.failures}
            return (failed == set(SEAMS) and not app.supervisor.troubles) or None

        await eventually(all_failed_and_work_again)


async def test_one_sweep_that_fails_keeps_no_other_from_being_done(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    last = Mock(wraps=tray.old)
    monkeypatch.setattr(delivery, "old_references", failing(delivery.old_references, 1))
    monkeypatch.setattr(tray, "old", last)
    async with env.app(may_fail={"housekeeping"}) as app:

        async def swept_again() -> bool | None:
            failures = app.supervisor.states["housekeeping"].failures
            return (failures == 1 and last.call_count > 1 and not app.supervisor.troubles) or None

        await eventually(swept_again)


async def test_a_failure_of_the_connection_is_followed_by_another_connection(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    async with env.app(may_fail={"discord"}) as app, person_in(env, "Ada") as ada:
        monkeypatch.setattr(DiscordWebSocket, "poll_event", failing(DiscordWebSocket.poll_event, 1))
        before = socket_of(app)
        await before.send_as_json({"op": DiscordWebSocket.HEARTBEAT, "d": None})

        async def reconnected() -> bool | None:
            return (app.client.get_shard(0) is not None and socket_of(app) is not before) or None

        await eventually(reconnected)
        assert before.socket.closed
        await ada.until(lambda: ada.bot_online or None)
        await ada.slash("generate", "studio", prompt="a red fox")
        await ada.message(has_image, "studio")


async def test_a_token_that_discord_no_longer_takes_ends_the_process(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012
        async with env.app() as app, person_in(env, "Ada") as ada:
            refused = discord.ConnectionClosed(socket_of(app).socket, shard_id=None, code=4004)
            monkeypatch.setattr(DiscordWebSocket, "poll_event", failing(DiscordWebSocket.poll_event, 1, refused))
            await ada.slash("ping", "dm")
            await stopped(app)
    assert [str(error) for error in raised.value.exceptions] == [
        "Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application."
    ]


async def test_a_database_that_another_bot_has_taken_ends_the_process(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExceptionGroup) as raised:  # noqa: PT012
        async with env.app() as app:
            monkeypatch.setattr(claims, "to_submit", failing(claims.to_submit, 1, DatabaseInUse("Another bot uses this database.")))
            app.store.wake(Topic.QUEUE)
            await stopped(app)
    assert [str(error) for error in raised.value.exceptions] == ["Another bot uses this database."]


def socket_of(app: App) -> DiscordWebSocket:
    shard = app.client.get_shard(0)
    assert shard is not None
    return shard._parent.ws


async def stopped(app: App) -> None:
    async def all_loops_stopped() -> bool | None:
        return all(state.is_stopping for state in app.supervisor.states.values()) or None

    await eventually(all_loops_stopped)
