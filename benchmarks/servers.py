"""Discord and Oxen for the benchmarks, on one loopback port: `python -m benchmarks.servers [SHARDS [GUILDS]]` prints one JSON line with
the address.

They are as cheap as possible and check nothing; the stand-ins of `sandbox/` are exact and slow. All times are taken here, by one clock.

POST /run starts interactions and returns what happened to them. Its fields:

    command       "generate" (the default), or another command without options
    count         how many; or `seconds`, for how long
    in_flight     how many at a time; or `per_second`, sent at this rate whatever happens to them
    until         the step that ends one: "posted" (the default), or "acknowledged"
    timeout_s     the longest wait for them
    generation_ms how long a generation takes from now on
    image_kb      the size of images (PNG) from now on; `photo_kb`: of those whose link ends with .jpg (JPEG)
    pid           a process whose CPU time is measured
    pids          the same for groups of processes with those that they started, by name: {"database": [123]}
    warm_s        only with `seconds`: what is left out of `window`

The answer: `orders`, a list of the times of each step in seconds (a step that did not happen is missing); `calls`, counts of API calls;
`took_s`, from the first to the last; `window`, the same measured after `warm_s` until the end: `seconds`, `posted`, `acknowledged`,
`cpu_s`, `cpus_s`, `calls`; `duplicates`, images that were posted again.

POST /talk?messages=N sends messages of people to the bots, and returns when all are sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.discord_standin import GUILDS, USERS, CheapDiscord
from benchmarks.interactions import InteractionLog, InteractionStep, TimedInteraction
from benchmarks.oxen_standin import CheapOxen, noise_jpeg, noise_png

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class RunDriver:
    """Starts interactions as `/run` asks."""

    def __init__(self, orders: InteractionLog, discord: CheapDiscord, oxen: CheapOxen) -> None:
        self._orders = orders
        self._discord = discord
        self._oxen = oxen
        self._users = 0

    async def run(self, request: web.Request) -> web.Response:
        plan = await request.json()
        self._apply(plan)
        sent: list[TimedInteraction] = []
        started = time.perf_counter()
        first = self._mark(plan)
        waiting = asyncio.create_task(self._start(plan, sent), name="run")
        if "seconds" in plan:
            await asyncio.sleep(plan.get("warm_s", 0))
            first = self._mark(plan)
            await asyncio.sleep(plan["seconds"] - plan.get("warm_s", 0))
        else:
            await asyncio.wait({waiting}, timeout=plan.get("timeout_s", 60))
        last = self._mark(plan)
        if waiting.done():
            await waiting  # raises what went wrong
        waiting.cancel()
        return web.json_response(
            {
                "orders": [{step: at - started for step, at in order.times.items()} for order in sent],
                "took_s": time.perf_counter() - started,
                "window": _difference(first, last),
                "duplicates": sum(max(order.posts - 1, 0) for order in sent),
            }
        )

    async def talk(self, request: web.Request) -> web.Response:
        await self._discord.talk(int(request.query["messages"]))
        return web.json_response({})

    async def _start(self, plan: dict[str, Any], sent: list[TimedInteraction]) -> None:
        numbers = iter(range(plan.get("count", 10**9)))
        until = InteractionStep(plan.get("until", InteractionStep.POSTED))

        async def one() -> None:
            self._users += 1
            order = await self._discord.send(plan.get("command", "generate"), self._users % USERS)
            sent.append(order)
            await order.reached(until)

        async def one_after_another() -> None:
            for _ in numbers:
                await one()

        async with asyncio.TaskGroup() as group:
            if "per_second" not in plan:
                for _ in range(plan["in_flight"]):
                    group.create_task(one_after_another(), name="member")
                return
            for _ in numbers:
                group.create_task(one(), name="member")
                await asyncio.sleep(1 / plan["per_second"])

    def _apply(self, plan: dict[str, Any]) -> None:
        if "generation_ms" in plan:
            self._oxen.generation_s = plan["generation_ms"] / 1000
        if "image_kb" in plan:
            self._oxen.image = noise_png(plan["image_kb"])
        if "photo_kb" in plan:
            self._oxen.photo = noise_jpeg(plan["photo_kb"])

    def _mark(self, plan: dict[str, Any]) -> dict[str, Any]:
        calls = Counter(self._orders.calls)
        cpu_s = cpu_of(plan["pid"]) if "pid" in plan else 0.0
        return {
            "seconds": time.perf_counter(),
            "posted": self._orders.posted,
            "acknowledged": calls["callback"],
            "cpu_s": cpu_s,
            "cpus_s": Counter({name: sum(map(cpu_of_family, pids)) for name, pids in plan.get("pids", {}).items()}),
            "calls": calls,
        }


def cpu_of(pid: int) -> float:
    """Seconds of CPU time of a process, in user and system mode, with all its threads."""
    return sum(map(int, _stat(pid)[11:13])) / _TICKS_PER_S


def cpu_of_family(pid: int) -> float:
    """The same with the processes that it started: those that run, and those that have ended."""
    stats = dict(_stats())
    ticks = sum(map(int, stats[pid][11:15])) + sum(sum(map(int, stat[11:15])) for stat in stats.values() if int(stat[1]) == pid)
    return ticks / _TICKS_PER_S


def _stats() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                yield int(folder.name), _stat(int(folder.name))


def _stat(pid: int) -> list[str]:
    """The fields of the process from the third: state, parent, ..."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()


def _difference(first: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    return {key: last[key] - first[key] for key in last}


@web.middleware
async def _forgive_ended_bots(request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    """The bots are killed in the middle of their calls."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response(status=499)


async def main(shards: int = 1, guilds: int = GUILDS) -> None:
    orders = InteractionLog()
    discord, oxen = CheapDiscord(orders, shards=shards, guilds=guilds), CheapOxen(orders)
    driver = RunDriver(orders, discord, oxen)
    app = web.Application(client_max_size=2**30, middlewares=[_forgive_ended_bots])
    app.add_routes([*discord.routes(), *oxen.routes(), web.post("/run", driver.run), web.post("/talk", driver.talk)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    oxen.url = url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    discord.gateway_url = f"{url.replace('http', 'ws')}/gateway"
    sys.stdout.write(json.dumps({"url": url}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)  # until the benchmark ends, even if it is killed


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
