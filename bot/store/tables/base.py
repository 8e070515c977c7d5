"""Metadata and column types of all tables. Times are Unix milliseconds, money is microcredits, Discord ids are 64-bit integers."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import BigInteger, Index, Integer, MetaData, text
from sqlalchemy.types import TypeDecorator

from bot.core.storable import storable

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Text(TypeDecorator[str]):
    """Text as every database can store it."""

    impl: Any = sqlalchemy.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        del dialect
        return None if value is None else storable(value)


class String(Text):
    """The same, of a limited length."""

    impl = sqlalchemy.String
    cache_ok = True


# SQLite assigns row numbers only in a column that is exactly INTEGER PRIMARY KEY.
RowId = BigInteger().with_variant(Integer, "sqlite")


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of only the rows that match `where` (SQL), so that it stays small while the table grows."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def known(name: str, *columns: str) -> Index:
    """A partial index of the rows in which the first of the columns is not NULL."""
    return partial(name, *columns, where=f"{columns[0]} IS NOT NULL")
