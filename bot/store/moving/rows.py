"""Rows as they are moved: in batches by primary key, with the same values and checksums on both engines. JSON stays the text that it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    cast,
    func,
    literal,
    select,
    tuple_,
)
from sqlalchemy import Text as PlainText

from bot.store.engine.moves import MARKS
from bot.store.engine.schema import OLDEST_KEY
from bot.store.tables import kv, metadata

Values = tuple[Any, ...]  # of one row, in the order of the table's columns
TABLES: Final[Sequence[Table]] = tuple(metadata.sorted_tables)  # after those they refer to

_ROWS: Final = 5000  # in a batch
_BYTES: Final = 16 * 2**20  # of images in a batch; a larger one is a batch of its own
_CHECKSUMS: Final = 2**128


@dataclass(frozen=True, kw_only=True)
class RowBatch:
    rows: Sequence[Values]
    last: Values  # the primary key of its last row
    checksum: int


def batch_after(conn: Connection, table: Table, after: Values | None) -> RowBatch | None:
    """The rows whose primary keys follow `after` (None: from the first); None if there are no more."""
    most = _at_most(conn, table, after)
    rows = [tuple(row) for row in conn.execute(_from(_rows_of(table), table, after).limit(most))] if most else []
    if not rows:
        return None
    key = [table.c.keys().index(column.key) for column in table.primary_key]
    return RowBatch(rows=rows, last=tuple(rows[-1][n] for n in key), checksum=add(0, (_digest(row) for row in rows)))


def count_of(conn: Connection, table: Table) -> int:
    return conn.scalar(select(func.count()).select_from(table).where(*moved(table))) or 0


def has_rows(conn: Connection, table: Table) -> bool:
    return conn.execute(select(literal(1)).select_from(table).where(*moved(table)).limit(1)).first() is not None


def add(checksum: int, others: Iterable[int]) -> int:
    """The checksum of the rows of both, whatever their order."""
    return (checksum + sum(others)) % _CHECKSUMS


@cache
def _rows_of(table: Table) -> Select[Any]:
    return select(*(cast(each, PlainText).label(each.name) if isinstance(each.type, JSON) else each for each in table.c))


def moved(table: Table) -> tuple[ColumnElement[bool], ...]:
    """Which rows are moved; some entries are about the database itself."""
    return (kv.c.name.not_in((*MARKS, OLDEST_KEY)),) if table is kv else ()


def _from(query: Select[Any], table: Table, after: Values | None) -> Select[Any]:
    key = list(table.primary_key)
    query = query.where(*moved(table)).order_by(*key)
    if after is None:
        return query
    return query.where(tuple_(*key) > tuple_(*(literal(value, column.type) for value, column in zip(after, key, strict=True))))


def _at_most(conn: Connection, table: Table, after: Values | None) -> int:
    """How many rows make a batch: their sizes are read before their images."""
    images = [column for column in table.c if isinstance(column.type, LargeBinary)]
    if not images:
        return _ROWS
    sizes = conn.scalars(_from(select(func.length(images[0])), table, after).limit(_ROWS)).all()
    count = total = 0
    for size in sizes:
        total += size
        if count and total > _BYTES:
            break
        count += 1
    return count


def _digest(row: Values) -> int:
    """Of one row, by the values alone."""
    shown = repr(tuple(blake2b(value).digest() if isinstance(value, bytes) else value for value in row))
    return int.from_bytes(blake2b(shown.encode(), digest_size=16).digest(), "big")
