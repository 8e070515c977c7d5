"""The lineage of an image: its parent, siblings and children, and what changed from one request to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.catalog.options import show
from bot.domain.job import Job, JobKind


@dataclass(frozen=True, kw_only=True)
class Relatives:
    """Jobs with images that are related to one job, newest first, and the number of all of them, including those that were not read."""

    parent: Job | None
    siblings: tuple[Job, ...]  # made from the same parent
    children: tuple[Job, ...]
    count: int


class Aspect(StrEnum):
    """What can differ between two requests."""

    MODEL = "model"
    PROMPT = "prompt"
    OPTION = "option"  # of the model; `Change.name` says which
    SEED = "seed"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference. `before` or `after` is None if that request does not have the value."""

    aspect: Aspect
    before: str | None
    after: str | None
    name: str = ""  # of an option, as the model calls it


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """The relatives of a job that one member may see, newest first."""

    job: Job
    parent: Job | None
    siblings: tuple[Job, ...]
    children: tuple[Job, ...]
    left_out: int  # number of others: private, in channels that the member cannot read, or too many

    @property
    def all(self) -> tuple[Job, ...]:
        """Every visible relative, in display order."""
        return (*([self.parent] if self.parent else ()), *self.children, *self.siblings)


def visible(job: Job, found: Relatives, sees: Callable[[Job], bool]) -> Lineage:
    """The relatives that `sees` accepts; the others are only counted."""
    parent = found.parent if found.parent and sees(found.parent) else None
    siblings, children = tuple(filter(sees, found.siblings)), tuple(filter(sees, found.children))
    known = len(siblings) + len(children) + (parent is not None)
    return Lineage(job=job, parent=parent, siblings=siblings, children=children, left_out=found.count - known)


def changes(parent: Job, child: Job) -> tuple[Change, ...]:
    """What changed from parent to child, in the order model, prompt, options by name, seed."""
    return tuple(_changes(parent, child))


def _changes(parent: Job, child: Job) -> Iterator[Change]:
    if parent.model != child.model:
        yield Change(aspect=Aspect.MODEL, before=parent.model, after=child.model)
    if parent.prompt != child.prompt and child.kind is not JobKind.UPSCALE:
        yield Change(aspect=Aspect.PROMPT, before=parent.prompt, after=child.prompt)
    for name in sorted({*parent.params, *child.params}):
        before, after = (show(job.params[name]) if name in job.params else None for job in (parent, child))
        if before != after:
            yield Change(aspect=Aspect.OPTION, before=before, after=after, name=name)
    before, after = _first_seed(parent, parent_n=child.parent_n), _first_seed(child)
    if before != after:
        yield Change(aspect=Aspect.SEED, before=before, after=after)


def _first_seed(job: Job, parent_n: int | None = None) -> str | None:
    """The seed of the image that was edited (`parent_n`), else of the first."""
    seeds: Iterable[int | None] = (g.seed for g in job.generations if g.n == (parent_n or 0))
    seed = next(iter(seeds), None)
    return None if seed is None else str(seed)
