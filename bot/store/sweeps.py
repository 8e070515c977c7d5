"""Deleting rows past their time: found by a read, and deleted a few at a time, so that no other write waits for long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, false, or_, select

Key = tuple[Any, ...]

FOUND_MAX = 500  # rows that one read finds


@dataclass(frozen=True, kw_only=True)
class Expired:
    """The rows of `table` that match `where` may be deleted."""

    table: Table
    where: ColumnElement[bool]
    at_once: int = 50  # rows in one write; 1 for images: SQLite overwrites what it deletes, which takes some 5 ms for a large one


def find(conn: Connection, expired: Expired) -> list[Key]:
    """The primary keys of up to `FOUND_MAX` such rows."""
    rows = conn.execute(select(*expired.table.primary_key).where(expired.where).limit(FOUND_MAX))
    return [tuple(row) for row in rows]


def remove(conn: Connection, expired: Expired, keys: Sequence[Key]) -> int:
    """Delete the rows with these keys that still match. Returns how many."""
    columns = expired.table.primary_key.columns
    # Not a list of tuples: SQLite does not search an index for these.
    found = or_(false(), *(and_(*(column == value for column, value in zip(columns, key, strict=True))) for key in keys))
    return conn.execute(delete(expired.table).where(found, expired.where)).rowcount
