"""`python -m bot` as a process in an empty environment."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a process ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working folder of the processes: it is empty, so there is no .env."""
    path = tmp_path / "somewhere"
    path.mkdir()
    return path


@asynccontextmanager
async def started(*arguments: str, folder: Path, environ: Mapping[str, str], path: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
    """The process of one verb, which is stopped when the block ends. `path` comes before the project in PYTHONPATH."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env={"PYTHONPATH": os.pathsep.join(filter(None, (path, str(PROJECT)))), "TMPDIR": str(folder), **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(*arguments: str, folder: Path, environ: Mapping[str, str] = {}, path: str = "") -> Ran:
    async with started(*arguments, folder=folder, environ=environ, path=path) as process:
        out, err = await process.communicate()
    return Ran(code=process.returncode or 0, out=out.decode(), err=err.decode())


async def line_with(stream: asyncio.StreamReader | None, words: str) -> str:
    """Read lines until one has these words, and return it."""
    assert stream is not None
    while line := (await stream.readline()).decode():
        if words in line:
            return line
    raise AssertionError(f"it ended without saying {words!r}")
