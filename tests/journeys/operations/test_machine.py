"""Shortages of the bot's own machine: what was paid for is delivered afterwards, once, and nothing is refunded."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohappyeyeballs
import discord
import pytest

from bot.core.errors import MachineTrouble
from bot.core.running import machine
from bot.media import codec, fetch
from bot.store import steps
from bot.store.money import ledger
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.images import png
from tests.journeys.operations.test_crash import assert_consistent
from tests.journeys.operations.test_faults import AheadClock
from tests.journeys.operations.test_providers import both, oxlo_calls
from tests.services.conftest import eventually

DAY_MS = 86_400_000
SENTENCE = "Easel's own machine is overloaded right now. You weren't charged. Try again in a few minutes."
OXLO_MODEL = "stable-diffusion-1.5"


class Shortage:
    """Makes a function fail as it would on a machine that is short of something."""

    def __init__(self, owner: Any, name: str, error: BaseException) -> None:
        self._owner, self._name, self._error = owner, name, error
        self.seen = 0

    @contextmanager
    def lasting(self) -> Iterator[None]:
        real, is_over = getattr(self._owner, self._name), False

        def fails(*args: Any, **kwargs: Any) -> Any:
            if is_over:  # called by someone who took hold of it during the shortage
                return real(*args, **kwargs)
            self.seen += 1
            raise self._error

        setattr(self._owner, self._name, fails)
        try:
            yield
        finally:
            is_over = True
            setattr(self._owner, self._name, real)

    async def until_seen(self, times: int) -> None:
        async def is_seen() -> bool:
            return self.seen >= times

        await eventually(is_seen)


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def full_database() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


SHORTAGES: dict[str, Callable[[], Shortage]] = {
    "no file for a result": lambda: Shortage(tempfile, "mkstemp", os_error(errno.EMFILE)),
    "no connection": lambda: Shortage(aiohappyeyeballs, "start_connection", os_error(errno.EMFILE)),
    "full disk": lambda: Shortage(fetch, "_append", os_error(errno.ENOSPC)),
    "used up quota": lambda: Shortage(fetch, "_append", os_error(errno.EDQUOT)),
    "read-only disk": lambda: Shortage(tempfile, "mkstemp", os_error(errno.EROFS)),
    "broken disk": lambda: Shortage(codec, "read_header", os_error(errno.EIO)),
    "no memory for a decoder": lambda: Shortage(codec, "inspect", MemoryError()),
    "no thread": lambda: Shortage(fetch, "_new_file", RuntimeError("can't start new thread")),
    "no file to upload": lambda: Shortage(discord.File, "__init__", os_error(errno.ENFILE)),
}


async def order(person: Person, **options: object) -> None:
    await person.slash("generate", prompt="a red fox in the snow", **options)


async def until_generations(env: Env, count: int) -> None:
    async def are_there() -> bool:
        return len(await env.generations()) == count

    await eventually(are_there)


QUICK = ("no file for a result", "no memory for a decoder")


@pytest.mark.parametrize("shortage", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SHORTAGES])
async def test_what_was_made_is_delivered_after_a_shortage(env: Env, shortage: str) -> None:
    lacking = SHORTAGES[shortage]()
    env.switchboard.turn_on("generation-stuck")
    async with env.app(MAX_RUNNING_PER_USER="3") as app, person_in(env, "Ada") as ada:
        for _ in range(3):
            await order(ada)
        await until_generations(env, 3)
        with lacking.lasting():
            env.switchboard.turn_off("generation-stuck")
            await lacking.until_seen(6)
        await assert_consistent(app, env, ada, jobs=3)


async def test_the_days_of_a_shortage_count_neither_for_the_download_nor_for_the_delivery(env: Env) -> None:
    lacking, clock = SHORTAGES["no file for a result"](), AheadClock()
    async with env.app(clock=clock) as app, person_in(env, "Ada") as ada:
        with lacking.lasting():
            await order(ada)
            await lacking.until_seen(2)
            clock.ahead_ms = 8 * DAY_MS
            await lacking.until_seen(4)
            env.switchboard.turn_on("result-busy", times=2)
        await assert_consistent(app, env, ada, jobs=1)


async def test_an_image_that_came_in_an_answer_is_kept_until_it_is_stored(env: Env) -> None:
    """The image API has no queue, so the image exists nowhere else. Meanwhile no other one is paid for."""
    lacking = Shortage(steps, "settle", full_database())
    async with both(env, MAX_RUNNING="3", MAX_RUNNING_PER_USER="2") as (app, ada):
        with lacking.lasting():
            for _ in range(4):
                await order(ada, model=OXLO_MODEL)
            await lacking.until_seen(6)
            assert (await oxlo_calls(env))["paid"] == 2
        await ada.until(lambda: len([m for m in ada.messages() if has_image(m)]) == 4 or None)
        assert (await oxlo_calls(env))["paid"] == 4
        assert await app.store.read(ledger.audit) == []
        assert (await statement_of(app, int(ada.id))).held == 0


async def test_an_image_that_cannot_be_stored_before_the_stop_is_told_to_the_operator(env: Env, capsys: pytest.CaptureFixture[str]) -> None:
    """The next start creates it again, as UNCERTAIN_CALLS says, and nobody pays twice."""
    lacking = Shortage(steps, "settle", full_database())
    with lacking.lasting():
        async with both(env, STOP_GRACE_S="0.1") as (_, ada):
            await order(ada, model=OXLO_MODEL)
            await lacking.until_seen(2)
    assert "finished image could not be stored before the stop" in capsys.readouterr().out
    async with env.app(settings={**env.oxlo, "UNCERTAIN_CALLS": "retry"}) as app, person_in(env, "Ada") as ada:
        await ada.message(has_image)
        statement = await statement_of(app, int(ada.id))
        assert (statement.held, statement.spent > 0, await app.store.read(ledger.audit)) == (0, True, [])


async def test_nothing_is_taken_in_or_sent_while_the_disk_is_full(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CHECK_S", 0.0)
    async with env.app(MAX_RUNNING_PER_USER="1") as app, person_in(env, "Ada") as ada:
        env.switchboard.turn_on("generation-stuck")
        await order(ada)
        await order(ada)
        await until_generations(env, 1)
        monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 2**62)
        env.switchboard.turn_off("generation-stuck")
        await order(ada)
        await ada.message(lambda m: SENTENCE in m.content)
        assert len(await env.generations()) == 1
        monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 2**20)
        await assert_consistent(app, env, ada, jobs=2)


async def test_a_submission_that_this_machine_cannot_send_waits_and_is_not_the_image_apis_fault(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        lacking = Shortage(app.guards["oxen"].provider, "enqueue", MachineTrouble("no files"))
        with lacking.lasting():
            await order(ada)
            await lacking.until_seen(5)
            assert app.guards["oxen"].away_since is None
        await assert_consistent(app, env, ada, jobs=1)


@pytest.mark.parametrize(
    "lacking",
    [Shortage(fetch.Fetcher, "_way_to", os_error(errno.EMFILE)), Shortage(codec, "clean_reference", MemoryError())],
    ids=["no connection", "no memory"],
)
async def test_a_reference_that_this_machine_cannot_read_is_not_damaged(env: Env, lacking: Shortage) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        with lacking.lasting():
            await ada.slash("edit", prompt="in winter", image=ada.upload("fox.png", png(64, 64)))
            await ada.message(lambda m: SENTENCE in m.content)
        assert (await statement_of(app, int(ada.id))).held == 0
