"""How soon a command is acknowledged, beside an empty command of the same process. Discord waits 3 s.

python -m benchmarks.answers [--quick]
"""

from __future__ import annotations

import sys
from statistics import median

from benchmarks.discord_standin import USERS
from benchmarks.measure import Row, RunReport, easel, percentile, show

_LIMIT_MS = 3000
_BURST = 500
_EMPTY = "empty command"


def rows(rounds: int, *, alone: int = 30, together: int = 300) -> list[Row]:
    """`alone` and `together`: how many commands are sent one after the other, and 50 at a time."""
    p50 = Row(what="acknowledgement p50, alone", unit="ms", anchor_name=_EMPTY, goal=3, relative=True)
    p99 = Row(what="acknowledgement p99, 50 at a time while images are handled", unit="ms", anchor_name=_EMPTY, goal=3, relative=True)
    late = Row(what=f"{_BURST} commands at once: late", unit="", goal=0, always=True, anchor_name=_EMPTY)
    stalled = Row(what=f"{_BURST} commands at once while the database stalls for 1 s: late", unit="", goal=0, always=True)
    for _ in range(rounds):
        with easel() as (servers, _process):
            servers.run(command="empty", until="acknowledged", count=USERS, in_flight=1)  # Easel notes every member's language once
            servers.run(count=5, in_flight=1, generation_ms=50)
            p50.anchor.append(_p(50, servers.run(command="empty", until="acknowledged", count=alone, in_flight=1)))
            p99.anchor.append(_p(99, servers.run(command="empty", until="acknowledged", count=together, in_flight=50)))
            p50.value.append(_p(50, servers.run(count=alone, in_flight=1)))
            p99.value.append(_p(99, servers.run(until="acknowledged", count=together, in_flight=50)))
        late.anchor.append(_late("empty", stall_s=0))
        late.value.append(_late("generate", stall_s=0))
        stalled.value.append(_late("generate", stall_s=1))
    return [p50, p99, late, stalled]


def _p(percent: int, report: RunReport) -> float:
    waits = report.between_ms("dispatched", "acknowledged")
    return median(waits) if percent == 50 and waits else percentile(waits, percent)


def _late(command: str, *, stall_s: float) -> float:
    """How many of the commands have no acknowledgement after 3 s."""
    with easel() as (servers, process):
        servers.run(count=5, in_flight=1, generation_ms=50)
        if stall_s:
            process.ask("stall", seconds=stall_s)
        report = servers.run(command=command, until="acknowledged", count=_BURST, in_flight=_BURST, timeout_s=_LIMIT_MS / 1000 + 1)
        return _BURST - sum(1 for wait in report.between_ms("dispatched", "acknowledged") if wait <= _LIMIT_MS)


if __name__ == "__main__":
    sys.stdout.write(show(rows(1, alone=20, together=150) if "--quick" in sys.argv else rows(3)))
