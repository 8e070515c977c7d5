"""As many jobs as some minutes allow, 20 in flight: whether anything grows that should not, and how much of the database a job takes.

python -m benchmarks.soak [--minutes 10]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from statistics import median

from benchmarks.measure import easel

_IN_FLIGHT = 20
_EVERY_S = 30
# What may not grow: the median of the last third of the measurements, over that of the first; and how much more is no growth.
_FLAT = {
    "rss_kib": (1.05, 0),
    "files": (1.0, 8),
    "tasks": (1.0, 8),
    "threads": (1.0, 2),
    "wal_bytes": (1.25, 4 * 2**20),
    "file_bytes_per_job": (1.1, 2048),  # of the database without its write-ahead log
}


def soak(minutes: float, *, every_s: float = _EVERY_S) -> bool:
    """Print a line every `every_s` seconds and a summary. Return whether all of `_FLAT` is flat."""
    measured = defaultdict[str, list[float]](list)
    jobs = 0
    with easel() as (servers, process):
        servers.run(count=200, in_flight=_IN_FLIGHT, generation_ms=100)  # fills the caches
        first = before = process.ask("memory")
        end = time.monotonic() + minutes * 60
        while time.monotonic() < end:
            report = servers.run(seconds=every_s, in_flight=_IN_FLIGHT)
            now, posted = process.ask("memory"), report.window["posted"]
            grown = (now["database_bytes"] - now["wal_bytes"]) - (before["database_bytes"] - before["wal_bytes"])
            now["file_bytes_per_job"] = max(grown, 0) / max(posted, 1)
            jobs, before = jobs + posted, now
            for name in _FLAT:
                measured[name].append(now[name])
            _say(
                f"{jobs:8,} jobs {report.posted_per_s:6.1f} /s {now['rss_kib'] / 1024:7.1f} MiB, database"
                f" {now['database_bytes'] / 2**20:7.1f} MiB, {now['files']} files, {now['tasks']} tasks, {now['threads']} threads"
            )
    _say(f"database: {(now['database_bytes'] - first['database_bytes']) / max(jobs, 1) / 1024:.1f} KiB per job, with its write-ahead log")
    return not [name for name in _FLAT if not _is_flat(name, measured[name])]  # every line is shown


def _is_flat(name: str, values: list[float]) -> bool:
    third, (factor, slack) = max(len(values) // 3, 1), _FLAT[name]
    before, after = median(values[:third]), median(values[-third:])
    flat = after <= before * factor + slack
    _say(f"{name}: {'flat' if flat else 'growing'}, {before:,.0f} in the first third and {after:,.0f} in the last")
    return flat


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10)
    sys.exit(not soak(parser.parse_args().minutes))
