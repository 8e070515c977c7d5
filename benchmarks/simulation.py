"""What a thousand to a million servers would need: a simulated day of orders, and what each of them cost when it was measured.

python -m benchmarks.simulation [--quick | --write] [--jobs-per-server N]

The costs are those of measured.json, which `benchmarks.processes` writes; what members do is assumed (`benchmarks.demand.Habits` and
`Assumptions`), so compare the columns and change the assumptions for your own members.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import demand, figures, writer
from benchmarks.demand import DAY_S, Habits
from benchmarks.figures import Figures

_SCALES = (1_000, 10_000, 100_000, 1_000_000)
_PAGE = Path(__file__).parents[1] / "docs" / "scaling.md"
_BEGIN, _END = "<!-- written by python -m benchmarks.simulation --write -->", "<!-- end -->"
_WRITES = 50_000  # simulated for each scale


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """What nobody has measured, and the limits of others."""

    generation_s: float = 10.0
    image_bytes: float = 1_500_000
    by_reaction: float = 0.1  # share of the jobs that cost 3 requests by the bot's token: ⏳, the reply, ⏳ removed
    by_token: float = 0.12  # share of the jobs with one more such request: a log post, or a result later than 15 minutes
    messages_per_server_day: float = 200.0
    servers_per_shard: int = 1000
    full: float = 0.6  # of a core, in the busiest minute: what bursts need is left
    process_gib: float = 2.0  # memory that a process may use for what it knows of servers
    keep_days: int = 400  # JOBS_KEEP_DAYS
    discord_per_s: float = 50.0  # requests by the bot's token
    connections: int = 100  # PostgreSQL's default
    api_per_minute: float = 60.0  # OXEN_RATE_PER_MINUTE
    identify_at_once: int = 1  # new sessions in five seconds
    large_bot: int = 150_000  # servers, from which there are more of them:
    large_identify_at_once: int = 16


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What an installation of so many servers needs in its busiest minute, and over time."""

    servers: int
    day: demand.OrdersOfDay
    figures: Figures
    assumed: Assumptions
    waiting: writer.Waiting | None  # None: one writer at a time is not enough

    @property
    def per_s(self) -> float:
        return self.day.peak_minute_per_s

    @property
    def messages_per_s(self) -> float:
        return self.servers * self.assumed.messages_per_server_day / DAY_S * 1.6  # as uneven as the orders

    @property
    def cores(self) -> float:
        """Of all processes."""
        return self.per_s * self.figures.bot_cpu_ms_per_job / 1000 + self.messages_per_s * self.figures.message_cpu_us / 1e6

    @property
    def processes(self) -> int:
        memory_gib = self.servers * self.figures.memory_kib_per_server / 2**20
        return max(1, math.ceil(self.cores / self.assumed.full), math.ceil(memory_gib / self.assumed.process_gib))

    @property
    def role_core(self) -> float:
        """Of the process that has the roles: what it does more than the others."""
        share = max(self.figures.busiest_share - 0.25, 0.0) * 4 / 3
        return self.per_s * share * self.figures.bot_cpu_ms_per_job / 1000

    @property
    def database_cores(self) -> float:
        return self.per_s * self.figures.database_cpu_ms_per_job / 1000

    @property
    def writes_per_s(self) -> float:
        return self.per_s * self.figures.writes_per_job

    @property
    def turns(self) -> float:
        """Share of what could be committed, if every turn had as many writes as it may."""
        return self.writes_per_s / _service(self.figures).writes_per_s

    @property
    def transactions_per_s(self) -> float:
        return self.per_s * self.figures.transactions_per_job + self.processes * self.figures.idle_transactions_per_s

    @property
    def connections(self) -> float:
        return self.processes * self.figures.connections_per_process

    @property
    def discord_per_s(self) -> float:
        return self.per_s * (3 * self.assumed.by_reaction + self.assumed.by_token)

    @property
    def shards(self) -> int:
        return math.ceil(self.servers / self.assumed.servers_per_shard)

    @property
    def restart_s(self) -> float:
        """Until every shard is connected: Discord takes some new sessions in five seconds."""
        assumed = self.assumed
        at_once = assumed.large_identify_at_once if self.servers >= assumed.large_bot else assumed.identify_at_once
        return math.ceil(self.shards / at_once) * 5.0

    def fullness(self) -> dict[str, float]:
        """How much is used of what one process on default settings, one bot and one PostgreSQL have."""
        return {
            "the image API's rate (60 a minute)": self.per_s * 60 / self.assumed.api_per_minute,
            "the core of one process": self.cores,
            "the writer's turn": self.turns,
            "Discord's 50 requests a second": self.discord_per_s / self.assumed.discord_per_s,
            "PostgreSQL's 100 connections": self.connections / self.assumed.connections,
            "one core of PostgreSQL": self.database_cores,
            "the process with the roles": self.role_core,
        }


def report(_rounds: int = 1, *, scales: Sequence[int] = _SCALES, habits: Habits | None = None) -> str:
    """Markdown: a table with a column for each scale, and what is full first."""
    found, chosen = figures.load(), habits or Habits()
    them = [installation(servers, found, chosen) for servers in scales]
    head = f"| | {' | '.join(f'{servers:,} servers' for servers in scales)} |\n|---|{'---|' * len(scales)}\n"
    table = head + "".join(f"| {what} | {' | '.join(show(each) for each in them)} |\n" for what, show in _LINES.items())
    return f"{_inputs(found, chosen)}\n\n{_walls(found)}\n{table}\n{_check(found)}"


def write(found: str) -> None:
    """Renew the part of docs/scaling.md that is made here."""
    before, begin, rest = _PAGE.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{begin}\n{found}{end}{after}", "utf-8")


def installation(servers: int, found: Figures, habits: Habits, assumed: Assumptions | None = None) -> Installation:
    day, assumed = demand.simulate(servers, habits), assumed or Assumptions()
    needed = Installation(servers=servers, day=day, figures=found, assumed=assumed, waiting=None)
    service = _service(found)
    if needed.writes_per_s >= service.writes_per_s:
        return needed
    waiting = writer.simulate(needed.writes_per_s, needed.processes, service, writes=_WRITES)
    return Installation(servers=servers, day=day, figures=found, assumed=assumed, waiting=waiting)


def jobs_per_s(found: Figures, processes: int) -> float:
    """What the cores of the measured machine allow: a process has one at most, and everything shares all of them."""
    everything = found.bot_cpu_ms_per_job + found.database_cpu_ms_per_job + found.standin_cpu_ms_per_job
    by_core, by_machine = processes * 1000 / found.bot_cpu_ms_per_job, found.cores * 1000 / everything
    return min(by_core, by_machine, found.in_flight / found.generation_s)


def _service(found: Figures) -> writer.TurnCost:
    return writer.TurnCost(fixed_s=found.hold_fixed_ms / 1000, per_write_s=found.hold_per_write_ms / 1000)


# --- what is shown -----------------------------------------------------------------------------------------------------


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _bytes(value: float) -> str:
    for unit in ("KiB", "MiB", "GiB"):
        value /= 1024
        if value < 1024:
            return f"{_number(value)} {unit}"
    return f"{_number(value / 1024)} TiB"


def _seconds(value: float) -> str:
    return f"{_number(value * 1000)} ms" if value < 1 else f"{_number(value)} s" if value < 120 else f"{_number(value / 60)} min"


def _first(each: Installation) -> str:
    """What is more than full, the fullest first; what is fullest if nothing is."""
    ordered = sorted(each.fullness().items(), key=lambda item: -item[1])
    return "; ".join(f"{what} {share:.0%}" for what, share in ordered if share >= 1 or what == ordered[0][0])


_LINES: Mapping[str, Callable[[Installation], str]] = {
    "images a day": lambda each: _number(each.day.jobs),
    "images a second, busiest minute": lambda each: _number(each.per_s),
    "images in the busiest second": lambda each: _number(each.day.peak_second),
    "images of the largest gathering": lambda each: _number(each.day.largest_gathering),
    "images being made at once": lambda each: _number(each.per_s * each.assumed.generation_s),
    "requests to image APIs a minute": lambda each: _number(each.per_s * 60),
    "shards of 1,000 servers": lambda each: _number(each.shards),
    "until all are connected": lambda each: _seconds(each.restart_s),
    "CPU of that": lambda each: _seconds(each.servers * each.figures.cpu_ms_per_server / 1000),
    "messages of others, a second": lambda each: _number(each.messages_per_s),
    "cores of Easel": lambda each: _number(each.cores),
    "processes, at 60 % of a core and 2 GiB": lambda each: _number(each.processes),
    "memory of what the processes know of servers": lambda each: _bytes(each.servers * each.figures.memory_kib_per_server * 1024),
    "connections": lambda each: _number(each.connections),
    "transactions a second": lambda each: _number(each.transactions_per_s),
    "writes a second": lambda each: _number(each.writes_per_s),
    "the writer's turn is taken": lambda each: f"{each.waiting.busy:.0%} of the time" if each.waiting else "always",
    "of what full turns could commit": lambda each: f"{each.turns:.0%}",
    "writes in a commit": lambda each: _number(each.waiting.group) if each.waiting else "64",
    "a write until its commit, mean and p99": lambda each: (
        f"{_seconds(each.waiting.mean_s)}, {_seconds(each.waiting.p99_s)}" if each.waiting else "no end"
    ),
    "cores of PostgreSQL": lambda each: _number(each.database_cores),
    "rows written a day": lambda each: _number(each.day.jobs * each.figures.rows_per_job),
    "write-ahead log a day": lambda each: _bytes(each.day.jobs * each.figures.wal_bytes_per_job),
    "database after 400 days": lambda each: _bytes(each.day.jobs * each.figures.database_bytes_per_job * each.assumed.keep_days),
    "uploads to Discord": lambda each: f"{_number(each.per_s * each.assumed.image_bytes * 8 / 1e6)} Mbit/s",
    "requests by the bot's token a second": lambda each: _number(each.discord_per_s),
    "full, or fullest": _first,
}


def _inputs(found: Figures, habits: Habits) -> str:
    assumed = Assumptions()
    times = "" if found.times == found.measured else f", the times by {found.times}"
    return (
        f"Measured on {found.measured}{times}: an image takes {found.bot_cpu_ms_per_job:.1f} ms of CPU in Easel and"
        f" {found.database_cpu_ms_per_job:.1f} ms in PostgreSQL, and {found.writes_per_job:.1f} writes; the writer's turn takes"
        f" {found.hold_fixed_ms:.2f} ms and {found.hold_per_write_ms:.2f} ms for each write. Assumed: {habits.jobs_per_server_day:g} images"
        f" per server and day, {assumed.generation_s:g} s each, {assumed.image_bytes / 1e6:g} MB, {assumed.messages_per_server_day:g}"
        f" messages of others per server and day."
    )


def _walls(found: Figures) -> str:
    """How many images a second fill one of each."""
    assumed = Assumptions()
    walls = {
        "one image API at its default rate": assumed.api_per_minute / 60,
        "the core of a process": 1000 / found.bot_cpu_ms_per_job,
        "Discord's 50 requests a second": assumed.discord_per_s / (3 * assumed.by_reaction + assumed.by_token),
        "the writer's turn": _service(found).writes_per_s / found.writes_per_job,
        "a core of PostgreSQL": 1000 / found.database_cpu_ms_per_job,
    }
    lines = (f"| {what} | {_number(per_s)} |\n" for what, per_s in walls.items())
    return f"| what is full | at so many images a second |\n|---|---|\n{''.join(lines)}"


def _check(found: Figures) -> str:
    """The same model for the measured machine, beside what was measured there."""
    lines = (
        f"| {count} | {measured:.0f} | {jobs_per_s(found, int(count)):.0f} | {measured / jobs_per_s(found, int(count)):.2f} |\n"
        for count, measured in found.jobs_per_s.items()
    )
    head = "| processes | images a second, measured | what the cores allow | ratio |\n|---|---|---|---|\n"
    return f"The measured machine ({found.cores} cores, shared with the database and the stand-ins):\n\n{head}{''.join(lines)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation")
    parser.add_argument("--quick", action="store_true", help="up to 10,000 servers")
    parser.add_argument("--write", action="store_true", help="put the result into docs/scaling.md")
    parser.add_argument(
        "--jobs-per-server", type=float, default=Habits().jobs_per_server_day, metavar="N", help="images per server and day"
    )
    given = parser.parse_args()
    simulated = report(scales=_SCALES[:2] if given.quick else _SCALES, habits=Habits(jobs_per_server_day=given.jobs_per_server))
    sys.stdout.write(simulated)
    if given.write:
        write(simulated)
