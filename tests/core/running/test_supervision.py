"""Supervision: a loop that fails is started again, and its state says whether it works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from bot.core.errors import DatabaseDamaged, ProviderBusy
from bot.core.running import patience
from bot.core.running.supervision import Loop, Supervisor, Trouble, apart, pause, resting
from tests.core.running.test_loops import DueWork, until

MINUTE_MS = 60_000


class ScriptedLoop:
    """Each run raises the next failure; without one it makes turns until it is cancelled."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.runs, self.turns = list(failures), 0, 0
        self.may_fail, self.may_turn, self.finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.may_fail.set()
        self.may_turn.set()
        self.patience_s = 0.0

    async def run(self) -> None:
        self.runs += 1
        self.patience_s = patience.current_s()
        if self.failures:
            await self.may_fail.wait()
            raise self.failures.pop(0)
        while True:
            await self.may_turn.wait()
            self.turns += 1
            await pause(0)

    async def finish(self) -> None:
        self.finished.set()


class Supervised:
    """Loops under a supervisor with a clock that a test moves."""

    def __init__(self, **loops: ScriptedLoop) -> None:
        self.now, self.pauses = 0, list[int]()
        self.loops = loops
        self.supervisor = Supervisor(
            backoff_s=self._backoff_s, healthy_s=60, clock=lambda: self.now, check_s=0, monotonic=lambda: self.now / 1000
        )

    def _backoff_s(self, failures: int) -> float:
        self.pauses.append(failures)
        return 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Supervisor]:
        kept = {name: Loop(run=loop.run, finish=loop.finish) for name, loop in self.loops.items()}
        kept["supervisor"] = Loop(run=self.supervisor.watch)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.supervisor.keep(name, loop)) for name, loop in kept.items()]
            yield self.supervisor
            for task in tasks:
                task.cancel()


async def test_a_failed_loop_is_started_again_and_its_siblings_go_on() -> None:
    bad, good = ScriptedLoop(KeyError("a"), ValueError("b")), ScriptedLoop()
    async with Supervised(bad=bad, good=good).running() as supervisor:
        await until(lambda: bad.turns > 0 and good.turns > 0)
        assert (bad.runs, good.runs, supervisor.troubles) == (3, 1, {})
    assert bad.finished.is_set()


async def test_a_loop_waits_without_end_for_what_is_away() -> None:
    loop = ScriptedLoop()
    async with Supervised(loop=loop).running():
        await until(lambda: loop.turns > 0)
    assert loop.patience_s == float("inf")


async def test_its_state_says_since_when_it_does_not_work_and_why_until_it_has_made_a_turn() -> None:
    loop = ScriptedLoop(KeyError("id 123456789012345678"), ProviderBusy("The image service is busy."))
    loop.may_turn.clear()
    supervised = Supervised(loop=loop)
    supervised.now = 1000
    async with supervised.running() as supervisor:
        await until(lambda: loop.runs == 3)
        assert supervisor.troubles == {"loop": Trouble(since=1000, reason="The image service is busy.")}
        loop.may_turn.set()
        await until(lambda: supervisor.troubles == {})


async def test_a_pause_amid_a_turn_does_not_say_that_it_works() -> None:
    runs = 0

    async def fail_late() -> None:
        nonlocal runs
        runs += 1
        await pause(0, is_done=False)
        raise KeyError

    supervised = Supervised()
    keeping = asyncio.create_task(supervised.supervisor.keep("sweeps", Loop(run=fail_late)))
    await until(lambda: runs == 1)
    while runs < 5:
        await asyncio.sleep(0)
        supervised.now += 1
    assert supervised.supervisor.troubles["sweeps"].since < 5
    keeping.cancel()


async def test_pauses_grow_until_it_has_worked_for_a_while() -> None:
    loop = ScriptedLoop(KeyError(), KeyError(), KeyError())
    supervised = Supervised(loop=loop)
    async with supervised.running():
        await until(lambda: loop.turns > 0)
        loop.failures, loop.runs = [KeyError()], 0
        supervised.now += 2 * MINUTE_MS
        loop.may_turn.clear()
    assert supervised.pauses == [1, 2, 3]
    again = ScriptedLoop(KeyError(), KeyError())
    supervised = Supervised(again=again)
    again.may_fail.clear()
    async with supervised.running():
        await until(lambda: again.runs == 1)
        supervised.now += 2 * MINUTE_MS
        again.may_fail.set()
        await until(lambda: again.turns > 0)
    assert supervised.pauses == [1, 2]


async def test_each_kind_of_failure_has_one_traceback() -> None:
    loop = ScriptedLoop(KeyError(), KeyError(), KeyError(), ValueError())
    with capture_logs() as logs:
        async with Supervised(loop=loop).running():
            await until(lambda: loop.turns > 0)
    failed = [(line["count"], line["exc_info"] is not None) for line in logs if line["event"] == "background loop failed"]
    assert failed == [(1, True), (2, False), (3, False), (1, True)]


@pytest.mark.parametrize("error", [DatabaseDamaged("It is damaged."), ExceptionGroup("g", [KeyError(), DatabaseDamaged("It is damaged.")])])
async def test_what_cannot_go_on_ends_the_process_with_its_sentence(error: Exception) -> None:
    sibling = ScriptedLoop()
    with pytest.raises(ExceptionGroup) as raised:
        async with Supervised(bad=ScriptedLoop(error), sibling=sibling).running():
            await asyncio.Event().wait()
    assert [each.sentence for each in raised.value.exceptions if isinstance(each, DatabaseDamaged)] == ["It is damaged."]
    assert sibling.finished.is_set()


async def test_a_turn_that_does_not_end_is_seen_and_told_once_and_its_end_too() -> None:
    loop = ScriptedLoop()
    supervised = Supervised(loop=loop)
    with capture_logs() as logs:
        async with supervised.running() as supervisor:
            await until(lambda: loop.turns > 0)
            loop.may_turn.clear()
            await until(lambda: supervisor.states["loop"].turn_began is not None)
            supervised.now += 6 * MINUTE_MS
            await until(lambda: any(line["log_level"] == "critical" for line in logs))
            assert supervisor.troubles["loop"].reason == "its turn does not end"
            loop.may_turn.set()
            await until(lambda: any(line["event"].endswith(" is over") for line in logs))
    assert [line["event"] for line in logs] == ["background loop not working", "background loop not working is over"]


async def test_a_loop_that_keeps_failing_is_told_after_five_minutes() -> None:
    loop = ScriptedLoop(KeyError(), KeyError())
    supervised = Supervised(loop=loop)
    loop.may_turn.clear()
    with capture_logs() as logs:
        async with supervised.running() as supervisor:
            await until(lambda: loop.runs == 3)
            supervised.now += 6 * MINUTE_MS
            await until(lambda: supervisor.states["loop"].is_told)
    told = [line for line in logs if line["log_level"] == "critical"]
    assert [(line["loop"], line["since"], line["reason"]) for line in told] == [("loop", "1970-01-01 00:00:00 UTC", "KeyError")]


async def test_a_loop_that_ends_is_started_again_except_at_the_stop() -> None:
    supervised = Supervised()
    runs = 0

    async def end() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            supervised.supervisor.stop()

    await supervised.supervisor.keep("ends", Loop(run=end))
    assert (runs, supervised.supervisor.states["ends"].failures) == (3, 2)


async def test_a_failure_of_its_last_work_is_logged_and_keeps_no_other_from_finishing() -> None:
    bad, good = ScriptedLoop(), ScriptedLoop()
    bad.finish = failing_finish  # type: ignore[method-assign]
    with capture_logs() as logs:
        async with Supervised(bad=bad, good=good).running():
            await until(lambda: bad.turns > 0)
    assert [(line["event"], line["loop"]) for line in logs] == [("background loop not finished", "bad")]
    assert good.finished.is_set()


async def failing_finish() -> None:
    raise KeyError


async def test_a_failure_while_it_is_stopped_does_not_keep_it_alive() -> None:
    began = asyncio.Event()

    async def fail_when_cancelled() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError from None

    keeping = asyncio.create_task(Supervised().supervisor.keep("stubborn", Loop(run=fail_when_cancelled)))
    await began.wait()
    keeping.cancel()
    await asyncio.wait({keeping}, timeout=1)
    assert keeping.cancelled()


async def test_work_in_progress_outlives_a_failed_claim() -> None:
    due_work = DueWork("a", "b")
    keeping = asyncio.create_task(Supervised().supervisor.keep("worker", due_work.worker.loop(grace_s=1)))
    await until(lambda: len(due_work.worker.active) == 2)
    due_work.fails_next = True
    due_work.may_end.set()
    due_work.due.append("c")
    due_work.wakeups.wake()
    await until(lambda: sorted(due_work.done) == ["a", "b", "c"])
    keeping.cancel()
    await asyncio.wait({keeping})


async def test_what_fails_apart_is_raised_after_the_rest_is_done() -> None:
    done = []

    def turn() -> None:
        with apart() as attempt:
            for each in (1, 0, 2):
                with attempt():
                    done.append(1 / each)

    with pytest.raises(ExceptionGroup, match="parts of the turn"):
        turn()
    assert done == [1.0, 0.5]


async def test_a_loop_that_nobody_supervises_may_rest() -> None:
    with resting():
        await pause(0)
