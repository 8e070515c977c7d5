"""Values of options as people write and read them: coercing what was typed, describing what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bot.images.schema import Option, Scalar

_SHOWN_VALUES: Final = 12
_SHOWN_CHARACTERS: Final = 60
_SAME: Final[Mapping[str, str]] = {"jpg": "jpeg", "jpeg": "jpg", "yes": "true", "on": "true", "no": "false", "off": "false"}
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}(\.0{1,6})?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})")


def show(value: object) -> str:
    """A value in a sentence: 2.0 as "2", true as "true"; control characters removed, cut to 60 characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    text = "".join(sign if sign.isprintable() else " " for sign in str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def listed(words: Sequence[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def allowed(option: Option) -> str:
    """What an option takes, with its verb: "a whole number from 1 to 50 is allowed"."""
    if option.closed:
        words = [show(value) for value in option.values]
        if len(words) > _SHOWN_VALUES:
            words = [*words[:_SHOWN_VALUES], f"{len(words) - _SHOWN_VALUES} more"]
            return f"{listed(words)} are allowed"
        return f"{listed(words, 'or')} is allowed"
    return f"{_kind(option)} is allowed"


def span(option: Option) -> str:
    """The range of a number: "from 1 to 50", "of 1 or more", or nothing."""
    least, most = option.least, option.most
    if least is not None and most is not None:
        lower = "above" if option.above else "from"
        upper = "and below" if option.below else "to"
        return f"{lower} {show(least)} {upper} {show(most)}"
    if least is not None:
        return f"above {show(least)}" if option.above else f"of {show(least)} or more"
    if most is not None:
        return f"below {show(most)}" if option.below else f"of {show(most)} or less"
    return ""


def fits(option: Option, number: float) -> bool:
    """Whether a number lies in the option's range and on its steps."""
    if option.least is not None and (number < option.least or (option.above and number == option.least)):
        return False
    if option.most is not None and (number > option.most or (option.below and number == option.most)):
        return False
    return option.step is None or abs(number / option.step - round(number / option.step)) < 1e-9


def coerce(option: Option, given: object) -> Scalar | list[Scalar]:
    """What was typed, in the type that the option wants. `ValueError` where it can be none of them."""
    text = given.strip() if isinstance(given, str) else show(given) if isinstance(given, bool) else str(given)
    for value in option.values:
        if _names(text, value):
            return value
    if option.closed:
        raise ValueError("not one of the values")
    for kind, read in _READERS.items():
        if kind in option.kinds and (found := read(text)) is not None:
            return found
    if "array" in option.kinds:
        return [part.strip() for part in text.split(",") if part.strip()]
    raise ValueError("of another type")


def _names(text: str, value: Scalar) -> bool:
    shown = show(value).casefold()
    typed = text.casefold()
    return typed == shown or text == str(value) or _SAME.get(typed) == shown


def _kind(option: Option) -> str:
    if option.kinds & {"integer", "number"}:
        noun = "a number" if "number" in option.kinds else "a whole number"
        steps = f"in steps of {show(option.step)}" if option.step not in (None, 1) else ""
        return " ".join(filter(None, (noun, span(option), steps)))
    if "string" in option.kinds:
        return f"text of at most {option.max_length} characters" if option.max_length is not None else "text"
    if "array" in option.kinds:
        return "a list of values, separated by commas, in quotes"
    return "nothing that can be typed here"


def _whole(text: str) -> int | None:
    return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None


def _decimal(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _switch(text: str) -> bool | None:
    return {"true": True, "false": False}.get(_SAME.get(text.casefold(), text.casefold()))


_READERS: Final[Mapping[str, Callable[[str], Scalar | None]]] = {
    "boolean": _switch,
    "integer": _whole,
    "number": _decimal,
    "string": lambda text: text,
}
