"""Keeps the demo's bot running: whoever kills it, also from the page, sees it come back and continue."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from bot.core.errors import EaselError
from bot.ops.demo.processes import Child, DemoLog, Say

_MOST = 3  # ends by itself ...
_WITHIN_S = 60.0  # ... in this time, then the demo ends too
_BACKOFF_S = 1.0  # times the number of recent ends
_TELL_S = 5.0  # to tell the page


@dataclass(kw_only=True)
class BotKeeper:
    """Starts the bot again after it ended. `start` starts it, `sandbox` prints what the page asks for, `page` is the page's address."""

    bot: Child
    start: Callable[[], Awaitable[Child]]
    sandbox: Child
    page: str
    log: DemoLog
    say: Say
    _ends: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST))  # those that nobody asked for
    _is_asked: bool = False

    async def keep(self) -> None:
        """Run until cancelled. Raises `EaselError` if the bot ends again and again."""
        asked = asyncio.create_task(self._obey(), name="what the page asks for")
        try:
            while True:
                await self.bot.ended()
                await self._start_again()
        finally:
            asked.cancel()
            await asyncio.wait([asked])

    async def _obey(self) -> None:
        """Kill the bot when the page asks for it: the only thing that it can ask for."""
        while line := await self.sandbox.next_line():
            if json.loads(line) == {"do": "kill"} and self.bot.process.returncode is None:
                self._is_asked = True
                self.bot.process.kill()

    async def _start_again(self) -> None:
        how = "was killed" if self.bot.was_killed else f"stopped by itself (exit code {self.bot.process.returncode})"
        if not self._is_asked:
            self._count(how)
        self._is_asked = False
        self.say(f"Easel {how}. Starting it again; it continues where it was.")
        await self._tell_page()
        await asyncio.sleep(_BACKOFF_S * max(len(self._ends), 1))
        self.bot = await self.start()

    def _count(self, how: str) -> None:
        now = asyncio.get_running_loop().time()
        self._ends.append(now)
        while now - self._ends[0] > _WITHIN_S:
            self._ends.popleft()
        if len(self._ends) == _MOST:
            raise EaselError(f"Easel ended {_MOST} times within a minute; the last time it {how}.\n{self.log.last_lines()}")

    async def _tell_page(self) -> None:
        """Say on the page that the bot ended. The demo goes on without that too."""
        timeout = aiohttp.ClientTimeout(total=_TELL_S)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=timeout) as http:
                await http.post(f"{self.page}/bot/ended", json={"killed": self.bot.was_killed})
