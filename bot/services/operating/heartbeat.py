"""A file whose time says when the event loop turned last, so that `python -m bot health` works without a port."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bot.core.running.supervision import pause

EVERY_S: Final = 10.0
_LATE_S: Final = 3 * EVERY_S + 10  # a disk may be slow


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """`path`: the file, which is there while the bot runs."""

    path: Path

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """That of the bot with this DATA_DIR."""
        return cls(path=data_dir / "alive")

    def trouble(self) -> str | None:
        """A sentence about a bot that does not run or is stuck; None if all is well. For another process."""
        try:
            age_s = time.time() - self.path.stat().st_mtime
        except OSError:
            return "The bot is not running, or uses another DATA_DIR."
        return f"The bot has done nothing for {age_s:.0f} seconds." if age_s > _LATE_S else None

    async def run(self) -> None:
        """Touch the file until cancelled. A disk that takes no change is told elsewhere; the file's age says it too."""
        while True:
            with suppress(OSError):
                await asyncio.to_thread(self.path.touch, 0o600)
            await pause(EVERY_S)

    async def finish(self) -> None:
        """The bot is stopped on purpose."""
        with suppress(OSError):
            await asyncio.to_thread(self.path.unlink, missing_ok=True)
