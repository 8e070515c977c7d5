"""Option values: parsing typed text, and describing what is allowed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bot.core.i18n import N_, _, pgettext
from bot.core.markdown import escaped
from bot.core.numbers import number, with_point
from bot.domain.catalog.schema import Option, Scalar

_SHOWN_CHARACTERS: Final = 60
_SAME: Final[Mapping[str, str]] = {"jpg": "jpeg", "jpeg": "jpg", "yes": "true", "on": "true", "no": "false", "off": "false"}
# A number with its lower and its upper bound. {number} is "a number" or "a whole number".
_RANGES: Final[Mapping[tuple[str | None, str | None], str]] = {
    (None, None): "{number}",
    ("from", "to"): N_("{number} from {least} to {most}"),
    ("from", "below"): N_("{number} from {least} to below {most}"),
    ("above", "to"): N_("{number} above {least} to {most}"),
    ("above", "below"): N_("{number} above {least} and below {most}"),
    ("from", None): N_("{number}, {least} or more"),
    ("above", None): N_("{number} above {least}"),
    (None, "to"): N_("{number}, {most} or less"),
    (None, "below"): N_("{number} below {most}"),
}
_INSIDE_A_NAME: Final = re.compile(r"(?<=[A-Za-z0-9])\\_(?=[A-Za-z0-9])")
_PRICE: Final = re.compile(r"\s+·\s[^·]*$")  # after a choice's name
_MARKS: Final = re.compile(r"\s+\([^()]*\)$")  # before the price: what is the default, the range
_FACTOR: Final = re.compile(r"[x×]?\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*[x×]?", re.IGNORECASE)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}(\.0{1,6})?")
_NUMBER: Final = re.compile(r"[+-]?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})")


def folded(text: str) -> str:
    """A text as names are compared: case, and how many spaces, do not matter."""
    return " ".join(text.casefold().split())


def without_price(name: str) -> str:
    """The name of a choice, which is shown with its price."""
    return _PRICE.sub("", name)


def show(value: object) -> str:
    """A value as text: 2.0 as "2", True as "true"; control characters removed, cut to 60 characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return str(int(value))
    text = "".join(sign if sign.isprintable() else " " for sign in str(value))
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def written(value: float | None) -> str:
    """A number of an option as people may type it, so without separators of thousands."""
    return "" if value is None else number(value, decimals=6, grouped=False)


def quoted(value: object) -> str:
    """A value or a name in a sentence, escaped but for the underscores of names."""
    return _INSIDE_A_NAME.sub("_", escaped(show(value)))


def comma_list(words: Sequence[str]) -> str:
    """ "a, b, c"."""
    return pgettext("between the things of a list", ", ").join(words)


def or_list(words: Sequence[str]) -> str:
    """ "a", "a or b", "a, b or c"."""
    if len(words) < 2:
        return "".join(words)
    return pgettext("a list of things to choose from", "{first} or {last}").format(first=comma_list(words[:-1]), last=words[-1])


def span(option: Option) -> str:
    """The range of a number as shown in a choice: "1 to 50", "> 0, ≤ 1", or empty."""
    least, most = option.least, option.most
    if least is not None and most is not None and not option.above and not option.below:
        return _("{least} to {most}").format(least=written(least), most=written(most))
    lower = "" if least is None else f"{'>' if option.above else '≥'} {written(least)}"
    upper = "" if most is None else f"{'<' if option.below else '≤'} {written(most)}"
    return ", ".join(filter(None, (lower, upper)))


def fits(option: Option, number: float) -> bool:
    """Whether a number is within the option's range and a multiple of its step."""
    if option.least is not None and (number < option.least or (option.above and number == option.least)):
        return False
    if option.most is not None and (number > option.most or (option.below and number == option.most)):
        return False
    return option.step is None or abs(number / option.step - round(number / option.step)) < 1e-9


def coerce(option: Option, given: object) -> Scalar | list[Scalar]:
    """The typed value, or the shown name of one, converted to the option's type. Raises ValueError if it cannot be converted."""
    text = given.strip() if isinstance(given, str) else show(given) if isinstance(given, bool) else str(given)
    listed = next(_named_values(option, text), None)
    if listed is not None:
        return listed
    if option.closed or not option.is_typed:
        raise ValueError("not one of the values")
    for form in _forms(text):
        for kind, read in _READERS.items():
            if kind in option.kinds and (found := read(form)) is not None:
                return found
    if "string" in option.kinds:
        default = option.default
        return text if default is None or not any(_names(form, default) for form in _forms(text)) else default
    if "array" in option.kinds:
        return [part.strip() for part in text.split(",") if part.strip()]
    raise ValueError("of another type")


def _named_values(option: Option, text: str) -> Iterator[Scalar]:
    """The listed values that a text names, the best one first: 2 and x2 also name "2x"."""
    yield from (value for form in _forms(text) for value in option.values if _names(form, value))
    factor = factor_of(text)
    yield from (value for value in option.values if factor is not None and isinstance(value, str) and factor_of(value) == factor)


def factor_of(value: object) -> float | None:
    """The number in "2x", "x2", "2" or 2; None if it is no factor."""
    found = None if isinstance(value, bool) else _FACTOR.fullmatch(str(value).strip())
    return float(found[1]) if found is not None else None


def _forms(text: str) -> tuple[str, ...]:
    """A text, and what it names if it is the name of a choice, such as "16:9 (default) · 3 credits"."""
    unpriced = without_price(text)
    return tuple(dict.fromkeys((text, unpriced, _MARKS.sub("", text), _MARKS.sub("", unpriced))))


def _names(text: str, value: Scalar) -> bool:
    shown, typed = folded(show(value)), folded(text)
    return typed == shown or text == str(value) or _SAME.get(typed) == shown


def accepted(option: Option) -> str:
    """What an option without listed values accepts: "a whole number from 1 to 50"."""
    if option.kinds & {"integer", "number"}:
        return _number(option)
    if "string" in option.kinds:
        limit = option.max_length
        return _("text") if limit is None else _("text of up to {limit} characters").format(limit=number(limit))
    return _("a list in quotes, separated by commas") if option.is_typed else _("nothing you can type here")


def _number(option: Option) -> str:
    number = _("a number") if "number" in option.kinds else _("a whole number")
    lower = None if option.least is None else "above" if option.above else "from"
    upper = None if option.most is None else "below" if option.below else "to"
    ranged = _(_RANGES[lower, upper]).format(number=number, least=written(option.least), most=written(option.most))
    return ranged if option.step in (None, 1) else _("{number} in steps of {step}").format(number=ranged, step=written(option.step))


def _whole(text: str) -> int | None:
    return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None


def _decimal(text: str) -> float | None:
    return float(with_point(text)) if _NUMBER.fullmatch(with_point(text)) else None


def _switch(text: str) -> bool | None:
    return {"true": True, "false": False}.get(_SAME.get(text.casefold(), text.casefold()))


_READERS: Final[Mapping[str, Callable[[str], Scalar | None]]] = {
    "boolean": _switch,
    "integer": _whole,
    "number": _decimal,
}
