"""How long the event loop is held while 10,000 jobs are open, and whether a command is still answered.

python -m benchmarks.queue [--quick]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.jobs import write_waiting
from benchmarks.measure import Row, easel, percentile, show

_SETTINGS = {"MAX_RUNNING": "8", "MAX_RUNNING_PER_SERVER": "6", "MAX_RUNNING_PER_USER": "2"}  # the defaults: most jobs wait
_LIMIT_MS = 3000
_COMMANDS = 10


def rows(rounds: int, *, jobs: int = 10_000, seconds: float = 10) -> list[Row]:
    """The anchor is the same without jobs: on a busy machine that is not zero."""
    opened, idle = f"with {jobs:,} open jobs", "no jobs"
    worst = Row(what=f"event loop held {opened}, worst", unit="ms", anchor_name=idle, goal=25)
    p99 = Row(what=f"event loop held {opened}, p99", unit="ms", anchor_name=idle, goal=5)
    late = Row(what=f"/quota {opened}: late of {_COMMANDS}", unit="", anchor_name=idle, goal=0, always=True)
    wait = Row(what=f"/quota {opened}, median", unit="ms", anchor_name=idle)
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=".") as folder:
        database = write_waiting(Path(folder), jobs)
        for _ in range(rounds):
            without, measured = _measure(None, seconds), _measure(database, seconds)
            for row, anchor, value in zip((worst, p99, late, wait), without, measured, strict=True):
                row.anchor.append(anchor)
                row.value.append(value)
    return [worst, p99, late, wait]


def _measure(database: Path | None, seconds: float) -> tuple[float, float, float, float]:
    """The loop's worst and 99th percentile (ms), late answers, the median answer (ms)."""
    with easel(database=database, BENCH_LAG="1", **_SETTINGS) as (servers, process):
        report = servers.run(
            command="quota",
            until="acknowledged",
            count=_COMMANDS,
            per_second=_COMMANDS / seconds,
            timeout_s=seconds + _LIMIT_MS / 1000,
            generation_ms=200,
        )
        lag = process.ask("lag")
    waits = report.between_ms("dispatched", "acknowledged")
    return lag["worst_ms"], lag["p99_ms"], _COMMANDS - sum(1 for each in waits if each <= _LIMIT_MS), percentile(waits, 50)


if __name__ == "__main__":
    sys.stdout.write(show(rows(1, seconds=5) if "--quick" in sys.argv else rows(3)))
