"""Run the benchmarks: `python -m benchmarks [GROUP ...] [--rounds N]`.

A group is a module of this package with a function `rows(rounds)`, see `benchmarks.measure`, or `report(rounds)`, which returns Markdown.
Without names all of them run, and benchmarks/README.md and the simulation's part of docs/scaling.md are written.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks.measure import show
from bot import __version__

_KINDS = {"rows", "report"}
_README = Path(__file__).parent / "README.md"
_INTRODUCTION = """# Benchmarks

Written by `make bench`. Every quantity is measured beside an anchor in the same run, because the speed of a machine varies; compare
ratios, not numbers. Three numbers are the minimum, the median and the maximum over the rounds (here {rounds}). The median is compared
with the goal, or every round where nothing may go wrong.

Discord and Oxen are stand-ins on loopback that check nothing (`benchmarks/servers.py`); the bots run in processes of their own. The
*bare bot* makes the HTTP calls that an image needs and nothing else; the *empty command* is one of Easel's process that only answers.
An image is {image_kb} KB of noise, and its generation takes {generation_ms} ms. `make soak` runs for ten minutes and shows memory and
the database's size.

`python -m benchmarks NAME` runs one group, `python -m benchmarks.NAME --quick` a short round of it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Easel beside what it is compared with.")
    found = dict(_groups())
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"one of {', '.join(found)}; without names: all")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often everything is measured (default: 3)")
    given = parser.parse_args()
    if unknown := set(given.groups) - found.keys():
        parser.error(f"there is no group {', '.join(sorted(unknown))}")
    parts, results = [_machine()], dict[str, str]()
    for name in given.groups or found:
        started = time.monotonic()
        results[name] = _result(found[name], given.rounds)
        parts.append(f"\n## {name}\n\n{_summary(found[name])}\n\n{results[name]}")
        sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    sys.stdout.write("".join(parts))
    if not given.groups:
        from benchmarks.oxen_standin import IMAGE_KB
        from benchmarks.pipeline import GENERATION_MS
        from benchmarks.simulation import write

        introduction = _INTRODUCTION.format(rounds=given.rounds, image_kb=IMAGE_KB, generation_ms=GENERATION_MS)
        _README.write_text(f"{introduction}\n{''.join(parts)}", "utf-8")
        write(results["simulation"])  # in docs/scaling.md


def _groups() -> Iterator[tuple[str, ModuleType]]:
    for module in pkgutil.iter_modules(benchmarks.__path__):
        if module.name != "__main__" and _KINDS & vars(found := importlib.import_module(f"benchmarks.{module.name}")).keys():
            yield module.name, found


def _result(module: ModuleType, rounds: int) -> str:
    return str(module.report(rounds)) if hasattr(module, "report") else show(module.rows(rounds))


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]


def _machine() -> str:
    """What the numbers depend on. No names of hosts, users or folders."""
    memory_kib = int(_value_in("/proc/meminfo", "MemTotal").split()[0])
    lines = {
        "Easel": f"{__version__}, measured on {datetime.now(UTC):%Y-%m-%d}",
        "CPU": f"{_value_in('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "Memory": f"{memory_kib / 2**20:.1f} GiB",
        "System": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Software": f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
    }
    return "".join(f"- {name}: {text}\n" for name, text in lines.items())


def _value_in(path: str, name: str) -> str:
    """The value of the first line `name: value` of a file; empty where there is none."""
    lines = (line.partition(":") for line in Path(path).read_text("utf-8").splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "unknown")


if __name__ == "__main__":
    main()
