"""A file whose time says when the event loop turned last, so that `python -m bot health` works without a port.

Each process has its own: several may share a DATA_DIR. It holds a lock on it for as long as it lives, so a file that a killed process has
left is known by being free.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bot.core import private_files
from bot.core.running.supervision import pause

EVERY_S: Final = 10.0
_LATE_S: Final = 3 * EVERY_S + 10  # a disk may be slow
_NOT_RUNNING: Final = "The bot is not running, or uses another DATA_DIR."


def folder_of(data_dir: Path) -> Path:
    return data_dir / "heartbeats"


def trouble_of(data_dir: Path) -> str | None:
    """A sentence about the bots with this DATA_DIR on this machine, or in this container: none runs, or one does not work; None if all do.

    For another process.
    """
    paths = [path for path in folder_of(data_dir).glob(f"{_machine()}-*") if not _is_free(path)]
    return next(filter(None, map(_trouble, paths)), None) if paths else _NOT_RUNNING


class Heartbeat:
    """Touches this process' file, and writes into it what is wrong."""

    def __init__(self, folder: Path, *, trouble: Callable[[], str | None]) -> None:
        """`trouble`: a sentence about what a restart may mend."""
        self.path = folder / f"{_machine()}-{os.getpid()}"
        self._trouble = trouble
        self._file: int | None = None
        self._beating = threading.Lock()  # a beat that was cancelled goes on in its thread
        self._is_over = False

    async def run(self) -> None:
        """Until cancelled. A disk that takes no change is told elsewhere; the file's age says it too."""
        while True:
            with suppress(OSError):
                await asyncio.to_thread(self._beat, self._trouble() or "")
            await pause(EVERY_S)

    async def finish(self) -> None:
        """The bot is stopped on purpose."""
        with suppress(OSError):
            await asyncio.to_thread(self._end)

    def _beat(self, trouble: str) -> None:
        with self._beating:
            if self._is_over:
                return
            if self._file is None or not os.fstat(self._file).st_nlink:
                self._file = self._begin()
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, trouble.encode(), 0)
            os.utime(self._file)

    def _begin(self) -> int:
        """This process' file, locked. What killed processes left is removed."""
        private_files.make_folder(self.path.parent)
        for path in self.path.parent.iterdir():
            if _is_free(path):
                path.unlink(missing_ok=True)
        file = private_files.open_file(self.path, os.O_WRONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process finds out whether it is free; at the next beat it is locked
            os.close(file)
            raise
        return file

    def _end(self) -> None:
        with self._beating:
            self._is_over = True
            if self._file is not None:
                self.path.unlink(missing_ok=True)
                os.close(self._file)


def _machine() -> str:
    """Containers that share a folder have names of their own."""
    return socket.gethostname()


def _trouble(path: Path) -> str | None:
    try:
        age_s, told = time.time() - path.stat().st_mtime, path.read_text("utf-8")
    except OSError:
        return _NOT_RUNNING  # it has just been stopped
    return f"The bot has done nothing for {age_s:.0f} seconds." if age_s > _LATE_S else told or None


def _is_free(path: Path) -> bool:
    with suppress(OSError), _opened(path) as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield file
    finally:
        os.close(file)
