"""Jobs per second with 1, 2 and 4 processes on one PostgreSQL, what each job costs, and how long locks are waited for and held.

python -m benchmarks.processes [--quick]

The stand-ins, the database and all processes share this machine: it is the cores that are full first. What a job costs (CPU time of the
processes and of the database, transactions, bytes) does not depend on that; `benchmarks.simulation` calculates from it, and a full run
writes it to measured.json. PostgreSQL waits for the disk as in production: fsync, full_page_writes and synchronous_commit are on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean, linear_regression, median

from benchmarks import figures, writer
from benchmarks.discord_standin import GUILDS
from benchmarks.figures import Figures
from benchmarks.intake import production_postgres
from benchmarks.measure import BenchProcess, Row, RunReport, Servers, easels, rss_kib, show
from benchmarks.servers import cpu_of
from tests.env.databases import Postgres

PROCESSES = (1, 2, 4)
IN_FLIGHT, FEW = 100, 4  # jobs at a time; with few of them, commits have few writes
GENERATION_MS = 100
_MANY_GUILDS = 1000
_MESSAGES = 20_000
_LONGEST_S = 300.0
_SETTLED_S = 2.0  # PostgreSQL counts what a session did when it has been idle for a second
_COUNTS = """
    SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()),
        (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables),
        pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), pg_database_size(current_database()),
        (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'easel' AND datname = current_database())
"""
_ROLE = "role:housekeeping"
_POLL_S = 0.05
_LOCKS = "easel_database_lock"


@dataclass(frozen=True, kw_only=True)
class FleetRun:
    """What so many processes did."""

    report: RunReport
    database: Mapping[str, float]  # per job; `connections` in all
    metrics: Mapping[str, float]  # of all processes, since the beginning of the run

    @property
    def posted(self) -> int:
        return int(self.report.window["posted"])

    def cpu_ms(self, *names: str) -> float:
        """Per job."""
        return sum(self.report.window["cpus_s"].get(name, 0.0) for name in names) * 1000 / max(self.posted, 1)

    def mean_ms(self, metric: str) -> float:
        return self.metrics.get(f"{metric}_sum", 0.0) * 1000 / max(self.metrics.get(f"{metric}_count", 0), 1)

    @property
    def group(self) -> float:
        """Writes in a commit, as a mean."""
        return self.metrics["easel_database_commit_writes_sum"] / max(self.metrics["easel_database_commit_writes_count"], 1)


def rows(rounds: int, *, jobs: int = 1000, idle_s: float = 12) -> list[Row]:
    """`jobs`: of each run; with few in flight it has a quarter of them."""
    with ExitStack() as stack:
        server = production_postgres(stack)
        loads: dict[tuple[int, int], list[FleetRun]] = {(count, many): [] for count in PROCESSES for many in (IN_FLIGHT, FEW)}
        for _ in range(rounds):
            for (count, many), measured in loads.items():
                measured.append(_load(server, count, many, jobs if many == IN_FLIGHT else jobs // 4))
        idle = [_idle(server, idle_s) for _ in range(rounds)]
        taken = [_taken_over(server) for _ in range(rounds)]
        found = _figures({count: loads[count, IN_FLIGHT] for count in PROCESSES}, loads, idle)
    figures.save(_rounded(found))
    return [*_curve(loads), *_locks(loads), *_take_overs(taken), *_costs(found)]


def _load(server: Postgres, count: int, in_flight: int, jobs: int) -> FleetRun:
    with _database(server) as url, easels(count, database_url=url, guilds=GUILDS) as (servers, bots):
        servers.run(count=20 * count, in_flight=20, generation_ms=GENERATION_MS)  # the first jobs are slower
        time.sleep(_SETTLED_S)
        before, metrics = _counts(server, url), _metrics(bots)
        pids = {f"bot {bot.pid}": [bot.pid] for bot in bots} | {"database": [server.pid], "stand-ins": [servers.pid]}
        report = servers.run(count=jobs, in_flight=in_flight, timeout_s=_LONGEST_S, pids=pids)
        time.sleep(_SETTLED_S)
        after = _counts(server, url)
        return FleetRun(
            report=report,
            database={name: (after[name] - before[name]) / jobs for name in after} | {"connections": after["connections"]},
            metrics={name: value - metrics.get(name, 0.0) for name, value in _metrics(bots).items()},
        )


@contextmanager
def _database(server: Postgres) -> Iterator[str]:
    url = server.create()
    try:
        yield url
    finally:
        server.drop(url)


def _counts(server: Postgres, url: str) -> dict[str, float]:
    names = ("transactions", "rows", "wal_bytes", "database_bytes", "connections")
    return dict(zip(names, map(float, server.sql(_COUNTS, url).split("|")), strict=True))


def _metrics(bots: Sequence[BenchProcess]) -> dict[str, float]:
    answers = [bot.ask("metrics") for bot in bots]
    return {name: sum(answer.get(name, 0.0) for answer in answers) for name in answers[0]}


def _idle(server: Postgres, seconds: float) -> dict[str, float]:
    """What a process costs that has nothing to do, what a server costs, and what a message costs that does not concern the bot."""
    memory, cpu = {}, {}
    for guilds in (GUILDS, _MANY_GUILDS):
        with _database(server) as url, easels(1, database_url=url, guilds=guilds) as (servers, (bot,)):
            time.sleep(_SETTLED_S)
            memory[guilds], cpu[guilds] = rss_kib(bot.pid), cpu_of(bot.pid)
            if guilds == GUILDS:
                before, cpu_s = _counts(server, url), cpu[guilds]
                time.sleep(seconds)
                idle = {
                    "transactions_per_s": (_counts(server, url)["transactions"] - before["transactions"]) / seconds,
                    "cpu_ms_per_s": (cpu_of(bot.pid) - cpu_s) * 1000 / seconds,
                }
            else:
                message_us = _message_cpu_us(servers, bot)
    kib_per_server, s_per_server = ((of[_MANY_GUILDS] - of[GUILDS]) / (_MANY_GUILDS - GUILDS) for of in (memory, cpu))
    per_server = {"memory_kib_per_server": kib_per_server, "cpu_ms_per_server": s_per_server * 1000}
    return idle | per_server | {"memory_mib": memory[GUILDS] / 1024, "message_cpu_us": message_us}


def _message_cpu_us(servers: Servers, bot: BenchProcess) -> float:
    before = cpu_of(bot.pid)
    servers.talk(_MESSAGES)
    bot.ask("guilds")  # answered after the messages that have been read
    return (cpu_of(bot.pid) - before) * 1_000_000 / _MESSAGES


def _taken_over(server: Postgres) -> dict[str, float]:
    """Seconds after a kill, until the other process has the roles and the shards of the killed one."""
    with _database(server) as url, easels(2, database_url=url, guilds=GUILDS) as (_, bots):
        other, killed = sorted(bots, key=lambda bot: bool(bot.ask("holds", name=_ROLE)["held"]))
        began, took = time.monotonic(), dict[str, float]()
        killed.stop()
        while len(took) < 2 and time.monotonic() < began + _LONGEST_S:
            if other.ask("holds", name=_ROLE)["held"]:
                took.setdefault("roles", time.monotonic() - began)
            if other.ask("guilds")["connected"] == GUILDS:
                took.setdefault("shards", time.monotonic() - began)
            time.sleep(_POLL_S)
    return took


# --- what is shown -----------------------------------------------------------------------------------------------------


def _curve(loads: Mapping[tuple[int, int], Sequence[FleetRun]]) -> Iterator[Row]:
    alone = [load.report.posted_per_s for load in loads[1, IN_FLIGHT]]
    for count in PROCESSES:
        many = loads[count, IN_FLIGHT]
        name = f"{count} process{'es' if count > 1 else ''}, {IN_FLIGHT} in flight"
        anchor = alone if count > 1 else []
        yield Row(
            what=f"jobs per second, {name}",
            unit="/s",
            anchor=anchor,
            anchor_name="1 process",
            value=[load.report.posted_per_s for load in many],
        )
        yield Row(what=f"cores in use by the processes, {name}", unit="", value=[_cores(load) for load in many])
        wrong = [len(load.report.orders) - load.posted + load.report.duplicates for load in many]
        yield Row(what=f"not posted exactly once, {name}", unit="", value=wrong, goal=0, always=True)


def _cores(load: FleetRun) -> float:
    cpus = load.report.window["cpus_s"]
    return sum(cpu_s for name, cpu_s in cpus.items() if name.startswith("bot")) / load.report.window["seconds"]


def _locks(loads: Mapping[tuple[int, int], Sequence[FleetRun]]) -> Iterator[Row]:
    """With few jobs in flight, also the wait of the simulation, for as many writes per second and turns as long as they were."""
    for count in PROCESSES:
        many, few, name = loads[count, IN_FLIGHT], loads[count, FEW], f"{count} process{'es' if count > 1 else ''}"
        yield Row(what=f"writer's lock, wait, {name}", unit="ms", value=[load.mean_ms(f"{_LOCKS}_wait_seconds") for load in many])
        yield Row(what=f"writer's lock, hold, {name}", unit="ms", value=[load.mean_ms(f"{_LOCKS}_hold_seconds") for load in many])
        yield Row(what=f"writes in a commit, {name}", unit="", value=[load.group for load in many])
        simulated = [writer.simulate(_writes_per_s(load), count, _turns_of(load)).mean_s * 1000 for load in few]
        waits = [load.mean_ms("easel_database_write_seconds") for load in few]
        what = f"a write until its commit, {name}, {FEW} in flight"
        yield Row(what=what, unit="ms", anchor=simulated, anchor_name="simulated", value=waits)


def _turns_of(load: FleetRun) -> writer.TurnCost:
    """Of this run: with few jobs in flight a turn is as good as independent of its writes."""
    return writer.TurnCost(fixed_s=load.mean_ms(f"{_LOCKS}_hold_seconds") / 1000, per_write_s=0.0)


def _writes_per_s(load: FleetRun) -> float:
    return _writes(load) * load.report.posted_per_s


def _writes(load: FleetRun) -> float:
    """Per job."""
    return load.metrics["easel_database_commit_writes_sum"] / max(load.posted, 1)


def _take_overs(taken: Sequence[Mapping[str, float]]) -> Iterator[Row]:
    for what in ("roles", "shards"):
        yield Row(what=f"{what} of a killed process, until another has them", unit="s", value=[each[what] for each in taken], goal=10)


def _costs(found: Figures) -> Iterator[Row]:
    shown = {
        "CPU of a job in the processes": (found.bot_cpu_ms_per_job, "ms"),
        "CPU of a job in the database": (found.database_cpu_ms_per_job, "ms"),
        "writes of a job": (found.writes_per_job, ""),
        "transactions of a job, with reads": (found.transactions_per_job, ""),
        "rows written of a job": (found.rows_per_job, ""),
        "write-ahead log of a job": (found.wal_bytes_per_job / 1024, "KiB"),
        "database of a job": (found.database_bytes_per_job / 1024, "KiB"),
        "connections of a process": (found.connections_per_process, ""),
        "share of the busiest of 4 processes": (found.busiest_share, ""),
        "CPU of an idle process": (found.idle_cpu_ms_per_s, "ms a second"),
        "transactions of an idle process": (found.idle_transactions_per_s, "/s"),
        "memory of a process": (found.memory_mib, "MiB"),
        "memory of a server": (found.memory_kib_per_server, "KiB"),
        "CPU of connecting to a server": (found.cpu_ms_per_server, "ms"),
        "CPU of a message that does not concern the bot": (found.message_cpu_us, "us"),
    }
    for what, (value, unit) in shown.items():
        yield Row(what=what, unit=unit, value=[value])


def _figures(
    curve: Mapping[int, Sequence[FleetRun]], loads: Mapping[tuple[int, int], Sequence[FleetRun]], idle: Sequence[dict[str, float]]
) -> Figures:
    """The medians. The costs of a job are those with two processes."""
    two, four = curve[2], curve[4]
    held = [(load.group, load.mean_ms(f"{_LOCKS}_hold_seconds")) for each in loads.values() for load in each]
    per_write, fixed = linear_regression([group for group, _ in held], [hold for _, hold in held])
    if fixed < 0:  # other work on this machine was longer than what a commit costs
        fixed, per_write = 0.0, fmean(hold for _, hold in held) / fmean(group for group, _ in held)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    return Figures(
        measured=today,
        times=today,
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[2],
        generation_s=GENERATION_MS / 1000,
        in_flight=IN_FLIGHT,
        jobs_per_s={str(count): median(load.report.posted_per_s for load in each) for count, each in curve.items()},
        bot_cpu_ms_per_job=median(load.cpu_ms(*_bots(load)) for load in two),
        database_cpu_ms_per_job=median(load.cpu_ms("database") for load in two),
        standin_cpu_ms_per_job=median(load.cpu_ms("stand-ins") for load in two),
        busiest_share=median(_busiest_share(load) for load in four),
        writes_per_job=median(map(_writes, two)),
        commits_per_job=median(_writes(load) / load.group for load in two),
        **{
            f"{name}_per_job": median(load.database[name] for load in two)
            for name in ("transactions", "rows", "wal_bytes", "database_bytes")
        },
        hold_fixed_ms=fixed,
        hold_per_write_ms=max(per_write, 0.0),
        connections_per_process=max(load.database["connections"] / 4 for load in four),
        idle_cpu_ms_per_s=median(each["cpu_ms_per_s"] for each in idle),
        idle_transactions_per_s=median(each["transactions_per_s"] for each in idle),
        **{
            name: median(each[name] for each in idle)
            for name in ("memory_mib", "memory_kib_per_server", "cpu_ms_per_server", "message_cpu_us")
        },
    )


def _rounded(found: Figures) -> Figures:
    numbers = {name: round(value, 3) for name, value in vars(found).items() if isinstance(value, float)}
    return replace(found, **numbers, jobs_per_s={count: round(per_s, 1) for count, per_s in found.jobs_per_s.items()})


def _bots(load: FleetRun) -> list[str]:
    return [name for name in load.report.window["cpus_s"] if name.startswith("bot")]


def _busiest_share(load: FleetRun) -> float:
    cpus = load.report.window["cpus_s"]
    each = [cpus[name] for name in _bots(load)]
    return max(each) / (fmean(each) * len(each))


if __name__ == "__main__":
    sys.stdout.write(show(rows(1, jobs=200, idle_s=4) if "--quick" in sys.argv else rows(3)))
