"""Finds markup in prompts that servers of image APIs obey as options, such as `<lora:name:1>` and `<sd_cpp_extra_args>{...}`.

With it a member could set what `more` refuses. Links, mentions, emoji and times as Discord writes them are not markup.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_DISCORD: Final = r"https?:|mailto:|t:-?\d|id:|a?:\w{2,32}:\d+>|/[\w -]+:\d+>"
_NAME: Final = r"[A-Za-z_][\w.-]*"
_MARKUP: Final = re.compile(
    rf"<(?!{_DISCORD})\s*(?:"
    rf"/\s*{_NAME}\s*>"  # </name>
    rf"|{_NAME}\s*[:=|\[(][^<>]*>"  # <name:value>, <name[value]:value>
    rf"|(?:{_NAME})?\w[_-]\w[\w.-]*(?:\s[^<>]*)?/?>"  # <some_name>
    rf"|{_NAME}\s[^<>]*=[^<>]*>"  # <name option=value>
    rf")"
)


def has_markup(text: str) -> bool:
    """Whether the text has such markup, also if it is written with full-width or invisible characters."""
    if _MARKUP.search(text):
        return True
    plain = unicodedata.normalize("NFKC", text)
    return "<" in plain and _MARKUP.search("".join(each for each in plain if unicodedata.category(each) != "Cf")) is not None
