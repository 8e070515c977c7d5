"""/imagemod: cases, blocks and the audit log, for moderators only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.actor import Actor
from bot.domain.job import JobState
from bot.domain.moderation.audit import AuditAction
from bot.domain.moderation.cases import Case, Decision, Report
from bot.store import documents, history
from bot.store.moderation import cases, conduct
from sandbox.person import Message, Person
from tests.env.app import Env, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import admin, audit_lines, guild_of, private_reply, request_of, updated

Reported = Callable[[Message], Awaitable[Case]]


async def mod(person: Person, command: str, words: str, /, **values: Any) -> Message:
    """Run a subcommand of /imagemod and wait for its answer."""
    await person.slash(f"imagemod {command}", **values)
    return await private_reply(person, words)


def link_to(message: Message, person: Person) -> str:
    return f"https://discord.com/channels/{guild_of(person)}/{message.channel_id}/{message.id}"


@pytest.fixture
def reported(app: App, mo: Person) -> Reported:
    """A moderator reports a finished image, which opens a case."""

    async def report(message: Message) -> Case:
        job = await written_down(app, message)
        told_of = Report(
            at=0,
            guild_id=guild_of(mo),
            channel_id=int(message.channel_id),
            message_id=int(message.id),
            author_id=job.place.user_id,
            job_id=job.id,
            user_id=int(mo.id),
            reason="Too gory",
        )
        by = await request_of(app, Actor(user_id=int(mo.id), may_manage_messages=True), mo)
        opened = (await app.services.flagging.flag(by, told_of)).opened
        assert opened is not None
        return opened

    return report


# --- cases -----------------------------------------------------------------------------------------------------------


async def test_a_waiting_case_is_decided_in_the_panel(app: App, mo: Person, ada: Person, asked: Ask, reported: Reported) -> None:
    case = await reported(await asked())
    panel = await mod(mo, "cases", "1 case needs")
    assert "Too gory" in panel.text
    await mo.click(panel, "Hide")
    panel = await updated(mo, panel, "No cases need a decision")
    assert f"Case {case.id}" in panel.text
    assert f"decided by <@{mo.id}>" in panel.text
    assert (await app.services.cases.get(guild_of(mo), case.id)).decision is Decision.SPOILER


async def test_the_second_moderator_is_told_who_decided(env: Env, app: App, mo: Person, asked: Ask, reported: Reported) -> None:
    await reported(await asked())
    await mo.role("Ben", "Moderators")
    async with person_in(env, "Ben") as ben:
        first, second = await mod(mo, "cases", "1 case needs"), await mod(ben, "cases", "1 case needs")
        await mo.click(first, "Keep")
        await updated(mo, first, "No cases need a decision")
        await ben.click(second, "Delete")
        await updated(ben, second, f"<@{mo.id}> already decided this: Keep")


async def test_many_cases_are_paged(mo: Person, asked: Ask, reported: Reported) -> None:
    for number in range(5):
        await reported(await asked(prompt=f"fox {number}"))
    panel = await mod(mo, "cases", "5 cases need")
    assert "fox 0" in panel.text
    await mo.click(panel, "Next")
    panel = await updated(mo, panel, "fox 4")
    assert "fox 0" not in panel.text


async def test_a_page_of_cases_is_one_read_and_its_images_another(
    monkeypatch: pytest.MonkeyPatch, app: App, mo: Person, asked: Ask, reported: Reported
) -> None:
    for number in range(3):
        await reported(await asked(prompt=f"fox {number}"))
    reads: list[str] = []
    read = app.store.read

    def counted(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        task = asyncio.current_task()
        if task is not None and task.get_name() == "CommandTree-invoker":  # the command's own reads
            reads.append(op.__module__)
        return read(op, *args, **kwargs)

    monkeypatch.setattr(app.store, "read", counted)
    panel = await mod(mo, "cases", "3 cases need")
    assert all(f"fox {number}" in panel.text for number in range(3))
    assert [module for module in reads if module != documents.__name__] == [
        cases.__name__,
        history.__name__,
    ]  # the small images; the documents are the guild's settings


async def test_cases_are_opened_from_the_admin_panel_and_decided_after_a_restart(env: Env) -> None:
    async with env.app() as app, person_in(env, "Mo") as mo, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        made = await ada.message(lambda m: bool(m.attachments))
        job = await written_down(app, made)
        by = await request_of(app, Actor(user_id=int(mo.id), may_manage_messages=True), mo)
        about: dict[str, Any] = {"channel_id": int(made.channel_id), "message_id": int(made.id), "author_id": int(ada.id)}
        told_of = Report(at=0, guild_id=guild_of(mo), job_id=job.id, user_id=int(mo.id), reason="Hm", **about)
        await app.services.flagging.flag(by, told_of)
        at_a_glance = await admin(mo, "panel", "1 case needs")
        await mo.click(at_a_glance, "Open cases")
        panel = await private_reply(mo, "**Case 1**")
    async with env.app(), person_in(env, "Mo") as mo:
        await mo.click(await mo.message(lambda m: m.id == panel.id), "Keep")
        await updated(mo, panel, "No cases need a decision")


# --- blocks ----------------------------------------------------------------------------------------------------------


async def test_a_blocked_member_is_refused_notified_and_listed_until_unblocked(app: App, mo: Person, ada: Person, asked: Ask) -> None:
    first = await asked()
    await mod(mo, "block", "can't create images here until <t:", member=ada.id, hours=5, reason="Flooding")
    await ada.message(lambda m: "Flooding" in m.text, "dm")
    await ada.slash("generate", prompt="a red fox")
    await private_reply(ada, "Flooding")
    panel = await mod(mo, "blocked", f"<@{ada.id}>")
    await mo.click(panel, "Unblock")
    await updated(mo, panel, "No one is blocked")
    await ada.slash("generate", prompt="a red fox")
    await ada.message(lambda m: bool(m.attachments) and m.id != first.id)


async def test_a_member_who_left_stays_blocked_and_is_unblocked_by_name(app: App, mo: Person, ben: Person) -> None:
    await mod(mo, "block", "until you unblock them", member=ben.id)
    await ben.leave()
    await mo.join("Ben")
    assert "Not blocked" not in (await mod(mo, "member", f"<@{ben.id}>", member=ben.id)).text
    await mod(mo, "unblock", "can create images here again", member=ben.id)
    await mod(mo, "unblock", "isn't blocked here", member=ben.id)


async def test_two_concurrent_blocks_leave_one_block(env: Env, app: App, mo: Person, ada: Person) -> None:
    await mo.role("Ben", "Moderators")
    async with person_in(env, "Ben") as ben:
        await asyncio.gather(*(who.slash("imagemod block", member=ada.id, hours=1) for who in (mo, ben)))
    assert len(await app.store.read(conduct.blocked_now, guild_of(mo), system())) == 1
    lines = await audit_lines(app, mo)
    assert [line.action for line in lines] == [AuditAction.BLOCKED] * 2


# --- images --------------------------------------------------------------------------------------------------------


async def test_an_image_is_deleted_by_its_link(app: App, mo: Person, ada: Person, asked: Ask) -> None:
    made = await asked()
    job = await written_down(app, made)
    await mod(mo, "delete", "Delete", image=link_to(made, mo), reason="Gore")
    await ada.until(lambda: all(m.id != made.id for m in ada.messages()) or None)
    assert (await app.services.orders.job(job.id)).state is JobState.DELETED
    standing = await mod(mo, "member", "1 strike", member=ada.id)
    assert "Delete" in standing.text


async def test_a_job_is_refunded_once_by_its_id(app: App, mo: Person, ada: Person, asked: Ask) -> None:
    job = await written_down(app, await asked())
    await mod(mo, "refund", "Refunded 1.4 credits", image=job.id)
    await mod(mo, "refund", "already refunded", image=job.id)
    await mod(mo, "spoiler", "Hide", image=job.id)


@pytest.mark.parametrize("command", ["delete", "spoiler", "refund"])
async def test_a_link_to_another_server_is_refused(mo: Person, command: str) -> None:
    await mod(mo, command, "No image on this server", image="https://discord.com/channels/1/2/345678")


async def test_a_purge_says_what_was_deleted_and_what_was_only_cancelled(env: Env, app: App, mo: Person, ada: Person, asked: Ask) -> None:
    await written_down(app, await asked())
    env.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a late fox")
    panel = await mod(mo, "purge", "Delete everything", member=ada.id)
    await mo.click(panel, "Delete all")
    text = (await updated(mo, panel, "Deleted 1 request by")).text
    assert "Cancelled 1 unfinished request. An image that is already being generated may still arrive." in text


async def test_a_purge_asks_for_confirmation_and_deletes_everything(app: App, mo: Person, ada: Person, asked: Ask) -> None:
    made = [await asked(prompt=f"fox {number}") for number in range(3)]
    for message in made:
        await written_down(app, message)
    panel = await mod(mo, "purge", "3 images", member=ada.id)
    await mo.click(panel, "Keep them")
    await updated(mo, panel, "Nothing was deleted")
    panel = await mod(mo, "purge", "3 images", member=ada.id)
    await mo.click(panel, "Delete all")
    await updated(mo, panel, "Deleted 3 requests")
    await ada.until(lambda: not any(m.id in {each.id for each in made} for m in ada.messages()) or None)


# --- what was done ---------------------------------------------------------------------------------------------------


async def test_the_audit_log_is_paged_and_filtered_by_member(app: App, mo: Person, ada: Person) -> None:
    for quorum in range(4, 16):
        await mo.slash("imageadmin flags", needed=quorum)
    await mod(mo, "block", "can't create images", member=ada.id, reason="Flooding")
    panel = await mod(mo, "audit", f"<@{mo.id}> blocked <@{ada.id}>")
    assert "Flags needed to hide an image: 14 → 15" in panel.text
    await mo.click(panel, "Older")
    panel = await updated(mo, panel, "Flags needed to hide an image: 3 → 4")
    await mo.click(panel, "Newest")
    await updated(mo, panel, "Flooding")
    about_ada = await mod(mo, "audit", f"Audit log for <@{ada.id}>", member=ada.id)
    assert "Flags needed" not in about_ada.text
