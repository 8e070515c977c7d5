"""Gives mutated files to every function of the codec, in a process of its own, and prints what came of it and what it took as JSON.

The arguments are the seed and the number of files.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from bot.core.errors import ImageError
from bot.media import codec
from bot.media.likeness import fingerprint
from tests.media.cases.mutations import chosen, mutated, originals
from tests.media.memory import peak_bytes

MAX_PIXELS: Final = 2_000_000
_USES: Final[tuple[Callable[[bytes], object], ...]] = (
    lambda content: codec.fit(content, 2000, max_pixels=MAX_PIXELS),
    lambda content: codec.still(content, 20_000, max_pixels=MAX_PIXELS),
    lambda content: codec.inspect(content, max_pixels=MAX_PIXELS) and codec.shrink(content, "image/png", 2000),
    lambda content: codec.thumbnail(content, max_pixels=MAX_PIXELS),
    lambda content: fingerprint(content, max_pixels=MAX_PIXELS),
    lambda content: codec.inspect(content, max_pixels=MAX_PIXELS, verify=True),
    codec.is_whole,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MutationReport:
    """`wrong` are outcomes other than an image or an `ImageError`."""

    read: int
    refused: int
    wrong: list[str]
    cpu_s: float
    slowest_s: float
    peak_bytes: int  # beyond what the process took before the first mutation


def run(seed: int, count: int) -> MutationReport:
    """Every file is cleaned, and used in one other way."""
    dice, files, outcomes, wrong, slowest_s = Random(seed), originals(), Counter[str](), list[str](), 0.0
    for contents in files.values():
        codec.clean_reference(contents[0], max_pixels=MAX_PIXELS)  # loads the decoders
    before_bytes, begun = peak_bytes(), time.process_time()
    for number in range(count):
        content, started = mutated(chosen(files, dice), dice, chosen(files, dice)), time.process_time()
        for use in (_cleaned, _USES[number % len(_USES)]):
            outcomes[outcome := _outcome(use, content)] += 1
            if outcome not in {"read", "refused"}:
                wrong.append(f"{number}: {outcome}")
        slowest_s = max(slowest_s, time.process_time() - started)
    return MutationReport(
        read=outcomes["read"],
        refused=outcomes["refused"],
        wrong=wrong,
        cpu_s=time.process_time() - begun,
        slowest_s=slowest_s,
        peak_bytes=peak_bytes() - before_bytes,
    )


def _cleaned(content: bytes) -> codec.CleanedImage:
    cleaned = codec.clean_reference(content, max_pixels=MAX_PIXELS)
    codec.inspect(cleaned.content, max_pixels=MAX_PIXELS)
    return cleaned


def _outcome(use: Callable[[bytes], object], content: bytes) -> str:
    try:
        use(content)
    except ImageError:
        return "refused"
    except Exception as error:  # noqa: BLE001  what else is raised is what this run is for
        return repr(error)
    return "read"


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(run(int(sys.argv[1]), int(sys.argv[2])))))  # noqa: T201  its output
