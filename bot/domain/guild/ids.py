"""The Discord ids in a settings document, found by the types of its fields, so that a new setting is checked by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from bot.domain.guild.document import Policy, document, read
from bot.domain.guild.fields import IdKind


@dataclass(frozen=True, kw_only=True)
class NamedId:
    """An id that the settings name. They are equal if they name the same."""

    kind: IdKind
    id: int


Path = tuple[str | int, ...]  # in the document: names, keys and indexes


def named_ids(policy: Policy) -> frozenset[NamedId]:
    """Every id that the settings name."""
    return frozenset(named for named, _path in places(policy))


def places(policy: Policy) -> list[tuple[NamedId, Path]]:
    """Every id that the settings name, and where, in the document's order."""
    return [*_found(Policy, policy, ())]


def without(policy: Policy, unwanted: Collection[NamedId]) -> Policy:
    """The settings without these ids. A setting that held only one of them goes back to its default."""
    shorter = document(policy)
    paths = [path for named, path in places(policy) if named in unwanted]
    for *parents, last in reversed(paths):  # so that the indexes of a list stay right
        place: Any = shorter
        for step in parents:
            place = place[step]
        del place[last]
    return read(shorter)


def _found(hint: Any, value: Any, path: Path) -> Iterator[tuple[NamedId, Path]]:
    """The ids in a value of this type, in the document's order. The type of a list stands for its items."""
    if isinstance(value, BaseModel):
        hints = _hints(type(value))
        for name, field in type(value).model_fields.items():
            yield from _found(hints[name], getattr(value, name), (*path, field.alias or name))
    elif isinstance(value, Mapping):
        of_key, of_value = next(get_args(part) for part in _parts(hint) if get_origin(part) is Mapping)
        for key, each in value.items():
            yield from _found(of_key, key, (*path, str(key)))
            yield from _found(of_value, each, (*path, str(key)))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _found(hint, each, (*path, index))
    else:
        for kind in (part for part in _parts(hint) if isinstance(part, IdKind) and isinstance(value, int)):
            yield NamedId(kind=kind, id=value), path


def _parts(hint: Any) -> Iterator[Any]:
    """A type, and what it is made of: the types of a union, of items, and the marks of an annotated type."""
    yield hint
    for part in get_args(hint):  # of an annotated type: the type and its marks
        yield from _parts(part)


@cache
def _hints(model: type[BaseModel]) -> Mapping[str, Any]:
    return get_type_hints(model, include_extras=True)
