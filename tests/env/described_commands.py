"""Describes the commands once for all bots of a test run: translating them takes a fifth of the time in which a bot starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bot.client.easel import Easel
from bot.core import i18n

_described: dict[str, list[dict[str, Any]]] = {}  # by the commands without translations
_describe = Easel.described_commands


async def _described_once(client: Easel) -> list[dict[str, Any]]:
    catalogues = [id(i18n.catalogue(language)) for language in i18n.LANGUAGES]  # a test may replace them
    plain = json.dumps([catalogues, *(command.to_dict(client.tree) for command in client.tree.get_commands())])
    if plain not in _described:
        _described[plain] = await _describe(client)
    return _described[plain]


@pytest.fixture(autouse=True, scope="session")
def described_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Easel, "described_commands", _described_once)
        yield
