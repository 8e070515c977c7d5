"""What is kept of a member, for how long, and where it goes: told, handed out, erased."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.store.engine.base import Store
from bot.store.privacy import erase as privacy_erase
from bot.store.privacy import export as privacy_export

log = structlog.get_logger(__name__)

_ABOUT = "Everything that Easel keeps of you, table by table. Times are Unix milliseconds, amounts are millionths of a credit."
_PLAIN_MAX = 8_000_000  # bytes; Discord takes files of 10 MiB from everybody


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long things are kept that do not stay until they are erased, and who else gets them: the operator's choices."""

    references_days: float
    images_days: float
    services: tuple[str, ...]  # the image APIs, as people call them
    checker: str | None = None  # the host of the moderations endpoint, where there is one


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file for a member."""

    filename: str
    content: bytes = field(repr=False)
    counts: Mapping[str, int]  # rows by table


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Tells and erases. What it does for each table stands in `bot.store.privacy.holdings`."""

    store: Store
    retention: Retention
    clock: Clock

    async def export(self, user_id: int) -> Export:
        """Everything that is kept of the member, as JSON; compressed where it is large."""
        tables = await self.store.read(privacy_export.tell, user_id)
        links = await self.store.read(privacy_export.links, user_id)
        made_at = datetime.fromtimestamp(self.clock() / 1000, tz=UTC)
        document = {"about": _ABOUT, "member": str(user_id), "made_at": made_at.isoformat(), "messages": links, "tables": tables}
        filename, content = await asyncio.to_thread(_packed, f"easel-{made_at:%Y-%m-%d}.json", document)
        return Export(filename=filename, content=content, counts={name: len(rows) for name, rows in tables.items()})

    async def erase(self, user_id: int) -> Mapping[str, int]:
        """Remove what is the member's, at once; how many rows, by table, and messages that are being taken away."""
        counts = await self.store.write(privacy_erase.erase, user_id, self.clock())
        log.info("a member was forgotten", rows=sum(counts.values()))
        return counts


def _packed(filename: str, document: Mapping[str, Any]) -> tuple[str, bytes]:
    content = json.dumps(document, ensure_ascii=False, indent=2).encode()
    return (filename, content) if len(content) <= _PLAIN_MAX else (f"{filename}.gz", gzip.compress(content))
