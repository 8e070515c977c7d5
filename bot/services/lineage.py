"""Lineage: from an image to its parent, its siblings and its children, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.job import Job
from bot.domain.lineage import Lineage
from bot.store import lineage
from bot.store.engine.base import Store


@dataclass(frozen=True, kw_only=True)
class Family:
    """Reads the families of images."""

    store: Store

    async def of(self, job: Job, sees: Callable[[Job], bool]) -> Lineage:
        """The relatives of `job` of whom `sees` is true; the others are only counted."""
        found = await self.store.read(lineage.relatives, job)
        parent = found.parent if found.parent and sees(found.parent) else None
        siblings, children = tuple(filter(sees, found.siblings)), tuple(filter(sees, found.children))
        known = len(siblings) + len(children) + (parent is not None)
        return Lineage(job=job, parent=parent, siblings=siblings, children=children, left_out=found.count - known)
