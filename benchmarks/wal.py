"""How long SQLite's write-ahead log becomes while reads overlap, so that it is never free of readers.

python -m benchmarks.wal [--quick]

Ten tasks write, alone and beside eight whose reads take 5 to 15 ms and follow one another without a pause.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from itertools import count, takewhile
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.measure import Row, percentile, show
from bot.store import kv, tables
from bot.store.engine.base import upsert
from bot.store.engine.opening import open_store

WRITERS, READERS = 10, 8
_KEYS = 2000


def write(conn: Connection, n: int) -> None:
    """Write 40 pages in one statement."""
    rows = [{"name": f"k{(n * 40 + key) * 7919 % _KEYS}", "value": f"{n:06}" * 500, "updated_at": n} for key in range(40)]
    put = upsert(conn.dialect, tables.kv)
    conn.execute(put.on_conflict_do_update(index_elements=["name"], set_={"value": put.excluded.value}), rows)


def read(conn: Connection, n: int) -> None:
    kv.get(conn, f"k{n % _KEYS}")
    time.sleep(0.005 + n % 11 / 1000)  # a longer query, which would not hold Python's lock either


async def measure(path: Path, readers: int, seconds: float) -> tuple[float, float, float]:
    """Write beside this many reading tasks. The log's greatest size (MiB), writes per second, their 99th percentile (ms)."""
    log, longest, waits_s = path.with_name(f"{path.name}-wal"), 0, list[float]()
    async with open_store(f"sqlite:///{path}") as store:
        end = time.perf_counter() + seconds

        async def keep_reading() -> None:
            for n in takewhile(lambda _: time.perf_counter() < end, count()):
                await store.read(read, n)

        async def keep_writing() -> None:
            nonlocal longest
            while (before := time.perf_counter()) < end:
                await store.write(write, len(waits_s))
                waits_s.append(time.perf_counter() - before)
                longest = max(longest, log.stat().st_size)

        await asyncio.gather(*(keep_writing() for _ in range(WRITERS)), *(keep_reading() for _ in range(readers)))
    return longest / 2**20, len(waits_s) / seconds, percentile(waits_s, 99) * 1000


def rows(rounds: int, *, seconds: float = 6) -> list[Row]:
    """The anchor is the same without reads."""
    name = f"{READERS} overlapping reads"
    found = [
        Row(what=f"write-ahead log after {seconds:g} s beside {name}", unit="MiB", anchor_name="no reads", goal=64, always=True),
        Row(what=f"writes of 40 pages beside {name}", unit="/s", anchor_name="no reads"),
        Row(what=f"writes of 40 pages beside {name}, p99", unit="ms", anchor_name="no reads"),
    ]
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=".") as folder:
        for n in range(rounds):
            alone, beside = (asyncio.run(measure(Path(folder) / f"{n}-{each}", each, seconds)) for each in (0, READERS))
            for row, anchor, value in zip(found, alone, beside, strict=True):
                row.anchor.append(anchor)
                row.value.append(value)
    return found


if __name__ == "__main__":
    sys.stdout.write(show(rows(1, seconds=3) if "--quick" in sys.argv else rows(3)))
