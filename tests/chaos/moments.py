"""kill -9 at random moments while people order, edit, cancel, give and delete: several histories, each checked at its end."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, func, select

from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY, MICRO
from bot.store import tables
from bot.store.engine.base import Store
from bot.store.money import transfers
from sandbox.person import Message, Person
from tests.chaos.databases import EngineName
from tests.chaos.killable import NOWHERE, Point, somewhere
from tests.chaos.table import Conditions, Result, Run
from tests.chaos.trial import WITHOUT_LIMITS, Trial, quietly, trial
from tests.env.app import has_image
from tests.env.images import png
from tests.journeys.conftest import job_id_of

_KILLS, _HISTORIES = 50, 20  # kills of a history
_SHORT_KILLS, _SHORT_HISTORIES = 10, 1
_AT_ONCE = 4  # histories; the people in them mostly wait
_MOST_POINTS, _MOST_S = 400, 2.0  # of one process, of CPU time; a start takes some 35 points and 0.3 s
_NAMES = ("Ada", "Ben", "Mo")  # Mo is a moderator
_IN_FLIGHT = 4  # things that a person waits for at a time
_CHECK_AGAIN_S = 0.1  # whether the bot was killed
_GIFT = 0.1  # credits
_ENOUGH = 100_000  # credits that each may give away


@dataclass(kw_only=True)
class Crowd:
    """People who use the bot at random."""

    trial: Trial
    chance: random.Random
    gifts: int = 0  # that were tried
    acting: dict[asyncio.Task[bool], int] = field(default_factory=dict)  # each with the number of the bot's start

    async def act(self) -> None:
        """One person does one thing. It is not awaited, except if that person has too much in progress."""
        await self.trial.online()
        person = self.chance.choice(self.trial.people)
        task = asyncio.create_task(quietly(self._choose()(person)), name=person.name)
        self.acting[task] = self.trial.bot.starts
        task.add_done_callback(self.acting.pop)
        while len(waiting := self._waiting()) >= _IN_FLIGHT * len(self.trial.people):
            await asyncio.wait(waiting, timeout=_CHECK_AGAIN_S, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(self.chance.uniform(0, 0.1))

    async def rest(self) -> None:
        """Wait until nobody waits for an answer."""
        if self.acting:
            await asyncio.wait(self.acting)

    def _waiting(self) -> list[asyncio.Task[bool]]:
        """What waits for the bot that runs now; a killed one answers nobody."""
        return [task for task, start in self.acting.items() if start == self.trial.bot.starts]

    def _choose(self) -> Callable[[Person], Awaitable[object]]:
        acts = {self._create: 4, self._edit: 3, self._react: 2, self._cancel: 2, self._delete: 1, self._give: 2, self._refund: 1}
        return self.chance.choices(list(acts), list(acts.values()))[0]

    async def _create(self, person: Person) -> None:
        await person.slash("generate", prompt=self.trial.new_prompt(), count=self.chance.randint(1, 3))

    async def _edit(self, person: Person) -> None:
        reference = person.upload("fox.png", png(64, 48))
        await person.slash("edit", prompt=self.trial.new_prompt(), image=reference)

    async def _react(self, person: Person) -> None:
        if image := self._one_of(person, has_image):
            await person.react(image, self.chance.choice(("🎨", "🔁", "🌙")))

    async def _cancel(self, person: Person) -> None:
        if waiting := self._one_of(person, lambda message: "Cancel" in message.buttons):
            await person.click(waiting, "Cancel")

    async def _delete(self, person: Person) -> None:
        if image := self._one_of(person, has_image):
            await person.react(image, "❌")

    async def _give(self, person: Person) -> None:
        other = self.chance.choice([each for each in self.trial.people if each is not person])
        self.gifts += 1
        await person.slash("gift", member=other.id, credits=_GIFT)

    async def _refund(self, person: Person) -> None:
        if image := self._one_of(person, lambda message: has_image(message) and "More" in message.buttons):
            await self.trial.people[-1].slash("imagemod refund", image=job_id_of(image))

    def _one_of(self, person: Person, wanted: Callable[[Message], bool]) -> Message | None:
        found = [message for message in person.messages()[-50:] if wanted(message)]
        return self.chance.choice(found) if found else None


@dataclass(kw_only=True)
class RandomKills:
    """A plan: kills somewhere, until the bot was killed often enough."""

    chance: random.Random
    kills: int
    trial: Trial | None = None  # known once the bot was started

    def __call__(self, _start: int) -> Point:
        return NOWHERE if self.over else somewhere(self.chance, most_points=_MOST_POINTS, most_s=_MOST_S)

    @property
    def over(self) -> bool:
        return self.trial is not None and len(self.trial.bot.kills) >= self.kills


async def moments(conditions: Conditions) -> Result:
    """Random kills under load. The first fault ends the run."""
    kills, histories = (_SHORT_KILLS, _SHORT_HISTORIES) if conditions.short else (_KILLS, _HISTORIES)
    result, seeds = Result(), iter(range(histories))

    async def play() -> None:
        nonlocal result
        for number in seeds:
            if result.wrong:
                return
            result += await _history(conditions, conditions.seed * histories + number, kills)

    async with asyncio.TaskGroup() as group:
        for number in range(min(_AT_ONCE, histories)):
            group.create_task(play(), name=f"histories {number}")
    return replace(result, notes=(f"{kills * histories} kills",) if not result.wrong else result.notes)


async def _history(conditions: Conditions, seed: int, kills: int) -> Result:
    """Use a bot on its own database until it was killed so often, then let it come to an end and check everything."""
    plan = RandomKills(chance=random.Random(f"kills {seed}"), kills=kills)
    url = await asyncio.to_thread(conditions.new_database)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=conditions.folder))
    async with trial(url, folder, plan, names=_NAMES, prepare=_prepare, settings=WITHOUT_LIMITS) as plan.trial:
        crowd = Crowd(trial=plan.trial, chance=random.Random(f"people {seed}"))
        while not plan.over:
            await crowd.act()
        await crowd.rest()
        result = await crowd.trial.check()
        result += await _gifts_wrong(crowd)
        where = (f"Seed {seed}, {plan.trial.bot.starts} starts: {plan.trial.bot.last_lines()}",) if result.wrong else ()
    return replace(result, wrong=(*result.wrong, *where))


async def _gifts_wrong(crowd: Crowd) -> Result:
    """Every gift that somebody was told of was booked, and none twice."""
    told = sum("gave" in message.content for message in crowd.trial.people[0].messages())
    booked = await crowd.trial.read(_gifts)
    if told <= booked <= crowd.gifts:
        return Result()
    return Result(overspent=1, wrong=(f"{booked} gifts were booked, {told} were told of and {crowd.gifts} were tried.",))


def _gifts(conn: Connection) -> int:
    """Each has two lines."""
    return (conn.scalar(select(func.count()).where(tables.ledger.c.entry == Entry.GIFT)) or 0) // 2


async def _prepare(store: Store, people: tuple[Person, ...]) -> None:
    for person in people:
        account = AccountRef(name=member_account(int(person.hello["guild"]["id"]), int(person.id)), fills=EMPTY)
        await store.write(transfers.grant, to=account, amount=_ENOUGH * MICRO, key=f"grant {person.id}", now=0)


RUNS = tuple(
    Run(name="random-moments", engine=engine, work=moments, accepted=400, delivered=300, limit_s=7200)
    for engine in (EngineName.SQLITE, EngineName.POSTGRES)
)
