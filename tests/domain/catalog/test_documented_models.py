"""The documented models: which parameter each option reaches, and what every choice costs."""

from __future__ import annotations

from decimal import Decimal
from itertools import product
from typing import Any

import discord
import pytest

from bot.core.errors import InvalidRequest
from bot.domain.catalog.costs import MICROCREDITS, cost_microcredits, is_certain, needs_estimate, price_microcredits
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.params import build_params, settable
from bot.domain.catalog.purposes import check_purpose, serves
from bot.domain.job import JobKind
from cogs.images.forms.choices import AS_USUAL, OptionMenus
from sandbox.images.catalog import OxenModel
from sandbox.images.prices import cost_usd
from tests.env.models import model_of
from tests.env.option_table import CATALOG, FACTS, page
from tests.imports import PROJECT

PER_IMAGE = [model_id for model_id, facts in FACTS.items() if not needs_estimate(facts)]
PRICED = {
    "resolution",
    "size",
    "image_size",
    "quality",
    "rendering_speed",
    "thinking_level",
    "enhancement_strength",
    "upscale_factor",
    "scale",
}


def test_there_are_34_models() -> None:
    assert len(CATALOG) == 34


def test_the_page_of_models_lists_what_each_option_reaches() -> None:
    """Renew it with `python -m tests.env.option_table > docs/models.md`."""
    assert (PROJECT / "docs" / "models.md").read_text("utf-8") == page()


def test_what_cannot_be_typed_is_not_offered() -> None:
    krea, other = CATALOG.get("Krea 2 Large"), model_of(points={"type": "array", "items": {"type": "object"}}, style={"type": "string"})
    assert (settable(krea), settable(other)) == (["aspect_ratio", "seed", "creativity"], ["style"])
    with pytest.raises(InvalidRequest, match="Attach reference images instead"):
        build_params(krea, {}, "image_style_references=a")
    with pytest.raises(InvalidRequest, match="nothing you can type here"):
        build_params(other, {}, "points=a")


def test_a_model_for_styles_is_not_offered_for_edits() -> None:
    krea = CATALOG.get("Krea 2 Large")
    assert [serves(krea, kind) for kind in (JobKind.GENERATE, JobKind.EDIT)] == [True, False]
    with pytest.raises(InvalidRequest, match="takes only the style of an image"):
        check_purpose(krea, JobKind.EDIT)


@pytest.mark.parametrize(
    ("model", "ratio", "sent"),
    [
        ("ideogram-v4", "9:16", {"image_size": "portrait_16_9"}),
        ("ideogram-v4", "3:4", {"image_size": "portrait_4_3"}),
        ("ideogram-v4", "1:1", {"image_size": "square_hd"}),
        ("gpt-image-1-5", "2:3", {"size": "portrait"}),
        ("gpt-image-1-5", "3:2", {"size": "landscape"}),
        ("gpt-image-1-5", "1:1", {"size": "square"}),
    ],
)
def test_an_aspect_ratio_chooses_the_size_that_has_it(model: str, ratio: str, sent: dict[str, str]) -> None:
    assert build_params(CATALOG.get(model), {Idea.ASPECT_RATIO: ratio}) == sent


@pytest.mark.parametrize("model_id", FACTS)
def test_what_forms_offer_can_be_sent_as_it_is(model_id: str) -> None:
    model = CATALOG.get(model_id)
    for kind in (kind for kind in JobKind if serves(model, kind)):
        rows = OptionMenus(model=model, kind=kind, price_of=price_microcredits).rows(most=2)
        assert len(rows) <= 2
        for menu in (row.component for row in rows):
            assert isinstance(menu, discord.ui.Select)
            idea = Idea(menu.custom_id.removeprefix("option-"))
            for value in (option.value for option in menu.options if option.value != AS_USUAL):
                build_params(model, {idea: value})


@pytest.mark.parametrize("model_id", PER_IMAGE)
def test_the_cost_of_every_choice_is_exactly_the_charge(model_id: str) -> None:
    model, facts = CATALOG.get(model_id), OxenModel(facts=dict(FACTS[model_id]))
    choices = {name: [None, *option.values] for name, option in model.options.items() if name in PRICED}
    for values in product(*choices.values()):
        params: dict[str, Any] = {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        charge = cost_usd(facts, "a fox", params) / Decimal("0.01") * MICROCREDITS
        assert (Decimal(cost_microcredits(model, params) or 0), is_certain(model, params)) == (charge, True), params
