"""Describes the commands once for all bots of a test run: translating them takes a fifth of the time in which a bot starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.client.easel import Easel
from bot.core import commands, i18n

_described: dict[str, list[dict[str, Any]]] = {}  # by the commands without translations
_describe = Easel.described_commands
_names: dict[int, dict[tuple[str, str], str]] = {}  # by the identity of a list that is kept above
_learn = commands.describe


async def _described_once(client: Easel) -> list[dict[str, Any]]:
    catalogues = [id(i18n.catalogue(language)) for language in i18n.LANGUAGES]  # a test may replace them
    plain = json.dumps([catalogues, *(command.to_dict(client.tree) for command in client.tree.get_commands())])
    if plain not in _described:
        _described[plain] = await _describe(client)
    return _described[plain]


def _learn_once(described: list[dict[str, Any]]) -> None:
    if id(described) in _names:
        commands._names.clear()
        commands._names.update(_names[id(described)])
        return
    _learn(described)
    if any(described is kept for kept in _described.values()):
        _names[id(described)] = dict(commands._names)


@pytest.fixture(autouse=True, scope="session")
def described_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Easel, "described_commands", _described_once)
        patch.setattr(commands, "describe", _learn_once)
        yield
