"""The retention sweep deletes old references, images, forms, trays and reactions; another loop removes the remains of erased members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from bot.core.clock import Clock
from bot.core.metrics import LAST_SWEEP
from bot.core.running.supervision import apart, pause
from bot.domain.gestures import STARS, normalized_emoji
from bot.domain.money.quota import DAY_MS, Bucket
from bot.store import delivery, kv, reactions, sweeps, tray
from bot.store.engine.base import Store
from bot.store.privacy import erase
from bot.store.sweeps import Expired

log = structlog.get_logger(__name__)

_EVERY_S = 3600
_REST = 3  # intervals after a cleaning: it holds up other writes, and members could ask for one after another
_REACTIONS_KEEP_MS = 30 * DAY_MS  # nobody repeats a reaction after this time


async def run(*, store: Store, references_keep_ms: int, images_keep_ms: int, bucket: Bucket, clock: Clock) -> None:
    """Sweep at the start and then every hour, until cancelled. A sweep that fails keeps no other from being done."""
    while True:
        deleted = {}
        with apart() as attempt:
            for name, sweep in _sweeps(store, references_keep_ms, images_keep_ms, bucket, clock()).items():
                with attempt():
                    deleted[name] = await sweep()
            if any(deleted.values()):
                log.info("retention sweep", **deleted)
        LAST_SWEEP.set_to_current_time()
        await pause(_EVERY_S)


def _sweeps(
    store: Store, references_keep_ms: int, images_keep_ms: int, bucket: Bucket, now: int
) -> Mapping[str, Callable[[], Awaitable[int]]]:
    """Each deletes what is too old, and says how much."""
    return {
        "references": lambda: remove(store, delivery.old_references(now - references_keep_ms)),
        "images": lambda: remove(store, delivery.old_images(now - images_keep_ms)),
        "forms": lambda: store.write(kv.forget, prefix="form:", before=now - DAY_MS),
        "trays": lambda: remove(store, tray.old(now - DAY_MS)),
        "reactions": lambda: remove(store, reactions.old(now - _REACTIONS_KEEP_MS, except_emoji=normalized_emoji(STARS))),
        "accounts": lambda: _remove_accounts(store, bucket, now),
    }


async def remove(store: Store, expired: Expired) -> int:
    """Delete all of these rows, in small writes. Returns how many."""
    deleted = 0
    while True:
        keys = await store.read(sweeps.find, expired)
        for first in range(0, len(keys), expired.at_once):
            deleted += await store.write(sweeps.remove, expired, keys[first : first + expired.at_once])
        if len(keys) < sweeps.FOUND_MAX:
            return deleted


async def overwrite_erased(*, store: Store, every_s: float, clock: Clock) -> None:
    """Delete what is left of erased members once it has ended, and clean the database's files, until cancelled."""
    while True:
        is_cleaned = await _overwrite_erased(store, clock())
        await pause(every_s * (_REST if is_cleaned else 1))


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


async def _remove_accounts(store: Store, bucket: Bucket, now: int) -> int:
    names = await store.read(erase.refilled, bucket, now)
    return sum([await store.write(erase.forget_refilled, [name], bucket, now) for name in names])
