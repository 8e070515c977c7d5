"""Run the bot under every fault: `python -m tests.chaos [NAME ...] [--engine E] [--seed N] [--short]`, or `make chaos`.

Prints a line for each run. The exit code is 1 if anything was lost, doubled, overspent, enqueued twice or left without its owner, or if a
run did too little work to show that.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog
from structlog.typing import EventDict

from tests.chaos.databases import EngineName, databases
from tests.chaos.table import Conditions, Finished, Result, Run, Stopwatch, header, line, registered, total


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name, or everything. Returns the exit code."""
    known = registered()
    given = _parsed(arguments, known)
    chosen = [run for run in known if (not given.names or run.name in given.names) and given.engine in (None, run.engine)]
    logging.disable(logging.CRITICAL)  # a killed process leaves connections that its stand-ins complain about
    structlog.configure(processors=[_drop])
    print(header(), flush=True)
    with tempfile.TemporaryDirectory(prefix="easel-chaos-") as folder:
        finished = [_finish(run, Path(folder), seed=given.seed, short=given.short) for run in chosen]
    print(total(finished))
    return int(not finished or any(each.faults for each in finished))


def _drop(_logger: object, _method: str, _event: EventDict) -> EventDict:
    """For bots in this process: the table is all that is printed."""
    raise structlog.DropEvent


def _parsed(arguments: Sequence[str] | None, known: Sequence[Run]) -> argparse.Namespace:
    names = sorted({run.name for run in known})
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(names)}; without names: all")
    parser.add_argument("--engine", choices=[str(engine) for engine in EngineName], help="only the runs on this database")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of everything random (default: 1)")
    parser.add_argument("--short", action="store_true", help="a few seconds of each run")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(names):
        parser.error(f"there is no run {', '.join(sorted(unknown))}")
    return given


def _finish(run: Run, folder: Path, *, seed: int, short: bool) -> Finished:
    """Run it, print its line, and return what it counted. An exception of the run is a fault of it."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory(dir=folder) as own, databases(Path(tempfile.mkdtemp(dir=own))) as made:
        conditions = Conditions(seed=seed, short=short, folder=Path(own), new_database=partial(made.new, run.engine))
        try:
            result = asyncio.run(_limited(run, conditions))
        except Exception as error:  # noqa: BLE001 - it is printed, and the other runs go on
            trace = "".join(traceback.format_exception(error)[-4:]).strip()
            result = Result(wrong=(f"The run ended with an error.\n{trace}",))
    finished = Finished(run=run, result=result, seconds=watch.seconds, short=short)
    print(line(finished), flush=True)
    return finished


async def _limited(run: Run, conditions: Conditions) -> Result:
    async with asyncio.timeout(run.limit_s):
        return await run.work(conditions)


if __name__ == "__main__":
    sys.exit(main())
