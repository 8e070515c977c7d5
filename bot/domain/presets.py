"""Presets: edits that a guild's managers assign to emoji."""

from __future__ import annotations

from typing import Any

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.options import quoted
from bot.domain.catalog.params import build_params, check_prompt, pairs
from bot.domain.catalog.purposes import serves
from bot.domain.guild.settings import PRESET_NAME_MAX, PRESET_PROMPT_MAX, Preset
from bot.domain.job import JobKind


def checked(
    catalog: Catalog, default_model: str, *, emoji: str, name: str, prompt: str, model: str | None = None, options: str = ""
) -> Preset:
    """Build a valid preset. `options` are name=value pairs. Raises `InvalidRequest` for a value that its model does not accept."""
    title = " ".join(name.split())
    if not 1 <= len(title) <= PRESET_NAME_MAX:
        raise InvalidRequest(_("The name must have 1 to {most} characters, not {count}.").format(most=PRESET_NAME_MAX, count=len(title)))
    wanted = Preset(
        emoji=emoji,
        name=title,
        prompt=prompt.strip()[:PRESET_PROMPT_MAX] or "-",
        model=catalog.get(model).id if model else None,
        options=dict(pairs(options)),
    )
    info = model_of(wanted, catalog, default_model)
    if not serves(info, JobKind.EDIT):
        raise InvalidRequest(_("{model} can't edit images. Choose another model for a preset.").format(model=quoted(info.title)))
    if info.price_microcredits is None:
        raise InvalidRequest(_("{model} can't be used yet because it has no price. Choose another model.").format(model=quoted(info.title)))
    check_prompt(info, prompt, max_length=PRESET_PROMPT_MAX)
    params_of(wanted, info)
    return wanted


def params_of(preset: Preset, model: ModelInfo) -> dict[str, Any]:
    """The params of a preset's edit. Raises `InvalidRequest` if its model does not accept its options any more."""
    return build_params(model, {}, preset.more)


def model_of(preset: Preset, catalog: Catalog, default_model: str) -> ModelInfo:
    """The model of a preset: its own, else the default model if it edits images, else the first model that does.

    A member's default model is ignored, so that a preset costs everyone the price that `/presets list` shows. Raises `InvalidRequest`.
    """
    if preset.model is not None:
        return catalog.get(preset.model)
    able = [model for model in catalog.models if serves(model, JobKind.EDIT) and model.price_microcredits is not None]
    if not able:
        raise InvalidRequest(_("There's no model here right now that can edit images."))
    return next((model for model in able if model.id == default_model), able[0])
