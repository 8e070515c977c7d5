"""The demo's processes and their log."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[3]
_STOP_S = 20.0  # before a process is killed; must be longer than STOP_GRACE_S, which the bot gives its running work

Say = Callable[[str], None]  # to the person at the terminal


@dataclass(kw_only=True)
class DemoLog:
    """The output of both processes in one file; the last lines are kept for error messages."""

    path: Path
    show: Say | None
    last: deque[str] = field(default_factory=lambda: deque(maxlen=15))

    async def take(self, name: str, lines: asyncio.StreamReader) -> None:
        """Copy until the process closes its end."""
        with self.path.open("a", encoding="utf-8", buffering=1) as file:
            async for line in lines:
                text = f"{name}: {line.decode(errors='replace').rstrip()}"
                self.last.append(text)
                file.write(f"{text}\n")
                if self.show is not None:
                    self.show(text)

    def last_lines(self) -> str:
        lines = "\n".join(f"  {line}" for line in self.last)
        return f"The last lines of the log, which is all in {self.path}:\n{lines or '  (it is empty)'}"


class Child:
    """A process in a session of its own, so that a Ctrl-C in the terminal reaches only this process, which stops the others in order."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: DemoLog) -> None:
        self.name = name
        self.process = process
        assert process.stderr is not None  # noqa: S101 - `start` makes it a pipe
        self._copying = asyncio.create_task(log.take(name, process.stderr), name=f"log of {name}")

    @classmethod
    @asynccontextmanager
    async def start(cls, name: str, *arguments: str, environ: Mapping[str, str], log: DemoLog) -> AsyncIterator[Child]:
        """Run Python with these arguments. At the end it gets SIGTERM, and SIGKILL if that does not end it in time."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=_PROJECT,
            env=environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
            start_new_session=True,
        )
        child = cls(name, process, log)
        try:
            yield child
        finally:
            await child._stop()

    async def next_line(self) -> str:
        """The next line of its output; empty once it has ended."""
        assert self.process.stdout is not None  # noqa: S101 - `start` makes it a pipe
        return (await self.process.stdout.readline()).decode()

    async def ended(self) -> None:
        """Wait until it has ended and its last lines are in the log."""
        await self.process.wait()
        await asyncio.wait([self._copying])

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return (self.process.returncode or 0) < 0

    async def _stop(self) -> None:
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _STOP_S)
        except TimeoutError:
            pass
        finally:
            if self.process.returncode is None:
                self.process.kill()
            await asyncio.wait([self._copying])
