"""What a service manager is told: by the running bot, over a real datagram socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.services.operating import heartbeat
from bot.services.operating.service_manager import ServiceManager
from tests.env.app import Env
from tests.ops.test_health import WELL, health
from tests.services.conftest import eventually

WELL_STATUS = "STATUS=Every background loop works."


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.setblocking(False)
        yield manager


async def told(manager: socket.socket) -> list[str]:
    """The lines of the next message."""
    async with asyncio.timeout(10):
        return (await asyncio.get_running_loop().sock_recv(manager, 4096)).decode().splitlines()


async def told_again(manager: socket.socket, line: str) -> list[str]:
    while line not in (lines := await told(manager)):
        pass
    return lines


async def test_systemd_is_told_of_the_start_of_loops_that_hang_and_of_the_stop(
    env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.02)
    with listening(address) as manager:
        async with env.app() as app:
            assert await told(manager) == ["READY=1"]
            assert await told(manager) == [WELL_STATUS, "WATCHDOG=1"]
            state = app.supervisor.states["bill"]
            state.turn_began = state.monotonic() - 301  # its turn does not end
            hung = "Background loops have not worked for minutes: bill."
            assert await told_again(manager, f"STATUS={hung}") == [f"STATUS={hung}"]
            await eventually(lambda: _is_told(env, hung), timeout_s=30)  # each time a process is started
            with monkeypatch.context() as patch:
                patch.setattr(type(app.store), "away_since", 1)  # loops wait for a database that is away: no restart helps
                assert await told_again(manager, WELL_STATUS) == [WELL_STATUS, "WATCHDOG=1"]
            state.turn_began = None
            await told_again(manager, "WATCHDOG=1")
        await told_again(manager, "STOPPING=1")
    assert await health(env.folder) != WELL


async def _is_told(env: Env, sentence: str) -> bool | None:
    return await health(env.folder) == (1, "", f"{sentence}\n") or None


async def test_a_socket_may_have_an_abstract_name_and_its_end_is_no_error() -> None:
    name = f"easel-test-{id(object())}"
    with listening(f"\0{name}") as manager:
        service_manager = ServiceManager({"NOTIFY_SOCKET": f"@{name}"}, trouble=lambda: None)
        await service_manager.finish()
        assert await told(manager) == ["STOPPING=1"]
    await service_manager.finish()


def test_without_a_service_manager_there_is_no_loop() -> None:
    assert ServiceManager({}, trouble=lambda: None).loops == {}
