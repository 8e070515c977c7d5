"""Shows text of others in Discord's messages, so that nothing in it is alive: no link, mention, spoiler, heading or code.

Source: https://support.discord.com/hc/en-us/articles/210298617 (Markdown Text 101)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_BREAK: Final = "\N{ZERO WIDTH SPACE}"
# What changes the direction of the text around it.
_DIRECTIONS: Final = dict.fromkeys((0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
_ALIVE: Final = re.compile(
    r"(?P<mark>[\\`*_~|])"
    r"|(?P<block>\A(?:-#|#{1,3}|>{1,3}|[-+])(?=\s|$))"
    r"|\A(?P<number>\d+)[.)](?=\s|$)"
    r"|(?P<angle><(?=[@#:/\w]))"  # mentions, times, commands, emoji, links
    r"|(?P<mention>@(?=everyone|here|[!&]?\d))"
    r"|(?P<masked>\]\()"
    r"|(?P<scheme>://)"
    r"|(?<![A-Za-z0-9-])(?P<host>(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})/",  # invitations are found without a scheme
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text in one line, without control characters and changes of direction: for what Discord shows as it is."""
    shown = "".join(each if each.isprintable() or each.isspace() or ord(each) > 0xFF else " " for each in text.translate(_DIRECTIONS))
    return " ".join(shown.split())


def escaped(text: str, limit: int | None = None) -> str:
    """The text in one line with everything escaped, in at most `limit` characters."""
    pieces = list(_pieces(plain(text)))
    size = sum(map(len, pieces))
    if limit is None or size <= limit:
        return "".join(pieces)
    while pieces and size > limit - 1:
        size -= len(pieces.pop())
    return "".join(pieces).rstrip() + "…"


def code(text: str) -> str:
    """The text as inline code, in which everything but a backtick is dead."""
    return f"`{plain(text).replace('`', 'ˋ')}`"


def _pieces(line: str) -> Iterator[str]:
    """The escaped text in pieces that may not be cut, or single characters."""
    done = 0
    for match in _ALIVE.finditer(line):
        yield from line[done : match.start()]
        yield _dead(match)
        done = match.end()
    yield from line[done:]


def _dead(match: re.Match[str]) -> str:
    found = match.group()
    match match.lastgroup:
        case "number":
            return f"{found[:-1]}\\{found[-1]}"
        case "angle":
            return f"\\<{_BREAK}"
        case "mention":
            return f"@{_BREAK}"
        case "masked":
            return r"\]\("
        case "scheme":
            return r":\/\/"
        case "host":
            return f"{found[:-1]}\\/"
        case _:
            return f"\\{found}"
