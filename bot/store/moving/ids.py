"""Ids that the database assigns: they go on after the last one, also if its row was deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, select, text

from bot.store.tables import metadata

_COLUMNS: Final = {table.name: table.autoincrement_column for table in metadata.sorted_tables if table.autoincrement_column is not None}
_KEPT: Final = tuple(name for name in _COLUMNS if metadata.tables[name].dialect_options["sqlite"]["autoincrement"])

_LAST: Final = text("SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence(:table, :column) AS regclass))")
_GO_ON: Final = text("SELECT setval(CAST(pg_get_serial_sequence(:table, :column) AS regclass), :last)")
_LAST_KEPT: Final = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
_FORGET: Final = text("DELETE FROM sqlite_sequence WHERE name = :table")
_KEEP: Final = text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :last)")


def last_ids(conn: Connection) -> Mapping[str, int]:
    """The last id that was assigned in each table, 0 for none. Of most tables SQLite knows only the rows that are there."""
    return {name: max(_largest(conn, name), _assigned(conn, name)) for name in _COLUMNS}


def go_on_after(conn: Connection, last: Mapping[str, int]) -> None:
    """Assign ids that are larger than these, and than those that were assigned here before."""
    for name, here in last_ids(conn).items():
        _set(conn, name, max(here, last[name]))


def _largest(conn: Connection, name: str) -> int:
    return conn.scalar(select(func.max(_COLUMNS[name]))) or 0


def _assigned(conn: Connection, name: str) -> int:
    if conn.dialect.name == "postgresql":
        return conn.scalar(_LAST, {"table": name, "column": _COLUMNS[name].name}) or 0
    return (conn.scalar(_LAST_KEPT, {"table": name}) or 0) if name in _KEPT else 0


def _set(conn: Connection, name: str, last: int) -> None:
    if conn.dialect.name == "postgresql":
        if last:  # a sequence that has given nothing yet begins with 1
            conn.execute(_GO_ON, {"table": name, "column": _COLUMNS[name].name, "last": last})
    elif name in _KEPT:
        conn.execute(_FORGET, {"table": name})
        conn.execute(_KEEP, {"table": name, "last": last})
