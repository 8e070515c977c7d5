"""What the benchmarks share: rows of the table, processes, and statistics.

A group is a module with one function:

    def rows(rounds: int) -> list[Row]

It measures each of its quantities once per round, the anchor and Easel one after the other, and puts the results of all rounds in
one `Row` per quantity. `python -m benchmarks` prints the rows of all groups; see `benchmarks/__main__.py` for their names.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

Goal = Literal["at most", "at least"]
SHARDS = 4  # of a Discord with several processes
_TICK_S = 0.005
_CONNECTED_S = 60.0


@dataclass(kw_only=True)
class Row:
    """One quantity. `anchor` and `value` hold one number per round, in `unit`; an empty `anchor` means that there is none.

    The goal is compared with the median of the rounds; with `always`, every round must meet it. With `relative` it is a factor of the
    anchor and compared with the ratios, otherwise it is in `unit`. A row without a goal is only shown.
    """

    what: str
    unit: str
    value: list[float] = field(default_factory=list)
    anchor: list[float] = field(default_factory=list)
    anchor_name: str = ""
    goal: float | None = None
    direction: Goal = "at most"
    relative: bool = False
    always: bool = False

    @property
    def ratios(self) -> list[float]:
        return [value / anchor for value, anchor in zip(self.value, self.anchor, strict=True) if anchor] if self.anchor else []

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal, or if nothing was measured."""
        numbers = self.ratios if self.relative else self.value
        if self.goal is None or not numbers:
            return None
        judged = numbers if self.always else [median(numbers)]
        return max(judged) <= self.goal if self.direction == "at most" else min(judged) >= self.goal

    @property
    def goal_text(self) -> str:
        return "" if self.goal is None else f"{self.direction} {self.goal:g}{'x' if self.relative else f' {self.unit}'.rstrip()}"


def show(rows: Sequence[Row]) -> str:
    """A Markdown table of minimum, median and maximum over the rounds."""
    head = "| what | anchor | Easel | ratio | goal | met |\n|---|---|---|---|---|---|\n"
    return head + "".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    anchor = f"{row.anchor_name} {_spread(row.anchor, row.unit)}".strip() if row.anchor else ""
    met = {None: "", True: "yes", False: "no"}[row.met]
    return f"| {row.what} | {anchor} | {_spread(row.value, row.unit)} | {_spread(row.ratios, 'x')} | {row.goal_text} | {met} |\n"


def _spread(numbers: Sequence[float], unit: str) -> str:
    """`minimum / median / maximum unit`, or the one number if they are equal."""
    if not numbers:
        return ""
    shown = [f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in (min(numbers), median(numbers), max(numbers))]
    return f"{shown[0] if len(set(shown)) == 1 else ' / '.join(shown)}{unit if unit == 'x' else f' {unit}'.rstrip()}"


def percentile(numbers: Sequence[float], percent: float) -> float:
    """The number below or at which `percent` of them are; 0 if there are none."""
    ordered = sorted(numbers)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else 0.0


# --- processes ---------------------------------------------------------------------------------------------------------


class BenchProcess:
    """A process that prints one JSON line once it is ready, and one for every line that it is sent."""

    def __init__(self, module: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        command = [sys.executable, "-m", module, *arguments]
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})}
        )
        self.pid = self._process.pid
        self.hello = self._line()

    def ask(self, question: str, **more: Any) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps({"ask": question, **more}) + "\n")
        self._process.stdin.flush()
        return self._line()

    def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a process ended early (exit code {self._process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(kw_only=True)
class RunReport:
    """The answer of `POST /run`: see `benchmarks.servers`."""

    orders: list[dict[str, float]]
    took_s: float
    window: dict[str, Any]
    duplicates: int

    def between_ms(self, first: str, last: str) -> list[float]:
        """Milliseconds from one step to another, of each interaction that reached both."""
        return [(order[last] - order[first]) * 1000 for order in self.orders if first in order and last in order]

    @property
    def posted_per_s(self) -> float:
        return float(self.window["posted"] / self.window["seconds"])


class Servers(BenchProcess):
    """The stand-ins of Discord and Oxen. `size`: Discord's shards and guilds."""

    def __init__(self, *size: int) -> None:
        super().__init__("benchmarks.servers", *map(str, size))
        self.url: str = self.hello["url"]

    def run(self, **plan: Any) -> RunReport:
        """Start interactions and wait for them. The fields are those of `POST /run`."""
        return RunReport(**self._post("run", plan))

    def talk(self, messages: int) -> None:
        """Messages of people that do not concern the bot: see `POST /talk`."""
        self._post(f"talk?messages={messages}", {})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self.url}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=600) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
        return answer


@contextmanager
def bare() -> Iterator[tuple[Servers, BenchProcess]]:
    """The bare bot, connected to stand-ins of its own."""
    with _stopped(Servers()) as servers, _stopped(BenchProcess("benchmarks.bare", servers.url)) as bot:
        yield servers, bot


@contextmanager
def easel(*, database: Path | None = None, **overrides: str) -> Iterator[tuple[Servers, BenchProcess]]:
    """Easel with a new SQLite database or a copy of `database`, connected to stand-ins of its own.

    `overrides`: settings, or switches of `benchmarks.easel`. Nothing is limited unless they say so.
    """
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=".") as folder, _stopped(Servers()) as servers:
        if database is not None:
            shutil.copy(database, Path(folder) / "easel.sqlite3")
        with _stopped(BenchProcess("benchmarks.easel", env=_settings(servers, folder) | overrides)) as bot:
            yield servers, bot


@contextmanager
def easels(processes: int, *, database_url: str, guilds: int, **overrides: str) -> Iterator[tuple[Servers, list[BenchProcess]]]:
    """Several processes of Easel on one PostgreSQL, and stand-ins whose Discord has four shards. Every guild is connected."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="easel-bench-", dir="."))
        servers = stack.enter_context(_stopped(Servers(SHARDS, guilds)))
        bots = []
        for number in range(processes):
            env = _settings(servers, f"{folder}/{number}") | {"DATABASE_URL": database_url, "BENCH_GUILDS": "0"} | overrides
            bots.append(stack.enter_context(_stopped(BenchProcess("benchmarks.easel", env=env))))
        until = time.monotonic() + _CONNECTED_S
        while sum(bot.ask("guilds")["connected"] for bot in bots) != guilds:
            if time.monotonic() > until:
                raise RuntimeError("the shards were not taken")
            time.sleep(0.1)
        yield servers, bots


def _settings(servers: Servers, folder: str) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": "token-of-the-benchmark",
        "DISCORD_API_URL": f"{servers.url}/api/v10",
        "DISCORD_GATEWAY_URL": f"{servers.url.replace('http', 'ws')}/gateway",
        "OXEN_API_KEY": "key-of-the-benchmark",
        "OXEN_BASE_URL": servers.url,
        "OXEN_RATE_PER_MINUTE": "100000",
        "OXEN_MAX_RUNNING": "1000",
        "MAX_RUNNING": "1000",
        "MAX_RUNNING_PER_SERVER": "1000",
        "MAX_RUNNING_PER_USER": "100",
        "MAX_WAITING_PER_USER": "1000",
        "QUOTA_CREDITS": "1000000",
        "MONTHLY_LIMIT_USD": "100000",
        "MONTHLY_LIMIT_USD_PER_SERVER": "100000",
        "OPERATOR_DM": "false",
        "LOG_LEVEL": "WARNING",
        "DATA_DIR": folder,
    }


@contextmanager
def _stopped(process: Any) -> Iterator[Any]:
    try:
        yield process
    finally:
        process.stop()


# --- inside a measured process -----------------------------------------------------------------------------------------


class Ticker:
    """Measures how long the event loop is held: by how much a sleep of 5 ms takes longer."""

    def __init__(self) -> None:
        self._late_ms: list[float] = []
        self._task = asyncio.create_task(self._tick(), name="ticker")

    async def _tick(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self._late_ms.append(max(time.perf_counter() - before - _TICK_S, 0) * 1000)

    def stop(self) -> dict[str, float]:
        self._task.cancel()
        late = self._late_ms
        return {"ticks": len(late), "p99_ms": percentile(late, 99), "worst_ms": max(late, default=0.0)}


def rss_kib(pid: int) -> int:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0])
