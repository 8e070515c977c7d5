"""Export and erasure of a member's data, and the retention times."""

from __future__ import annotations

import asyncio
import gzip
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from bot.core import private_files
from bot.core.clock import Clock
from bot.core.running import patience
from bot.core.running.executors import BoundedExecutor
from bot.domain.retention import KeepDays
from bot.services.members import Members
from bot.store.engine.base import Store
from bot.store.privacy import erase as privacy_erase
from bot.store.privacy import export as privacy_export
from bot.store.privacy.export_files import ExportFiles

log = structlog.get_logger(__name__)

_ABOUT = "Everything that Easel keeps of you, table by table. Times are Unix milliseconds, amounts are millionths of a credit."
_FILE_MAX = 8_000_000  # bytes; Discord's upload limit is 10 MiB
_EXPORT_S = 300.0  # for 100,000 images it takes some 15; the command can be answered for 15 minutes


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The operator's settings: how long things are kept, and which services receive data."""

    keep: KeepDays
    services: tuple[str, ...]  # the image APIs' titles
    checker: str | None = None  # the host of the moderations endpoint, if there is one


@dataclass(frozen=True, kw_only=True)
class Export:
    """Files with a member's data. Each is small enough for Discord."""

    paths: tuple[Path, ...]
    counts: Mapping[str, int]  # rows by table


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Exports and erases. `bot.store.privacy.holdings` defines what happens to each table."""

    store: Store
    members: Members
    retention: Retention
    exporting: BoundedExecutor  # by member
    spool: Path
    clock: Clock
    file_max_bytes: int = _FILE_MAX
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)  # one export after the other, so that most readers stay free

    @asynccontextmanager
    async def export(self, user_id: int) -> AsyncIterator[Export]:
        """All data about the member, as JSON; compressed (gzip) if it is large, in several files if it is very large.

        The files exist until the context ends. Raises `Overloaded`.
        """
        async with self.exporting.turn(user_id):
            folder = await self.exporting.call(_new_folder, self.spool)
            try:
                yield await self._export(user_id, folder)
            finally:
                await self.exporting.call(shutil.rmtree, folder)

    async def _export(self, user_id: int, folder: Path) -> Export:
        made_at = datetime.fromtimestamp(self.clock() / 1000, tz=UTC)
        head = {"about": _ABOUT, "member": str(user_id), "made_at": made_at.isoformat()}
        async with self._reading:
            await self.store.read(lambda _conn: None)  # a database that is away is told soon
            with patience.limited(_EXPORT_S):
                written = await self.store.read(
                    privacy_export.write, user_id, partial(ExportFiles, folder, head, most_bytes=self.file_max_bytes)
                )
        paths = await self.exporting.call(_named, written, f"easel-{made_at:%Y-%m-%d}", self.file_max_bytes)
        return Export(paths=paths, counts=dict(written.counts))

    async def erase(self, user_id: int) -> Mapping[str, int]:
        """Erase the member's data; returns the number of rows by table, and of messages that will be deleted."""
        counts = await self.members.erase(user_id, erase_member(self.store, user_id, self.clock()))
        log.info("member data erased", rows=sum(counts.values()))
        return counts


async def erase_member(store: Store, user_id: int, now: int) -> Mapping[str, int]:
    """Erase a member's data, a few jobs at a time. Returns the number of rows by table, and of messages that will be deleted."""
    counts = Counter[str]()
    while some := await store.write(privacy_erase.erase_some, user_id, now):
        counts.update(some)
    return counts + Counter(await store.write(privacy_erase.erase_and_note, user_id, now))


async def finish_erasing(store: Store, now: int) -> None:
    """Erase the members whose erasure was interrupted when the bot was stopped."""
    for user_id in await store.read(privacy_erase.interrupted):
        await erase_member(store, user_id, now)


def _new_folder(spool: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix="export-", dir=spool))


def _named(written: ExportFiles, name: str, plain_max_bytes: int) -> tuple[Path, ...]:
    """The files under their names for the member; a small one is not compressed."""
    if written.plain_bytes <= plain_max_bytes:
        plain = written.paths[0].with_name(f"{name}.json")
        private_files.write_file(plain, gzip.decompress(written.paths[0].read_bytes()))
        return (plain,)
    count = len(written.paths)
    names = [f"{name}.json.gz"] if count == 1 else [f"{name}-{n}-of-{count}.json.gz" for n in range(1, count + 1)]
    return tuple(path.rename(path.with_name(each)) for path, each in zip(written.paths, names, strict=True))
