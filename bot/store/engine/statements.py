"""Statements that run often: compiled once for each dialect, and run by the driver's cursor.

SQLAlchemy takes several times as long to execute a statement as SQLite takes to run it. A statement stays one Core object, with the
conversions of its types; transactions, errors and events are as in `Connection.execute`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

_Convert = Callable[[Any], Any] | None
Values = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Compiled:
    """A statement in one dialect. A conversion is None where the value needs none."""

    sql: str
    fixed: Values  # values that the statement itself contains
    parameters: tuple[tuple[str, _Convert], ...]  # by name, in order
    columns: tuple[_Convert, ...]  # of the rows; empty if no column needs one

    def arguments(self, values: Values) -> tuple[Any, ...]:
        if self.fixed:
            values = {**self.fixed, **values}
        return tuple([values[name] if convert is None else convert(values[name]) for name, convert in self.parameters])

    def row(self, row: Sequence[Any]) -> Sequence[Any]:
        if not self.columns:
            return row
        return [value if convert is None else convert(value) for convert, value in zip(self.columns, row, strict=True)]


class Prepared:
    """A SELECT, UPDATE or DELETE with values for its bind parameters, or an INSERT with a value for every column but a generated id."""

    def __init__(self, core: Select[Any] | Update | Insert | Delete) -> None:
        self.core = core
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, conn: Connection, values: Values) -> list[Sequence[Any]]:
        """The rows that it returns, each with its columns in order."""
        compiled = self.compiled(conn.dialect)
        return [compiled.row(row) for row in _run(conn, compiled.sql, compiled.arguments(values)).fetchall()]

    def mappings(self, conn: Connection, values: Values) -> list[dict[str, Any]]:
        """The same rows, each with its values by the column's name."""
        names: list[Any] = self.core.exported_columns.keys()
        return [dict(zip(names, row, strict=True)) for row in self.rows(conn, values)]

    def one_or_none(self, conn: Connection, values: Values) -> dict[str, Any] | None:
        """The only row, or None if there is none."""
        return next(iter(self.mappings(conn, values)), None)

    def run(self, conn: Connection, values: Values) -> int:
        """Run it without reading rows. Returns how many rows it changed."""
        compiled = self.compiled(conn.dialect)
        return int(_run(conn, compiled.sql, compiled.arguments(values)).rowcount)

    def beside(self, other: Prepared) -> Prepared:
        """This SELECT with the one value of another SELECT as its last column: both in one round trip."""
        mine: Any = self.core
        others: Any = other.core
        return Prepared(mine.add_columns(others.scalar_subquery()))

    def compiled(self, dialect: Dialect) -> _Compiled:
        if (found := self._compiled.get(dialect.name)) is None:
            found = self._compiled[dialect.name] = _compile(self.core, dialect)
        return found


Change = tuple[Prepared, Sequence[Values]]


def write(conn: Connection, *changes: Change) -> None:
    """Run each UPDATE or INSERT once for each of its values, in one round trip.

    PostgreSQL runs them as one statement: no row may be changed twice, and none may read what another one writes.
    """
    parts = [(statement.compiled(conn.dialect), [*values]) for statement, values in changes if values]
    if parts and conn.dialect.name == "postgresql":
        sql = _joined(tuple((compiled, len(rows)) for compiled, rows in parts))
        _run(conn, sql, tuple([value for compiled, rows in parts for row in rows for value in compiled.arguments(row)]))
        return
    for compiled, rows in parts:
        for row in rows:
            _run(conn, compiled.sql, compiled.arguments(row))


@lru_cache(maxsize=500)
def _joined(parts: tuple[tuple[_Compiled, int], ...]) -> str:
    """One statement that runs each of these so many times. An INSERT gets all its rows at once, which keeps their order."""
    statements, given = list[str](), 0
    for compiled, times in parts:
        head, keyword, row = compiled.sql.partition(" VALUES ")
        each = [_numbered(row or head, given + n * len(compiled.parameters)) for n in range(times)]
        statements += [head + keyword + ", ".join(each)] if row else each
        given += times * len(compiled.parameters)
    *first, last = statements
    return f"WITH {', '.join(f'change{n} AS ({sql})' for n, sql in enumerate(first))} {last}" if first else last


def _numbered(sql: str, given: int) -> str:
    """Number the parameters on: `given` of them come before."""
    return re.sub(r"\$(\d+)", lambda found: f"${int(found[1]) + given}", sql)


def _run(conn: Connection, sql: str, arguments: Sequence[Any]) -> Any:
    if not conn.in_transaction():
        conn.begin()
    cursor = conn.connection.cursor()
    for listener in conn.dispatch.before_cursor_execute:
        listener(conn, cursor, sql, arguments, None, False)
    try:
        cursor.execute(sql, arguments)
    except conn.dialect.loaded_dbapi.Error as error:
        base = conn.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(sql, None, error, base, hide_parameters=True, dialect=conn.dialect) from error
    return cursor


def _compile(core: Select[Any] | Update | Insert | Delete, dialect: Dialect) -> _Compiled:
    names = None
    if isinstance(core, Insert):
        table: Any = core.table
        names = [column.key for column in table.columns if column is not table.autoincrement_column]
        core = core.inline()  # does not return the generated id
    columns = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in core.exported_columns]
    compiled: Any = core.compile(dialect=dialect, column_keys=names)
    binds = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
    return _Compiled(
        sql=compiled.string,
        fixed={name: bind.value for name, bind in compiled.binds.items() if not bind.required and bind.value is not None},
        parameters=tuple((name, binds[name]) for name in compiled.positiontup),
        columns=tuple(columns) if any(columns) else (),
    )
