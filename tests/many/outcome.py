"""What must be true after a run of several processes, by what the database and the stand-ins know."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, select, true

from bot.domain.job import Failure, GenerationState, JobState
from bot.store import tables
from sandbox.messages import Message
from tests.chaos import checks
from tests.chaos.checks import Outside
from tests.many.busy_discord import BusyDiscord, job_buttons
from tests.many.made import CountedImage, made_at, most_at_once, most_beyond_rate, overtaken
from tests.many.run import HEAVY, MOST, RATES, Together

# Of a restart of the database. What was being committed then may have been saved.
_EXPECTED = re.compile(r"\] database away |\] background loop failed .* kind='MaybeSaved in ")
_SETTLED_S = 100.0


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What the database holds afterwards."""

    generations: list[Mapping[Any, Any]]
    jobs: int
    unknown_owners: list[str]
    processes: int
    open_work: int


def inventory(conn: Connection) -> Inventory:
    generations = tables.generations
    columns = ("prompt", "seed", "state", "failure", "uncertain", "provider")
    return Inventory(
        generations=[dict(row) for row in conn.execute(select(*(generations.c[name] for name in columns))).mappings()],
        jobs=conn.scalar(select(func.count()).select_from(tables.jobs)) or 0,
        unknown_owners=[*_unknown_owners(conn)],
        processes=len(conn.execute(select(tables.processes.c.id)).all()),
        open_work=checks.open_work(conn),
    )


def _unknown_owners(conn: Connection) -> Iterator[str]:
    """Claims of processes that have ended. The owner of a job counts while it is open."""
    living = select(tables.processes.c.id)
    for table, counts in ((tables.jobs, tables.jobs.c.state == JobState.OPEN), (tables.generations, true()), (tables.outbox, true())):
        for owner in conn.scalars(select(table.c.owner).where(counts, table.c.owner.not_in(living)).distinct()):
            yield f"Rows of {table.name} belong to process {owner}, which has ended."


async def _until_settled(run: Together, processes: int) -> None:
    """Wait until nothing is left to do and the dead are known to be dead. What takes longer is what the checks then name."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_SETTLED_S):
            while (kept := await run.read(inventory)).open_work or kept.processes != processes:  # noqa: ASYNC110  others send no event
                await asyncio.sleep(0.2)


@dataclass(frozen=True, kw_only=True)
class RunFindings:
    """What was found afterwards. `wrong`: a sentence for everything that must not be."""

    jobs: int
    wrong: list[str]
    uncertain: Counter[str]  # generations without an image because their call was lost, by image API
    most: dict[str, int]  # images at a time
    beyond_rates: dict[str, float]
    overtaken: int  # the most images of those who ordered many that one of the others waited for


async def examine(run: Together, *, processes: int) -> RunFindings:
    """Compare the database with what the stand-ins saw. The processes still run; this stops them at last."""
    await _until_settled(run, processes)
    kept = await run.read(inventory)
    made = await made_at(run.images)
    wrong = [*kept.unknown_owners]
    if kept.processes != processes:
        wrong.append(f"{kept.processes} processes are registered, and {processes} run.")
    wrong += [f"The bot logged: {line}" for line in run.fleet.errors() if not _EXPECTED.search(line)]
    wrong += _codes(await asyncio.gather(*(process.stop() for process in run.fleet.running)))
    messages = [Message(raw=message) for message in run.discord.messages.values()]
    again = Counter({(row["prompt"], row["seed"]): row["uncertain"] for row in kept.generations})
    rows = [{"prompt": image.prompt, "used_seed": image.seed} for image in _without_allowed(_with_seeds(made, kept), Counter(again))]
    result = await checks.examine(run.url, Outside(generations=rows, messages=messages, told=frozenset(run.orders.told)))
    wrong += result.wrong
    wrong += _incomplete(kept, messages)
    wrong += _histories(run.discord)
    wrong += _unpaid(kept, made)
    sent_again = {prompt for (prompt, _), times in again.items() if times}
    ordered = {prompt: at for prompt, at in run.orders.told_ms.items() if prompt not in sent_again}
    return RunFindings(
        jobs=kept.jobs,
        wrong=wrong,
        uncertain=Counter(row["provider"] for row in kept.generations if row["failure"] == Failure.UNCERTAIN),
        most={
            "member": most_at_once(made, lambda image: image.user),
            "server": most_at_once(made, lambda image: image.guild),
            "total": most_at_once(made),
            **{api: most_at_once(image for image in made if image.api == api) for api in MOST},
        },
        beyond_rates={api: most_beyond_rate([image for image in made if image.api == api], per_minute=rate) for api, rate in RATES.items()},
        overtaken=max(overtaken(made, ordered_ms=ordered, heavy=HEAVY)),
    )


def _histories(discord: BusyDiscord) -> Iterator[str]:
    """How messages came about that still say that something is made."""
    for message_id, message in discord.messages.items():
        if any(kind == "cancel" for kind, _ in job_buttons(message)):
            yield "\n".join([f"{message['content']!r} came about so:", *discord.journal[message_id]])


def _codes(codes: list[int]) -> Iterator[str]:
    yield from (f"A process ended with {code} when it was stopped." for code in codes if code)


def _with_seeds(made: list[CountedImage], kept: Inventory) -> list[CountedImage]:
    """A model that takes no seed makes images of any: those of the database, as far as they go."""
    due = defaultdict[str, deque[int]](deque)
    for row in kept.generations:
        if row["provider"] == "oxlo":
            due[row["prompt"]].append(row["seed"])
    return [replace(image, seed=due[image.prompt].popleft()) if due[image.prompt] else image for image in made]


def _without_allowed(made: list[CountedImage], again: Counter[tuple[str, int]]) -> Iterator[CountedImage]:
    """Without the first ones of those that were sent again because their answer was lost: what the rules for lost calls allow."""
    times = Counter(image.key for image in made)
    for image in made:
        if times[image.key] > 1 and again[image.key] > 0:
            times[image.key] -= 1
            again[image.key] -= 1
        else:
            yield image


def _unpaid(kept: Inventory, made: list[CountedImage]) -> Iterator[str]:
    """Images that the image APIs charged beyond those that members paid, and calls whose answer was lost."""
    charged = sum(image.is_paid for image in made)
    paid = sum(row["state"] == GenerationState.SUCCEEDED for row in kept.generations)
    lost = sum(row["uncertain"] + (row["failure"] == Failure.UNCERTAIN) for row in kept.generations)
    if not paid <= charged <= paid + lost:
        yield f"The image APIs charged {charged} images; members paid {paid}, and {lost} answers were lost."


def _incomplete(kept: Inventory, messages: list[Message]) -> Iterator[str]:
    """Messages that lack an image which was paid for."""
    due = Counter(row["prompt"] for row in kept.generations if row["state"] == GenerationState.SUCCEEDED)
    shown = Counter[str]()
    for message in messages:
        prompt = message.content.partition("\n")[0].strip("*")
        shown[prompt] += len(message.attachments)
    for prompt, count in due.items():
        if shown[prompt] != count:
            yield f"{count} images of {prompt!r} were made, and {shown[prompt]} are shown."
    failures = Counter(str(row["failure"]) for row in kept.generations if row["state"] == GenerationState.FAILED)
    del failures[str(Failure.UNCERTAIN)]
    yield from (f"{count} generations failed: {failure}." for failure, count in failures.items())
