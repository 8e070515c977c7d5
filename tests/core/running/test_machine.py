"""Shortages of this machine, told from other errors."""

from __future__ import annotations

import errno
import os
import resource
import socket
import sqlite3
import ssl
from pathlib import Path
from unittest.mock import Mock

import pytest
import structlog
from aiohttp import ClientConnectorError

from bot.core.errors import ImageError, MachineTrouble, ProviderBusy
from bot.core.running import machine
from bot.core.running.machine import Disk, trouble_of


def full_database() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def caused(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


SHORTAGES = {
    **{name: OSError(getattr(errno, name), "") for name in ("EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EIO", "ENOMEM")},
    "memory": MemoryError(),
    "thread": RuntimeError("can't start new thread"),
    "connection of aiohttp": ClientConnectorError(Mock(), OSError(errno.EMFILE, "")),
    "own file": PermissionError(errno.EACCES, "", "/spool/file"),
    "database": full_database(),
    "cause": caused(ImageError("damaged"), OSError(errno.EMFILE, "")),
    "group": ExceptionGroup("tasks", [ValueError(), MemoryError()]),
}
OTHERS = {
    "damaged image": OSError("image file is truncated"),
    "no such file": FileNotFoundError(errno.ENOENT, "", "/spool/file"),
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, ""),
    "firewall": PermissionError(errno.EACCES, "connect"),
    "cut TLS": ssl.SSLSyscallError(errno.EIO, "EOF in violation of protocol"),
    "cut TLS of aiohttp": ClientConnectorError(Mock(), ssl.SSLSyscallError(errno.EIO, "EOF in violation of protocol")),
    "unknown host": socket.gaierror(socket.EAI_NONAME, ""),
    "busy": ProviderBusy("busy"),
    "bug": RuntimeError("dictionary changed size"),
    "optional module": ImportError("no module"),
}


@pytest.mark.parametrize("error", SHORTAGES.values(), ids=SHORTAGES)
def test_a_shortage(error: BaseException) -> None:
    assert isinstance(trouble_of(error), MachineTrouble)


@pytest.mark.parametrize("error", OTHERS.values(), ids=OTHERS)
def test_no_shortage(error: BaseException) -> None:
    assert trouble_of(error) is None


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_AGAIN, ""), ImportError("cannot open shared object file")], ids=str)
def test_a_name_or_module_that_is_not_found_for_want_of_open_files(error: Exception) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        assert isinstance(trouble_of(error), MachineTrouble)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_shortage_is_told_once_with_what_to_do_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_seen", {})
    monkeypatch.setattr(machine, "_logged", {})
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            trouble_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        monkeypatch.setattr(machine, "_QUIET_S", 0.0)
        machine._log_ends()
    assert [(each["log_level"], each["event"]) for each in logs] == [
        ("critical", "machine is short of disk space"),
        ("warning", "machine is short of disk space is over"),
    ]
    assert logs[0]["do"]


async def test_a_disk_below_the_limit_has_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Disk(tmp_path).has_space()
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 2**62)
    assert not await Disk(tmp_path).has_space()


async def test_what_exists_nowhere_else_is_worked_on_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PAUSE_MIN_S", 0.0)
    failures = iter([MemoryError(), OSError(errno.ENOMEM, "")])

    def work() -> str:
        for failure in failures:
            raise failure
        return "done"

    assert await machine.patiently(work) == "done"
