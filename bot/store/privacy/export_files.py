"""JSON documents of a limited size in compressed files, written row by row: however much there is, little memory is used.

Each file is a whole document: `{"about": ..., "part": 1, "messages": [...], "tables": {"jobs": [...], ...}}`.
"""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bot.core import private_files

_LEVEL = 6  # of compression: 9 takes twice as long for a hundredth less


class ExportFiles:
    """The files in `folder`, each of about `most_bytes` at most. `head`: the first fields of each document."""

    def __init__(self, folder: Path, head: Mapping[str, str], *, most_bytes: int) -> None:
        self.paths: list[Path] = []
        self.counts = Counter[str]()  # rows by table
        self.plain_bytes = 0
        self._folder, self._head, self._most_bytes = folder, head, most_bytes
        self._table: str | None = None
        self._begin()

    def add_messages(self, links: Sequence[str]) -> None:
        """Add links to messages; all before the first table."""
        self._add(links)

    def begin_table(self, name: str) -> None:
        """The rows that are added from now on belong to this table."""
        self._write("\n]" if self._table else "\n],")
        if self._table is None:
            self._write('\n"tables": {')
        self._write(f"{',' if self._table else ''}\n{json.dumps(name)}: [")
        self._table, self._is_first, self.counts[name] = name, True, self.counts[name]

    def add_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows of the table that was begun last."""
        self.counts[self._table or ""] += len(rows)
        self._add(rows)

    def end(self) -> None:
        """End the last document."""
        self._write('\n],\n"tables": {}}\n' if self._table is None else "\n]}}\n")
        self._packed.close()
        self._raw.close()

    def _begin(self) -> None:
        path = self._folder / f"{len(self.paths) + 1}.json.gz"
        self.paths.append(path)
        self._raw: IO[bytes] = os.fdopen(private_files.open_file(path, os.O_WRONLY | os.O_TRUNC), "wb")
        self._packed = gzip.GzipFile("", "wb", _LEVEL, self._raw)
        self._is_first = True
        self._write(f'{json.dumps({**self._head, "part": len(self.paths)}, ensure_ascii=False)[:-1]},\n"messages": [')

    def _add(self, items: Sequence[Any]) -> None:
        if self._raw.tell() >= self._most_bytes:
            self._begin_next()
        if items:
            self._write(("\n" if self._is_first else ",\n") + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items))
            self._is_first = False

    def _begin_next(self) -> None:
        table = self._table
        self.end()
        self._table = None
        self._begin()
        if table is not None:
            self.begin_table(table)

    def _write(self, text: str) -> None:
        content = text.encode()
        self.plain_bytes += len(content)
        self._packed.write(content)
