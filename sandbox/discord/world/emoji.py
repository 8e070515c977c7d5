"""Emoji for reactions: Unicode ones and custom ones."""

from __future__ import annotations

import re
import unicodedata

_CUSTOM = re.compile(r"<?a?:?(?P<name>\w{2,32}):(?P<id>\d{17,20})>?")
_EMOJI_PRESENTATION = "\ufe0f"  # variation selector: the character before it is shown as an emoji, not as text
_KEYCAP = "\u20e3"
_JOINING = {"\u200d", _EMOJI_PRESENTATION, _KEYCAP}
_TAGS = range(0xE0020, 0xE0080)  # tag characters spell the flags of regions


def wire_name(text: str) -> str:
    """An emoji as in the API's paths: the character itself, or `name:id` for `<:name:id>`."""
    custom = _CUSTOM.fullmatch(text)
    return f"{custom['name']}:{custom['id']}" if custom else text


def custom_id(emoji: str) -> int | None:
    """The id in `name:id`, `None` for anything else."""
    custom = _CUSTOM.fullmatch(emoji)
    return int(custom["id"]) if custom else None


def is_unicode_emoji(text: str) -> bool:
    """Whether every character of a short text is part of an emoji, by Unicode category."""
    return 0 < len(text) <= 16 and _is_pictorial(text) and all(_belongs(character) or at == 0 for at, character in enumerate(text))


def _is_pictorial(text: str) -> bool:
    return _is_symbol(text[0]) or _EMOJI_PRESENTATION in text[1:2] or _KEYCAP in text[1:]


def _belongs(character: str) -> bool:
    return _is_symbol(character) or character in _JOINING or ord(character) in _TAGS


def _is_symbol(character: str) -> bool:
    """Also those that are newer than the interpreter's Unicode."""
    return unicodedata.category(character) in ("So", "Sk", "Sm", "Cn") and not character.isascii()
