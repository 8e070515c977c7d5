"""The database that rows are moved into. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, text
from sqlalchemy.exc import DataError, IntegrityError

from bot.core.errors import EaselError
from bot.store import kv, tables
from bot.store.cluster import processes
from bot.store.engine import moves
from bot.store.engine.moves import MOVED, UNFINISHED
from bot.store.engine.postgres.errors import state_of
from bot.store.moving import ids
from bot.store.moving.rows import TABLES, Values, has_rows, moved

_OF_VALUES: Final = ("22", "23")  # SQLSTATEs of data exceptions and broken constraints


def tables_with_rows(conn: Connection) -> list[str]:
    return [table.name for table in TABLES if has_rows(conn, table)]


def begin(conn: Connection, mark: Mapping[str, Any]) -> None:
    """Mark it as unfinished, so that no bot starts on it, and delete what an earlier move left."""
    others = [table for table in reversed(TABLES) if not moved(table)]
    if conn.dialect.name == "postgresql":
        conn.execute(text(f"TRUNCATE {', '.join(table.name for table in others)}"))
    else:
        for table in others:
            conn.execute(delete(table))
    conn.execute(delete(tables.kv).where(*moved(tables.kv)))
    moves.forget(conn, MOVED)
    kv.put(conn, UNFINISHED, mark, mark["at"])


def insert_rows(conn: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows that `bot.store.moving.rows` has read. Raises `EaselError` if this database cannot hold a value of theirs."""
    try:
        _INSERT[conn.dialect.name](conn, table, rows)
    except Exception as error:
        if not _is_of_values(error):
            raise
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise EaselError(f"The table {table.name} holds a value that the new database cannot store ({reason}).") from error


def complete(conn: Connection, last_ids: Mapping[str, int]) -> None:
    """After the last row: ids go on after those of the source, and PostgreSQL learns how large the tables are."""
    ids.go_on_after(conn, last_ids)
    if conn.dialect.name == "postgresql":
        conn.execute(text("ANALYZE"))


def release(conn: Connection, now: int) -> None:
    """Let bots start on it. They find no claims: whoever had any has ended."""
    processes.remove_all(conn, now)
    moves.forget(conn, UNFINISHED)


def _insert_many(conn: Connection, table: Table, rows: Sequence[Values]) -> None:
    conn.exec_driver_sql(str(insert(table).compile(dialect=conn.dialect)), list(rows))


def _copy(conn: Connection, table: Table, rows: Sequence[Values]) -> None:
    """PostgreSQL's COPY, several times as fast as INSERT."""
    driver: Any = conn.connection.dbapi_connection
    driver.run_async(lambda asyncpg: asyncpg.copy_records_to_table(table.name, records=rows, columns=table.c.keys()))


_INSERT: Final[Mapping[str, Callable[[Connection, Table, Sequence[Values]], None]]] = {"sqlite": _insert_many, "postgresql": _copy}


def _is_of_values(error: Exception) -> bool:
    is_ours = isinstance(error, (ArithmeticError, ValueError, TypeError, DataError, IntegrityError))
    return is_ours or (state_of(error) or "").startswith(_OF_VALUES)
