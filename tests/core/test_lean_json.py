"""Long texts are dropped from JSON while it arrives, in pieces of any size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core.lean_json import LeanJson
from tests.providers.test_oxen_answers import answering_json

TEXTS = st.text(alphabet='ab"\\\n€', max_size=8)
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=12
)


def received(document: bytes, cuts: Sequence[int]) -> Any:
    lean = LeanJson()
    edges = [0, *sorted(min(cut, len(document)) for cut in cuts), len(document)]
    return json.loads(b"".join(lean.feed(document[start:end]) for start, end in pairwise(edges)))


@given(VALUES, st.lists(st.integers(0, 200), max_size=6), st.booleans())
def test_short_texts_are_unchanged(value: Any, cuts: list[int], is_ascii: bool) -> None:
    assert received(json.dumps(value, ensure_ascii=is_ascii).encode(), cuts) == value


@given(st.lists(st.integers(0, 500_000), min_size=20, max_size=40))
def test_long_texts_become_empty(cuts: list[int]) -> None:
    row = {"a": 1, "image": ["A" * 200_000, '\\"' * 70_000], "b": "c"}
    kept = received(json.dumps(row).encode(), [*cuts, *range(0, 500_000, 30_000)])
    assert kept == {"a": 1, "image": ["", ""], "b": "c"}


async def test_a_row_that_echoes_large_references_is_read() -> None:
    row = {"generation_id": "g", "status": "succeeded", "result_url": "https://x.test/a.png", "input_image": ["A" * 9_000_000] * 3}
    async with answering_json(200, row) as oxen:
        report = await oxen.read("g")
    assert report is not None
    assert report.result_url == "https://x.test/a.png"
