"""Steps of the tests of permissions: a running bot whose buttons and commands are tried by everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.app import App
from bot.domain.gestures import DESCRIBES
from bot.domain.job import GenerationState, Job, JobState
from bot.domain.moderation.audit import AuditLine
from bot.domain.moderation.cases import Case, CaseState
from bot.domain.permissions import RULES, Action
from bot.store import history, jobs
from bot.store.moderation import audit_log, cases
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import written_down
from tests.journeys.images.test_presses import posted
from tests.journeys.manager_steps import guild_of
from tests.services.conftest import eventually

AUTHOR, MEMBER, NAMED, MODERATOR, MANAGER, OUTSIDER = "author", "member", "named", "moderator", "manager", "stranger"
MODERATORS = {NAMED, MODERATOR, MANAGER}
HERE = {AUTHOR, MEMBER, *MODERATORS}
EVERYBODY = {*HERE, OUTSIDER}


def where(who: str) -> str:
    """The channel in which this person presses."""
    return "dm" if who == OUTSIDER else "studio"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running bot and its people. The outsider moderates the guild, and presses in direct messages."""

    env: Env
    app: App
    people: Mapping[str, Person]
    kept: dict[bool, tuple[Job, Message]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000)))

    @property
    def author(self) -> Person:
        return self.people[AUTHOR]

    async def image(self, by: str = AUTHOR, channel: str = "studio", **options: Any) -> tuple[Job, Message]:
        """A new image, once its delivery is stored."""
        person, words = self.people[by], f"fox number {next(self.numbers)}"
        await person.slash("generate", channel, prompt=words, **options)
        message = await person.message(lambda m: has_image(m) and words in m.content, channel)
        return await written_down(self.app, message), message

    async def still(self, *, private: bool = False) -> tuple[Job, Message]:
        """An image of the author's that is shared by presses which do not change it."""
        if private not in self.kept:
            self.kept[private] = await self.image(private=private)
        return self.kept[private]

    async def waiting(self) -> tuple[Job, Message]:
        """A running job; it needs `stuck` to stay so."""
        words = f"fox number {next(self.numbers)}"
        await self.author.slash("generate", prompt=words)
        message = await self.author.message(lambda m: words in m.content and "Cancel" in m.buttons)

        async def answered() -> Job | None:
            """The job, once it is stored which message shows it."""
            found = await self.app.store.read(jobs.of_member, int(self.author.id), state=JobState.OPEN)
            return next((job for job in found if job.prompt == words and job.place.message_id is not None), None)

        return await eventually(answered), message

    async def forged(self, who: str, custom_id: str, *, menu: str = "", panel: bool = False) -> None:
        """Use a button or a menu with any custom id; the outsider does so in direct messages."""
        person = self.people[who]
        message = await posted(self.app, person, custom_id, menu=menu, panel=panel, where=where(who))
        await (person.select(message, custom_id, menu) if menu else person.click(message, custom_id))

    async def forged_decision(self, who: str, custom_id: str, *, panel: bool = False) -> None:
        """The same for a decision that cannot be undone: if it asks for confirmation, confirm it."""
        person = self.people[who]
        before = len(person.modals)
        await self.forged(who, custom_id, panel=panel)
        if len(person.modals) > before:
            await person.submit(person.modals[-1])

    async def seen_by(self, who: str, message: Message) -> Message:
        return await self.people[who].message(lambda m: m.id == message.id, message.channel_id)

    async def lines(self, job: Job) -> list[AuditLine]:
        return [line for line in await self.app.store.read(audit_log.latest, guild_of(self.author), limit=99) if line.job_id == job.id]


Done = Callable[[], Awaitable[object]]
Pressed = Callable[[Stage, str], Awaitable[Done]]


def refusals(person: Person) -> set[tuple[str, str]]:
    channels = [str(channel["id"]) for channel in person.hello["channels"]]
    return {(m.id, m.text.split("\n")[0]) for channel in channels for m in person.messages(channel) if "🚫" in m.text}


async def outcome(stage: Stage, press: Pressed, who: str) -> str | None:
    """The sentence of the refusal, after which nothing is done; or None if it is done."""
    person = stage.people[who]
    before = refusals(person)
    done = await press(stage, who)
    async with asyncio.timeout(10):
        while not (refused := refusals(person) - before):
            if await done():
                return None
            await asyncio.sleep(0.01)
    ((_, sentence),) = refused
    assert not await done()
    return sentence.removeprefix("🚫 ")


def sentences(action: Action, owner: Person) -> set[str]:
    return {rule.sentence.format(member=f"<@{owner.id}>", emoji=DESCRIBES) for rule in RULES[action]}


# --- what a press does -----------------------------------------------------------------------------------------------


def shown(stage: Stage, who: str, words: str, channel: str = "") -> Done:
    """Whether a new message to this person contains these words."""
    person, channel = stage.people[who], channel or where(who)
    before = {m.id for m in person.messages(channel)}

    async def is_shown() -> bool:
        return any(words in m.text and m.id not in before for m in person.messages(channel))

    return is_shown


def cancelled(stage: Stage, job: Job) -> Done:
    """Whether the job was cancelled. If it was not, it may be delivered by now."""

    async def is_cancelled() -> bool:
        return all(g.state is GenerationState.CANCELLED for g in (await stage.app.services.orders.job(job.id)).generations)

    return is_cancelled


def in_state(stage: Stage, job: Job, state: JobState) -> Done:
    async def is_so() -> bool:
        return (await stage.app.services.orders.job(job.id)).state is state

    return is_so


def decided(stage: Stage, job: Job) -> Callable[[], Awaitable[Case | None]]:
    """The case about a job, once it is decided."""

    async def decided_case() -> Case | None:
        latest = await stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author))
        return latest if latest is not None and latest.state is CaseState.DECIDED else None

    return decided_case


async def ordered(stage: Stage, who: str) -> Done:
    """Whether this person has ordered another image."""
    user_id = int(stage.people[who].id)
    before = await stage.app.store.read(history.page, user_id)

    async def is_ordered() -> bool:
        return (await stage.app.store.read(history.page, user_id)).total > before.total

    return is_ordered


def opened(stage: Stage, who: str) -> Done:
    """Whether a new form is open."""
    person = stage.people[who]
    before = len(person.modals)

    async def is_open() -> bool:
        return len(person.modals) > before

    return is_open


@contextmanager
def stuck(stage: Stage) -> Iterator[None]:
    stage.env.switchboard.turn_on("generation-stuck")
    try:
        yield
    finally:
        stage.env.switchboard.turn_off("generation-stuck")
