"""What the image APIs saw of all processes together: which images were made when, for whom, and how many at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.images import ImageServer
from tests.many.members import WHOSE


@dataclass(frozen=True, kw_only=True)
class CountedImage:
    """One image at an image API. Times are Unix ms."""

    api: str
    prompt: str
    seed: int
    user: int  # the numbers that the prompt names
    guild: int
    began_ms: int
    ended_ms: int
    is_paid: bool

    @property
    def key(self) -> tuple[str, int]:
        return self.prompt, self.seed


async def made_at(server: ImageServer) -> list[CountedImage]:
    """Every image that was ordered at both image APIs, oldest first. All of them have ended."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/sandbox/generations") as response:
            queued = (await response.json())["generations"]
        async with session.get(f"{server.url}/sandbox/openai/calls") as response:
            called = (await response.json())["calls"]
    found = [
        _made(row, api="oxen", began=row["enqueued_ms"], ended=row["completed_ms"], is_paid=row["status"] == "succeeded") for row in queued
    ]
    found += [_made(row, api="oxlo", began=row["began_ms"], ended=row["paid_ms"], is_paid=bool(row["paid"])) for row in called]
    return sorted(found, key=lambda image: image.began_ms)


def _made(row: Mapping[str, Any], *, api: str, began: int, ended: int | None, is_paid: bool) -> CountedImage:
    named = WHOSE.fullmatch(row["prompt"])
    assert named is not None, row
    return CountedImage(
        api=api,
        prompt=row["prompt"],
        seed=row["used_seed"],
        user=int(named[2]),
        guild=int(named[3]),
        began_ms=began,
        ended_ms=began if ended is None else ended,
        is_paid=is_paid,
    )


def most_at_once(images: Iterable[CountedImage], whose: Callable[[CountedImage], Hashable] | None = None) -> int:
    """The largest number of images that were made at the same time, in total or for one of these."""
    steps = [step for image in images for step in ((image.began_ms, 1, image), (image.ended_ms, -1, image))]
    running: Counter[Hashable] = Counter()
    most = 0
    for _, change, image in sorted(steps, key=lambda step: step[:2]):  # an end before a beginning of the same moment
        key = whose(image) if whose else None
        running[key] += change
        most = max(most, running[key])
    return most


def most_beyond_rate(images: Sequence[CountedImage], *, per_minute: float) -> float:
    """By how many images the rate was exceeded at most, all of a minute's being allowed at once."""
    level, at_ms, most = 0.0, 0, 0.0
    for image in images:
        level = max(0.0, level - (image.began_ms - at_ms) * per_minute / 60_000) + 1
        at_ms = image.began_ms
        most = max(most, level - per_minute)
    return most


def overtaken(images: Sequence[CountedImage], *, ordered_ms: Mapping[str, int], heavy: Collection[int]) -> Iterator[int]:
    """For each image of a member who ordered few: how many of those who ordered many began while it waited, at its image API.

    `ordered_ms`: when each prompt was ordered (Unix ms); `heavy`: the numbers of members who ordered many.
    """
    for image in images:
        if image.user not in heavy and image.prompt in ordered_ms:
            since = ordered_ms[image.prompt]
            yield sum(o.user in heavy and o.api == image.api and since < o.began_ms < image.began_ms for o in images)
