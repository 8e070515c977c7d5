"""Texts of /models and /tray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.core.i18n import _, ngettext
from bot.core.markdown import code
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from cogs.kit.texts import PANEL_MAX, price, quoted


def model_list(models: Sequence[ModelInfo], default_model: str, providers: Mapping[str, str]) -> str:
    """As many models as fit in a panel, and how to find the others. `providers` maps an image API's name to its title."""
    lines = ["## " + _("Models")]
    for shown, model in enumerate(models):
        line = model_line(model, default=model.id == default_model, provider=providers.get(model.provider, model.provider))
        if sum(len(each) + 1 for each in (*lines, line)) > PANEL_MAX - 200:
            count = len(models) - shown
            lines.append("-# " + _("And {count} more. Type part of a name in `/generate model:` to find them.").format(count=count))
            break
        lines.append(line)
    return "\n".join(lines)


def model_line(model: ModelInfo, *, default: bool, provider: str) -> str:
    """A model in the list, with its image API's title."""
    names = ", ".join(f"`{idea}`" for idea in model.ideas if idea is not Idea.SEED) or _("no options")
    references = _("uses reference images") if model.takes_references else _("prompt only")
    mark = " " + _("(default)") if default else ""
    summary = f"\n{quoted(model.summary, limit=160)}" if model.summary else ""
    head = f"**{quoted(model.title)}**{mark} · {provider} · {price(model)} · {references}"
    return f"{head}{summary}\n-# {code(model.id)} · {names}"


# --- the tray --------------------------------------------------------------------------------------------------------


def tray(count: int) -> str:
    """What the tray is for, and how many images it has."""
    head = "## " + _("Your tray")
    if not count:
        empty = _("Your tray is empty. To save an image, right-click (or hold) its message > Apps > Use as reference.")
        return f"{head}\n{empty}"
    holds = ngettext("Your next /edit will use this image.", "Your next /edit will use these {count} images.", count)
    return "\n".join([head, holds.format(count=count), "-# " + _("Images stay in your tray for a day.")])


def emptied(count: int) -> str:
    """The answer after the tray was emptied."""
    if not count:
        return _("Your tray was already empty.")
    return ngettext("Removed {count} image from your tray.", "Removed {count} images from your tray.", count).format(count=count)


def from_tray(count: int) -> str:
    """The answer after an edit took the tray's images."""
    sentence = ngettext(
        "Used {count} image from your tray, which is now empty.", "Used {count} images from your tray, which is now empty.", count
    )
    return sentence.format(count=count)


def with_tray(count: int) -> str:
    """Added to a refusal of an edit that included the tray's images."""
    sentence = ngettext(
        "Also used {count} image from your tray. Use `/tray clear` to empty it.",
        "Also used {count} images from your tray. Use `/tray clear` to empty it.",
        count,
    )
    return sentence.format(count=count)
