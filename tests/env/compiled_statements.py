"""Compiles each SQL statement once for all databases of a test run: compiling them takes half of the time of a store that a test opens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache


class _SharedStatements(LRUCache[Any, Any]):
    """SQLAlchemy asks for a statement of one dialect object, and each engine has its own. Here those of one driver share what is kept."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key[1:], value)


_compiled: dict[str, _SharedStatements] = defaultdict(lambda: _SharedStatements(5000))  # by driver


def _kept(engine: Engine) -> _SharedStatements:
    return _compiled[engine.dialect.driver]


def _keep(_engine: Engine, _own: LRUCache[Any, Any]) -> None:
    """An engine's own cache is not used."""


@pytest.fixture(autouse=True, scope="session")
def compiled_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", property(_kept, _keep), raising=False)
        yield
