"""`python -m bot health`, beside bots that run, are stuck, or do not run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.services.operating import heartbeat
from tests.env.app import Env
from tests.env.command import Ran, run
from tests.services.conftest import eventually

WELL = (0, "The bot runs, its event loop turns, and its background loops work.\n", "")
NOT_RUNNING = (1, "", "The bot is not running, or uses another DATA_DIR.\n")
BEATING = """
import asyncio, sys
from pathlib import Path
from bot.services.operating.heartbeat import Heartbeat
asyncio.run(Heartbeat(Path(sys.argv[1]), trouble=lambda: None).run())
"""


def told(ran: Ran) -> tuple[int, str, str]:
    return ran.code, ran.out, ran.err


async def health(folder: Path) -> tuple[int, str, str]:
    return told(await run("health", folder=folder, environ={"DATA_DIR": str(folder)}))


@contextmanager
def beating(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another bot with this DATA_DIR, as far as its heartbeat goes."""
    with subprocess.Popen([sys.executable, "-c", BEATING, heartbeat.folder_of(folder)]) as process:  # noqa: S603 - ours
        try:
            yield process
        finally:
            process.kill()


async def of(folder: Path, pid: int) -> Path:
    async def there() -> Path | None:
        path = heartbeat.folder_of(folder) / f"{socket.gethostname()}-{pid}"
        return path if path.exists() and heartbeat.trouble_of(folder) is None else None

    return await eventually(there)


async def test_a_bot_that_runs_is_healthy_and_one_that_is_stuck_or_stopped_is_not(env: Env) -> None:
    async with env.app():
        file = await of(env.folder, os.getpid())
        assert await health(env.folder) == WELL
        os.utime(file, (0, 0))
        code, out, err = await health(env.folder)
        assert (code, out, err.startswith("The bot has done nothing for ")) == (1, "", True)
    assert await health(env.folder) == NOT_RUNNING


async def test_each_process_that_shares_a_data_dir_has_a_heartbeat_of_its_own(tmp_path: Path) -> None:
    with beating(tmp_path) as one, beating(tmp_path) as two:
        first, second = await of(tmp_path, one.pid), await of(tmp_path, two.pid)
        os.utime(first, (0, 0))
        assert (await health(tmp_path))[0] == 1  # although the other one works
        one.send_signal(signal.SIGKILL)
        one.wait()
        assert await health(tmp_path) == WELL  # what it has left says nothing of the other one
        with beating(tmp_path) as three:
            await of(tmp_path, three.pid)
            assert (first.exists(), second.exists()) == (False, True)
    assert await health(tmp_path) == NOT_RUNNING
