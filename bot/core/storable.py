"""Text from outside as every database stores it and every service reads it: without NUL and halves of surrogate pairs."""

from __future__ import annotations

from typing import Any


def storable(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "")
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def all_storable(value: Any) -> Any:
    """The JSON value with only storable texts."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [all_storable(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): all_storable(each) for name, each in value.items()}
    return value
