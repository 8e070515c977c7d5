"""Which model makes an image while the image API of the requested one is unavailable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.services.pipeline.fallback import fallback_for
from bot.store.claims import Stuck
from tests.services.conftest import MODEL, Pipeline


async def test_an_upscaler_is_no_fallback_of_another_model(pipeline: Pipeline) -> None:
    waiting = replace((await pipeline.order()).generations[0], model="flux-2-dev", cost=99_000_000)
    for upscaler in ("topazlabs-image-upscale", "topazlabs-bloom-image"):
        routes = {"flux-2-dev": upscaler}
        assert (
            fallback_for(Stuck(generation=waiting, references=1), catalog=pipeline.models.catalog, routes=routes, answering={"oxen"})
            is None
        )


@pytest.mark.parametrize(("held", "is_used"), [(2_800_000, True), (1_400_000, True), (1_399_999, False), (0, False)])
async def test_a_fallback_costs_at_most_what_is_held(pipeline: Pipeline, held: int, is_used: bool) -> None:
    waiting = replace((await pipeline.order()).generations[0], model="flux-2-dev", cost=held)
    routes = {"flux-2-dev": MODEL}  # an image of which costs 1.4 credits
    found = fallback_for(Stuck(generation=waiting, references=0), catalog=pipeline.models.catalog, routes=routes, answering={"oxen"})
    assert (found is not None) is is_used


@pytest.mark.parametrize(("other", "is_used"), [("gpt-image-2", True), (MODEL, False)])
async def test_an_edit_with_a_mask_falls_back_only_to_a_model_that_takes_one(pipeline: Pipeline, other: str, is_used: bool) -> None:
    waiting = replace((await pipeline.order()).generations[0], model="flux-2-dev", cost=10**9)
    stuck = Stuck(generation=waiting, references=1, has_mask=True)
    found = fallback_for(stuck, catalog=pipeline.models.catalog, routes={"flux-2-dev": other}, answering={"oxen"})
    assert (found is not None) is is_used
