"""Reads parameters at any depth: image APIs accept objects and lists, and some read JSON or name=value pairs from a string."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MAX_VALUES: Final = 2000  # of one request; `more` has at most 1,000 characters
_PAIR: Final = re.compile(r"([A-Za-z_][\w.-]{0,63})\s*[=:]\s*([\w.+-]{1,64})")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


Path = tuple[str, ...]  # the name of a value, after those of the objects around it; empty for the request itself


def groups(params: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The parameters, and every object in them."""
    return ((path, value) for path, value in _walk(params) if isinstance(value, Mapping))


def leaves(params: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    """Every value that is no object and no list; each of a list has the list's name."""
    return ((path, value) for path, value in _walk(params) if path and not isinstance(value, Mapping | list | tuple))


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case: "imageWidth", "image-width" and "IMAGE_WIDTH" have the same."""
    return tuple(word.casefold() for word in _WORD.findall(name))


def _walk(params: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    waiting: list[tuple[Path, object]] = [((), params)]
    for _ in range(_MAX_VALUES):
        if not waiting:
            return
        path, value = waiting.pop()
        yield path, value
        waiting += reversed([*_inner(path, value)])


def _inner(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if isinstance(value, Mapping):
        yield from (((*path, str(name)), each) for name, each in value.items())
    elif isinstance(value, list | tuple):
        yield from ((path, each) for each in value)
    elif isinstance(value, str) and (described := _described(value)):
        yield path, described


def _described(text: str) -> object:
    """What a string describes: JSON, or pairs such as "steps=4"; None if it is plain text."""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            pass
    return dict(_PAIR.findall(text)) or None
