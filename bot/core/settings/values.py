"""What a setting may be, in words: for the documents, and for the sentences about wrong values."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Metadata of a field type whose values cannot be described from its Python type: what they are, as "an address"."""

    phrase: str


def expected(field: FieldInfo) -> str:
    """What this field may be, as it follows "must be"."""
    annotation, metadata = _unwrapped(field.annotation, field.metadata)
    told = [each.phrase for each in metadata if isinstance(each, Expected)]
    return told[0] if told else _of_type(annotation, metadata)


def one_of(choices: Sequence[object]) -> str:
    *first, last = map(str, choices)
    return f"{', '.join(first)} or {last}" if first else last


def _unwrapped(annotation: Any, metadata: Iterable[Any]) -> tuple[Any, list[Any]]:
    """The type without `Annotated` and `| None`, and all its metadata."""
    found = list(_flat(metadata))
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _unwrapped(inner, [*found, *more])
    arms = [arm for arm in get_args(annotation) if arm is not types.NoneType]
    if get_origin(annotation) in (Union, types.UnionType) and len(arms) == 1:
        return _unwrapped(arms[0], found)
    return annotation, found


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for each in metadata:
        yield from each.metadata if isinstance(each, FieldInfo) else [each]


def _of_type(annotation: Any, metadata: Sequence[Any]) -> str:
    if get_origin(annotation) is Literal:
        return one_of(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return one_of([each.value for each in annotation])
    if annotation in (int, float):
        return f"{'a whole number' if annotation is int else 'a number'}{_range(metadata)}"
    if annotation is str:
        return f"text{_length(metadata)}"
    return _PHRASES.get(get_origin(annotation) or annotation, "text")


_PHRASES: dict[Any, str] = {bool: "true or false", Path: "a path", tuple: "a list", Mapping: "an object"}


def _range(metadata: Sequence[Any]) -> str:
    above, least, most = (_bound(metadata, name) for name in ("gt", "ge", "le"))
    lower = f" above {above}" if above is not None else f" from {least}" if least is not None else ""
    upper = "" if most is None else f", at most {most}" if above is not None else f" to {most}"
    return lower + upper


def _length(metadata: Sequence[Any]) -> str:
    most = _bound(metadata, "max_length")
    return "" if most is None else f" of at most {most} characters"


def _bound(metadata: Sequence[Any], name: str) -> Any:
    return next((getattr(each, name) for each in metadata if getattr(each, name, None) is not None), None)
