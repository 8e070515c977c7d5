"""The runs of `python -m tests.chaos`, their results, and the table of them.

A module of this package registers its runs as data, in a tuple `RUNS`.
"""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import tests.chaos
from tests.chaos.databases import EngineName

MUST_BE_ZERO = ("lost", "doubled", "overspent", "second_enqueues", "orphans")


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run counted. `wrong` has a sentence for each fault; a run with any of them fails."""

    accepted: int = 0  # orders that were stored, or that a member was told of
    delivered: int = 0  # of these, those that a member saw the end of
    lost: int = 0
    doubled: int = 0
    overspent: int = 0
    second_enqueues: int = 0
    orphans: int = 0
    bad_inputs: int = 0  # that were given to the bot, and refused as they should be
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # worth printing, and no fault

    def __add__(self, other: Result) -> Result:
        return Result(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(Result)})


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a run works with."""

    seed: int
    short: bool
    folder: Path  # empty, and deleted after the run
    new_database: Callable[[], str]  # the URL of another database of the run's engine, with the schema and without rows


@dataclass(frozen=True, kw_only=True)
class Run:
    """One line of the table."""

    name: str
    engine: EngineName
    work: Callable[[Conditions], Awaitable[Result]]
    accepted: int = 1  # fewer accepted orders than these are too little work; a short run has its own minimum of one
    delivered: int = 1
    bad_inputs: int = 0
    limit_s: float = 1800


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run, its result, and how long it took."""

    run: Run
    result: Result
    seconds: float
    short: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        """A sentence for each reason why the run failed; empty if it did not."""
        not_zero = (f"{_title(name)}: {getattr(self.result, name)}." for name in MUST_BE_ZERO if getattr(self.result, name))
        return (*self.result.wrong, *not_zero, *self._too_little())

    def _too_little(self) -> Iterator[str]:
        for name in ("accepted", "delivered", "bad_inputs"):
            done, least = getattr(self.result, name), getattr(self.run, name)
            if done < (min(least, 1) if self.short else least):
                yield f"The run did no work: {done} {_title(name)} of at least {least}."


def registered() -> tuple[Run, ...]:
    """The runs of every module of this package."""
    names = sorted(module.name for module in pkgutil.iter_modules(tests.chaos.__path__) if not module.name.startswith(("__", "test_")))
    modules = [importlib.import_module(f"tests.chaos.{name}") for name in names]
    return tuple(run for module in modules for run in getattr(module, "RUNS", ()))


# --- the table -------------------------------------------------------------------------------------------------------

_NUMBERS = ("accepted", "delivered", *MUST_BE_ZERO, "bad_inputs")
_NAME, _ENGINE = 26, 8  # characters


def header() -> str:
    return f"{'run':{_NAME}} {'engine':{_ENGINE}} " + " ".join(_title(name) for name in _NUMBERS) + "  seconds"


def line(finished: Finished) -> str:
    """The run's line, and below it the reasons why it failed."""
    run = finished.run
    numbers = " ".join(f"{getattr(finished.result, name):>{len(_title(name))},}" for name in _NUMBERS)
    notes = [f"    {note}" for note in finished.result.notes] + [f"  ! {fault}" for fault in finished.faults]
    return "\n".join([f"{run.name:{_NAME}} {run.engine:{_ENGINE}} {numbers} {finished.seconds:8.1f}", *notes])


def total(all_finished: Sequence[Finished]) -> str:
    failed = [f"{each.run.name} ({each.run.engine})" for each in all_finished if each.faults]
    return f"{len(all_finished)} runs, {len(failed)} failed{': ' if failed else '.'}{', '.join(failed)}"


def _title(name: str) -> str:
    return name.replace("_", " ")


class Stopwatch:
    """The time since it was made."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun
