"""The text of `.env.example`, rendered from `Settings`. `python -m bot settings > .env.example` updates the file; a test compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bot.core.config import SECRETS, Settings

_HEAD = """\
# Easel's settings. Copy this file to `.env`, fill in what is required, and remove the # from each setting that you change.
# Environment variables override this file. A secret may also be given as NAME_FILE: the path of a file that holds it."""


def render() -> str:
    """Every setting in the order of `Settings`: its description as a comment, then name=default, commented out if it has a default."""
    return "\n\n".join([_HEAD, *_entries()]) + "\n"


def _entries() -> Iterator[str]:
    for field_name, field in Settings.model_fields.items():
        name = field_name.upper()
        default = "" if field.default_factory else _written(field.default)  # a computed default is left empty
        line = f"{name}=" if field.is_required() else f"#{name}={default}"
        yield f"# {_comment(name, field)}\n{line}"


def _comment(name: str, field: FieldInfo) -> str:
    return f"{field.description} Or {name}_FILE." if name in SECRETS else str(field.description)


def _written(value: object) -> str:
    """A default as the environment would hold it."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case Enum():
            return str(value.value)
        case Path():
            return value.as_posix()
        case Mapping():
            return ",".join(f"{key}={each}" for key, each in value.items())
        case tuple():
            return ",".join(map(str, value))
        case _:
            return str(value)
