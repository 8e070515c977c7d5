"""The sentences about missing, wrong and misspelt settings. None contains the value of a secret."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.core.settings.values import expected

_FILE_CUTOFF: Final = 0.5  # in a file of settings every name is meant to be one
_ENVIRONMENT_CUTOFF: Final = 0.9  # one or two letters are wrong: other programs have names too
_SHOWN_MAX: Final = 40  # characters of a value
_KEY_LIKE: Final = re.compile(r"[\w.~+/=-]{20,}")  # perhaps a secret under a wrong name


class Need(StrEnum):
    """What a command cannot do without; the value says so."""

    DISCORD = "DISCORD_TOKEN (or DISCORD_TOKEN_FILE) is missing: copy the token from the Bot page of your Discord application."
    IMAGES = "OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS is missing: Easel needs the key of at least one image API."


NEEDED: Final[Mapping[Need, tuple[str, ...]]] = {
    Need.DISCORD: ("DISCORD_TOKEN",),
    Need.IMAGES: ("OXEN_API_KEY", "OXLO_API_KEY", "OPENAI_ENDPOINTS"),
}
NO_SETTINGS: Final = (
    "There are no settings yet: run `cp .env.example .env` and fill in DISCORD_TOKEN and OXEN_API_KEY or OXLO_API_KEY"
    " (`make demo` needs none)."
)


def nearest(name: str, known: Collection[str], *, cutoff: float = _FILE_CUTOFF) -> str | None:
    return next(iter(difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=cutoff)), None)


def unknown(name: str, *, place: object, near: str | None) -> str:
    return f"{name} in {place} is not a setting" + (f"; did you mean {near}?" if near else "; .env.example lists them all.")


def misspelt(environ: Mapping[str, str], known: Collection[str]) -> Iterator[str]:
    """A sentence for each variable of the environment that is almost the name of a setting, which itself is not there.

    These are warnings, unlike names in a file of settings: the environment belongs to every program of this machine, so a similar name,
    such as DATA_DIRS, may be another's, and must not stop the bot.
    """
    for name in environ:
        near = None if name in known else nearest(name, known, cutoff=_ENVIRONMENT_CUTOFF)
        if near and near not in environ:
            yield unknown(name, place="the environment", near=near)


def wrong(problem: Mapping[str, Any], *, fields: type[BaseModel], value: str | None) -> str:
    """About one wrong setting, or one part of it. `problem` is an error of pydantic; `value` is shown, and None for a secret."""
    path: Sequence[str | int] = problem["loc"]
    known, field = _field(fields, path)
    if problem["type"] != "extra_forbidden":
        path = known
    where = ", ".join([str(path[0]).upper(), *_path(path[1:])])
    is_now = f"; it is {value!r}" if value is not None and is_shown(value) else ""
    sentence = f"{where} {_predicate(problem, field)}{is_now}."
    return "".join(each if each.isprintable() else " " for each in sentence)  # one line, whatever the names in it are


def is_shown(value: str) -> bool:
    """Whether a wrong value is repeated. One that could be a key is not: it may have been pasted into the wrong line."""
    return len(value) <= _SHOWN_MAX and ("://" in value or not _KEY_LIKE.search(value))


def _predicate(problem: Mapping[str, Any], field: FieldInfo) -> str:
    match problem["type"]:
        case "value_error":  # of a validator of ours
            return str(problem["ctx"]["error"])
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known; check the spelling"
        case "model_type" | "model_attributes_type":
            return "must be an object"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case _:
            return f"must be {expected(field)}"


def _path(parts: Iterable[str | int]) -> Iterator[str]:
    """`[0, "models", 1, "id"]` as "entry 1", "models 2", "id"."""
    name = "entry"
    for part in [*parts, None]:
        if isinstance(part, int):
            yield f"{name} {part + 1}"
            name = ""
        else:
            if name and name != "entry":
                yield name
            name = part if part and is_shown(part) else "a name"


def _field(fields: type[BaseModel], path: Sequence[str | int]) -> tuple[Sequence[str | int], FieldInfo]:
    """How far a path leads, and the field there: what is inside of a short value or a mapping has no field, and is described as a whole."""
    field = fields.model_fields[str(path[0])]
    known = 1
    for index, part in enumerate(path[1:], start=2):
        model = _model_in(field.annotation)
        if model is None or (isinstance(part, str) and part not in model.model_fields):
            break
        field = model.model_fields[part] if isinstance(part, str) else field
        known = index
    return path[:known], field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
