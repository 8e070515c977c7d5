"""The lease of a process: renewed while it lives, given up when it ends, and judged only by those who were not away themselves."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, update

from bot.core.clock import system
from bot.core.errors import TakenOver
from bot.core.running import home, patience
from bot.core.running.supervision import Loop, Supervisor
from bot.services.processes.membership import Membership
from bot.store.engine.base import Store
from bot.store.engine.opening import open_store
from bot.store.tables import processes
from tests.services.conftest import eventually


@asynccontextmanager
async def member(postgres_url: str, folder: Path, *, lease_s: float) -> AsyncIterator[tuple[Store, Membership]]:
    async with open_store(postgres_url, is_shared=True) as store:
        with home.opened(folder / "spool") as own:
            membership = Membership(store=store, home=own, lease_s=lease_s, clock=system)
            async with membership.joined():
                yield store, membership


async def living(store: Store) -> list[int]:
    return list(await store.read(lambda conn: conn.scalars(select(processes.c.id).order_by(processes.c.id)).all()))


async def test_a_lease_is_renewed_while_its_process_lives_and_ends_with_it(postgres_url: str, tmp_path: Path) -> None:
    async with member(postgres_url, tmp_path, lease_s=0.3) as (store, membership):
        async with member(postgres_url, tmp_path, lease_s=0.3):
            both = await living(store)
            await eventually(lambda: _is(membership, 2))
            until = await _leases(store)
            await eventually(lambda: _all_renewed(store, [each + 600 for each in until]))  # twice the length of a lease
            assert await living(store) == both
        assert await living(store) == both[:1]


async def test_waiting_for_the_end_of_a_lease_is_no_turn_that_does_not_end(postgres_url: str, tmp_path: Path) -> None:
    supervisor = Supervisor(backoff_s=lambda _: 0, healthy_s=60, clock=system)
    async with member(postgres_url, tmp_path, lease_s=60) as (_, membership):
        keeping = asyncio.create_task(supervisor.keep("lease", Loop(run=membership.run)))
        await eventually(lambda: _rests(supervisor))
        keeping.cancel()
        await asyncio.wait([keeping])


async def test_a_lease_outlives_the_loops_until_their_work_is_finished(postgres_url: str, tmp_path: Path) -> None:
    async with member(postgres_url, tmp_path, lease_s=0.3) as (store, membership):
        loop = asyncio.create_task(membership.run())
        await asyncio.sleep(0)
        loop.cancel()
        await asyncio.wait([loop])
        until = await _leases(store)
        await eventually(lambda: _all_renewed(store, until))


async def test_a_process_that_was_given_up_ends(postgres_url: str, tmp_path: Path) -> None:
    async with member(postgres_url, tmp_path, lease_s=60) as (store, zombie), member(postgres_url, tmp_path, lease_s=0.3) as (other, _):
        lapsed = update(processes).where(processes.c.id == store.process_id).values(lease_until=0)
        await other.write(lambda conn: conn.execute(lapsed))
        await eventually(lambda: _are(other, 1))
        zombie._valid_until = 0
        with pytest.raises(TakenOver), patience.endless():
            await zombie.confirm()


async def test_leases_that_lapsed_while_the_database_was_away_are_not_judged_at_once(postgres_url: str, tmp_path: Path) -> None:
    async with member(postgres_url, tmp_path, lease_s=1.5) as (one, _), member(postgres_url, tmp_path, lease_s=1.5) as (two, _other):
        both = await living(one)
        lapsed = update(processes).values(lease_until=0)  # as after an outage
        await two.write(lambda conn: conn.execute(lapsed))
        await eventually(lambda: _all_renewed(one, [0, 0]))
        assert await living(one) == both


def test_a_folder_is_removed_once_its_process_is_gone(tmp_path: Path) -> None:
    with home.opened(tmp_path / "spool") as one:
        (one.folder / "image").write_bytes(b"1")
        with home.opened(tmp_path / "spool") as two:
            assert (two.gone, one.folder.exists()) == ((), True)
    left = tmp_path / "spool" / "dead"
    left.mkdir()
    (left / "image").write_bytes(b"1")
    with home.opened(tmp_path / "spool") as three:
        assert (three.gone, left.exists()) == (("dead",), False)
        with pytest.raises(BlockingIOError):
            fcntl.flock(os.open(three.folder.with_name(f"{three.name}.lock"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)


async def _leases(store: Store) -> list[int]:
    return list(await store.read(lambda conn: conn.scalars(select(processes.c.lease_until).order_by(processes.c.id)).all()))


async def _all_renewed(store: Store, until: list[int]) -> bool:
    return all(now > before for now, before in zip(await _leases(store), until, strict=True))


async def _is(membership: Membership, count: int) -> bool:
    return await membership.living() == count


async def _are(store: Store, count: int) -> bool:
    return len(await living(store)) == count


async def _rests(supervisor: Supervisor) -> bool:
    return "lease" in supervisor.states and supervisor.states["lease"].turn_began is None
