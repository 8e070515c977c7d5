"""Empty databases for chaos runs, on both engines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import count
from pathlib import Path

from bot.store.engine.opening import migrate
from tests.env.databases import Postgres, run, running_postgres


class EngineName(StrEnum):
    SQLITE = "sqlite"
    POSTGRES = "postgres"
    NONE = "-"  # a run without a database


@dataclass(kw_only=True)
class Databases:
    """Makes databases with the schema and without rows. The PostgreSQL server is started on first use."""

    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _numbers: Iterator[int] = field(default_factory=count)

    def new(self, engine: EngineName) -> str:
        """The URL of a new database."""
        if engine is EngineName.POSTGRES:
            return self.postgres.create()
        folder = self.folder / f"database-{next(self._numbers)}"
        folder.mkdir()
        return f"sqlite:///{shutil.copy(self._template, folder / 'easel.sqlite3')}"

    @cached_property
    def postgres(self) -> Postgres:
        return self._stack.enter_context(running_postgres())

    @cached_property
    def _template(self) -> Path:
        path = self.folder / "template.sqlite3"
        run(migrate(f"sqlite:///{path}"))
        return path


@contextmanager
def databases(folder: Path) -> Iterator[Databases]:
    """Databases that are gone after the block. `folder` is empty."""
    made = Databases(folder=folder)
    with made._stack:
        yield made
