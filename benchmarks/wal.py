"""Measures how long SQLite's write-ahead log becomes while reads overlap, so that it is never free of readers.

    python -m benchmarks.wal [folder] [seconds]

Ten tasks write, alone and beside eight whose reads take 5 to 15 ms and follow one another without a pause. A temporary file is created in
the folder (default: the current one).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Connection

from bot.store import kv, tables
from bot.store.engine.base import upsert
from bot.store.engine.opening import open_store

WRITERS, READERS = 10, 8
_KEYS = 2000


def write(conn: Connection, n: int) -> None:
    """Write 40 pages in one statement."""
    rows = [{"name": f"k{(n * 40 + key) * 7919 % _KEYS}", "value": f"{n:06}" * 500, "updated_at": n} for key in range(40)]
    put = upsert(conn, tables.kv)
    conn.execute(put.on_conflict_do_update(index_elements=["name"], set_={"value": put.excluded.value}), rows)


def read(conn: Connection, n: int) -> None:
    kv.get(conn, f"k{n % _KEYS}")
    time.sleep(0.005 + n % 11 / 1000)  # a longer query, which would not hold Python's lock either


async def run(path: Path, seconds: float, readers: int) -> str:
    """Write for some seconds beside this many reading tasks. Returns the results as a line of the table."""
    log, longest = path.with_name(f"{path.name}-wal"), 0
    waits_s: dict[str, list[float]] = {"write": [], "read": []}
    async with open_store(f"sqlite:///{path}") as store:
        end = time.perf_counter() + seconds

        async def repeat(kind: str, act: Callable[..., Awaitable[object]], op: Callable[[Connection, int], object]) -> None:
            nonlocal longest
            while (before := time.perf_counter()) < end:
                await act(op, len(waits_s[kind]))
                waits_s[kind].append(time.perf_counter() - before)
                longest = max(longest, log.stat().st_size)

        writing = [repeat("write", store.write, write) for _ in range(WRITERS)]
        await asyncio.gather(*writing, *(repeat("read", store.read, read) for _ in range(readers)))
    found = "".join(
        f"{len(waits) / seconds:9.0f}{percentile_ms(waits, 50):9.2f}{percentile_ms(waits, 99):9.2f}" for waits in waits_s.values()
    )
    return f"{readers:3} readers{longest / 2**20:9.1f}{found}\n"


def percentile_ms(waits_s: list[float], percent: int) -> float:
    return sorted(waits_s)[len(waits_s) * percent // 100] * 1000 if waits_s else 0


async def main(folder: str, seconds: float) -> None:
    sys.stdout.write(f"{'':11}{'log MiB':>9}{'writes/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'reads/s':>9}{'p50 ms':>9}{'p99 ms':>9}\n")
    with tempfile.TemporaryDirectory(prefix="easel-bench-", dir=folder) as temporary:
        for readers in (0, READERS):
            sys.stdout.write(await run(Path(temporary) / f"{readers}.sqlite3", seconds, readers))


if __name__ == "__main__":
    folder_name, seconds_each = [*sys.argv[1:], *(".", "6")[len(sys.argv) - 1 :]]
    asyncio.run(main(folder_name, float(seconds_each)))
