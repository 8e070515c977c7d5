"""Whatever the image APIs answer: every order ends, nothing is made twice, no image is lost, and the money is exact."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from bot.core.errors import NotFound
from bot.domain.job import Failure, Generation, GenerationState, Job, JobState, ReplyTarget
from bot.domain.order import Attachment, ReadFile
from sandbox import images
from sandbox.faults import Switchboard
from tests.env.guild_rules import change_rules
from tests.env.images import png
from tests.env.job_steps import check_ledger
from tests.services.conftest import MODEL, Pipeline, eventually


async def read() -> ReadFile:
    return "a.png", png(64, 48)


PIXELS = Attachment(url="", filename="a.png", size_bytes=9, read=read)
GIVE_UP_S = 3.0
SLACK_S = 1.5  # for a busy machine
OXLO = "stable-diffusion-1.5"
SETTINGS: dict[str, Any] = {
    "MAX_GENERATION_MINUTES": str(GIVE_UP_S / 60),
    "MODEL_PRICES": f"{MODEL}=1, {OXLO}=1",
    "OXLO_RATE_PER_MINUTE": "10000",
    **dict.fromkeys(("OXEN_MAX_RUNNING", "OXLO_MAX_RUNNING", "MAX_RUNNING", "MAX_RUNNING_PER_USER", "MAX_RUNNING_PER_SERVER"), "100"),
}


@dataclass(kw_only=True)
class Storm:
    """Orders of two image APIs that answer at random."""

    pipeline: Pipeline
    mode: str  # of Oxen
    dice: Random
    calls_at_most: int  # for one image of the API without a queue
    jobs: list[Job] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    async def wave(self, orders: int) -> None:
        """Order, cancel some, and wait until everything has ended and is shown."""
        ordered = [await self._order() for _ in range(orders)]
        cancelling = [self._cancel(job) for job in self.dice.sample(ordered, orders // 10)]
        await asyncio.gather(*cancelling)
        await eventually(lambda: self._all_shown(ordered), timeout_s=40)
        self.jobs += [await self.pipeline.orders.job(job.id) for job in ordered]

    async def shown_by_the_apis(self) -> dict[str, Any]:
        return await self._ask("random")

    async def check(self) -> None:
        shown = await self.shown_by_the_apis()
        made = Counter(row["prompt"] for row in (await self._ask("generations"))["generations"])
        paid = Counter(row["prompt"] for row in (await self._ask("openai/calls"))["calls"] if row["paid"])
        for job in self.jobs:
            (generation,) = job.generations
            self._check_end(job, generation)
            name = generation.provider_id or job.prompt
            self._check_image(job, generation, shown["shown"].get(name))
            assert made[job.prompt] <= (self.calls_at_most if self.mode == "sync" else 1), job
            assert paid[job.prompt] <= self.calls_at_most, job
        for member in {job.place.user_id for job in self.jobs}:
            paid_for = sum(is_shown(each) for job in self.jobs if job.place.user_id == member for each in job.succeeded)
            assert await self.pipeline.spent(member) == paid_for * 1_000_000
        await check_ledger(self.pipeline.store)

    def _check_end(self, job: Job, generation: Generation) -> None:
        assert generation.ended_at is not None
        assert generation.ended_at - job.created_at <= 1000 * (2 * GIVE_UP_S + SLACK_S), job

    def _check_image(self, job: Job, generation: Generation, shown_at: int | None) -> None:
        """What an answer showed to be made before the end was shown to the member, and nothing that was charged was not."""
        is_made = generation.state is GenerationState.SUCCEEDED
        assert is_made or shown_at is None or shown_at >= (generation.ended_at or 0) - 300, job
        (message,) = self.pipeline.discord.results_of(job.id)
        assert generation.failure is not Failure.UNUSABLE, job
        assert (len(message.files), generation.refunded_at is None) == (is_shown(generation), is_shown(generation) or not is_made), job

    async def _order(self) -> Job:
        number = next(self.numbers)
        place = ReplyTarget(user_id=number % 7 + 1, channel_id=5, guild_id=1)
        attachments = [PIXELS] if self.dice.random() < 0.2 else []
        return await self.pipeline.order(f"fox {number}", place=place, model=self.dice.choice((MODEL, OXLO)), attachments=attachments)

    async def _cancel(self, job: Job) -> None:
        await asyncio.sleep(self.dice.uniform(0, GIVE_UP_S / 4))
        with contextlib.suppress(NotFound):  # it has ended already
            await self.pipeline.cancel(job)

    async def _all_shown(self, ordered: list[Job]) -> bool:
        for job in ordered:  # up to the first that is not: this is asked every few milliseconds
            if (await self.pipeline.orders.job(job.id)).state is not JobState.DELIVERED:
                return False
        return True

    async def _ask(self, path: str) -> dict[str, Any]:
        async with self.pipeline.session.get(f"{self.pipeline.images.url}/sandbox/{path}") as response:
            found: dict[str, Any] = await response.json()
            return found


def is_shown(generation: Generation) -> bool:
    """Made, and not withheld because of the server's content check, which answers at random too."""
    return generation.state is GenerationState.SUCCEEDED and generation.failure is not Failure.CONTENT


@contextlib.asynccontextmanager
async def storm(folder: Path, template: Path, *, seed: int) -> AsyncIterator[Storm]:
    """The bot, with its database, and image APIs that answer at random."""
    shutil.copy(template, folder / "easel.sqlite3")
    switchboard, rule, mode = Switchboard(), ("release", "retry")[seed % 2], ("events", "poll", "sync")[seed % 3]
    serving = images.serve(switchboard=switchboard, timing=images.FAST, draft=True, seed=seed)
    async with serving as server, aiohttp.ClientSession() as session:
        pipeline = Pipeline(images=server, session=session, data_dir=folder)
        oxlo: dict[str, Any] = {"OXLO_API_KEY": server.openai_key, "OXLO_BASE_URL": server.openai_url}
        try:
            await pipeline.restart(mode=mode, **SETTINGS, **oxlo, UNCERTAIN_CALLS=rule)
            for provider in ("oxen", "oxlo"):
                await pipeline.models.refresh(provider)
            await change_rules(pipeline.guilds, checks={"prompts": True, "results": True, "on_down": "hold"})
            switchboard.turn_on("random-answers")
            async with pipeline.running():
                yield Storm(pipeline=pipeline, mode=mode, dice=Random(seed), calls_at_most=1 + (rule == "retry"))
        finally:
            await pipeline.close()


async def weather(folder: Path, template: Path, *, seed: int, answers: int, orders: int) -> tuple[int, int]:
    """Order until the image APIs have given this many answers, and check. Returns the numbers of jobs and answers."""
    async with storm(folder, template, seed=seed) as running:
        while (given := (await running.shown_by_the_apis())["answers"]) < answers:
            await running.wave(orders)
        await running.check()
        return len(running.jobs), given


@pytest.mark.parametrize("seed", range(2))
async def test_orders_survive_a_few_hundred_random_answers(tmp_path: Path, sqlite_template: Path, seed: int) -> None:
    await weather(tmp_path, sqlite_template, seed=seed, answers=130, orders=15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
async def test_orders_survive_twenty_thousand_random_answers(tmp_path: Path, sqlite_template: Path, seed: int) -> None:
    print(f"seed {seed}")  # noqa: T201  shown for a failure
    await weather(tmp_path, sqlite_template, seed=seed, answers=2000, orders=80)
