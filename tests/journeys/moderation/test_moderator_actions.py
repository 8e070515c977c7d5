"""What a moderator does to an image is a decision, and moderators have no rights over another server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.domain.job import JobState
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import Decision
from bot.domain.permissions import Action
from bot.store import jobs, tables
from bot.store.moderation import audit_log, cases
from cogs.moderation import report
from sandbox.person import Message
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderation.rights_steps import (
    AUTHOR,
    MANAGER,
    MEMBER,
    MODERATOR,
    MODERATORS,
    NAMED,
    Done,
    Stage,
    decided,
    in_state,
    outcome,
    sentences,
    stuck,
)
from tests.journeys.result_steps import delete, press
from tests.services.conftest import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def by_button(stage: Stage, message: Message) -> None:
    await delete(stage.people[NAMED], await stage.seen_by(NAMED, message))


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
    case = await eventually(decided(stage, job))
    assert (case.decision, case.decided_by) == (decision, int(stage.people[NAMED].id))
    assert AuditAction.CASE_DECIDED in {line.action for line in await stage.lines(job) if line.actor_id == case.decided_by}
    await stage.author.message(lambda m: "A moderator of" in m.content and job.prompt in m.content, "dm")


@pytest.mark.parametrize("act", [by_button, by_cross])
async def test_a_deletion_by_the_author_is_no_decision(stage: Stage, act: Callable[[Stage, Message], Awaitable[None]]) -> None:
    job, message = await stage.image(NAMED)
    await act(stage, message)
    await eventually(in_state(stage, job, JobState.DELETED))
    assert [line.action for line in await stage.lines(job)] == [AuditAction.DELETED_OWN]


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


async def test_a_running_job_cannot_be_deleted(stage: Stage) -> None:
    with stuck(stage):
        job, _ = await stage.waiting()
        await stage.forged(MODERATOR, f"v1:delete:{job.id}:0")
        await stage.people[MODERATOR].message(lambda m: "still in progress" in m.text)
        await stage.forged(AUTHOR, f"v1:cancel:{job.id}:0")


# --- images of another server -----------------------------------------------------------------------------------------


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
        await stage.people[MANAGER].message(lambda m: "or a moderator can cancel this" in m.text)
        assert (await stage.app.services.orders.job(job.id)).cancel_requested_at is None
        await stage.forged(AUTHOR, f"v1:cancel:{job.id}:0")


async def test_a_forged_report_is_about_the_image_that_its_form_was_opened_for(stage: Stage) -> None:
    (job, _), (_, message) = await stage.image(AUTHOR, "elsewhere"), await stage.still()
    form = report.FORM(message=int(message.id), author=int(stage.author.id), job=job.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "FORM", lambda **_fields: form)
        await press(stage.people[MODERATOR], await stage.seen_by(MODERATOR, message), "Report")
        await stage.people[MODERATOR].submit(await stage.people[MODERATOR].modal(), reason="forged")
    await stage.people[MODERATOR].message(lambda m: "Thanks. This server's moderators" in m.text)
    assert await stage.app.store.read(cases.latest_about, job.id, guild_of(stage.author)) is None
