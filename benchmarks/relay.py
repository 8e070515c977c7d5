"""Relay of finished images: the rate, and the memory at the peak, beside a plain relay that buffers whole images, 4 at a time.

python -m benchmarks.relay [--quick]

Easel's part is its outbox with as many jobs to deliver: fetch, checks, upload by the interaction's token, and its transactions. Each
relay runs in a process of its own: `python -m benchmarks.relay plain|easel URL COUNT`. Half of the images are PNG, half JPEG.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import Connection, func, select

from benchmarks.jobs import add_jobs, waiting_job
from benchmarks.measure import BenchProcess, Row, Servers, show
from bot.app import assemble
from bot.core import config, log
from bot.core.clock import system
from bot.domain.job import GenerationState, Outcome
from bot.store import steps, tables
from bot.store.engine.opening import migrate

_COUNT = 200
_IMAGE_KB = 4194  # 4 MiB
_PLAIN_AT_A_TIME = 4
_PLAIN = "plain relay"

Relay = Callable[[], Awaitable[None]]


def rows(rounds: int, *, count: int = _COUNT) -> list[Row]:
    rate = Row(what=f"relay of {count} images of 4 MiB", unit="/s", anchor_name=_PLAIN, goal=0.5, direction="at least", relative=True)
    memory = Row(what=f"relay of {count} images of 4 MiB, memory above idle", unit="MiB", anchor_name=_PLAIN, goal=64)
    for _ in range(rounds):
        for name, per_s, peak_mib in (("plain", rate.anchor, memory.anchor), ("easel", rate.value, memory.value)):
            done = _run(name, count)
            per_s.append(count / done["took_s"])
            peak_mib.append(done["peak_kib"] / 1024)
    return [rate, memory]


def _run(relay: str, count: int) -> dict[str, float]:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="easel-bench-", dir="."))
        servers = Servers()
        stack.callback(servers.stop)
        servers.run(count=0, in_flight=1, image_kb=_IMAGE_KB, photo_kb=_IMAGE_KB)
        process = BenchProcess("benchmarks.relay", relay, servers.url, str(count), env={"DATA_DIR": folder})
        stack.callback(process.stop)
        return process.ask("run")


# --- inside the measured processes ---------------------------------------------------------------------------------------


def _image_url(url: str, n: int) -> str:
    return f"{url}/results/{n}.{'jpg' if n % 2 else 'png'}"


@asynccontextmanager
async def plain(url: str, count: int) -> AsyncIterator[Relay]:
    slots = asyncio.Semaphore(_PLAIN_AT_A_TIME)

    async def one(session: aiohttp.ClientSession, n: int) -> None:
        async with slots:
            async with session.get(_image_url(url, n)) as response:
                image = await response.read()
            form = aiohttp.FormData()
            form.add_field("payload_json", json.dumps({"attachments": [{"id": 0}]}), content_type="application/json")
            form.add_field("files[0]", image, filename=f"{n}.png")
            async with session.patch(f"{url}/api/v10/webhooks/1/plain-{n}/messages/{n}", data=form) as response:
                await response.read()

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(count):
                group.create_task(one(session, n), name=f"image {n}")

    async with aiohttp.ClientSession() as session:
        yield run


@asynccontextmanager
async def easel(url: str, count: int) -> AsyncIterator[Relay]:
    env = {
        "DISCORD_TOKEN": "token-of-the-benchmark",
        "DISCORD_API_URL": f"{url}/api/v10",
        "OXEN_API_KEY": "key-of-the-benchmark",
        "OXEN_BASE_URL": url,
        "DATA_DIR": os.environ["DATA_DIR"],
    }
    settings = config.load(env, env_file=None)
    log.set_up(level="WARNING", form=settings.log_format, known_secrets=settings.secrets)
    await migrate(settings.database)
    async with assemble(settings) as app:
        await app.store.write(_add_ended, url, count, system())
        await app.client.authenticate(env["DISCORD_TOKEN"])

        async def run() -> None:
            delivering = asyncio.gather(*(worker.run() for worker in app.outbox.workers))
            while await app.store.read(_count_undelivered):
                await asyncio.wait({delivering}, timeout=0.1)
                if delivering.done():
                    await delivering  # raises what went wrong
            delivering.cancel()

        yield run
        await app.client.close()


def _add_ended(conn: Connection, url: str, count: int, now: int) -> None:
    added = [waiting_job(n, now) for n in range(count)]
    add_jobs(conn, added, now)
    for n, job in enumerate(added):
        steps.start(conn, job.id, 0, now)
        steps.settle(conn, job.id, 0, Outcome(state=GenerationState.SUCCEEDED, result_url=_image_url(url, n)), now)


def _count_undelivered(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(tables.jobs).where(tables.jobs.c.delivered_at.is_(None))) or 0


async def main(relay: Callable[[], Any]) -> None:
    async with relay() as run:
        _say({})
        await asyncio.to_thread(sys.stdin.readline)
        gc.collect()
        _reset_peak()
        idle_kib, started = _memory_kib("VmRSS"), time.perf_counter()
        await run()
        _say({"took_s": time.perf_counter() - started, "peak_kib": _memory_kib("VmHWM") - idle_kib})


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", "utf-8")


def _memory_kib(name: str) -> int:
    return int(Path("/proc/self/status").read_text("utf-8").partition(f"{name}:")[2].split()[0])


def _say(answer: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case [("plain" | "easel") as name, url, count]:
            asyncio.run(main(lambda: (plain if name == "plain" else easel)(url, int(count))))
        case arguments:
            sys.stdout.write(show(rows(1, count=60) if "--quick" in arguments else rows(3)))
