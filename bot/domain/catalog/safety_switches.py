"""Recognizes options that make a model less careful, by the words of their names and values.

Image APIs call them `enable_safety_checker`, `disableSafetyChecker`, `safety_tolerance`, `moderation`, `nsfw`, `content_filter` and more.
A value whose meaning is unknown counts as less careful.
"""

from __future__ import annotations

import re
from typing import Final

from bot.domain.catalog.nested import Path, words_of
from bot.domain.catalog.options import show
from bot.domain.catalog.schema import Option


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names are compared without their separators: "safety_checker" and "safetychecker" are one name.
_SUBJECTS: Final = re.compile(
    r"safe(?!tensor)|sfw|moderat|censor|guardrail|unfilter|explicit|adult|mature(?<!premature)|nud(e|ity)|sexual|erotic|porn|violen"
    r"|harmful|(content|prompt|profanity|word|text|input|output|result)(filter|check|polic|guard|restrict)|checker$"
)
# The option says how much is let through, unless it names what searches for it: `nsfw`, but not `nsfw_filter`.
_LENIENT: Final = re.compile(r"unsafe|nsfw|uncensor|unfilter|unmoderat|explicit|adult|mature|nud(e|ity)|sexual|erotic|porn|violen|harmful")
_LENIENT_ALWAYS: Final = re.compile(r"toleran|permissi|lenien|relax")
_GUARDS: Final = re.compile(r"filter|check|detect|classif|guard|moderation|moderator|safety|screen|scan")
_NEGATIONS: Final = _words(
    "disable disabled disables no not non skip without bypass off ignore remove removed omit exempt override block blocked prevent reject "
    "deny forbid hide blur avoid exclude stop suppress unset un"
)
_JOINED_NEGATION: Final = re.compile(
    r"^(disable|skip|bypass|ignore|without|no(?=safe|mod|content|filter|nsfw|check))|(disabled|off|skipped)$"
)

_YES: Final = _words("true yes on enable enabled active 1")
_NO: Final = _words("false no off disable disabled inactive none never null 0")
_STRICT: Final = _words("auto default high higher highest strict stricter strictest max maximum full standard strong")
_LITTLE: Final = _words("low lowest min minimum minimal strict strictest default auto")
_STRICT_VALUES: Final = frozenset({("block", "low", "and", "above"), ("block", "most"), ("block", "all")})


def is_less_careful(path: Path, value: object, option: Option | None = None) -> bool:
    """Whether a parameter makes its model less careful than usual. `path` has its name, after the names of the objects around it.

    `option` is the model's description of it: its default and its strictest value are careful.
    """
    name = "".join(word for part in path for word in words_of(part))
    if not _SUBJECTS.search(name):
        return False
    is_guard = _is_guard(path, name)
    if isinstance(value, bool):
        return value is not is_guard
    if str(value).strip().casefold() in _YES | _NO and not _has_range(option):
        return (str(value).strip().casefold() in _YES) is not is_guard
    usual = None if option is None else option.default
    if usual is not None and show(usual).casefold() == show(value).casefold():
        return False
    number = _number(value)
    if number is not None:
        return "threshold" in name or (_is_lower(number, option) if is_guard else _is_higher(number, option))
    words = words_of(str(value))
    if is_guard:
        return not (words in _STRICT_VALUES or (len(words) == 1 and words[0] in _STRICT))
    return not (len(words) == 1 and words[0] in _LITTLE | _NO)


def _has_range(option: Option | None) -> bool:
    """Whether 0 and 1 are numbers of a range, not no and yes."""
    return option is not None and (option.least is not None or option.most is not None or isinstance(option.default, float))


def _is_guard(path: Path, name: str) -> bool:
    """Whether more of the option means more care."""
    is_lenient = bool(_LENIENT_ALWAYS.search(name)) or bool(_LENIENT.search(name) and not _GUARDS.search(_LENIENT.sub("", name)))
    words = {word for part in path for word in words_of(part)}
    return is_lenient is (bool(words & _NEGATIONS) or bool(_JOINED_NEGATION.search(name)))


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return None


def _is_lower(number: float, option: Option | None) -> bool:
    usual = _usual(option)
    strictest = usual if usual is not None else option.most if option is not None else None
    return number <= 0 or strictest is None or number < strictest


def _is_higher(number: float, option: Option | None) -> bool:
    usual = _usual(option)
    strictest = usual if usual is not None else option.least if option is not None and option.least is not None else 0
    return not number <= strictest


def _usual(option: Option | None) -> float | None:
    return None if option is None or option.default is None else _number(option.default)
