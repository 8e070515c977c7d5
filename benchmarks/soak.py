"""As many jobs as some minutes allow, 20 in flight: whether memory grows, and how much of the database a job takes.

python -m benchmarks.soak [--minutes 10]
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

from benchmarks.measure import easel

_IN_FLIGHT = 20
_EVERY_S = 30
_FLAT = 1.05  # the median of the last third of the measurements, over that of the first


def soak(minutes: float, *, every_s: float = _EVERY_S) -> bool:
    """Print a line every `every_s` seconds and a summary. Return whether memory is flat."""
    rss_mib: list[float] = []
    jobs = 0
    with easel() as (servers, process):
        servers.run(count=200, in_flight=_IN_FLIGHT, generation_ms=100)  # fills the caches
        first = process.ask("memory")
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            report = servers.run(seconds=every_s, in_flight=_IN_FLIGHT)
            now = process.ask("memory")
            jobs += report.window["posted"]
            rss_mib.append(now["rss_kib"] / 1024)
            _say(f"{jobs:8,} jobs {report.posted_per_s:6.1f} /s {rss_mib[-1]:7.1f} MiB, database {now['database_bytes'] / 2**20:7.1f} MiB")
    third = max(len(rss_mib) // 3, 1)
    growth = median(rss_mib[-third:]) / median(rss_mib[:third])
    _say(f"database: {(now['database_bytes'] - first['database_bytes']) / max(jobs, 1) / 1024:.1f} KiB per job, with its write-ahead log")
    _say(f"memory: {'flat' if growth <= _FLAT else 'growing'}, the last third is {growth:.2f}x the first")
    return growth <= _FLAT


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10)
    sys.exit(not soak(parser.parse_args().minutes))
