"""Export and erasure of a member's data, and the retention times."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.running.executors import BoundedExecutor
from bot.domain.retention import KeepDays
from bot.services.members import Members
from bot.store.engine.base import Store
from bot.store.privacy import erase as privacy_erase
from bot.store.privacy import export as privacy_export

log = structlog.get_logger(__name__)

_ABOUT = "Everything that Easel keeps of you, table by table. Times are Unix milliseconds, amounts are millionths of a credit."
_PLAIN_MAX = 8_000_000  # bytes; Discord's upload limit is 10 MiB


@dataclass(frozen=True, kw_only=True)
class Retention:
    """The operator's settings: how long things are kept, and which services receive data."""

    keep: KeepDays
    services: tuple[str, ...]  # the image APIs' titles
    checker: str | None = None  # the host of the moderations endpoint, if there is one


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file with a member's data."""

    filename: str
    content: bytes = field(repr=False)
    counts: Mapping[str, int]  # rows by table


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Exports and erases. `bot.store.privacy.holdings` defines what happens to each table."""

    store: Store
    members: Members
    retention: Retention
    exporting: BoundedExecutor  # by member
    clock: Clock

    async def export(self, user_id: int) -> Export:
        """All data about the member, as JSON; compressed (gzip) if it is large. Raises `Overloaded`."""
        async with self.exporting.turn(user_id):
            return await self._export(user_id)

    async def _export(self, user_id: int) -> Export:
        tables = await self.store.read(privacy_export.rows_by_table, user_id)
        links = await self.store.read(privacy_export.links, user_id)
        made_at = datetime.fromtimestamp(self.clock() / 1000, tz=UTC)
        document = {"about": _ABOUT, "member": str(user_id), "made_at": made_at.isoformat(), "messages": links, "tables": tables}
        filename, content = await self.exporting.call(_packed, f"easel-{made_at:%Y-%m-%d}.json", document)
        return Export(filename=filename, content=content, counts={name: len(rows) for name, rows in tables.items()})

    async def erase(self, user_id: int) -> Mapping[str, int]:
        """Erase the member's data; returns the number of rows by table, and of messages that will be deleted."""
        counts = await self.members.erase(user_id, self.store.write(privacy_erase.erase_and_note, user_id, self.clock()))
        log.info("member data erased", rows=sum(counts.values()))
        return counts


def _packed(filename: str, document: Mapping[str, Any]) -> tuple[str, bytes]:
    content = json.dumps(document, ensure_ascii=False, indent=2).encode()
    return (filename, content) if len(content) <= _PLAIN_MAX else (f"{filename}.gz", gzip.compress(content))
