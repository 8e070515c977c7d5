"""Shards among processes: each has one owner, shares are fair, those of the dead are taken, and a lost lock is kept for a while."""

from __future__ import annotations

import asyncio
import random
from itertools import count, pairwise
from math import ceil

import pytest

from bot.client.allotment import Allotment
from bot.client.sharing import AloneSharing, StoredSharing
from bot.core.clock import system
from bot.core.errors import DatabaseAway
from bot.core.running.coordination import AlwaysGranted
from bot.store.engine.base import Store


class FleetProcess(AloneSharing):
    """A process with locks of its own session."""

    def __init__(self, fleet: Fleet, number: int, shards: int) -> None:
        super().__init__()
        self.coordination = self
        self.has_session = True
        self.open = set[int]()  # shards whose connections are open
        self._fleet, self._number = fleet, number
        self.allotment = Allotment(self, count=shards, close=self._close, monotonic=lambda: fleet.now_s)

    async def turn(self) -> None:
        await self.allotment.turn()
        self.open |= self.allotment.held

    async def _close(self, shard_id: int) -> None:
        self.open.remove(shard_id)

    async def living(self) -> int:
        return self._fleet.living

    async def try_lock(self, name: str) -> bool:
        return self.has_session and self._fleet.owners.setdefault(name, self._number) == self._number

    async def unlock(self, name: str) -> None:
        if self.is_held(name):
            del self._fleet.owners[name]

    def is_held(self, name: str) -> bool:
        return self.has_session and self._fleet.owners.get(name) == self._number

    async def wait_lost(self) -> None:
        await asyncio.Event().wait()

    def lose_session(self) -> None:
        self.has_session = False
        self._fleet.owners = {name: owner for name, owner in self._fleet.owners.items() if owner != self._number}


class Fleet:
    """Processes, and the locks that they have. A dead one is counted until somebody notices."""

    def __init__(self, *, shards: int) -> None:
        self.shards = shards
        self.owners: dict[str, int] = {}
        self.processes: list[FleetProcess] = []
        self.living = 0
        self.now_s = 0.0
        self._numbers = count(1)

    def start(self) -> FleetProcess:
        self.processes.append(FleetProcess(self, next(self._numbers), self.shards))
        self.living += 1
        return self.processes[-1]

    def kill(self, process: FleetProcess) -> None:
        process.lose_session()
        self.processes.remove(process)

    async def turns(self, rounds: int = 1) -> None:
        """A second each, in any order."""
        for _ in range(rounds):
            self.now_s += 1
            for process in random.sample(self.processes, len(self.processes)):
                await process.turn()
                taken = [shard for each in self.processes if each.has_session for shard in each.open]
                assert len(taken) == len(set(taken)), "a shard is open in two processes"

    @property
    def open(self) -> list[int]:
        return sorted(len(process.open) for process in self.processes)

    async def until_fair(self) -> int:
        """How many turns it took until every shard was open and nobody had more than a share."""
        for turns in range(200):
            if sum(self.open) == self.shards and self.open[-1] <= ceil(self.shards / self.living):
                return turns
            await self.turns()
        raise AssertionError(f"never fair: {self.open} of {self.shards}, {self.living} living")


@pytest.mark.parametrize("seed", range(20))
async def test_shares_become_fair_whatever_starts_and_dies(seed: int) -> None:
    random.seed(seed)
    fleet = Fleet(shards=random.randint(1, 40))
    fleet.start()
    for _ in range(8):
        if len(fleet.processes) > 1 and random.random() < 0.4:
            fleet.kill(random.choice(fleet.processes))
            fleet.living -= 1
        else:
            fleet.start()
        await fleet.turns(random.randint(0, 6))
    await fleet.until_fair()


async def test_the_shards_of_a_dead_process_are_taken_in_two_turns_while_it_is_still_counted() -> None:
    fleet = Fleet(shards=6)
    first, _ = fleet.start(), fleet.start()
    await fleet.until_fair()
    fleet.kill(first)
    await fleet.turns(2)
    assert fleet.open == [6]
    await fleet.turns(60)
    assert fleet.open == [6], "what nobody lacks is not given back"


async def test_a_newcomer_is_given_its_share_one_shard_at_a_time_and_the_others_stay_open() -> None:
    fleet = Fleet(shards=8)
    first = fleet.start()
    await fleet.until_fair()
    second, seen = fleet.start(), [8]
    while len(second.open) < 4:
        await fleet.turns()
        seen.append(len(first.open))
    assert {was - now for was, now in pairwise(seen)} == {0, 1}
    await fleet.turns(20)
    assert fleet.open == [4, 4]


async def test_a_process_without_a_shard_knows_that_others_have_them() -> None:
    fleet = Fleet(shards=1)
    await fleet.start().turn()
    second = fleet.start()
    await fleet.turns(3)
    assert (second.allotment.is_known, second.open) == (True, set())
    second.lose_session()
    await fleet.turns()
    assert not second.allotment.is_known


async def test_after_a_restart_of_the_database_each_process_has_what_it_had() -> None:
    fleet = Fleet(shards=4)
    processes = [fleet.start() for _ in range(3)]
    await fleet.until_fair()
    had = [set(process.open) for process in processes]
    for process in processes:
        process.lose_session()
    await fleet.turns(3)
    for process in processes:  # one after the other, so the first finds the others' shards free
        process.has_session = True
        await fleet.turns()
        assert [process.open for process in processes] == had
    await fleet.turns(20)
    assert fleet.open == sorted(map(len, had))


async def test_a_lost_session_closes_nothing_if_it_is_opened_again_soon() -> None:
    fleet = Fleet(shards=4)
    process = fleet.start()
    await fleet.turns()
    process.lose_session()
    await fleet.turns(25)
    assert process.open == set(range(4))
    process.has_session = True
    await fleet.turns()
    assert (process.open, len(fleet.owners)) == (set(range(4)), 4 + 1)


async def test_a_lost_session_closes_what_another_process_has_taken_and_in_the_end_everything() -> None:
    fleet = Fleet(shards=2)
    first, _ = fleet.start(), fleet.start()
    await fleet.until_fair()
    first.lose_session()
    await fleet.turns(2)
    assert fleet.open == [1, 2], "the other has taken it meanwhile"
    first.has_session = True
    await first.turn()
    assert first.open == set()
    alone = Fleet(shards=2)
    process = alone.start()
    await alone.turns()
    process.lose_session()
    await alone.turns(32)
    assert process.open == set()


# --- what the processes have in common ---------------------------------------------------------------------------------


def stored(store: Store, living: int) -> StoredSharing:
    async def count_living() -> int:
        return living

    return StoredSharing(store=store, coordination=AlwaysGranted(), living=count_living, clock=system)


async def test_all_processes_use_the_largest_number_and_the_first_one_may_lower_it(store: Store) -> None:
    first, second = stored(store, 1), stored(store, 2)
    assert await first.agree(4, is_start=True) == 4
    assert await second.agree(2, is_start=True) == 4
    assert await second.agree(8) == 8
    assert await first.agree(4) == 8, "it follows"
    assert await stored(store, 1).agree(2, is_start=True) == 2


@pytest.fixture(params=["alone", "together"])
async def sharing(request: pytest.FixtureRequest, store: Store) -> AloneSharing | StoredSharing:
    return AloneSharing() if request.param == "alone" else stored(store, 2)


async def test_turns_come_one_at_a_time(sharing: AloneSharing | StoredSharing) -> None:
    loop = asyncio.get_running_loop()
    began, ended = loop.time(), list[float]()

    async def turn() -> None:
        await sharing.wait_turn("identify:0", 0.1)
        ended.append(loop.time() - began)

    await asyncio.gather(turn(), turn(), turn())
    assert [when >= 0.099 * n for n, when in enumerate(ended)] == [True] * 3
    await sharing.wait_turn("identify:1", 3600)  # another name has turns of its own


async def test_without_the_database_a_session_is_started_all_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_args: object) -> None:
        raise DatabaseAway("The database does not answer.")

    monkeypatch.setattr(store, "write", away)
    await stored(store, 2).wait_turn("identify:0", 0.01)
