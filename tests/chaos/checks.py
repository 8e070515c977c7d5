"""What must be true after a run: every accepted job ended, with one enqueue and one visible result each, and the books are right.

An order counts as accepted if its job was stored, or if a member was told of it. Prompts must differ from one order to the next.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, func, select

from bot.domain.job import ENDED, GenerationState, JobState
from bot.store import tables
from bot.store.engine.opening import read_once
from bot.store.money import audit
from sandbox.messages import Message
from sandbox.viewer import Viewer
from tests.chaos.table import Result

# References without a foreign key, by the column's name, in any table that has it.
_REFERS = {
    **dict.fromkeys(("job_id", "origin_job_id", "parent_id"), tables.jobs.c.id),
    "case_id": tables.cases.c.id,
    **dict.fromkeys(("account", "budget", "operator", "other", "host_account"), tables.accounts.c.name),
}
_BUTTON = re.compile(r"v1:(?:more|cancel):([0-9a-z]{12}):0")  # under the one message of a job, while it waits and once it has ended
_WORKING = "⏳"  # under a message whose reaction ordered something
_COPIES = ("copy", "gallery", "log", "case")  # roles of messages that show a job beside its own message


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the stand-ins know."""

    generations: Sequence[Mapping[str, Any]]  # of the image API
    messages: Sequence[Message]  # every message that somebody sees
    told: frozenset[str] = frozenset()  # the prompts of the orders that a member was told of
    spool: Path | None = None  # the folder of downloads in progress


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What the database knows."""

    jobs: Mapping[str, Mapping[Any, Any]]  # by id
    generations: Sequence[Mapping[Any, Any]]
    copies: frozenset[str]  # ids of messages
    overspent: tuple[str, ...]  # sentences
    orphans: tuple[str, ...]
    waiting: int  # items in the outbox


def seen_by(people: Iterable[Viewer]) -> list[Message]:
    """Every message that one of them sees, once."""
    found = {m.id: m for person in people for channel in person.hello["channels"] for m in person.messages(channel["id"])}
    return list(found.values())


def told_of(people: Iterable[Viewer], prompts: Iterable[str]) -> frozenset[str]:
    """Those of the prompts that a message of the bot shows."""
    text = "\n".join(message.text for message in seen_by(people))
    return frozenset(prompt for prompt in prompts if prompt in text)


async def examine(url: str, outside: Outside) -> Result:
    """Compare the database at `url` with what the stand-ins know. Everything should have ended."""
    inside = await read_once(url, read)
    lost = [*_lost(inside, outside)]
    doubled = [*_doubled(inside, outside)]
    second = [*_second_enqueues(inside, outside)]
    orphans = [*inside.orphans, *_left_in(outside.spool)]
    stored = {job["prompt"] for job in inside.jobs.values()}
    shown = _shown(inside, outside)
    return Result(
        accepted=len(inside.jobs) + len(outside.told - stored),
        delivered=sum(1 for job_id, job in inside.jobs.items() if job["state"] == JobState.DELIVERED and shown[job_id]),
        lost=len(lost),
        doubled=len(doubled),
        overspent=len(inside.overspent),
        second_enqueues=len(second),
        orphans=len(orphans),
        wrong=(*lost, *doubled, *inside.overspent, *second, *orphans),
    )


# --- inside ----------------------------------------------------------------------------------------------------------


def read(conn: Connection) -> Inside:
    """Read everything that is compared. Reads only."""
    jobs, generations, messages = tables.jobs, tables.generations, tables.job_messages
    kept = conn.scalars(select(messages.c.message_id).where(messages.c.role.in_(_COPIES)))
    return Inside(
        jobs={row["id"]: row for row in conn.execute(select(jobs.c.id, jobs.c.prompt, jobs.c.state, jobs.c.user_id)).mappings()},
        generations=conn.execute(select(*(generations.c[name] for name in ("job_id", "n", "prompt", "seed", "state")))).mappings().all(),
        copies=frozenset(str(message_id) for message_id in kept),
        overspent=tuple(_overspent(conn)),
        orphans=tuple(_orphans(conn)),
        waiting=conn.scalar(select(func.count()).select_from(tables.outbox)) or 0,
    )


def has_models(conn: Connection) -> bool:
    """Whether a list of models was ever read."""
    return conn.scalar(select(tables.kv.c.name).where(tables.kv.c.name.startswith("models:")).limit(1)) is not None


def open_work(conn: Connection) -> int:
    """How many jobs have not ended, plus the items of the outbox: 0 once nothing is left to do."""
    unfinished = tables.jobs.c.state.in_((JobState.OPEN, JobState.DELIVERABLE, JobState.STRANDED))
    counts = (select(func.count()).select_from(tables.jobs).where(unfinished), select(func.count()).select_from(tables.outbox))
    return sum(conn.scalar(each) or 0 for each in counts)


def _overspent(conn: Connection) -> Iterator[str]:
    yield from audit.prove(conn).wrong
    for row in conn.execute(select(tables.accounts).where(tables.accounts.c.held != 0)):
        yield f"{row.name}: {row.held} microcredits are still reserved."


def _orphans(conn: Connection) -> Iterator[str]:
    """Rows that refer to one that does not exist, and jobs without generations."""
    for column, target in _references():
        parent = target.table.alias()
        gone = select(func.count()).select_from(column.table).where(column.is_not(None), ~_exists(parent.c[target.name], column))
        if count := conn.scalar(gone):
            yield f"{count} rows of {column.table.name} name a {column.name} that does not exist."
    empty = select(tables.jobs.c.id).where(~_exists(tables.generations.c.job_id, tables.jobs.c.id))
    yield from (f"Job {job_id} has no generations." for job_id in conn.scalars(empty))


def _exists(column: Column[Any], value: Column[Any]) -> Any:
    return select(column).where(column == value).correlate(value.table).exists()


def _references() -> Iterator[tuple[Column[Any], Column[Any]]]:
    for table in tables.metadata.sorted_tables:
        for column in table.columns:
            loose = _REFERS.get(column.name)
            targets = [key.column for key in column.foreign_keys] or ([] if loose is None else [loose])
            yield from ((column, target) for target in targets)


# --- compared --------------------------------------------------------------------------------------------------------


def _shown(inside: Inside, outside: Outside) -> Counter[str]:
    """How many messages are a job's own."""
    own = [message for message in outside.messages if message.id not in inside.copies]
    return Counter(job_id for message in own for job_id in set(_jobs_of(message)))


def _jobs_of(message: Message) -> Iterator[str]:
    for component in message.components:
        if found := _BUTTON.fullmatch(str(component.get("custom_id", ""))):
            yield found[1]


def _lost(inside: Inside, outside: Outside) -> Iterator[str]:
    stored = {job["prompt"] for job in inside.jobs.values()}
    yield from (f"A member was told of the order {prompt!r}, and it is not stored." for prompt in sorted(outside.told - stored))
    shown = _shown(inside, outside)
    for job_id, job in inside.jobs.items():
        if job["state"] not in (JobState.DELIVERED, JobState.DELETED):
            yield f"Job {job_id} is {job['state']} and has not ended."
        elif job["state"] == JobState.DELIVERED and not shown[job_id]:
            yield f"Job {job_id} was delivered, and nobody sees a message with its result."
    ended = {key["job_id"] for key in inside.generations if key["state"] not in ENDED}
    yield from (f"A generation of job {job_id} has not ended." for job_id in sorted(ended))
    if inside.waiting:
        yield f"{inside.waiting} items are left in the outbox."
    for message in outside.messages:
        if any("v1:cancel:" in str(component.get("custom_id", "")) for component in message.components):
            yield f"A message still says that its image is being made: {message.text[:80]!r}."
        if _WORKING in message.reactions:
            yield f"A reaction is still marked as in progress, at the message {message.text[:80]!r}."


def _doubled(inside: Inside, outside: Outside) -> Iterator[str]:
    for job_id, count in _shown(inside, outside).items():
        if count > 1:
            yield f"Job {job_id} has {count} messages."


def _second_enqueues(inside: Inside, outside: Outside) -> Iterator[str]:
    """Generations at the image API beyond the one of each image, and images without one."""
    due = Counter((each["prompt"], each["seed"]) for each in inside.generations)
    made = Counter((str(each["prompt"]), each["used_seed"]) for each in outside.generations)
    for key, count in (made - due).items():
        yield f"The image API was asked {count} times too often for {key}."
    succeeded = Counter((each["prompt"], each["seed"]) for each in inside.generations if each["state"] == GenerationState.SUCCEEDED)
    yield from (f"The image API never made {key}, which counts as made." for key in succeeded - made)


def _left_in(spool: Path | None) -> list[str]:
    files = [path for path in spool.rglob("*") if path.is_file() and not path.name.endswith(".lock")] if spool and spool.exists() else []
    return [f"A download was left: {path.name}." for path in files]
