"""When a job will be done: the queue before it, all its images, and the usual time of each. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

from bot.domain.job import Generation, GenerationState, Job, Lane

_SLOW_MS = 5_000  # more than the usual time, at least, before an image counts as slow
_STEPS_MS = ((30_000, 5_000), (90_000, 10_000))  # how exactly a time up to this is told; a longer one in minutes
_SLOW_SHARE = 4  # and this part of the usual time


@dataclass(frozen=True, kw_only=True)
class RunningImage:
    """An image that is being made."""

    job_id: str
    user_id: int
    guild_id: int | None
    provider: str
    model: str
    submitted_at: int  # Unix ms


@dataclass(frozen=True, kw_only=True)
class QueueStanding:
    """A waiting or running job among all others."""

    ahead: int = 0  # images of others that wait before its first one, for the same image API
    own_ahead: int = 0  # those of its member
    rivals: frozenset[tuple[int | None, int]] = frozenset()  # guild and member of what waits for its image API, if nothing is ahead
    running: tuple[RunningImage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How many images are made at a time, and how soon they may be sent."""

    provider: int
    member: int
    turns: int  # that may be sent now
    turn_ms: float  # between two of them, later


def waits_for_own(job: Job, standing: QueueStanding, capacity: Capacity) -> bool:
    """Whether only other images of the same member keep it from being made."""
    if not any(g.state is GenerationState.WAITING for g in job.generations):
        return False
    others = Counter(each.user_id for each in standing.running if each.job_id != job.id)
    return others[job.place.user_id] >= capacity.member or (bool(standing.own_ahead) and not standing.ahead)


def is_next(job: Job, standing: QueueStanding) -> bool:
    """Whether its first image is the next that is sent: nothing is ahead, and nobody ordered later whose guild or member is served less.

    As `scheduling` ranks them. In the slow lane, where past use counts, only if nobody else waits.
    """
    if standing.ahead or standing.own_ahead:
        return False
    guilds, members = (Counter(getattr(each, name) for each in standing.running) for name in ("guild_id", "user_id"))

    def served(guild_id: int | None, user_id: int) -> tuple[int, int]:
        return members[user_id] if guild_id is None else guilds[guild_id], members[user_id]

    mine = served(job.place.guild_id, job.place.user_id)
    is_slow_lane = any(g.lane is Lane.FREE for g in job.generations)
    return not any(is_slow_lane or served(*each) < mine for each in standing.rivals)


def left_ms(job: Job, standing: QueueStanding, capacity: Capacity, *, usual: Mapping[str, int], now: int) -> int | None:
    """How long it takes from `now` until all its images are made; 0 if that time has passed.

    None if nobody knows: there is no usual time yet, or it waits for an image that takes longer than usual.

    `usual`: usual times in ms by model; what waits ahead, and models without one, count as the job's first open image.
    """
    open_ = job.open
    took = usual.get(open_[0].model) if open_ else None
    if took is None:
        return None
    busy: defaultdict[tuple[str, object], list[float]] = defaultdict(list)  # by image API, member and job
    for each in standing.running:
        left = _left_of(now - each.submitted_at, usual.get(each.model, took))
        for key in (("provider", each.provider), ("member", each.user_id), ("job", each.job_id)):
            busy[key].append(left)
    slots = _slots(busy["provider", open_[0].provider], capacity.provider)
    member = _slots(busy["member", job.place.user_id], capacity.member)
    ahead = standing.ahead + standing.own_ahead
    _queue_up(slots, ahead, took)
    _queue_up(member, standing.own_ahead, took)
    done = max(busy["job", job.id], default=0)
    waiting = [g for g in open_ if g.state is GenerationState.WAITING]
    for sent, generation in enumerate(waiting, ahead + 1):
        starts: float = max(slots[0], member[0], max(0, sent - capacity.turns) * capacity.turn_ms)
        ends = starts + usual.get(generation.model, took)
        heapreplace(slots, ends)
        heapreplace(member, ends)
        done = max(done, ends)
    return None if math.isinf(done) else int(done)


def is_slow(generations: Iterable[Generation], *, usual: Mapping[str, int], now: int) -> bool:
    """Whether an image has clearly taken longer than usual."""
    return any(
        g.state is not GenerationState.WAITING
        and g.submitted_at is not None
        and (took := usual.get(g.model)) is not None
        and math.isinf(_left_of(now - g.submitted_at, took))
        for g in generations
    )


def _left_of(elapsed_ms: int, took: int) -> float:
    """How long an image takes still, by its usual time; infinite once that has clearly passed."""
    return math.inf if elapsed_ms > took + max(_SLOW_MS, took // _SLOW_SHARE) else max(0, took - elapsed_ms)


def _slots(busy_ms: Sequence[float], size: int) -> list[float]:
    """A heap of the times after which each of at least `size` places is free."""
    slots = [*busy_ms, *[0] * (max(size, 1) - len(busy_ms))]
    heapify(slots)
    return slots


def _queue_up(slots: list[float], count: int, took: int) -> None:
    """Fill the places with `count` images, each in the first that is free; as many at once as there are places."""
    rounds, rest = divmod(count, len(slots))
    slots[:] = [each + rounds * took for each in slots]
    for _ in range(rest):
        heapreplace(slots, slots[0] + took)


def whole_seconds(ms: int) -> int:
    """A forecast as it is told, which is never less than it is."""
    step_ms = next((step for until, step in _STEPS_MS if ms <= until), 60_000)
    return -(-ms // step_ms) * step_ms // 1000
