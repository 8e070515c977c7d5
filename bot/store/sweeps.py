"""Deleting rows past their time: a read takes a few of them, a write deletes for a few milliseconds, and nobody waits for long."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Table,
    TextClause,
    Update,
    bindparam,
    delete,
    literal,
    select,
    true,
    tuple_,
)

from bot.store.engine.statements import Prepared
from bot.store.tables.base import Text

Key = tuple[Any, ...]

_ALWAYS = true()
FOUND_MAX = 200  # rows that one read takes
WRITE_MAX, WRITE_S = 25, 0.004  # rows, and a time after which a write begins no other row: images take long to overwrite and commit


@dataclass(frozen=True, kw_only=True)
class Found:
    """The primary keys of some rows that may be deleted, and where the next read begins; None at the end."""

    keys: Sequence[Key]
    after: Key | None


class Sweep(Protocol):
    """Rows that may be deleted, one at a time."""

    def find(self, conn: Connection, after: Key | None = None) -> Found:
        """Read a bounded number of rows."""

    def delete(self, conn: Connection, key: Key) -> int:
        """Delete this row if it may still be deleted. Returns how many rows there were: 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class Expired:
    """The rows of `table` that match `where`, with the primary key as parameters of the statements in `follows`.

    They are read in the order of the columns `by`, which an index or the primary key has. If that is the order of their age, `until` holds
    for the old ones only, and reading ends at the first row that is too young.
    """

    table: Table
    where: ColumnElement[bool] = _ALWAYS
    by: tuple[str, ...] = ()  # default: the primary key
    until: ColumnElement[bool] = _ALWAYS
    among: ColumnElement[bool] | TextClause = _ALWAYS  # the condition of a partial index
    follows: tuple[Update | Delete, ...] = ()  # what else changes when a row is deleted

    def find(self, conn: Connection, after: Key | None = None) -> Found:
        """As in `Sweep`."""
        by = [self.table.c[name] for name in self.by or self._names]
        start = [literal(value, column.type) for value, column in zip(after or map(_lowest, by), by, strict=True)]
        columns = (*by, *self.table.primary_key, self.until.label("is_old"), self.where.label("may_go"))
        query = select(*columns).where(self.among, tuple_(*by) > tuple_(*start)).order_by(*by).limit(FOUND_MAX)
        old = [tuple(row) for row in takewhile(lambda row: row[-2], conn.execute(query).all())]
        return Found(
            keys=[row[len(by) : -2] for row in old if row[-1]],
            after=old[-1][: len(by)] if len(old) == FOUND_MAX else None,
        )

    def delete(self, conn: Connection, key: Key) -> int:
        """As in `Sweep`."""
        values = dict(zip(map(_parameter, self._names), key, strict=True))
        there, *others = self._statements
        count = there.run(conn, values)
        for other in others if count else ():
            other.run(conn, values)
        return count

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.primary_key)

    @cached_property
    def _statements(self) -> tuple[Prepared, ...]:
        this = [column == bindparam(_parameter(column.name)) for column in self.table.primary_key]
        return tuple(map(Prepared, (delete(self.table).where(*this, self.among, self.until, self.where), *self.follows)))


def find(conn: Connection, expired: Sweep, after: Key | None = None) -> Found:
    """Some of these rows, from the beginning or after the rows of an earlier read."""
    return expired.find(conn, after)


def remove(conn: Connection, expired: Sweep, keys: Sequence[Key]) -> tuple[int, int]:
    """Delete the first of these rows, as many as one write may. Returns how many were tried, and how many deleted."""
    ends, tried, deleted = time.monotonic() + WRITE_S, 0, 0
    for key in keys[:WRITE_MAX]:
        deleted += expired.delete(conn, key)
        tried += 1
        if time.monotonic() >= ends:
            break
    return tried, deleted


def _parameter(column: str) -> str:
    return f"of_{column}"


def _lowest(column: ColumnElement[Any]) -> Any:
    """Below every value of a column that comes first in an order: times and ids are positive there."""
    return "" if isinstance(column.type, Text) else -1
