"""Shows text of others in Discord's messages, so that nothing in it is alive: no link, mention, spoiler, heading or code.

Source: https://support.discord.com/hc/en-us/articles/210298617 (Markdown Text 101)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
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
_WORD_MAX: Final = 30  # characters; languages without spaces, and addresses, are cut anywhere
_QUOTES_MAX: Final = 500
_CUT: Final = 12  # characters that tell a quote whose end was cut off
_quotes: ContextVar[dict[str, str] | None] = ContextVar("quotes", default=None)


def plain(text: str) -> str:
    """The text in one line, without control characters and changes of direction: for what Discord shows as it is."""
    return _noted(_plain(text), text)


def _plain(text: str) -> str:
    shown = "".join(each if each.isprintable() or each.isspace() or ord(each) > 0xFF else " " for each in text.translate(_DIRECTIONS))
    return " ".join(shown.split())


def escaped(text: str, limit: int | None = None, *, at_word: bool = False) -> str:
    """The text in one line with everything escaped, in at most `limit` characters; `at_word`: cut between words, if one ends near there."""
    pieces = list(_pieces(_plain(text)))
    size = sum(map(len, pieces))
    if limit is None or size <= limit:
        return _noted("".join(pieces), text)
    while pieces and size > limit - 1:
        size -= len(pieces.pop())
    if at_word and " " in pieces[-_WORD_MAX:]:
        del pieces[len(pieces) - 1 - pieces[::-1].index(" ") :]
    return _noted("".join(pieces).rstrip() + "…", text)


def code(text: str) -> str:
    """The text as inline code, in which everything but a backtick is dead."""
    return _noted(f"`{_plain(text).replace('`', 'ˋ')}`", text)


# --- what was quoted -------------------------------------------------------------------------------------------------


@contextmanager
def quoting() -> Iterator[None]:
    """Note what is quoted in this context and the tasks that it starts, apart from all others."""
    token = _quotes.set({})
    try:
        yield
    finally:
        _quotes.reset(token)


def quotes() -> Mapping[str, str]:
    """The latest texts of others that this task has shown, as they were shown, each with the text itself."""
    return dict(_quotes.get() or {})


def without(shown: str, quoted: Iterable[str], instead: str) -> str:
    """A text that is shown with `instead` in place of these quotes, also of one whose end was cut off."""
    for each in sorted(quoted, key=len, reverse=True):
        if each[:_CUT] in shown:
            shown = re.sub(rf"(?<![A-Za-z0-9]){re.escape(each)}(?![A-Za-z0-9])", lambda _match: instead, shown)
            begins = [match.start() for match in re.finditer(re.escape(each[:_CUT]), shown)] if len(each) > _CUT else []
            cut = next((begin for begin in begins if each.startswith(shown[begin:].rstrip("…"))), None)
            shown = shown if cut is None else shown[:cut] + instead
    return shown


def _noted(shown: str, text: str) -> str:
    """Note a quote: if Discord refuses the message, it is left out (`bot.client.fallbacks`)."""
    if (noted := _quotes.get()) is None:
        _quotes.set(noted := {})
    if shown.strip("`… "):
        noted[shown] = text
    if len(noted) > _QUOTES_MAX:
        del noted[next(iter(noted))]
    return shown


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
