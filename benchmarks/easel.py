"""Easel as the benchmarks run it: assembled as always, with an empty command added, and controlled over its standard streams.

Started by `benchmarks.measure.easel`. It prints a line when it is ready, and answers each line of JSON by one:

    {"ask": "lag"}                     start measuring how long the event loop is held, or stop it: the result of `Ticker.stop`
    {"ask": "stall", "seconds": 1}     occupy the database's writer for this long; the answer does not wait for it
    {"ask": "counts"}                  what the database did since the last time: statements, reads, writes, commits
    {"ask": "guilds"}                  connected: how many guilds this process is connected to
    {"ask": "holds", "name": "role:x"} held: whether this process has this lock of the installation
    {"ask": "metrics"}                 what the database's metrics say, by the names of their samples
    {"ask": "memory"}                  rss_kib, database_bytes with the write-ahead log, wal_bytes, and the open files, tasks and threads

Environment variables beside the settings: BENCH_COUNT=1 counts what the database does, which takes time of its own; BENCH_LAG=1 asks
for "lag" when the loops start; BENCH_GUILDS is how many guilds it waits for before it is ready (default: all that members act in).
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import discord
from discord import app_commands
from prometheus_client import REGISTRY

from benchmarks.discord_standin import GUILDS
from benchmarks.measure import Ticker, rss_kib
from bot.app import App, assemble
from bot.core import config, log
from cogs.kit.answers import UNDEFERRED

_NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
statements: list[str] = []  # of every connection


@app_commands.command(name="empty", description="Answers at once: the floor of every command.", extras=UNDEFERRED)
async def empty(interaction: discord.Interaction[Any]) -> None:
    await interaction.response.send_message("empty")


def count_statements() -> None:
    """Record the statements of every SQLite connection that is opened from now on."""
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(lambda sql: None if sql.lstrip().startswith(_NOT_COUNTED) else statements.append(sql))
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = traced  # type: ignore[assignment]


class EaselControl:
    """Answers the questions."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._ticker: Ticker | None = None
        self._counts = {"reads": 0, "writes": 0}
        self._last: dict[str, int] = {}
        self._stalls: set[asyncio.Task[None]] = set()

    def count(self) -> None:
        """Count the store's reads and writes from now on."""
        store = self._app.store
        read, write = store.read, store.write

        def counted_read(*args: Any, **kwargs: Any) -> Any:
            self._counts["reads"] += 1
            return read(*args, **kwargs)

        def counted_write(*args: Any, **kwargs: Any) -> Any:
            self._counts["writes"] += 1
            return write(*args, **kwargs)

        vars(store).update(read=counted_read, write=counted_write)

    async def serve(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            question = json.loads(line)
            _say(getattr(self, question.pop("ask"))(**question))

    def lag(self) -> dict[str, float]:
        if self._ticker is None:
            self._ticker = Ticker()
            return {}
        ticker, self._ticker = self._ticker, None
        return ticker.stop()

    def stall(self, *, seconds: float) -> dict[str, float]:
        task = asyncio.create_task(self._app.store.write(lambda _: time.sleep(seconds)), name="stall")
        self._stalls.add(task)
        return {}

    def counts(self) -> dict[str, int]:
        now = {**self._counts, "statements": len(statements), "commits": self._app.store.commits}
        since = {key: value - self._last.get(key, 0) for key, value in now.items()}
        self._last = now
        return since

    def guilds(self) -> dict[str, int]:
        return {"connected": _connected(self._app)}

    def holds(self, *, name: str) -> dict[str, bool]:
        return {"held": self._app.store.coordination.is_held(name)}

    def metrics(self) -> dict[str, float]:
        samples = (sample for metric in REGISTRY.collect() if metric.name.startswith("easel_database") for sample in metric.samples)
        return {sample.name: sample.value for sample in samples if not sample.labels}

    def memory(self) -> dict[str, int]:
        sizes = {path.name: path.stat().st_size for path in self._app.settings.data_dir.glob("easel.sqlite3*")}
        return {
            "rss_kib": rss_kib(os.getpid()),
            "database_bytes": sum(sizes.values()),
            "wal_bytes": sizes.get("easel.sqlite3-wal", 0),
            "files": len(list(Path("/proc/self/fd").iterdir())),
            "tasks": len(asyncio.all_tasks()),
            "threads": threading.active_count(),
        }


def _connected(app: App) -> int:
    return sum(not guild.unavailable for guild in app.client.guilds)


def _say(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main() -> None:
    settings = config.load(env_file=None)
    log.set_up(level=settings.log_level, form=settings.log_format, known_secrets=settings.secrets)
    is_counting = os.environ.get("BENCH_COUNT") == "1"
    if is_counting:
        count_statements()
    async with assemble(settings) as app:
        app.client.tree.add_command(empty)
        control = EaselControl(app)
        if is_counting:
            control.count()
        guilds = int(os.environ.get("BENCH_GUILDS", GUILDS))
        measures_lag = os.environ.get("BENCH_LAG") == "1"
        stop = asyncio.Event()
        gc.freeze()  # as `bot.app.run` does
        serving = asyncio.create_task(app.serve(stop), name="app")
        while measures_lag or not (app.models.offered and _connected(app) >= guilds):
            if serving.done():
                await serving  # raises why it could not start
            if measures_lag and app.client.has_registered:  # everything is loaded, and the loops start
                control.lag()
                measures_lag = False
            await asyncio.sleep(0.005)
        _say({})
        await control.serve()  # until the benchmark ends, even if it is killed
        stop.set()
        await serving


if __name__ == "__main__":
    asyncio.run(main())
