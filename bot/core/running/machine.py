"""Shortages of this machine: how they are told from other errors, and whether the disk has space for more work.

A shortage is never the fault of an image, a member or an image API: what it stops is done later. Each is logged critically.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import structlog

from bot.core.errors import MachineTrouble
from bot.core.i18n import _

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LEAST_FREE_BYTES: Final = 64 * 2**20  # for the database: below this, no order is taken and nothing is sent

_QUIET_S: Final = 60.0  # a shortage that was not seen for this time is over; one that lasts is logged as often
_CHECK_S: Final = 2.0  # how long an answer about the disk is good for
_PAUSE_MIN_S: Final = 0.2
_PAUSE_MAX_S: Final = 5.0


@dataclass(frozen=True)
class _Shortage:
    event: str
    do: str


_FILES = _Shortage("machine is short of open files", "Raise the limit of open files (LimitNOFILE, ulimit -n) and restart the bot.")
_DISK = _Shortage("machine is short of disk space", "Free space on the disk of DATA_DIR, or raise its quota.")
_READ_ONLY = _Shortage("machine refuses writes", "Check who owns DATA_DIR, and that its disk is mounted for writing.")
_BROKEN = _Shortage("machine has disk errors", "Check the disk of DATA_DIR and its cables, and make a backup.")
_MEMORY = _Shortage("machine is short of memory", "Give the bot more memory, or stop other programs on this machine.")
_LIBRARIES = _Shortage("machine cannot load a library", "Restart the bot. If that does not help, install Easel's packages again.")
_THREADS = _Shortage("machine is short of processes", "Raise the limit of processes and threads (TasksMax, ulimit -u, pids-limit).")

_BY_ERRNO: Final = {
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
    errno.ENOSPC: _DISK,
    errno.EDQUOT: _DISK,
    errno.EFBIG: _DISK,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _BROKEN,
    errno.ESTALE: _BROKEN,
    errno.ENOMEM: _MEMORY,
    errno.ENOBUFS: _MEMORY,
    errno.EAGAIN: _THREADS,  # of a new process; asyncio keeps that of sockets to itself
}
_OWN_FILES: Final = frozenset({errno.EACCES, errno.EPERM})  # with a file's name; without one they are about a connection
# https://sqlite.org/rescode.html; the lowest byte of an extended code
_BY_SQLITE_CODE: Final = {7: _MEMORY, 8: _READ_ONLY, 10: _BROKEN, 13: _DISK, 14: _FILES}
# These have other causes too, and say nothing of a shortage that may be behind them.
_UNCLEAR: Final = (socket.gaierror, ImportError)

_seen: dict[_Shortage, float] = {}  # when each was last seen, until it is over
_logged: dict[_Shortage, float] = {}


def trouble_of(error: BaseException) -> MachineTrouble | None:
    """The shortage that this error, or one that it came from, is a consequence of, which is logged; None if it is none."""
    for each in _chain(error):
        if isinstance(each, MachineTrouble):
            return each
        if (shortage := _shortage_of(each)) is not None:
            _see(shortage, each)
            return _new_trouble()
    return None


@contextmanager
def trouble_raised() -> Iterator[None]:
    """Raise a shortage as `MachineTrouble`, and every other error as it is."""
    try:
        yield
    except MachineTrouble:
        raise
    except Exception as error:
        if (trouble := trouble_of(error)) is None:
            raise
        raise trouble from error


@contextmanager
def loading() -> Iterator[None]:
    """Raise whatever stops the import of a library as `MachineTrouble`: it can be imported later."""
    try:
        yield
    except Exception as error:
        trouble = trouble_of(error)
        if trouble is None:
            _see(_LIBRARIES, error)
        raise trouble or _new_trouble() from error


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `asyncio.to_thread`. Raises a shortage as `MachineTrouble`."""
    with trouble_raised():
        return await asyncio.to_thread(work, *args, **kwargs)


async def patiently(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `in_thread`, again and again during a shortage: for work on what exists nowhere else."""
    pause_s = _PAUSE_MIN_S
    while True:
        try:
            return await in_thread(work, *args, **kwargs)
        except MachineTrouble:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)


def check_space(path: Path, size_bytes: int = 0) -> None:
    """Raise `MachineTrouble` if the disk of `path` cannot take so many bytes and still have `LEAST_FREE_BYTES`, or takes none."""
    with trouble_raised():
        found = os.statvfs(path)
        if found.f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if found.f_blocks and found.f_bavail * found.f_frsize < size_bytes + LEAST_FREE_BYTES:  # some file systems count no blocks
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass
class Disk:
    """Whether the disk of a folder has space for more work."""

    folder: Path
    _is_short: bool = field(init=False, default=False)
    _checked_at: float = field(init=False, default=-_CHECK_S)

    async def check(self) -> None:
        """Raise `MachineTrouble` if it has none. Asks the system every few seconds at most."""
        if time.monotonic() - self._checked_at >= _CHECK_S:
            self._checked_at = time.monotonic()
            try:
                await in_thread(check_space, self.folder)
                self._is_short = False
            except MachineTrouble:
                self._is_short = True
            _log_ends()
        if self._is_short:
            raise _new_trouble()

    async def has_space(self) -> bool:
        try:
            await self.check()
        except MachineTrouble:
            return False
        return True


def _new_trouble() -> MachineTrouble:
    return MachineTrouble(_("Easel's own machine is overloaded right now. You weren't charged. Try again in a few minutes."))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from, the outermost first."""
    waiting, known = [error], set[int]()
    while waiting:
        each = waiting.pop(0)
        if id(each) in known:
            continue
        known.add(id(each))
        yield each
        before = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        inner = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        waiting += [other for other in (*inner, before, getattr(each, "os_error", None)) if other is not None]


def _shortage_of(error: BaseException) -> _Shortage | None:
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return _THREADS
    if (code := getattr(error, "sqlite_errorcode", None)) is not None:
        return _BY_SQLITE_CODE.get(code & 0xFF)
    if isinstance(error, _UNCLEAR):
        return _probed()
    if isinstance(error, ssl.SSLError) or hasattr(error, "os_error"):  # its number is another one's, or one of TLS
        return None
    if isinstance(error, OSError) and error.errno in _OWN_FILES and error.filename is not None:
        return _READ_ONLY
    return _BY_ERRNO.get(error.errno or 0) if isinstance(error, OSError) else None


def _probed() -> _Shortage | None:
    """What this machine lacks to open a file now."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return _BY_ERRNO.get(error.errno or 0)
    return None


def _see(shortage: _Shortage, error: BaseException) -> None:
    now = time.monotonic()
    _seen[shortage] = now
    if now - _logged.get(shortage, -_QUIET_S) >= _QUIET_S:
        _logged[shortage] = now
        log.critical(shortage.event, reason=f"{type(error).__name__}: {error}"[:200], do=shortage.do)


def _log_ends() -> None:
    for shortage, last in list(_seen.items()):
        if time.monotonic() - last >= _QUIET_S:
            del _seen[shortage]
            _logged.pop(shortage, None)
            log.warning(f"{shortage.event} is over")  # noqa: G004 - the event's own text, by which the operator is told
