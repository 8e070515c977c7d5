"""Every setting has a label, which people read in place of its path."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel

from bot.domain.guild.document import Policy
from bot.domain.guild.labels import LABELS, label


def paths(hint: Any, path: str = "") -> set[str]:
    """The paths of all settings below a type, and of their lists and mappings; `*` is a free key."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        hints = get_type_hints(hint, include_extras=True)
        inner = {f"{path}.{field.alias or name}".removeprefix("."): hints[name] for name, field in hint.model_fields.items()}
        return set().union(*(paths(each, below) for below, each in inner.items()))
    if get_origin(hint) is Annotated:
        return paths(get_args(hint)[0], path)
    if get_origin(hint) is Mapping:
        key, value = get_args(hint)
        keys = [*key] if isinstance(key, type) and issubclass(key, StrEnum) else ["*"]
        return {path}.union(*(paths(value, f"{path}.{each}") for each in keys))
    below = set().union(*(paths(part, path) for part in get_args(hint))) - {path}
    return below | {path} if get_origin(hint) is tuple or not below else below


SETTINGS = sorted(paths(Policy))


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_has_a_label(path: str) -> None:
    """Add a new one to the table in `labels.py`."""
    assert label(path.replace("*", "7"))


def test_every_label_is_used() -> None:
    assert set(LABELS) - set(SETTINGS) == {"checks.categories.*", "presets"}  # a group that sentences name, and no part of the policy


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("roles.77.max_count", "Images per request for <@&77>"),
        ("everyone.purse.size", "Credit limit for everyone"),
        ("prices.flux-1.1-pro", "Price of “flux-1.1-pro” in credits"),
        ("checks.categories.self-harm.flag", "Score for flagging “self-harm”"),
        ("flags", ""),
        ("retired.setting", ""),
    ],
)
def test_a_label_names_roles_and_keys(path: str, expected: str) -> None:
    assert label(path, role="<@&{}>".format) == expected
