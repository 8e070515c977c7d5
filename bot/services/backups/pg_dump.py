"""Backups of a PostgreSQL database, with the server's own programs `pg_dump` and `pg_restore`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Final

from sqlalchemy import URL, make_url

from bot.core import config, private_files
from bot.core.errors import EaselError, StartError
from bot.store.engine.sqlite_copy import Stopped, never

# What libpq knows of an address; the rest is for Python's driver.
_KNOWN: Final = frozenset({"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "passfile", "target_session_attrs", "options"})
_CHECK_S: Final = 0.2  # how often a running program is asked for
_LINES: Final = 2  # of an error: what failed and, for versions that differ, which they are
_OPTIONS: Final = ("--format=custom", "--no-password")


def back_up(database: str, target: Path, *, replace: bool, stopped: Stopped = never) -> None:
    """Write a dump of the database at this address (postgresql://...), which may be in use; `target` appears once it is complete.

    Raises `StartError` without pg_dump, `EaselError` if it fails, `FileExistsError` unless `replace`, `BlockingIOError` and `OSError`.
    """
    url = make_url(database)
    address = _without_password(url)
    if shutil.which("pg_dump") is None:
        command = shlex.join(["pg_dump", *_OPTIONS, f"--file={target}", address])
        raise StartError(f"pg_dump is not installed here. Run this where it is, with the password in PGPASSWORD: {command}")
    password = url.password or url.query.get("password")
    with private_files.whole_file(target, replace=replace) as partial:
        environ = config.environment_of_program(**({"PGPASSWORD": str(password)} if password else {}))
        run("pg_dump", *_OPTIONS, f"--file={partial}", address, environ=environ, stopped=stopped)
        check(partial, stopped=stopped)


def check(dump: Path, *, stopped: Stopped = never) -> None:
    """Read all of a dump, if pg_restore is installed. Raises `EaselError` if it is damaged or cut off."""
    if shutil.which("pg_restore") is not None:
        run("pg_restore", "--file=/dev/null", str(dump), stopped=stopped)


def made_at(dump: Path) -> str | None:
    """When a dump was made, as pg_restore tells it; None if it is not told. Raises `EaselError`."""
    found = re.search(r"Archive created at (.+)", run("pg_restore", "--list", str(dump)))
    return found[1].strip() if found else None


def run(program: str, *arguments: str, environ: Mapping[str, str] | None = None, stopped: Stopped = never) -> str:
    """What the program prints. It is ended once `stopped` is true. Raises `EaselError` with its first lines if it fails."""
    environ = config.environment_of_program() if environ is None else environ
    command = [program, *arguments]
    with subprocess.Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, env=environ, text=True, errors="replace") as process:  # noqa: S603 - the server's own programs
        while True:
            if stopped():
                process.terminate()
            try:
                out, err = process.communicate(timeout=_CHECK_S)
                break
            except subprocess.TimeoutExpired:
                continue
    if process.returncode:
        lines = [line.strip().removeprefix(f"{program}: ").removeprefix("error: ") for line in err.splitlines()]
        reason = "; ".join(lines[:_LINES]) or f"exit code {process.returncode}"
        raise EaselError(f"{program} failed: {reason.removesuffix('.')}.")
    return out


def _without_password(url: URL) -> str:
    """The address as libpq reads it. Everyone on this machine can see the arguments of a program."""
    sslmode = {"sslmode": url.query["ssl"]} if "ssl" in url.query else {}
    query = {name: value for name, value in url.query.items() if name in _KNOWN} | sslmode
    shown = URL.create("postgresql", url.username, None, url.host, url.port, url.database, query)
    return shown.render_as_string(hide_password=False)
