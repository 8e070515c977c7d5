"""Decoding server-sent events, beside the decoder of httpx-sse: the same bytes, split in the same places.

    python -m benchmarks.sse [--quick]

httpx-sse takes text, so its CPU time includes decoding UTF-8 as httpx does. Both must find the same events. They run alternately, and
the fastest turn of a round counts.
"""

from __future__ import annotations

import codecs
import itertools
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.measure import Row, show
from bot.providers.sse import Decoder

_TURNS = 9
_URL = "https://images.example/0f8fad5b-d9cb-469f-a165-70867728950e?signature=" + "x" * 200
_DATA = f'{{"generation_id": "0f8fad5b-d9cb-469f-a165-70867728950e", "status": "succeeded", "url": "{_URL}"}}'
_STREAM = (
    ": keep-alive\n\n"
    + f"event: media_generation_completed\ndata: {_DATA}\n\n" * 8
    + 'data: {"id": 7}\n\n' * 4
    + f"event: update\nid: 1234\ndata: {_DATA}\n\n" * 2
    + "data: größe\ndata: 画像 🎨\n\n"
).encode()


def split(stream: bytes, smallest: int, largest: int) -> list[bytes]:
    """The stream in chunks of random sizes from `smallest` to `largest` bytes, the same in each run."""
    sizes = random.Random(1)
    borders = [0]
    while borders[-1] < len(stream):
        borders.append(borders[-1] + sizes.randint(smallest, largest))
    return [stream[start:end] for start, end in itertools.pairwise(borders)]


CASES = (
    ("64 KiB chunks", split(_STREAM * 160, 65536, 65536), 1.5),
    ("chunks of 1 to 100 bytes", split(_STREAM * 30, 1, 100), 1.1),
    ("chunks of 1 byte", split(_STREAM * 10, 1, 1), 1.0),
)


def rows(rounds: int) -> list[Row]:
    return [_row(name, chunks, goal, rounds) for name, chunks, goal in CASES]


def _row(name: str, chunks: Sequence[bytes], goal: float, rounds: int) -> Row:
    theirs = [(event.event, event.data, event.id) for event in of_httpx_sse(chunks) if event.data]  # it also dispatches events without data
    if of_easel(chunks) != theirs:
        raise AssertionError("the decoders found different events")
    row = Row(what=name, unit="MB/s", anchor_name="httpx-sse", goal=goal, direction="at least", relative=True)
    size_mb = sum(map(len, chunks)) / 1e6
    for _ in range(rounds):
        turns = [(cpu_s(of_httpx_sse, chunks), cpu_s(of_easel, chunks)) for _ in range(_TURNS)]
        row.anchor.append(size_mb / min(theirs for theirs, _ in turns))
        row.value.append(size_mb / min(ours for _, ours in turns))
    return row


def of_httpx_sse(chunks: Sequence[bytes]) -> list[Any]:
    # Not public, but what is public also measures httpx. Imported here so that the other benchmarks run without it.
    from httpx_sse._decoders import SSEDecoder, SSELineDecoder

    utf8, lines, decoder = codecs.getincrementaldecoder("utf-8")("replace"), SSELineDecoder(), SSEDecoder()
    events = []
    for chunk in chunks:
        text = utf8.decode(chunk)
        for line in lines.decode(text) if text else ():
            event = decoder.decode(line)
            if event is not None:
                events.append(event)
    return events


def of_easel(chunks: Sequence[bytes]) -> list[Any]:
    decoder = Decoder()
    events = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events


def cpu_s(decode: Callable[[Sequence[bytes]], list[Any]], chunks: Sequence[bytes]) -> float:
    start = time.process_time()
    decode(chunks)
    return time.process_time() - start


if __name__ == "__main__":
    sys.stdout.write(show(rows(1 if "--quick" in sys.argv else 3)))
