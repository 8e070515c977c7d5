"""Every row of the permission table, tried by everybody: by button, menu, command, reaction, form and forged id.

The tests share one bot; each allowed press has its own image.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import discord
import pytest
import pytest_asyncio
from PIL import Image

from bot.app import App
from bot.domain.gestures import DESCRIBES
from bot.domain.job import Job, JobState
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, CaseState, Decision
from bot.domain.money.sponsorship import SponsorshipState
from bot.domain.permissions import RULES, Action
from bot.domain.preferences import Consent
from bot.services import reactions
from bot.store import history, jobs, tables
from bot.store.moderation import audit_log, cases
from cogs.images import edit_form
from cogs.moderation import report
from sandbox import discord as discords
from sandbox import images
from sandbox.faults import Switchboard
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import written_down
from tests.journeys.images.test_presses import posted
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderator_steps import change_rules
from tests.services.conftest import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHOR, MEMBER, NAMED, MODERATOR, MANAGER, OUTSIDER = "author", "member", "named", "moderator", "manager", "stranger"
MODERATORS = {NAMED, MODERATOR, MANAGER}
HERE = {AUTHOR, MEMBER, *MODERATORS}
EVERYBODY = {*HERE, OUTSIDER}


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
        (job,) = [job for job in await self.app.store.read(jobs.of_member, int(self.author.id), state=JobState.OPEN) if job.prompt == words]
        return job, message

    async def forged(self, who: str, custom_id: str, *, menu: str = "", panel: bool = False) -> None:
        """Use a button or a menu with any custom id; the outsider does so in direct messages."""
        person = self.people[who]
        where = "dm" if who == OUTSIDER else "studio"
        message = await posted(self.app, person, custom_id, menu=menu, panel=panel, where=where)
        await (person.select(message, custom_id, menu) if menu else person.click(message, custom_id))

    async def seen_by(self, who: str, message: Message) -> Message:
        return await self.people[who].message(lambda m: m.id == message.id, message.channel_id)

    async def lines(self, job: Job) -> list[AuditLine]:
        return [line for line in await self.app.store.read(audit_log.latest, guild_of(self.author), limit=99) if line.job_id == job.id]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    board = Switchboard()
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for limit in ("BURST_MAKING", "BURST_JUDGING"):  # the tests press faster than people do
            patch.setattr(reactions, limit, 1_000)
        image_server = await stack.enter_async_context(images.serve(switchboard=board, timing=images.FAST, draft=True))
        chat = await stack.enter_async_context(discords.serve(switchboard=board))
        env = Env(switchboard=board, images=image_server, discord=chat, folder=tmp_path_factory.mktemp("rights"))
        app = await stack.enter_async_context(env.app(QUOTA_CREDITS="100000"))
        people = {AUTHOR: await stack.enter_async_context(person_in(env, "Ada"))}
        for who, name in {MEMBER: "Ben", MANAGER: "Mo", NAMED: "Cleo", MODERATOR: "Max"}.items():
            if name not in people[AUTHOR].people:
                await people[AUTHOR].join(name)
            people[who] = await stack.enter_async_context(person_in(env, name))
        people[OUTSIDER] = people[MANAGER]
        await people[MANAGER].role("Cleo", "Helpers")
        await people[MANAGER].role("Max", "Stewards")
        helpers = people[AUTHOR].roles["Helpers"]
        await change_rules(app, people[AUTHOR], moderator_role_ids=[helpers], flags={"quorum": 9}, strikes={"ladder": []})
        yield Stage(env=env, app=app, people=people)


# --- what came of a press --------------------------------------------------------------------------------------------

Done = Callable[[], Awaitable[object]]
Pressed = Callable[[Stage, str], Awaitable[Done]]


def refusals(person: Person) -> set[tuple[str, str]]:
    channels = [str(channel["id"]) for channel in person.hello["channels"]]
    return {(m.id, m.text.split("\n")[0]) for channel in channels for m in person.messages(channel) if "🚫" in m.text}


async def outcome(stage: Stage, press: Pressed, who: str) -> str | None:
    """The sentence of the refusal, or None if it is done."""
    person = stage.people[who]
    before = refusals(person)
    done = await press(stage, who)
    async with asyncio.timeout(10):
        while not (refused := refusals(person) - before):
            if await done():
                return None
            await asyncio.sleep(0.01)
    ((_, sentence),) = refused
    return sentence.removeprefix("🚫 ")


def sentences(action: Action, owner: Person) -> set[str]:
    return {rule.sentence.format(member=f"<@{owner.id}>", emoji=DESCRIBES) for rule in RULES[action]}


async def decided(stage: Stage, job: Job) -> Case:
    """The case about a job, once it is decided."""

    async def read_case() -> Case | None:
        latest = await stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author))
        return latest if latest is not None and latest.state is CaseState.DECIDED else None

    return await eventually(read_case)


# --- presses ---------------------------------------------------------------------------------------------------------


def shown(person: Person, words: str, channel: str = "studio") -> Done:
    """Whether a new message contains these words."""
    before = {m.id for m in person.messages(channel)}

    async def is_shown() -> bool:
        return any(words in m.text and m.id not in before for m in person.messages(channel))

    return is_shown


def in_state(stage: Stage, job: Job, state: JobState) -> Done:
    async def is_so() -> bool:
        return (await stage.app.services.orders.job(job.id)).state is state

    return is_so


def opened(person: Person) -> Done:
    """Whether a new form is open."""
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


async def cancel_button(stage: Stage, who: str) -> Done:
    with stuck(stage):
        job, _ = await stage.waiting()
        await stage.forged(who, f"v1:cancel:{job.id}:0")
    return in_state(stage, job, JobState.DELIVERED)


async def cancel_reaction(stage: Stage, who: str) -> Done:
    with stuck(stage):
        job, message = await stage.waiting()
        await stage.people[who].react(await stage.seen_by(who, message), "❌")
    return in_state(stage, job, JobState.DELIVERED)


async def delete_button(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    if who == OUTSIDER:
        await stage.forged(who, f"v1:delete:{job.id}:0")
    else:
        await stage.people[who].click(await stage.seen_by(who, message), "Delete")
    return in_state(stage, job, JobState.DELETED)


async def delete_reaction(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "❌")
    return in_state(stage, job, JobState.DELETED)


async def hide_reaction(stage: Stage, who: str) -> Done:
    job, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "🙈")

    async def is_hidden() -> bool:
        return (await stage.app.services.orders.job(job.id)).spoiler

    return is_hidden


async def report_button(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    is_open = opened(stage.people[who])
    await stage.people[who].click(await stage.seen_by(who, message), "Report")
    return is_open


async def report_menu(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    is_open = opened(stage.people[who])
    await stage.people[who].menu("Report image", await stage.seen_by(who, message))
    return is_open


async def report_reaction(stage: Stage, who: str) -> Done:
    _, message = await stage.image()
    await stage.people[who].react(await stage.seen_by(who, message), "🚩")

    async def is_marked() -> bool:
        return "✅" in (await stage.seen_by(who, message)).reactions

    return is_marked


async def details_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    words = shown(stage.people[who], "**Job** `", "dm" if who == OUTSIDER else "studio")
    await stage.forged(who, f"v1:details:{job.id}:0")
    return words


async def lineage_step(stage: Stage, who: str) -> Done:
    private, public = (await stage.still(private=True))[0], (await stage.still())[0]
    channel = "dm" if who == OUTSIDER else "studio"
    person = stage.people[who]
    await stage.forged(who, f"v1:kin:{public.id}", menu=private.id, panel=True)

    async def is_redrawn() -> bool:
        return any(private.id in m.text for m in person.messages(channel))

    return is_redrawn


async def lineage_back(stage: Stage, who: str) -> Done:
    private, _ = await stage.still(private=True)
    person, channel = stage.people[who], "dm" if who == OUTSIDER else "studio"
    await stage.forged(who, f"v1:kin-back:{private.id}", panel=True)

    async def is_redrawn() -> bool:
        return any(private.id in m.text for m in person.messages(channel))

    return is_redrawn


async def again_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    before = await stage.app.store.read(history.page, int(stage.people[who].id))
    await stage.forged(who, f"v1:again:{job.id}:0")

    async def is_ordered() -> bool:
        return (await stage.app.store.read(history.page, int(stage.people[who].id))).total > before.total

    return is_ordered


async def original_reaction(stage: Stage, who: str) -> Done:
    job, _ = await stage.still(private=True)
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    content.seek(0)
    channel = stage.app.client.get_partial_messageable(int(stage.author.channel("studio")))
    sent = await channel.send(file=discord.File(content, f"easel-{job.id}-1.png"))
    copy = await stage.people[who].message(lambda m: m.id == str(sent.id))
    done = shown(stage.people[who], job.prompt, "dm")
    await stage.people[who].react(copy, "✉️")
    return done


async def edit_menu(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    await stage.app.services.members.change(int(stage.author.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    is_open = opened(stage.people[who])
    await stage.people[who].menu("Edit with Easel", await stage.seen_by(who, message))
    return is_open


async def edit_reaction(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    await stage.app.services.members.change(int(stage.author.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    asked = shown(stage.people[who], f"<@{stage.people[who].id}>, what should change")
    await stage.people[who].react(await stage.seen_by(who, message), "✏️")
    return asked


async def cases_button(stage: Stage, who: str) -> Done:
    listed = shown(stage.people[who], "Cases", "dm" if who == OUTSIDER else "studio")
    await stage.forged(who, "v1:mod:open", panel=True)
    return listed


async def purge_button(stage: Stage, who: str) -> Done:
    person, channel = stage.people[who], "dm" if who == OUTSIDER else "studio"
    before = len([m for m in person.messages(channel) if "Purge" in m.text or "🧹" in m.text])
    await stage.forged(who, f"v1:mod:purge:{stage.people[MEMBER].id}", panel=True)

    async def is_told() -> bool:
        return len([m for m in person.messages(channel) if "🧹" in m.text]) > before

    return is_told


async def judge_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged(who, f"v1:judge:delete:{job.id}")
    return in_state(stage, job, JobState.DELETED)


async def acquit_oneself(stage: Stage, who: str) -> Done:
    job, _ = await stage.image(MANAGER if who == OUTSIDER else who)
    await stage.forged(who, f"v1:judge:refund:{job.id}")
    return in_state(stage, job, JobState.DELETED)


async def block_command(stage: Stage, who: str) -> Done:
    done = shown(stage.people[who], "cannot ask for pictures here")
    await stage.people[who].slash("imagemod block", member=stage.people[MEMBER].id, hours=1)
    await stage.people[who].slash("imagemod unblock", member=stage.people[MEMBER].id)
    return done


async def block_oneself(stage: Stage, who: str) -> Done:
    done = shown(stage.people[who], "cannot ask for pictures here")
    await stage.people[who].slash("imagemod block", member=stage.people[who].id, hours=1)
    return done


async def appeal_button(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged(MANAGER, f"v1:judge:spoiler:{job.id}")
    latest = await decided(stage, job)
    is_open = opened(stage.people[who])
    await stage.forged(who, f"v1:appeal:{latest.id}")
    return is_open


async def delete_in_history(stage: Stage, who: str) -> Done:
    job, _ = await stage.image()
    await stage.forged(who, f"v1:history:delete:{job.id}:0:", panel=True)
    return in_state(stage, job, JobState.DELETED)


async def form_of_another(stage: Stage, who: str) -> Done:
    """With the author's form open, another person submits a forged copy of it."""
    _, message = await stage.still()
    await stage.author.click(message, "Edit")
    form = (await stage.author.modal()).custom_id
    job, _ = await stage.image(MANAGER if who == OUTSIDER else who, "dm" if who == OUTSIDER else "studio")
    own = next(m for m in stage.people[who].messages("dm" if who == OUTSIDER else "studio") if job.prompt in m.content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edit_form, "_FORM", lambda **_fields: form)
        await stage.people[who].click(own, "Edit")
        modal = await stage.people[who].modal()
    before = await stage.app.store.read(history.page, int(stage.people[who].id))
    await stage.people[who].submit(modal, prompt="at night")

    async def is_ordered() -> bool:
        return (await stage.app.store.read(history.page, int(stage.people[who].id))).total > before.total

    return is_ordered


async def note_button(stage: Stage, who: str) -> Done:
    _, message = await stage.still()
    is_open = opened(stage.people[who])
    await stage.forged(who, f"v1:describe:{message.channel_id}:{message.id}:{stage.author.id}")
    return is_open


async def settings_button(stage: Stage, who: str) -> Done:
    person, channel = stage.people[who], "dm" if who == OUTSIDER else "studio"
    before = len([m for m in person.messages(channel) if "Pause" in m.buttons])
    await stage.forged(who, "v1:admin:refresh", panel=True)

    async def is_redrawn() -> bool:
        return len([m for m in person.messages(channel) if "Pause" in m.buttons]) > before

    return is_redrawn


async def end_button(stage: Stage, who: str) -> Done:
    """Press the end button of the author's sponsorship, which is started again each time."""
    if not any("End it" in m.buttons for m in stage.author.messages()):
        await stage.author.slash("sponsor start", credits=1)
    line = await stage.author.message(lambda m: "End it" in m.buttons)
    sponsorship = line.buttons["End it"]["custom_id"].rpartition(":")[2]
    if who == OUTSIDER:
        await stage.forged(who, line.buttons["End it"]["custom_id"], panel=True)
    else:
        await stage.people[who].click(await stage.seen_by(who, line), "End it")

    async def is_over() -> bool:
        return (await stage.app.services.money.sponsorship(sponsorship)).state is not SponsorshipState.OPEN

    return is_over


ROWS: list[tuple[Action, Pressed, set[str], set[str]]] = [
    (Action.CANCEL, cancel_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.CANCEL, cancel_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.DELETE, delete_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.DELETE, delete_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.HIDE, hide_reaction, HERE, {AUTHOR, *MODERATORS}),
    (Action.FLAG, report_button, HERE, HERE - {AUTHOR}),
    (Action.FLAG, report_menu, HERE, HERE - {AUTHOR}),
    (Action.FLAG, report_reaction, HERE, HERE - {AUTHOR}),
    (Action.SEE, details_button, EVERYBODY, {AUTHOR}),
    (Action.SEE, lineage_step, EVERYBODY, {AUTHOR}),
    (Action.SEE, lineage_back, EVERYBODY, {AUTHOR}),
    (Action.AGAIN, again_button, EVERYBODY, {AUTHOR}),
    (Action.ORIGINAL, original_reaction, HERE, {AUTHOR}),
    (Action.USE, edit_menu, HERE, {AUTHOR}),
    (Action.USE, edit_reaction, HERE, {AUTHOR}),
    (Action.MODERATE, cases_button, EVERYBODY, MODERATORS),
    (Action.MODERATE, purge_button, EVERYBODY, MODERATORS),
    (Action.DECIDE, judge_button, EVERYBODY, MODERATORS),
    (Action.DECIDE, acquit_oneself, EVERYBODY, {MANAGER}),
    (Action.BLOCK, block_command, {MODERATOR, MANAGER}, {MODERATOR, MANAGER}),
    (Action.BLOCK, block_oneself, {MODERATOR, MANAGER}, set()),
    (Action.APPEAL, appeal_button, EVERYBODY, {AUTHOR}),
    (Action.MANAGE, settings_button, EVERYBODY, {MANAGER}),
    (Action.STOP_SPONSORSHIP, end_button, EVERYBODY, {AUTHOR, *MODERATORS}),
    (Action.BROWSE, delete_in_history, EVERYBODY, {AUTHOR}),
    (Action.SEND, form_of_another, EVERYBODY, {AUTHOR}),
    (Action.ANSWER, note_button, HERE, {AUTHOR}),
]


@pytest.mark.parametrize(("action", "press", "tried", "allowed"), ROWS, ids=[f"{row[0].name}-{row[1].__name__}" for row in ROWS])
async def test_each_row_of_the_table_holds_for_everybody(
    stage: Stage, action: Action, press: Pressed, tried: set[str], allowed: set[str]
) -> None:
    came = {who: await outcome(stage, press, who) for who in sorted(tried)}
    assert {who for who, sentence in came.items() if sentence is None} == allowed
    known = {sentence for who in tried for sentence in sentences(action, stage.author)}
    assert {sentence for sentence in came.values() if sentence is not None} <= known


async def test_every_action_has_a_press() -> None:
    assert {action for action, *_ in ROWS} == set(Action)


# --- what a moderator does under an image is a decision ---------------------------------------------------------------


async def by_button(stage: Stage, message: Message) -> None:
    await stage.people[NAMED].click(await stage.seen_by(NAMED, message), "Delete")


async def by_cross(stage: Stage, message: Message) -> None:
    await stage.people[NAMED].react(await stage.seen_by(NAMED, message), "❌")


async def by_monkey(stage: Stage, message: Message) -> None:
    await stage.people[NAMED].react(await stage.seen_by(NAMED, message), "🙈")


DECISIONS = [(by_button, Decision.DELETE), (by_cross, Decision.DELETE), (by_monkey, Decision.SPOILER)]


@pytest.mark.parametrize(("act", "decision"), DECISIONS)
async def test_a_moderator_s_action_is_audited_notifies_the_author_and_closes_the_case(
    stage: Stage, act: Callable[[Stage, Message], Awaitable[None]], decision: Decision
) -> None:
    job, message = await stage.image()
    await stage.people[MODERATOR].react(await stage.seen_by(MODERATOR, message), "🚩")  # a report of theirs alone opens a case
    await eventually(lambda: stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author)))
    await act(stage, message)
    case = await decided(stage, job)
    assert (case.decision, case.decided_by) == (decision, int(stage.people[NAMED].id))
    assert AuditAction.CASE_DECIDED in {line.action for line in await stage.lines(job) if line.actor_id == case.decided_by}
    await stage.author.message(lambda m: "A moderator of" in m.content and job.prompt in m.content, "dm")


@pytest.mark.parametrize("act", [by_button, by_cross])
async def test_a_deletion_by_the_author_is_not_audited(stage: Stage, act: Callable[[Stage, Message], Awaitable[None]]) -> None:
    job, message = await stage.image(NAMED)
    await act(stage, message)
    await eventually(lambda: _is_deleted(stage, job))
    assert await stage.lines(job) == []


async def _is_deleted(stage: Stage, job: Job) -> bool | None:
    return (await stage.app.services.orders.job(job.id)).state is JobState.DELETED or None


@pytest.mark.parametrize("act", [by_button, by_cross])
async def test_deleting_a_message_whose_job_is_unknown_is_audited(stage: Stage, act: Callable[[Stage, Message], Awaitable[None]]) -> None:
    job, message = await stage.image(MEMBER)
    await stage.app.store.write(lambda conn: conn.execute(tables.jobs.delete().where(tables.jobs.c.id == job.id)))
    await act(stage, message)
    await stage.author.until(lambda: all(m.id != message.id for m in stage.author.messages()) or None)
    newest = (await stage.app.store.read(audit_log.latest, guild_of(stage.author)))[0]
    assert (newest.action, newest.actor_id, newest.details) == (
        AuditAction.DELETED,
        int(stage.people[NAMED].id),
        {"message_id": int(message.id)},
    )


@pytest.mark.parametrize("custom_id", ["v1:delete:{job}:0", "v1:judge:delete:{job}"])
async def test_moderators_have_no_rights_over_images_of_another_server(stage: Stage, custom_id: str) -> None:
    job, _ = await stage.image(AUTHOR, "elsewhere")

    async def press(stage: Stage, who: str) -> Done:
        await stage.forged(who, custom_id.format(job=job.id))
        return in_state(stage, job, JobState.DELETED)

    for who in sorted(MODERATORS):
        assert await outcome(stage, press, who) in sentences(Action.DELETE, stage.author) | sentences(Action.MODERATE, stage.author)
    assert (await stage.app.services.orders.job(job.id)).state is JobState.DELIVERED


async def test_moderators_cannot_cancel_jobs_of_another_server(stage: Stage) -> None:
    with stuck(stage):
        await stage.author.slash("generate", "elsewhere", prompt="a far fox")
        (job,) = [
            job
            for job in await stage.app.store.read(jobs.of_member, int(stage.author.id), state=JobState.OPEN)
            if job.prompt == "a far fox"
        ]
        await stage.forged(MANAGER, f"v1:cancel:{job.id}:0")
        await stage.people[MANAGER].message(lambda m: "or a moderator, can cancel this" in m.text)
        assert (await stage.app.services.orders.job(job.id)).cancel_requested_at is None
        await stage.forged(AUTHOR, f"v1:cancel:{job.id}:0")


async def test_a_forged_report_about_an_image_of_another_server_is_refused(stage: Stage) -> None:
    (job, _), (_, message) = await stage.image(AUTHOR, "elsewhere"), await stage.still()
    form = report.FORM(message=int(message.id), author=int(stage.author.id), job=job.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "FORM", lambda **_fields: form)
        await stage.people[MODERATOR].click(await stage.seen_by(MODERATOR, message), "Report")
        await stage.people[MODERATOR].submit(await stage.people[MODERATOR].modal(), reason="forged")
    await stage.people[MODERATOR].message(lambda m: "here there are none" in m.text)
    assert await stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author)) is None


async def test_a_running_job_cannot_be_deleted(stage: Stage) -> None:
    with stuck(stage):
        job, _ = await stage.waiting()
        await stage.forged(MODERATOR, f"v1:delete:{job.id}:0")
        await stage.people[MODERATOR].message(lambda m: "still being made" in m.text)
        await stage.forged(AUTHOR, f"v1:cancel:{job.id}:0")
