"""A settings document in which every field that holds a Discord id has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from bot.domain.guild.document import Policy
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId


def every_id(number: Callable[[IdKind], int] | None = None) -> tuple[dict[str, Any], frozenset[NamedId]]:
    """The document as JSON, and its ids. They are made by `number`; by default they are different."""
    numbers, ids = count(10**17), set[NamedId]()

    def new_id(kind: IdKind) -> str:
        new = NamedId(kind=kind, id=next(numbers) if number is None else number(kind))
        ids.add(new)
        return str(new.id)

    return _filled(Policy, new_id), frozenset(ids)


def _filled(hint: Any, new_id: Callable[[IdKind], str]) -> Any:
    """A value of this type with nothing but ids; None without any."""
    kinds = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, IdKind)]
    if kinds:
        return new_id(kinds[0])
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        hints = get_type_hints(hint, include_extras=True)
        values = {field.alias or name: _filled(hints[name], new_id) for name, field in hint.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None} or None
    if get_origin(hint) is Mapping:
        key, value = get_args(hint)
        filled = _filled(key, new_id)
        return None if filled is None else {filled: _filled(value, new_id) or {}}
    found = [value for each in get_args(hint) if (value := _filled(each, new_id)) is not None]
    return ([found[0]] if get_origin(hint) is tuple else found[0]) if found else None
