"""Tells the service manager that started the bot how it is: systemd, or another that speaks its protocol.

Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from bot.core.running.supervision import Loop, Loops, pause

_EVERY_S: Final = 10.0
_WORKS: Final = "Every background loop works."


class ServiceManager:
    """`READY=1` once the loops run, `WATCHDOG=1` while they work, `STOPPING=1` at the stop."""

    def __init__(self, environ: Mapping[str, str], *, trouble: Callable[[], str | None]) -> None:
        """`environ`: of this process. `trouble`: a sentence about what a restart may mend."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        watchdog_us = environ.get("WATCHDOG_USEC", "")
        # The manager ends a bot that says nothing for the whole time.
        self._every_s = min(_EVERY_S, int(watchdog_us) / 3e6) if watchdog_us.isdecimal() else _EVERY_S
        self._trouble = trouble

    @property
    def loops(self) -> Loops:
        """None without a service manager."""
        return {"service manager": Loop(run=self.run, finish=self.finish)} if self._address else {}

    async def run(self) -> None:
        """Until cancelled."""
        self._tell("READY=1")
        while True:
            trouble = self._trouble()
            self._tell(f"STATUS={trouble or _WORKS}", *([] if trouble else ["WATCHDOG=1"]))
            await pause(self._every_s)

    async def finish(self) -> None:
        """The bot is stopped on purpose."""
        self._tell("STOPPING=1")

    def _tell(self, *lines: str) -> None:
        """Without waiting: a manager that doesn't read is no reason to hold the event loop."""
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address  # a name that is no path
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
            manager.sendto("\n".join(lines).encode(), address)
