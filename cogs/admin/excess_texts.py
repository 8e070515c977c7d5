"""Sentences about new limits that are exceeded already, or that the default model cannot meet."""

from __future__ import annotations

from bot.core.i18n import _, ngettext
from bot.services.money.excess import Excess, ExcessKind
from cogs.kit.texts import quoted


def excess(found: Excess) -> str:
    """What it means, and from when on members can create images again."""
    model = quoted(found.model)
    sentences = {
        ExcessKind.BUDGET: _("This budget is used up already: no new images until {when}."),
        ExcessKind.POOL: _("The pool has too few credits for an image now. Members can create again {when}."),
        ExcessKind.CREDITS: ngettext(
            "{count} member has too few credits for an image and can create again {when}.",
            "{count} members have too few credits for an image; the first of them can create again {when}.",
            found.count,
        ),
        ExcessKind.NEVER: _("An image with {model}, the default model, costs more than members can have here."),
        ExcessKind.QUEUE: ngettext(
            "{count} member already has more images in the queue, and can create again once these are done.",
            "{count} members already have more images in the queue, and can create again once these are done.",
            found.count,
        ),
        ExcessKind.MODEL: _("{model} is the default model, but not for everyone any more: those members have to choose another."),
        ExcessKind.SIZE: _("{model}, the default model, makes larger images by default. Members have to choose a smaller size."),
        ExcessKind.SHAPE: _("{model}, the default model, can't do any of these aspect ratios."),
    }
    return "⚠️ " + sentences[found.kind].format(model=model, count=found.count, when=_when(found))


def _when(found: Excess) -> str:
    return _("when they are granted credits") if found.at is None else f"<t:{found.at // 1000}:R>"
