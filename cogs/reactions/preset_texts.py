"""The text of /presets list."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.i18n import _, ngettext
from bot.core.markdown import code
from bot.domain.catalog.models import ModelInfo
from bot.domain.guild.settings import PRESETS_MAX, GuildSettings, Preset
from cogs.kit.texts import PANEL_MAX, price, quoted

_PROMPT_SHOWN = 160  # characters


def presets(settings: GuildSettings, model_of: Callable[[Preset], ModelInfo | None]) -> str:
    """The presets with prices. `model_of` returns None if a preset's model is not offered now."""
    count = len(settings.presets)
    offers = [(preset, model_of(preset)) for preset in settings.presets]
    head = "\n".join([_("## Presets"), _("React to an image with one of these emoji to run that edit with your credits.")])
    foot = ngettext("{count} of {most} presets", "{count} of {most} presets", count).format(count=count, most=PRESETS_MAX)
    whole, short = ("\n".join([head, *(line(preset, model) for preset, model in offers), f"-# {foot}"]) for line in (_with_words, _offer))
    return whole if len(whole) <= PANEL_MAX else short


def _with_words(preset: Preset, model: ModelInfo | None) -> str:
    """A preset with its prompt, used if all of them fit."""
    options = f" · {code(preset.more)}" if preset.options else ""
    return f"{_offer(preset, model)}\n-# {quoted(preset.prompt, limit=_PROMPT_SHOWN)}{options}"


def _offer(preset: Preset, model: ModelInfo | None) -> str:
    cost = _("its model isn't available right now") if model is None else f"{quoted(model.title)} · {price(model)}"
    return f"{preset.emoji} **{quoted(preset.name)}** · {cost}"
