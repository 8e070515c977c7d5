"""A database that is away: what is said of it, how long an attempt may take, and the pauses between attempts."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Final

import structlog

from bot.core import commands, metrics
from bot.core.clock import system
from bot.core.errors import DatabaseAway, MaybeSaved
from bot.core.i18n import _

log = structlog.get_logger(__name__)

PAUSE_MIN_S: Final = 0.05
_PAUSE_MAX_S: Final = 1.0
_BLOCKED: Final = 2  # attempts after which work is mentioned that fails while others' succeeds


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds. The caller's own patience is `bot.core.running.patience`."""

    notice_s: float = 1  # a single failed attempt that took less is repeated silently: a connection that was cut is soon replaced
    connect_s: float = 5
    attempt_s: float = 8  # of one attempt; twice as long after each one in a row that reached it, so that slow work can end too
    attempt_max_s: float = 60
    commit_s: float = 2  # how much longer a caller waits if the commit has begun
    in_use_s: float = 60  # how long a process waits at its start for a tool, or an older bot, that has the database alone
    close_s: float = 5  # how long closing waits for a database that is away


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Away:
    """Why the database did not do what was asked, so that it must be asked again; `do` is for its operator."""

    reason: str
    do: str
    is_whole: bool = True  # False: it answers others, for example if another session has locked a row


class Work(StrEnum):
    """What may fail while the other works: a database that another program has locked, or a full disk, can still be read."""

    READS = "reads"
    WRITES = "writes"


class Availability:
    """Says once that the database went away, and once that it is back. Used by the event loop and by SQLite's threads."""

    def __init__(self) -> None:
        self.since: int | None = None  # Unix ms of the first attempt that failed; None while the database answers
        self._lock = Lock()
        self._failing: set[Work] = set()
        self._began = 0.0
        metrics.DATABASE_UP.set(1)

    def failed(self, work: Work, away: Away, *, failures: int, began: float) -> float:
        """Note an attempt that failed: how many did in a row, and `time.monotonic` when it began. Returns the seconds to wait."""
        log.debug("database attempt failed", work=work, reason=away.reason, failures=failures)
        if away.is_whole and (failures > 1 or time.monotonic() - began >= LIMITS.notice_s):
            with self._lock:
                self._begin(work, away, began)
        elif failures == _BLOCKED:
            log.warning("database work is blocked", work=work, reason=away.reason, do=away.do)
        return 0 if failures == 1 else min(_PAUSE_MAX_S, PAUSE_MIN_S * float(2 ** min(failures - 2, 10)))

    def answered(self, work: Work) -> None:
        """Note an attempt that succeeded. A database that can be written can be read."""
        if not self._failing:
            return
        with self._lock:
            self._failing -= {work} if work is Work.READS else {*Work}
            if not self._failing and self.since is not None:
                self.since = None
                metrics.DATABASE_UP.set(1)
                log.warning("database away is over", away_s=round(time.monotonic() - self._began, 1))

    def damaged(self, damage: str) -> None:
        """Note that the files are damaged, which does not end."""
        metrics.DATABASE_UP.set(0)
        self.since = self.since or system()
        log.critical("database damaged", reason=damage, do="Stop Easel and restore a backup of the database.")

    def _begin(self, work: Work, away: Away, began: float) -> None:
        self._failing = self._failing | {work}
        if self.since is None:
            self._began = began
            self.since = system() - int((time.monotonic() - began) * 1000)
            metrics.DATABASE_UP.set(0)
            log.critical("database away", reason=away.reason, do=away.do)


def away_error() -> DatabaseAway:
    """In the current language."""
    return DatabaseAway(_("Easel's database isn't answering right now. Nothing was created or charged. Try again in a minute."))


def maybe_saved() -> MaybeSaved:
    """In the current language."""
    return MaybeSaved(
        _(
            "Easel's database stopped answering, so this may have been saved. If it was, it goes on by itself: check {history}"
            " or the channel before you try again."
        ).format(**commands.mentions("history"))
    )
