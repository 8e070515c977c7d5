"""What the bot costs before anybody uses it: its imports, and its memory when it is connected and idle.

    python -m benchmarks.startup [--quick]

Both are compared with a process that only imports discord.py. Modules are compiled beforehand, as they are in the container image.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.measure import Row, rss_kib, show
from bot.ops import demo
from sandbox.person import Person

_TURNS = 3  # of a round; the fastest import counts
_SETTLED_S = 3.0  # memory has not grown for so long
_ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_ANCHOR = "import discord"
_RUN = "import bot.__main__, gc; gc.disable(); import bot.app, bot.core.metrics"  # as `python -m bot run` does
_MEASURED = """
import time
before = time.process_time()
{code}
print(time.process_time() - before)
print(open("/proc/self/status").read().split("VmRSS:")[1].split()[0])
"""


def rows(rounds: int) -> list[Row]:
    imports = Row(what="CPU time of the imports", unit="ms", anchor_name="import discord", goal=2, relative=True)
    memory = Row(what="memory of the idle process", unit="MiB", anchor_name="import discord", goal=1.8, relative=True)
    for code in (_ANCHOR, _RUN):
        _imported(code)  # compiles the modules
    for _ in range(rounds):
        turns = [(_imported(_ANCHOR), _imported(_RUN)) for _ in range(_TURNS)]
        imports.anchor.append(min(anchor[0] for anchor, _ in turns) * 1000)
        imports.value.append(min(run[0] for _, run in turns) * 1000)
        memory.anchor.append(median(anchor[1] for anchor, _ in turns) / 1024)
        with _idle_bot() as pid:
            memory.value.append(_settled_kib(pid) / 1024)
    return [imports, memory]


def _imported(code: str) -> tuple[float, int]:
    """CPU seconds of the imports in a new process, and the memory it then uses in KiB."""
    command = [sys.executable, "-c", _MEASURED.format(code=code)]
    ran = subprocess.run(command, env=_ENVIRON, capture_output=True, check=True, text=True)  # noqa: S603
    seconds, kib = ran.stdout.split()
    return float(seconds), int(kib)


@contextmanager
def _idle_bot() -> Iterator[int]:
    """The process id of a bot that is connected to the demo's Discord and image APIs, and whose start needed no migration."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as folder, _process("sandbox", environ=_ENVIRON) as (_, line):
        addresses = json.loads(line())
        environ = _ENVIRON | demo.settings(addresses, Path(folder))
        bot = ("bot", "--env-file", os.devnull)
        with _process(*bot, "migrate", environ=environ) as (_, line):
            line()
        with _process(*bot, "run", environ=environ) as (pid, _):
            asyncio.run(_until_online(addresses["page"]))
            yield pid


@contextmanager
def _process(*arguments: str, environ: Mapping[str, str]) -> Iterator[tuple[int, Callable[[], str]]]:
    """A process: its id, and a function that waits for the next line of its output."""
    command = [sys.executable, "-m", *arguments]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:  # noqa: S603
        assert running.stdout is not None  # noqa: S101
        try:
            yield running.pid, running.stdout.readline
        finally:
            running.terminate()


async def _until_online(page: str) -> None:
    async with Person.connect(page, "Ada") as ada:
        await ada.until(lambda: ada.bot_online and ada.commands, 60)


def _settled_kib(pid: int) -> int:
    """The memory of a process, once it no longer grows."""
    highest, since = 0, time.monotonic()
    while time.monotonic() - since < _SETTLED_S:
        time.sleep(0.2)
        now = rss_kib(pid)
        if now > highest * 1.005:
            highest, since = now, time.monotonic()
    return rss_kib(pid)


if __name__ == "__main__":
    sys.stdout.write(show(rows(1 if "--quick" in sys.argv else 3)))
