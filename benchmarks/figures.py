"""What one job and one process cost, as `benchmarks.processes` measured it: the inputs of `benchmarks.simulation`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

# On a machine with other work, these say more about that than about Easel.
_TIMES = (
    "times", "jobs_per_s", "bot_cpu_ms_per_job", "database_cpu_ms_per_job", "standin_cpu_ms_per_job", "hold_fixed_ms", "hold_per_write_ms",
    "idle_cpu_ms_per_s", "cpu_ms_per_server", "message_cpu_us",
)  # fmt: skip
_FILE = Path(__file__).parent / "measured.json"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of a job: a command with one image of 100 KB, from the order to the image shown, on PostgreSQL with several processes."""

    measured: str  # the day
    times: str  # the same of the times
    cores: int
    load: float  # of the machine, at the end
    generation_s: float  # of the stand-in
    in_flight: int  # jobs of the curve
    jobs_per_s: dict[str, float]  # the curve, by the number of processes

    bot_cpu_ms_per_job: float  # of all processes of Easel together
    database_cpu_ms_per_job: float
    standin_cpu_ms_per_job: float  # of Discord and the image API, which are on the same machine
    busiest_share: float  # of the processes' CPU time with four of them: more than a quarter is the work of roles
    writes_per_job: float
    commits_per_job: float
    transactions_per_job: float  # with the reads
    rows_per_job: float  # inserted, updated and deleted
    wal_bytes_per_job: float
    database_bytes_per_job: float

    hold_fixed_ms: float  # of the writer's lock, for a commit with no write
    hold_per_write_ms: float

    idle_cpu_ms_per_s: float  # of a process without work
    idle_transactions_per_s: float
    memory_mib: float  # of a process with few servers
    memory_kib_per_server: float  # with 20 channels and 10 roles
    cpu_ms_per_server: float  # to connect
    message_cpu_us: float  # for a message of a person that does not concern the bot
    connections_per_process: float


def load() -> Figures:
    """Those of the last run. Raises `FileNotFoundError`."""
    return Figures(**json.loads(_FILE.read_text("utf-8")))


def save(figures: Figures) -> None:
    """For the next simulations. On a busy machine the times of an earlier run stay."""
    if figures.load > 2 * figures.cores and _FILE.exists():
        before = load()
        figures = replace(figures, **{name: getattr(before, name) for name in _TIMES})
    _FILE.write_text(json.dumps(asdict(figures), indent=2) + "\n", "utf-8")
