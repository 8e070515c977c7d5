"""Jobs from the command to the image: throughput, CPU time, database work and latency, beside the bare bot.

python -m benchmarks.pipeline [--quick]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median

from benchmarks.measure import BenchProcess, Row, RunReport, Servers, bare, easel, show

Bot = Callable[[], AbstractContextManager[tuple[Servers, BenchProcess]]]

_LEVELS = (10, 50, 200)  # jobs in flight
GENERATION_MS = 100  # with 10 in flight this is what limits the bare bot


def rows(rounds: int, *, seconds: float = 6, counted: int = 100) -> list[Row]:
    """`seconds`: of each throughput run; `counted`: jobs of the run that counts what the database does."""
    per_s = {
        level: Row(
            what=f"jobs per second, {level} in flight", unit="/s", anchor_name="bare bot", goal=0.5, direction="at least", relative=True
        )
        for level in _LEVELS
    }
    cpu = Row(what="CPU per job, 50 in flight", unit="ms", anchor_name="bare bot", goal=8, relative=True)
    latency = Row(what="completed to posted, median", unit="ms", anchor_name="bare bot", goal=10)
    reads = Row(what="status reads per job", unit="", goal=0.05)
    goals = {"statements": 30, "reads": 6, "writes": 4, "commits": None}
    counts = {name: Row(what=f"{name} per job, 50 in flight", unit="", goal=goal) for name, goal in goals.items()}
    wrong = Row(what=f"of {counted} jobs, not posted exactly once", unit="", goal=0, always=True)
    for _ in range(rounds):
        for level in _LEVELS:
            floor, measured = _throughput(bare, level, seconds / 3), _throughput(easel, level, seconds * max(1, level / 100))
            per_s[level].anchor.append(floor.posted_per_s)
            per_s[level].value.append(measured.posted_per_s)
            if level == 50:
                cpu.anchor.append(_cpu_ms(floor))
                cpu.value.append(_cpu_ms(measured))
                reads.value.append(measured.window["calls"].get("read", 0) / max(measured.window["posted"], 1))
        latency.anchor.append(_latency_ms(bare))
        latency.value.append(_latency_ms(easel))
        done, did = _counts(counted)
        wrong.value.append(counted - len(done.between_ms("dispatched", "posted")) + done.duplicates)
        for name, each in did.items():
            counts[name].value.append(each / max(done.window["posted"], 1))
    return [*per_s.values(), cpu, *counts.values(), latency, reads, wrong]


def _throughput(bot: Bot, level: int, seconds: float) -> RunReport:
    with bot() as (servers, process):
        servers.run(count=5, in_flight=1, generation_ms=GENERATION_MS)  # the first jobs are slower: connections, caches
        return servers.run(seconds=seconds, warm_s=seconds / 4, in_flight=level, pid=process.pid)


def _cpu_ms(report: RunReport) -> float:
    return float(report.window["cpu_s"] * 1000 / max(report.window["posted"], 1))


def _latency_ms(bot: Bot) -> float:
    with bot() as (servers, _):
        servers.run(count=5, in_flight=1, generation_ms=GENERATION_MS)
        return median(servers.run(count=20, per_second=5, timeout_s=20).between_ms("completed", "posted") or [0.0])


def _counts(jobs: int) -> tuple[RunReport, dict[str, int]]:
    """What the database does for some jobs: statements without those that begin and end transactions, reads, writes, commits."""
    with easel(BENCH_COUNT="1") as (servers, process):
        servers.run(count=5, in_flight=1, generation_ms=GENERATION_MS)
        process.ask("counts")
        done = servers.run(count=jobs, in_flight=50, timeout_s=60)
        time.sleep(0.5)  # the last jobs are still recorded as delivered
        return done, process.ask("counts")


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    sys.stdout.write(show(rows(1, seconds=3, counted=50) if quick else rows(3)))
