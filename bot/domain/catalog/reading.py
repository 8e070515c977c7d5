"""Reads the models of an image API's list, which is untrusted, within a budget for each model and one for the list.

What is spent are the parts of schemas, each counted again for every reference to it, and processor time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

MODELS_MAX: Final = 1000  # of one list
LIST_BYTES: Final = 4 * 1024 * 1024  # of JSON
MODEL_BYTES: Final = 256 * 1024
_LIST_PARTS: Final = 100_000
_MODEL_PARTS: Final = 3000  # the largest model that is known has 25
_LIST_S: Final = 5.0
_QUICK_PARTS: Final = 1000
_ID_MAX: Final = 100  # characters

T = TypeVar("T")


class ModelTooLargeError(ValueError):
    """A model takes too long to read."""


class PartsBudget:
    """What reading one model may still spend."""

    def __init__(self, parts: int = _MODEL_PARTS) -> None:
        self._most, self.spent = parts, 0

    def spend(self, parts: int) -> None:
        """Raises `ModelTooLargeError`."""
        self.spent += parts
        if self.spent > self._most:
            raise ModelTooLargeError("it is too large")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A model that is not offered, and why."""

    id: str
    reason: str


def read_all(models: Iterable[Mapping[str, Any]], read: Callable[[Mapping[str, Any], PartsBudget], T]) -> tuple[list[T], list[LeftOut]]:
    """The models of one list by `read`, and those that were left out. Takes at most some seconds: call it in a thread."""
    found: list[T] = []
    left_out: list[LeftOut] = []
    parts, size, end_s = 0, 0, time.thread_time() + _LIST_S
    for raw in models:
        if parts > _LIST_PARTS or size > LIST_BYTES or time.thread_time() > end_s:
            left_out.append(LeftOut(id=id_of(raw), reason="the models before it in the list are too large"))
            continue
        budget = PartsBudget()
        try:
            size += _checked_size(raw)
            found.append(read(raw, budget))
        except ModelTooLargeError as error:
            left_out.append(LeftOut(id=id_of(raw), reason=str(error)))
        else:
            parts += budget.spent
    return found, left_out


def is_quick(models: Iterable[object]) -> bool:
    """Whether models are read in a few milliseconds, so that a thread is not worth while."""
    values = list(models)
    for _value in range(_QUICK_PARTS):
        if not values:
            return True
        value = values.pop()
        if isinstance(value, str):  # most are
            if len(value) > _QUICK_PARTS:
                return False
        elif isinstance(value, dict):
            if len(value) > _QUICK_PARTS or "$ref" in value or "pattern" in value:
                return False
            values.extend(value.values())
        elif isinstance(value, list):
            if len(value) > _QUICK_PARTS:
                return False
            values.extend(value)
    return False


def id_of(raw: Mapping[str, Any]) -> str:
    """A model's id in `LeftOut`."""
    return str(raw.get("id"))[:_ID_MAX]


def _checked_size(raw: Mapping[str, Any]) -> int:
    """The bytes of a model as JSON. Raises `ModelTooLargeError`."""
    try:
        size = len(json.dumps(raw))
    except RecursionError:
        size = LIST_BYTES
    if size > MODEL_BYTES:
        raise ModelTooLargeError("it is too large")
    return size
