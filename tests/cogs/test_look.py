"""How Easel speaks: texts that must hold whatever goes into them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.images.catalog import Catalog
from bot.jobs.job import GenerationState
from bot.jobs.showing import Answer
from cogs import look
from tests.jobs.make import generation, new_job


def catalog(count: int) -> Catalog:
    models = [
        {
            "id": f"model-{n:03d}",
            "display_name": f"Model {n:03d}",
            "summary": "Makes pictures of every kind. " * 5,
            "capabilities": {"input": ["text"], "output": ["image"]},
            "pricing": {"method": "per_image", "cost_per_image": 0.02},
        }
        for n in range(count)
    ]
    return Catalog.read(models, credit_usd=0.01, model_prices={})


def test_a_short_list_of_models_names_them_all() -> None:
    text = look.account.model_list(catalog(3).models, "model-001")
    assert [f"Model {n:03d}" in text for n in range(3)] == [True] * 3
    assert "**Model 001** (default) · Oxen.ai · 2 credits a picture" in text


def test_a_long_list_of_models_fits_a_panel_and_says_how_many_more_there_are() -> None:
    text = look.account.model_list(catalog(200).models, "model-001")
    shown = text.count("credits a picture")
    assert len(text) <= look.basics.PANEL_MAX
    assert f"And {200 - shown} more" in text


@given(st.text(max_size=2500))
def test_a_prompt_is_one_line_that_pings_nobody(prompt: str) -> None:
    line = look.basics.quoted(prompt)
    assert "\n" not in line
    assert "@everyone" not in line


@given(st.text(min_size=1, max_size=2500), st.integers(1, 4), st.sampled_from(list(GenerationState)))
def test_a_finished_message_fits_whatever_was_asked(prompt: str, pictures: int, state: GenerationState) -> None:
    job = new_job(pictures=pictures, prompt=prompt)
    ended = tuple(generation(job_id=job.id, n=n, state=state, prompt=prompt, error="It failed. " * 40) for n in range(pictures))
    text = look.jobs.finished(Answer(job=replace(job, generations=ended), pictures=(), notes=("A note. " * 50,) * pictures), str)
    assert 0 < len(text) <= look.basics.CONTENT_MAX
    assert len(look.basics.alt(prompt)) <= look.basics.ALT_MAX


@pytest.mark.parametrize(
    ("available", "held", "bar"), [(10, 0, "█" * 20), (5, 5, "█" * 10 + "▒" * 10), (0, 0, "░" * 20), (30, 0, "█" * 20)]
)
def test_the_meter_shows_left_and_held(available: int, held: int, bar: str) -> None:
    assert look.basics.meter(available, held, 10) == f"`{bar}`"
