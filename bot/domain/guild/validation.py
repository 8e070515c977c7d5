"""Validation errors of a settings document as sentences, one per wrong value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.core.i18n import _, ngettext

SHOWN_MAX: Final = 10  # sentences
_VALUE_MAX: Final = 60  # characters of a wrong value or name

Where = tuple[int | str, ...]


def sentences(error: ValidationError, model: type[BaseModel]) -> tuple[str, ...]:
    """A sentence for every wrong value, in the order of the document; at most `SHOWN_MAX`, and one for the rest."""
    problems = [each for each in error.errors(include_url=False) if not _is_half(each, "literal[")]  # the list has its own sentence
    found: dict[str, None] = {}
    for more in range(len(problems), 0, -1):
        sentence = _sentence(problems[-more], model)
        if len(found) == SHOWN_MAX and sentence not in found:
            break
        found[sentence] = None
    else:
        return tuple(found)
    rest = ngettext("There is {count} more wrong value.", "There are {count} more wrong values.", more)
    return (*found, rest.format(count=more))


def _is_half(each: ErrorDetails, mark: str) -> bool:
    """Whether this is the error for one type of a union: pydantic appends the type to the path."""
    return str(each["loc"][-1] if each["loc"] else "").startswith(mark)


def _sentence(each: ErrorDetails, model: type[BaseModel]) -> str:
    path, context = ".".join(_path(each["loc"])), each.get("ctx", {})
    if each["type"] == "extra_forbidden":
        return _unknown(each["loc"], model)
    kind = "all_or_list" if each["type"] == "tuple_type" and _is_half(each, "tuple[") else each["type"]
    say = _SENTENCES.get(kind)
    if say is None:
        return _("{setting}: {value} is not allowed.").format(setting=path, value=_shown(each["input"]))
    return say().format(setting=path, value=_shown(each["input"]), **_readable(context))


def _unknown(where: Where, model: type[BaseModel]) -> str:
    path = _path(where)
    meant = get_close_matches(path[-1], _siblings(path, model), n=1)
    if meant:
        return _("{setting}: there is no such setting; perhaps {meant} is meant.").format(
            setting=".".join(path), meant=".".join((*path[:-1], meant[0]))
        )
    return _("{setting}: there is no such setting.").format(setting=".".join(path))


def _siblings(path: Sequence[str], model: type[BaseModel]) -> tuple[str, ...]:
    """The valid names in place of the last one of a path; empty if the path leads through a list or a mapping."""
    current: Any = model
    for name in path[:-1]:
        current = next((field.annotation for own, field in _named(current) if own == name), None)
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return ()
    return tuple(own for own, _field in _named(current))


def _named(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Fields with their names in the document."""
    return ((field.alias or name, field) for name, field in model.model_fields.items())


def _path(where: Where) -> tuple[str, ...]:
    """The path in the document, list items counted from 1, without pydantic's markers for keys and for types of a union."""
    steps = (str(step + 1) if isinstance(step, int) else step[:_VALUE_MAX] for step in where)
    return tuple(step for step in steps if step != "[key]" and not step.startswith(("literal[", "tuple[", "function-", "constrained-")))


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else value[: 10 * _VALUE_MAX]
    line = " ".join(text.split())
    return f"“{line if len(line) <= _VALUE_MAX else line[: _VALUE_MAX - 1] + '…'}”"


def _readable(context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value).rstrip(".") for name, value in context.items()}


# By pydantic's error type, and our "all_or_list". Functions, so that each is translated when it is used.
_SENTENCES: Final[Mapping[str, Callable[[], str]]] = {
    "bool_parsing": lambda: _("{setting}: {value} is neither on nor off."),
    "bool_type": lambda: _("{setting}: {value} is neither on nor off."),
    "int_parsing": lambda: _("{setting}: {value} is no whole number."),
    "int_from_float": lambda: _("{setting}: {value} is no whole number."),
    "int_type": lambda: _("{setting}: {value} is no whole number."),
    "float_parsing": lambda: _("{setting}: {value} is no number."),
    "float_type": lambda: _("{setting}: {value} is no number."),
    "finite_number": lambda: _("{setting}: {value} is no number."),
    "decimal_parsing": lambda: _("{setting}: {value} is no number."),
    "decimal_type": lambda: _("{setting}: {value} is no number."),
    "decimal_max_places": lambda: _("{setting}: {value} has more than {decimal_places} decimals."),
    "greater_than": lambda: _("{setting}: {value} is too little; it must be more than {gt}."),
    "greater_than_equal": lambda: _("{setting}: {value} is too little; the least is {ge}."),
    "less_than": lambda: _("{setting}: {value} is too much; it must be less than {lt}."),
    "less_than_equal": lambda: _("{setting}: {value} is too much; the most is {le}."),
    "string_type": lambda: _("{setting}: {value} is no text."),
    "string_too_short": lambda: _("{setting}: this may not be empty."),
    "string_too_long": lambda: _("{setting}: {value} is longer than {max_length} characters."),
    "string_pattern_mismatch": lambda: _("{setting}: {value} is not written as it should be."),
    "too_long": lambda: _("{setting}: at most {max_length} entries are allowed."),
    "tuple_type": lambda: _("{setting}: {value} is no list."),
    "all_or_list": lambda: _("{setting}: {value} is neither “all” nor a list."),
    "dict_type": lambda: _("{setting}: {value} is no set of names and values."),
    "mapping_type": lambda: _("{setting}: {value} is no set of names and values."),
    "model_type": lambda: _("{setting}: {value} is no group of settings."),
    "model_attributes_type": lambda: _("{setting}: {value} is no group of settings."),
    "missing": lambda: _("{setting}: this is missing."),
    "enum": lambda: _("{setting}: {value} is not one of {expected}."),
    "literal_error": lambda: _("{setting}: {value} is not {expected}."),
    "value_error": lambda: _("{setting}: {error}."),
}
