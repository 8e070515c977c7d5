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
            lines.append("-# " + _("And {count} more: type a part of a name into `/generate model:`.").format(count=count))
            break
        lines.append(line)
    return "\n".join(lines)


def model_line(model: ModelInfo, *, default: bool, provider: str) -> str:
    """A model in the list, with its image API's title."""
    names = ", ".join(f"`{idea}`" for idea in model.ideas if idea is not Idea.SEED) or _("no options")
    references = _("takes references") if model.takes_references else _("from words only")
    mark = " " + _("(default)") if default else ""
    summary = f"\n{quoted(model.summary, limit=160)}" if model.summary else ""
    head = f"**{quoted(model.title)}**{mark} · {provider} · {price(model)} · {references}"
    return f"{head}{summary}\n-# {code(model.id)} · {names}"


# --- the tray --------------------------------------------------------------------------------------------------------


def tray(count: int) -> str:
    """What the tray is for, and how many images it has."""
    head = "## " + _("Your tray")
    if not count:
        empty = _("It is empty. **Apps**, **Use as reference** in the menu of a message puts its picture here.")
        return f"{head}\n{empty}"
    holds = ngettext(
        "The next /edit takes this picture as a reference.", "The next /edit takes these {count} pictures as references.", count
    )
    return "\n".join([head, holds.format(count=count), "-# " + _("What is put by is kept for a day.")])


def emptied(count: int) -> str:
    """The answer after the tray was emptied."""
    if not count:
        return _("Your tray was empty.")
    return ngettext("Your tray is empty; {count} picture was in it.", "Your tray is empty; {count} pictures were in it.", count).format(
        count=count
    )


def from_tray(count: int) -> str:
    """The answer after an edit took the tray's images."""
    sentence = ngettext(
        "{count} picture came from your tray, which is empty now.", "{count} pictures came from your tray, which is empty now.", count
    )
    return sentence.format(count=count)


def with_tray(count: int) -> str:
    """Added to a refusal of an edit that included the tray's images."""
    sentence = ngettext(
        "{count} picture of your tray came with it; `/tray clear` empties it.",
        "{count} pictures of your tray came with it; `/tray clear` empties it.",
        count,
    )
    return sentence.format(count=count)
