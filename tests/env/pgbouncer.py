"""A real PgBouncer in front of the tests' PostgreSQL, on a Unix socket. Skips the test where the program is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

_PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_READY = "process up"
_SETTINGS = """
[databases]
* = host={upstream} user={user}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = 5432
auth_type = any
pool_mode = {mode}
default_pool_size = {pool_size}
"""


@contextmanager
def in_front_of(url: str, *, mode: str, pool_size: int) -> Iterator[str]:
    """The address of the database at `url` through a pooler with this `pool_mode` and so many sessions of the server."""
    if _PROGRAM is None:
        pytest.skip("PgBouncer is not installed (Debian's package pgbouncer)")
    server = urlsplit(url)
    folder = Path(tempfile.mkdtemp(prefix="easel-pool-", dir="/tmp"))  # a socket's path must be short
    settings = folder / "pgbouncer.ini"
    upstream = parse_qs(server.query)["host"][0]
    settings.write_text(_SETTINGS.format(upstream=upstream, user=server.username, folder=folder, mode=mode, pool_size=pool_size), "utf-8")
    command = [_PROGRAM, str(settings)]
    if os.getuid() == 0:  # as which it does not run
        owner = Path(upstream).owner()
        shutil.chown(folder, owner)
        command[1:1] = ["-u", owner]
    try:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603  the program that was found
            try:
                _wait_until_ready(process)
                yield f"postgresql://{server.username}@{server.path}?host={folder}"
            finally:
                process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if _READY in line:
            return
    raise RuntimeError(f"PgBouncer ended: {''.join(said)}")
