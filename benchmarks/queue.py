"""How long the event loop is held while 10,000 jobs are open, and whether a command is still answered.

python -m benchmarks.queue [--quick]
"""

from __future__ import annotations

import sys

from benchmarks.measure import Row, easel, percentile, show

_SETTINGS = {"MAX_RUNNING": "8", "MAX_RUNNING_PER_SERVER": "6", "MAX_RUNNING_PER_USER": "2"}  # the defaults: most jobs wait
_LIMIT_MS = 3000


def rows(rounds: int, *, jobs: int = 10_000, seconds: float = 10) -> list[Row]:
    worst = Row(what=f"event loop held with {jobs:,} open jobs, worst", unit="ms", goal=25)
    p99 = Row(what=f"event loop held with {jobs:,} open jobs, p99", unit="ms", goal=5)
    late = Row(what=f"/quota with {jobs:,} open jobs: late of 10", unit="", goal=0)
    wait = Row(what=f"/quota with {jobs:,} open jobs, p99", unit="ms")
    for _ in range(rounds):
        with easel(BENCH_JOBS=str(jobs), **_SETTINGS) as (servers, process):
            report = servers.run(
                command="quota", until="acknowledged", count=10, per_second=10 / seconds, timeout_s=seconds + 5, generation_ms=200
            )
            lag = process.ask("lag")
        waits = report.between_ms("dispatched", "acknowledged")
        worst.value.append(lag["worst_ms"])
        p99.value.append(lag["p99_ms"])
        late.value.append(10 - sum(1 for each in waits if each <= _LIMIT_MS))
        wait.value.append(percentile(waits, 99))
    return [worst, p99, late, wait]


if __name__ == "__main__":
    sys.stdout.write(show(rows(1, seconds=5) if "--quick" in sys.argv else rows(3)))
