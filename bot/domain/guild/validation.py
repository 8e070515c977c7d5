"""Validation errors of a settings document as sentences, one per wrong value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.core.i18n import _, ngettext
from bot.core.markdown import escaped
from bot.domain.catalog.options import or_list, quoted
from bot.domain.guild.labels import in_quotes, label, role_in_words

SHOWN_MAX: Final = 10  # sentences
CHARACTERS_MAX: Final = 1_700  # of all sentences: they are shown in one message
_VALUE_MAX: Final = 600  # characters that are read of a wrong value or name
_KEY: Final = "[key]"  # pydantic's step for an error of a key
# Pydantic's steps for types and functions, which are not in the document.
_MARKERS: Final = ("literal[", "tuple[", "function-", "constrained-")
_CHOICE: Final = re.compile(r"'([^']*)'|(\d+)")  # in pydantic's list of choices

Where = tuple[int | str, ...]


def sentences(error: ValidationError, model: type[BaseModel], *, within: Where = (), in_file: bool = True) -> tuple[str, ...]:
    """A sentence for every wrong value, in the order of the document, as many as a message holds, and one for the rest.

    `within` is the path of the model in the document. Sentences about a file say where in it; a command needs no more than the value.
    """
    problems = [each for each in error.errors(include_url=False) if not _is_half(each, "literal[")]  # the list has its own sentence
    found: dict[str, None] = {}
    for more in range(len(problems), 0, -1):
        sentence = _sentence(problems[-more], model, within, in_file=in_file)
        if sentence not in found and (len(found) == SHOWN_MAX or sum(map(len, found)) + len(sentence) > CHARACTERS_MAX):
            break
        found[sentence] = None
    else:
        return tuple(found)
    rest = ngettext("{count} more value is wrong.", "{count} more values are wrong.", more)
    return (*found, rest.format(count=more))


def _is_half(each: ErrorDetails, mark: str) -> bool:
    """Whether this is the error for one type of a union: pydantic appends the type to the path."""
    return str(each["loc"][-1] if each["loc"] else "").startswith(mark)


def _sentence(each: ErrorDetails, model: type[BaseModel], within: Where, *, in_file: bool) -> str:
    where, context = each["loc"], each.get("ctx", {})
    if each["type"] == "extra_forbidden":
        return _unknown(str(where[-1]), _siblings(where, model))
    if each["type"] == "enum" and where[-1] == _KEY:
        return _unknown(str(where[-2]), _choices(context))
    name = _name((*within, *where), in_file=in_file)
    if each["type"] == "value_error":  # of our own validators
        text = escaped(str(context["error"]))
        return _("{setting}: {sentence}").format(setting=name, sentence=text) if in_file and name else text
    kind = "all_or_list" if each["type"] == "tuple_type" and _is_half(each, "tuple[") else each["type"]
    say = _SENTENCES.get(kind, _SENTENCES["other"])
    setting = _("A name in {setting}").format(setting=name) if name and where[-1] == _KEY else name or _group(where)
    bounds = {bound: quoted(value) for bound, value in context.items()}
    choices = or_list([choice if choice.isdigit() else in_quotes(choice) for choice in _choices(context)])
    return say().format(setting=setting, value=_shown(each["input"]), choices=choices, **bounds)


def _name(where: Where, *, in_file: bool) -> str:
    """The label of the setting at this path; empty for a group of settings."""
    steps = [step for step in where if isinstance(step, int) or not (step == _KEY or step.startswith(_MARKERS))]
    names, entries = [step for step in steps if isinstance(step, str)], [step for step in steps if isinstance(step, int)]
    if where and where[-1] == _KEY:
        return label(".".join(names[:-1]))
    found = label(".".join(names), role=role_in_words if in_file else "<@&{}>".format)
    return _("{setting} (entry {number})").format(setting=found, number=entries[-1] + 1) if found and entries and in_file else found


def _group(where: Where) -> str:
    """The name of a group of settings in the document, in quotes."""
    return next((in_quotes(step) for step in reversed(where) if isinstance(step, str)), _("The file"))


def _unknown(key: str, names: Sequence[str]) -> str:
    meant = get_close_matches(key[:_VALUE_MAX], names, n=1)
    key = in_quotes(key[:_VALUE_MAX])
    if meant:
        return _("{key} isn't a setting. Did you mean {meant}?").format(key=key, meant=in_quotes(meant[0]))
    return _("{key} isn't a setting.").format(key=key)


def _siblings(where: Where, model: type[BaseModel]) -> tuple[str, ...]:
    """The valid names in place of the last one of a path."""
    current = model
    for step in where[:-1]:  # keys and entries lead to no other model: that of their values is found with the field
        found = next((field.annotation for name, field in current.model_fields.items() if step == (field.alias or name)), None)
        current = next(_models(found), current)
    return tuple(field.alias or name for name, field in current.model_fields.items())


def _models(hint: Any) -> Iterator[type[BaseModel]]:
    """The groups of settings that a type is made of."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        yield hint
    for part in get_args(hint):
        yield from _models(part)


def _choices(context: Mapping[str, Any]) -> list[str]:
    return [word or number for word, number in _CHOICE.findall(str(context.get("expected", "")))]


def _shown(value: object) -> str:
    """A wrong value as in the file: numbers plainly, all else in quotes."""
    if isinstance(value, str):
        return in_quotes(value[:_VALUE_MAX])
    text = json.dumps(value, ensure_ascii=False, default=str)[:_VALUE_MAX]
    return quoted(text) if isinstance(value, int | float) and not isinstance(value, bool) else in_quotes(text)


# By pydantic's error type or our own. Functions, so that each is translated when it is used.
_SENTENCES: Final[Mapping[str, Callable[[], str]]] = {
    "bool_parsing": lambda: _("{setting} must be on or off; {value} is neither."),
    "bool_type": lambda: _("{setting} must be on or off; {value} is neither."),
    "int_parsing": lambda: _("{setting} must be a whole number; {value} isn't."),
    "int_from_float": lambda: _("{setting} must be a whole number; {value} isn't."),
    "int_type": lambda: _("{setting} must be a whole number; {value} isn't."),
    "float_parsing": lambda: _("{setting} must be a number; {value} isn't."),
    "float_type": lambda: _("{setting} must be a number; {value} isn't."),
    "finite_number": lambda: _("{setting} must be a number; {value} isn't."),
    "decimal_parsing": lambda: _("{setting} must be a number; {value} isn't."),
    "decimal_type": lambda: _("{setting} must be a number; {value} isn't."),
    "decimal_max_places": lambda: _("{setting} can have at most {decimal_places} decimals; {value} has more."),
    "greater_than": lambda: _("{setting} must be more than {gt}; {value} isn't."),
    "greater_than_equal": lambda: _("{setting} must be at least {ge}; {value} isn't."),
    "less_than": lambda: _("{setting} must be less than {lt}; {value} isn't."),
    "less_than_equal": lambda: _("{setting} must be at most {le}; {value} isn't."),
    "channel_id": lambda: _("{setting} must be the ID of a channel; {value} isn't."),
    "role_id": lambda: _("{setting} must be the ID of a role; {value} isn't."),
    "aspect_ratio": lambda: _("{setting} must be written like 16:9; {value} isn't."),
    "fingerprint": lambda: _("{setting} must be fingerprints of 16 characters, 0 to 9 and a to f; {value} isn't one."),
    "string_type": lambda: _("{setting} must be text; {value} isn't."),
    "string_too_short": lambda: _("{setting} can't be empty."),
    "string_too_long": lambda: _("{setting} can have at most {max_length} characters; {value} has more."),
    "too_long": lambda: _("{setting} can have at most {max_length} entries."),
    "tuple_type": lambda: _("{setting} must be a list; {value} isn't."),
    "all_or_list": lambda: _("{setting} must be “all” or a list; {value} is neither."),
    "dict_type": lambda: _("{setting} must be a group of settings; {value} isn't."),
    "mapping_type": lambda: _("{setting} must be a group of settings; {value} isn't."),
    "model_type": lambda: _("{setting} must be a group of settings; {value} isn't."),
    "model_attributes_type": lambda: _("{setting} must be a group of settings; {value} isn't."),
    "missing": lambda: _("{setting} can't be left out."),
    "enum": lambda: _("{setting} must be {choices}; {value} isn't."),
    "literal_error": lambda: _("{setting} must be {choices}; {value} isn't."),
    "other": lambda: _("{setting} can't be {value}."),
}
