"""The retention sweep deletes what is past its time; another loop removes the remains of erased members."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeVar

import structlog

from bot.core.clock import Clock
from bot.core.metrics import LAST_SWEEP
from bot.core.running.supervision import apart, pause
from bot.domain.money import quota
from bot.domain.money.quota import DAY_MS, Bucket
from bot.domain.retention import REACTIONS_DAYS, REQUEST_KEYS_DAYS, TRAY_DAYS, KeepDays
from bot.services.privacy import finish_erasing
from bot.store import delivery, kv, reactions, sweeps, tray
from bot.store.engine import request_keys
from bot.store.engine.base import Store
from bot.store.moderation import expiry
from bot.store.money import folding, sponsorships
from bot.store.privacy import erase
from bot.store.privacy.erase import Refilled
from bot.store.sweeps import Sweep

T = TypeVar("T")
log = structlog.get_logger(__name__)

_EVERY_S = 3600
_REST = 3  # pauses are so many times as long as the work before them, so they grow while others wait for the database too
_FOLDED = "ledger:folded"  # key in the key-value table: the time before which lines were folded (Unix ms)

Work = Callable[[Store, int], Awaitable[int]]
"""Does one kind of work for a time (Unix ms), and returns how much: how many rows it deleted, or pages."""


def sweeps_of(keep: KeepDays, bucket: Bucket) -> Mapping[str, Work]:
    """The sweeps by name, in an order in which each finds what the ones before it left."""
    ages: tuple[tuple[str, Callable[[int], Sweep], float], ...] = (
        ("references", delivery.old_references, keep.references),
        ("images", delivery.old_images, keep.images),
        ("thumbnails", delivery.old_thumbnails, keep.thumbnails),
        ("forms", partial(kv.old, "form:"), TRAY_DAYS),
        ("trays", tray.old, TRAY_DAYS),
        ("request_keys", request_keys.old, REQUEST_KEYS_DAYS),
        ("reactions", reactions.old, REACTIONS_DAYS),
        ("stars", partial(reactions.old, stars=True), keep.jobs),
        ("reports", expiry.old_reports, keep.moderation),
        ("strikes", expiry.old_strikes, keep.moderation),
        ("blocks", expiry.old_blocks, keep.moderation),
        ("cases", expiry.old_cases, keep.moderation),
        ("audit", expiry.old_lines, keep.audit),
        ("jobs", delivery.old_jobs, keep.jobs),  # after the cases and reports about them
        ("sponsorships", sponsorships.old, keep.jobs),
    )
    return {
        **{name: partial(_remove_older, rows, int(days * DAY_MS)) for name, rows, days in ages},
        "ledger": lambda store, now: fold_ledger(store, quota.this_month(now - int(keep.ledger * DAY_MS)), now),  # after the jobs
        "accounts": lambda store, now: remove(store, Refilled(bucket=bucket, now=now)),
        "pages": _shrink,
    }


async def run(*, store: Store, works: Mapping[str, Work], clock: Clock) -> None:
    """Sweep at the start and then every hour, until cancelled. A sweep that fails keeps no other from being done."""
    while True:
        deleted = dict[str, int]()
        with apart() as attempt:
            for name, work in works.items():
                with attempt():
                    deleted[name] = await work(store, clock())
            if any(deleted.values()):
                log.info("retention sweep", **deleted)
        LAST_SWEEP.set_to_current_time()
        await pause(_EVERY_S)


async def remove(store: Store, expired: Sweep) -> int:
    """Delete all of these rows, in small writes. Returns how many."""
    deleted, after, is_over = 0, None, False
    while not is_over:
        found = await _gently(store.read(sweeps.find, expired, after))
        keys, after, is_over = list(found.keys), found.after, found.after is None
        while keys:
            tried, count = await _gently(store.write(sweeps.remove, expired, keys))
            deleted, keys = deleted + count, keys[tried:]
    return deleted


async def _remove_older(rows: Callable[[int], Sweep], keep_ms: int, store: Store, now: int) -> int:
    return await remove(store, rows(now - keep_ms))


async def _shrink(store: Store, _now: int) -> int:
    """Return the space of what was deleted to the file system. Returns how many pages."""
    pages = 0
    while step := await _gently(store.shrink()):
        pages += step
    return pages


async def _gently(work: Awaitable[T]) -> T:
    began = time.monotonic()
    result = await work
    await pause(_REST * (time.monotonic() - began), is_done=False)
    return result


async def overwrite_erased(*, store: Store, every_s: float, clock: Clock) -> None:
    """Delete what is left of erased members once it has ended, and clean the database's files, until cancelled."""
    await finish_erasing(store, clock())
    while True:
        is_cleaned = await _overwrite_erased(store, clock())
        await pause(every_s * (_REST if is_cleaned else 1))  # it holds up other writes, and members could ask for one after another


async def _overwrite_erased(store: Store, now: int) -> bool:
    """Whether the files were cleaned, because something was erased."""
    while await store.read(erase.unfinished):
        await store.write(erase.forget_unfinished)
        await store.write(kv.put, erase.UNCLEAN, now, now)
    since = await store.read(kv.get, erase.UNCLEAN)
    if since is None or not await store.overwrite_deleted():
        return False
    await store.write(kv.forget, prefix=erase.UNCLEAN, before=since + 1)  # stays if somebody was erased meanwhile
    return True


async def fold_ledger(store: Store, before: int, now: int) -> int:
    """Fold the lines booked before `before` (Unix ms), a few at a time. Once for each such time, also if it was interrupted."""
    if await store.read(kv.get, _FOLDED) == before:
        return 0
    folded = 0
    for after in range(0, await store.read(folding.last_id), folding.AT_ONCE):
        if await _gently(store.read(folding.find, after, before)):
            folded += await _gently(store.write(folding.fold, after, before))
    await store.write(kv.put, _FOLDED, before, now)
    return folded
