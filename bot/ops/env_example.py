"""The text of `.env.example`, rendered from `Settings`. `python -m bot settings > .env.example` updates the file; a test compares them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from bot.core.config import SECRETS
from bot.core.settings.groups import GROUPS, RequiredSettings, SettingsGroup

_HEAD = """\
# Easel's settings. Copy this file to `.env`, fill in what is required, and remove the # from each setting that you
# change. Environment variables override this file. A secret may also be given as NAME_FILE: the path of a file that
# holds it."""
_WIDTH = 118  # of a line of prose


def render() -> str:
    """Every setting in its group: its description as a comment, then name=default, commented out unless it is required."""
    return "\n\n".join([_HEAD, *(part for group in GROUPS for part in _section(group))]) + "\n"


def default_of(field: FieldInfo) -> str:
    """A field's default as the environment would hold it; a computed one is empty."""
    match None if field.default_factory else field.default:
        case None:
            return ""
        case SecretStr() as secret:
            return secret.get_secret_value()
        case bool() as switch:
            return str(switch).lower()
        case Enum() as choice:
            return str(choice.value)
        case Path() as path:
            return path.as_posix()
        case Mapping() as pairs:
            return ",".join(f"{key}={each}" for key, each in pairs.items())
        case tuple() as parts:
            return ",".join(map(str, parts))
        case value:
            return str(value)


def _section(group: SettingsGroup) -> Iterator[str]:
    yield f"# --- {group.title} {'-' * (_WIDTH - len(group.title) - 7)}\n{_comment(group.about)}"
    for field_name, field in group.fields.model_fields.items():
        name = field_name.upper()
        line = f"{name}={default_of(field)}"
        description = f"{field.description} Or {name}_FILE." if name in SECRETS else str(field.description)
        yield f"{_comment(description)}\n{line if group.fields is RequiredSettings else f'#{line}'}"


def _comment(text: str) -> str:
    """Wrapped, except examples: they can be copied in one piece."""
    lines = [each for line in text.splitlines() for each in ([line] if line.startswith("  ") else _wrapped(line))]
    return "\n".join(f"# {line}" for line in lines)


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(line, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
