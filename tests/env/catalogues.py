"""Reads each list of models once for all bots of a test run: every bot reads the same one two times, and compiles the schemas it uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from bot import assembly
from bot.core.config import Settings
from bot.domain.catalog.models import Catalog
from bot.providers.factory import reader_of

Lists = Mapping[str, Sequence[Mapping[str, Any]]]

_LONG = 100_000  # characters; hostile lists are read anew
_catalogues: dict[str, Catalog] = {}  # by the lists and the prices


def _reader_of(settings: Settings) -> Callable[[Lists], Catalog]:
    read = reader_of(settings)

    def read_once(lists: Lists) -> Catalog:
        try:
            given = json.dumps([lists, settings.credit_usd, settings.model_prices])
        except (TypeError, ValueError, RecursionError):
            return read(lists)
        catalog = _catalogues.get(given) or read(lists)
        if catalog.models and not any(catalog.left_out.values()) and len(given) < _LONG:
            _catalogues[given] = catalog
        return catalog

    return read_once


@pytest.fixture(autouse=True, scope="session")
def catalogues_read_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "reader_of", _reader_of)
        yield
