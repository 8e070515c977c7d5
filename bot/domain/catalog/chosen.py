"""The options that lead to a job's params, as a member may write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.core import commands
from bot.domain.catalog.counts import is_count
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import show
from bot.domain.catalog.params import MAX_MORE, NOT_FOR_MEMBERS, filled_in
from bot.domain.catalog.shapes.edit_shape import SourceShape, without_shape

_KEPT_BACK: Final = frozenset(name for name, _sentence in NOT_FOR_MEMBERS)

Chosen = dict[Idea, str | int | float | None]


def chosen_in(params: Mapping[str, Any], model: ModelInfo, *, source: SourceShape | None = None) -> tuple[Chosen, str]:
    """The options by idea, and the others as name=value pairs. Defaults, and a shape that was chosen after `source`, are left out."""
    defaults = filled_in(model)
    kept = params if source is None else without_shape(params)
    chosen = {name: value for name, value in kept.items() if name in model.options and not (name in defaults and defaults[name] == value)}
    ideas = {option.name: idea for idea in Idea if (option := model.option(idea)) is not None and not option.sent_as}
    named: Chosen = {ideas[name]: _typed(value) for name, value in chosen.items() if name in ideas}
    return named, " ".join(_pairs({name: value for name, value in chosen.items() if name not in ideas}, model))[:MAX_MORE]


def _pairs(others: Mapping[str, Any], model: ModelInfo) -> Iterator[str]:
    for name, value in others.items():
        text = ",".join(map(show, value)) if isinstance(value, list) else show(value)
        if name not in _KEPT_BACK and not is_count(model.options[name]) and not isinstance(value, dict) and '"' not in text:
            yield f'{commands.option(name)}="{text}"'


def _typed(value: Any) -> str | int | float | None:
    return show(value) if isinstance(value, bool) else value
