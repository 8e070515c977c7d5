"""The folder for results on their way to Discord: bounded in bytes, and emptied after use."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from bot.core import private_files
from bot.core.errors import MachineTrouble
from bot.core.running import machine
from bot.core.running.budget import ByteBudget
from bot.domain.job import new_job_id

_LIMIT_BYTES: Final = 2**30


class Spool:
    """Folders of jobs. Together they hold at most `limit_bytes`, and at most what the disk has free; larger results wait for space."""

    def __init__(self, folder: Path, *, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._budget = ByteBudget(limit_bytes)
        self._left: set[Path] = set()  # could not be removed yet

    @asynccontextmanager
    async def folder_for(self, job_id: str, *, size_bytes: int) -> AsyncIterator[Path]:
        """A folder of its own for at most so many bytes, which is made with its first file. Raises `MachineTrouble`."""
        free = await machine.in_thread(_free_bytes, self._folder)
        share = size_bytes * max(1.0, self._limit_bytes / max(1, free - machine.LEAST_FREE_BYTES))
        folder = self._folder / f"{job_id}-{new_job_id()}"
        async with self._budget.taken(int(min(share, self._limit_bytes))):
            try:
                yield folder
            finally:
                await self._remove(folder)

    async def _remove(self, folder: Path) -> None:
        """Remove it, and what could not be removed before."""
        self._left.add(folder)
        with suppress(MachineTrouble):
            self._left -= await machine.in_thread(_removed, tuple(self._left))


def write(path: Path, content: bytes) -> Path:
    """Write a file of a job's folder. Raises `MachineTrouble` if the disk has no space for it. Slow: call it in a thread."""
    with machine.trouble_raised():
        private_files.make_folder(path.parent)
        machine.check_space(path.parent, len(content))
        private_files.write_file(path, content)
    return path


def _removed(folders: Iterable[Path]) -> set[Path]:
    """Those that are gone."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return {folder for folder in folders if not folder.exists()}


def _free_bytes(folder: Path) -> int:
    """What the disk of the folder has free; a lot if its file system does not say."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize if found.f_blocks else 2**62
