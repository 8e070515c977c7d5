"""The page `docs/settings.md`, rendered from `Settings`: `python -m bot settings --markdown > docs/settings.md`. A test compares them."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from bot.core.config import SECRETS
from bot.core.settings.groups import GROUPS, SettingsGroup
from bot.core.settings.values import expected
from bot.ops.env_example import default_of

_HEAD = """\
# Settings

<!-- Written by `python -m bot settings --markdown > docs/settings.md`. -->

Easel reads its settings when it starts, from environment variables and from the file `.env`; a variable overrides the file. `.env.example`
has the same list, to copy and fill in. An empty value means the default. A secret may also be given as `NAME_FILE`, the path of a file that
holds it. `python -m bot doctor` checks the settings and everything that they lead to.
"""
_TABLE = ("| setting | value | default | what it does |", "|---|---|---|---|")


def render() -> str:
    """A section with a table for each group of settings."""
    return "\n".join([_HEAD, *("\n".join([*_section(group), ""]) for group in GROUPS)])


def _section(group: SettingsGroup) -> Iterator[str]:
    yield from (f"## {group.title}", "", group.about, "", *_TABLE)
    for field_name, field in group.fields.model_fields.items():
        yield f"| {' | '.join(_cells(field_name.upper(), field))} |"


def _cells(name: str, field: FieldInfo) -> Iterator[str]:
    default = default_of(field)
    yield f"`{name}`<br>or `{name}_FILE`" if name in SECRETS else f"`{name}`"
    yield expected(field)
    yield f"`{default}`" if default else ""
    yield "<br>".join(f"`{line.strip()}`" if line.startswith("  ") else line for line in str(field.description).splitlines())
