"""Texts of /tray."""

from __future__ import annotations

from bot.core.i18n import _, ngettext


def tray(count: int) -> str:
    """What the tray is for, and how many images it has."""
    head = "## " + _("Your tray")
    if not count:
        empty = _("Your tray is empty. To save an image, right-click (or hold) its message > Apps > Use as reference.")
        return f"{head}\n{empty}"
    holds = ngettext(
        "Your next /edit or /upscale will use this image.", "Your next /edit or /upscale will use these {count} images.", count
    )
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
