"""Texts of /style."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.core.i18n import _
from bot.core.markdown import code
from bot.domain.preferences import Style
from cogs.kit.texts import PANEL_MAX, quoted


def listed(styles: Sequence[Style], title_of: Callable[[str], str]) -> str:
    """All of a member's styles, each in two lines."""
    if not styles:
        return "## " + _("Your styles") + "\n" + _("No styles yet. Use `/style save` to keep text and options you use often.")
    lines = [f"**{quoted(style.name)}** {around(style, limit=60)}\n-# {facts(style, title_of)}" for style in styles]
    return "\n".join(["## " + _("Your styles"), *lines])[:PANEL_MAX]


def shown(style: Style, title_of: Callable[[str], str]) -> str:
    """One style in full."""
    return f"## {quoted(style.name)}\n{around(style, limit=500)}\n-# {facts(style, title_of)}"


def around(style: Style, *, limit: int) -> str:
    """The words, with … in place of the prompt."""
    parts = (quoted(style.prefix, limit=limit), "…", quoted(style.suffix, limit=limit))
    return " ".join(filter(None, parts))


def facts(style: Style, title_of: Callable[[str], str]) -> str:
    """Model and options."""
    options = [code(f"{name}={value}") for name, value in style.options.items()]
    return " · ".join([quoted(title_of(style.model)) if style.model else _("any model"), *options])
