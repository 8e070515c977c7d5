"""Prometheus metrics: what the installation does, without any id of a member, server, channel or job.

Counters start at 0 with the process. Gauges of the database are as old as their last reading, see `easel_last_read_timestamp_seconds`.
"""

from __future__ import annotations

import logging
import platform
import time
from enum import StrEnum
from functools import partial
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, Info, generate_latest

from bot import __version__

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_CALL_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30)  # 3: Discord's limit for the first answer to an interaction
_ORDER_S = (2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 86_400)
_LAG_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_WRITE_S = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 10)


class Submitted(StrEnum):
    """Result of a submission to an image API: the values of the label `outcome`."""

    ACCEPTED = "accepted"  # queued
    MADE = "made"  # the response contained the image
    REFUSED = "refused"  # the request was rejected
    BUSY = "busy"  # not accepted: rate limit, overload, no connection
    LOST = "lost"  # no response: it may have been accepted
    ACCOUNT = "account"  # the operator's account, or this model for it, is refused


class Acknowledged(StrEnum):
    """How the first answer to an interaction went: the values of the label `outcome`."""

    IN_TIME = "in time"
    LATE = "late"  # Discord took it, after more than three seconds
    REFUSED = "refused"  # Discord no longer takes it, or not like this
    LOST = "lost"  # no response


# --- image APIs --------------------------------------------------------------------------------------------------------

PROCESSES: Final = Gauge("easel_processes", "Processes that work on the same database, this one included.")
PROVIDER_UP: Final = Gauge("easel_provider_up", "1 while an image API is available, 0 while it is not.", ["provider"])
SUBMISSIONS: Final = Counter("easel_submissions", "Images requested from an image API.", ["provider", "outcome"])  # ..._total
STREAM_UP: Final = Gauge("easel_stream_up", "1 while the event stream of an image API is connected.", ["provider"])
STREAM_LOST: Final = Counter("easel_stream_lost", "How often the event stream of an image API broke off.", ["provider"])
STREAM_EVENTS: Final = Counter("easel_stream_events", "Events of generations on the event stream.", ["provider"])
BILLED_USD: Final = Counter("easel_billed_usd", "US dollars that an image API charged.", ["provider"])  # ..._total
COUNTED_USD: Final = Counter("easel_counted_usd", "US dollars that were counted for the same images before.", ["provider"])  # ..._total

# --- orders ------------------------------------------------------------------------------------------------------------

ORDER_SECONDS: Final = Histogram("easel_order_seconds", "From the order to its images in Discord.", ["provider"], buckets=_ORDER_S)
IMAGES: Final = Counter("easel_images", "Images that were ordered and ended, as they were shown.", ["provider", "outcome"])
CREDITS: Final = Counter("easel_credits", "Credits that members paid for images that were shown.", ["provider"])
QUEUE_ITEMS: Final = Gauge("easel_queue_items", "Images in a state on their way.", ["state"])
QUEUE_AGE: Final = Gauge("easel_queue_age_seconds", "Age of the oldest image in this state, since its order.", ["state"])
OUTBOX: Final = Counter("easel_outbox", "Attempts to send outbox items to Discord.", ["kind", "outcome"])  # ..._total
OUTBOX_ITEMS: Final = Gauge("easel_outbox_items", "Items that wait to be sent to Discord.", ["kind"])
OUTBOX_OVERDUE: Final = Gauge("easel_outbox_overdue_seconds", "How long the oldest item has been due.", ["kind"])
UNDELIVERED_AGE: Final = Gauge("easel_undelivered_age_seconds", "Age of the oldest order whose images are not shown yet.")
MONTH_USD: Final = Gauge("easel_month_usd", "US dollars of this month (UTC): spent, reserved, left of the operator's limit.", ["part"])
TODAY: Final = Gauge("easel_today", "Of today (UTC): images, credits of members, US dollars of the operator.", ["what"])

# --- Discord -----------------------------------------------------------------------------------------------------------

GATEWAY_UP: Final = Gauge("easel_gateway_up", "1 while every shard of this process is connected to Discord's gateway.")
SHARDS: Final = Gauge("easel_shards", "Shards of this process: connected, connecting.", ["state"])
SHARD_COUNT: Final = Gauge("easel_shard_count", "Shards of all processes together.")
GATEWAY_EVENTS: Final = Counter("easel_gateway_events", "Of the gateway: connected, resumed, disconnected, unreadable.", ["event"])
GATEWAY_LATENCY: Final = Gauge("easel_gateway_latency_seconds", "Latency of the gateway's last heartbeat.")
DISCORD_SECONDS: Final = Histogram("easel_discord_seconds", "Requests to Discord.", ["route"], buckets=_CALL_S)
DISCORD_STATUSES: Final = Counter("easel_discord_responses", "Responses of Discord; 0: none came.", ["status"])
ACKNOWLEDGED: Final = Counter("easel_acknowledged", "First answers to interactions.", ["outcome"])
ACKNOWLEDGE_SECONDS: Final = Histogram(
    "easel_acknowledge_seconds", "From an interaction's arrival to Discord's receipt of its first answer.", buckets=_CALL_S
)

# --- this process ------------------------------------------------------------------------------------------------------

DATABASE_UP: Final = Gauge("easel_database_up", "1 while the database answers, 0 while it does not.")
WRITE_SECONDS: Final = Histogram("easel_database_write_seconds", "Writes, from the call to the commit.", buckets=_WRITE_S)
WRITES_WAITING: Final = Gauge("easel_database_writes_waiting", "Writes that are not committed yet.")
COMMIT_WRITES: Final = Histogram("easel_database_commit_writes", "Writes in one commit.", buckets=(1, 2, 4, 8, 16, 32, 64))
_LOCK = "the lock with which one process at a time writes to PostgreSQL"
LOCK_WAIT: Final = Histogram("easel_database_lock_wait_seconds", f"Waits for {_LOCK}, of each commit.", buckets=_WRITE_S)
LOCK_HOLD: Final = Histogram("easel_database_lock_hold_seconds", f"Holds of {_LOCK}, to the end of the commit.", buckets=_WRITE_S)
DATABASE_BYTES: Final = Gauge("easel_database_bytes", "Size of the database and of its write-ahead log.", ["part"])
LOOP_LAG: Final = Histogram("easel_loop_lag_seconds", "How late the event loop is, twice a second.", buckets=_LAG_S)
LOOP_UP: Final = Gauge("easel_background_loop_up", "1 while a background loop works, 0 from its failure to its next turn.", ["loop"])
LOOP_FAILURES: Final = Counter("easel_background_loop_failures", "Failures of background loops.", ["loop"])  # ..._total
EXECUTOR_WAITING: Final = Gauge("easel_executor_waiting", "Work in a group of threads, running or waiting.", ["executor"])
LOG_RECORDS: Final = Counter("easel_log_records", "Warnings and errors in the log.", ["logger", "level"])
LAST_READ: Final = Gauge("easel_last_read_timestamp_seconds", "When the gauges of the database were read last.")
LAST_SWEEP: Final = Gauge("easel_last_sweep_timestamp_seconds", "When what is past its time was deleted last; 0: not since the start.")
LAST_BACKUP: Final = Gauge("easel_last_backup_timestamp_seconds", "When the last backup was made; 0: none is known.")
BUILD: Final = Info("easel_build", "The version of Easel and of Python, and the kind of database.")


def describe_build(*, database: str) -> None:
    """`database`: sqlite or postgresql."""
    BUILD.info({"version": __version__, "python": platform.python_version(), "database": database})


class LogCounter(logging.Handler):
    """Counts records by logger. Loggers are named after modules, so there are few."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        LOG_RECORDS.labels(record.name, record.levelname.lower()).inc()


class Ages:
    """A gauge of ages that keep growing between two readings of the database, and while it cannot be read."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._since: dict[str, float | None] = {}  # by the label's value; "" for a gauge without labels

    def set(self, label: str, age_s: float | None) -> None:
        """None: there is nothing of this kind."""
        if label not in self._since:
            child = self._gauge.labels(label) if label else self._gauge
            child.set_function(partial(self._age_s, label))
        self._since[label] = None if age_s is None else time.monotonic() - age_s

    def _age_s(self, label: str) -> float:
        since = self._since[label]
        return 0.0 if since is None else time.monotonic() - since


def exposition() -> bytes:
    """All metrics, as text of `CONTENT_TYPE`. Takes some milliseconds."""
    return generate_latest()
