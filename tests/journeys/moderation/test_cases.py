"""An image is flagged, moderators decide, its author appeals, with restarts in between."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.guild.document import changed
from bot.domain.moderation.audit import AuditAction
from bot.store import outbox
from bot.store.moderation import audit_log, cases, conduct, record
from bot.store.moderation.cases import waiting
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import guild_of
from tests.journeys.moderator_steps import MODERATORS, case_post, change_rules, crowd, decide, decided, gone, shown, with_moderators
from tests.journeys.reaction_steps import new_image, seen
from tests.journeys.result_steps import press
from tests.services.conftest import eventually


async def test_flags_hide_an_image_and_open_a_case(app: App, ada: Person, ben: Person, mo: Person, env: Env) -> None:
    async with crowd(env, "Ben", "Cleo") as (_ben, cleo):
        await with_moderators(app, ada)
        first = await new_image(ada)
        for person in (ben, cleo):
            await person.react(await seen(person, first), "🚩")
        await shown(ada, first, hidden=True)
        post = await case_post(mo)
        assert list(post.buttons) == ["Keep", "Hide", "Delete", "Delete + refund", "Block 24 h"]
        assert post.attachments[0]["filename"].startswith("SPOILER_easel-")
        assert all(
            words in post.content for words in (f"<@{ada.id}>", "a red fox in the snow", "Flagged by 2 members", f"<@{cleo.id}> (1)")
        )
        assert post.silent or post.pings == []


async def report_and_wait(mo: Person, ada: Person) -> None:
    """A moderator flags Ada's image, which opens a case at once."""
    await mo.react(await mo.message(has_image), "🚩")
    await case_post(mo)


@pytest.mark.parametrize(("button", "strikes"), [("Delete", True), ("Block 24 h", True), ("Delete + refund", False)])
async def test_a_moderator_deletes_an_image_and_its_author_is_notified(
    app: App, ada: Person, mo: Person, asked: Ask, button: str, strikes: bool
) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await report_and_wait(mo, ada)
    post = await case_post(mo)
    await decide(mo, post, button, reason="Not for this server.")
    await gone(ada, first)
    await decided(mo, post, f"**{button}**, decided by <@{mo.id}>")
    assert "> Not for this server." in (await decided(mo, post, "decided by")).content
    notice = await ada.message(lambda m: "A moderator of" in m.content, "dm")
    assert "Reason: Not for this server." in notice.content
    assert ("Appeal" in notice.buttons) == strikes
    assert ("got a strike" in notice.content) == strikes


@pytest.mark.parametrize("command", ["delete", "spoiler"])
async def test_the_author_reads_a_reason_given_by_command_without_its_markup(ada: Person, mo: Person, asked: Ask, command: str) -> None:
    await mo.slash(f"imagemod {command}", image=(await asked()).id, reason="**Not** for here")
    assert r"Reason: \*\*Not\*\* for here" in (await ada.message(lambda m: "A moderator of" in m.content, "dm")).content


async def test_keep_removes_the_spoiler(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await new_image(ada)
    await ben.react(await seen(ben, first), "🚩")
    assert "\n-# 🙈 Hidden by reports until a moderator decides.\n" in (await shown(ada, first, hidden=True)).content
    assert first.id in (await ada.message(lambda m: "reported your image" in m.content, "dm")).content
    post = await case_post(mo)
    await mo.click(post, "Keep")
    now = await shown(ada, first, hidden=False)
    assert now.content == first.content
    await decided(mo, post, "**Keep**")
    assert len(ada.messages("dm")) == 1


async def test_a_hidden_image_says_that_a_moderator_hid_it(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await new_image(ada)
    await ben.react(await seen(ben, first), "🚩")
    await shown(ada, first, hidden=True)
    await mo.click(await case_post(mo), "Hide")
    now = await ada.message(lambda m: m.id == first.id and "🙈 Hidden by a moderator." in m.content)
    assert "reports" not in now.content


async def test_each_step_survives_a_restart(env: Env) -> None:
    """Flag; restart; the post; restart; decide; restart; appeal; restart; decide again."""
    async with Person.connect(env.discord.url, "Ada") as ada, Person.connect(env.discord.url, "Mo") as mo:
        async with env.app() as app:
            await with_moderators(app, ada)
            first = await new_image(ada)
            await mo.react(await mo.message(lambda m: m.id == first.id), "🚩")
            await eventually(lambda: app.store.read(waiting, guild_of(mo)))
        async with env.app():
            post = await case_post(mo)
        async with env.app():
            await decide(mo, post, "Block 24 h")
            await decided(mo, post, "**Block 24 h**")
        async with env.app():
            notice = await ada.message(lambda m: "Appeal" in m.buttons, "dm")
            await ada.click(notice, "Appeal")
            form = await ada.modal()
        async with env.app():
            await ada.submit(form, words="It is only a fox.")
            second = await case_post(mo, "It is only a fox.")
        async with env.app() as app:
            await mo.click(second, "Keep")
            await decided(mo, second, "**Keep**")
            await ada.message(lambda m: "Your appeal was reviewed" in m.content, "dm")
            assert await app.store.read(conduct.blocked_now, guild_of(mo), system()) == []
        assert len([m for m in mo.messages(MODERATORS) if "**Case" in m.content]) == 2


async def test_a_case_has_one_appeal(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    await asked()
    await report_and_wait(mo, ada)
    await decide(mo, await case_post(mo), "Delete")
    notice = await ada.message(lambda m: "Appeal" in m.buttons, "dm")
    await ada.click(notice, "Appeal")
    await ada.submit(await ada.modal(), words="Why?")
    await ada.message(lambda m: "will review this again" in m.content, "dm")
    await ada.click(notice, "Appeal")
    await ada.message(lambda m: "can't appeal this" in m.content, "dm")


async def test_when_two_moderators_press_at_once_one_decides(app: App, env: Env, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    await asked()
    await report_and_wait(mo, ada)
    await mo.join("Max", moderator=True)
    async with crowd(env, "Max") as (max_,):
        post = await case_post(mo)
        presses = (mo.click(post, "Hide"), decide(max_, await case_post(max_), "Delete"))
        await asyncio.gather(*presses, return_exceptions=True)  # the page refuses a press on a button that is gone
        final = await mo.message(lambda m: m.id == post.id and not m.buttons, MODERATORS)
        lines = await app.store.read(audit_log.latest, guild_of(mo))
    assert [line.action for line in lines].count(AuditAction.CASE_DECIDED) == 1
    assert ("**Hide**" in final.content) != ("**Delete**" in final.content)


async def test_flags_of_newcomers_are_stored_but_do_not_count(app: App, env: Env, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await asked()
    await mo.join("Newt", days=1)
    async with crowd(env, "Newt") as (newt,):
        await newt.react(await seen(newt, first), "🚩")
        await newt.message(lambda m: "Flags count once you've been a member for 7 days" in m.content, "dm")
    assert await app.store.read(waiting, guild_of(ada)) == []


async def test_a_flag_whose_reaction_easel_may_not_take_away_lasts_as_long_as_it(
    app: App, env: Env, ada: Person, ben: Person, mo: Person, asked: Ask
) -> None:
    await with_moderators(app, ada)
    await mo.permit_bot("manage_messages", on=False)
    first = await asked()
    async with crowd(env, "Ben", "Cleo") as (_ben, cleo):
        await ben.react(await seen(ben, first), "🚩")
        await eventually(lambda: _stays(app, ada))
        await ben.unreact(await seen(ben, first), "🚩")
        await eventually(lambda: _no_reports(app, ada))
        await cleo.react(await seen(cleo, first), "🚩")
        await eventually(lambda: _reports(app, ada))
        assert await app.store.read(waiting, guild_of(ada)) == []
        await ben.react(await seen(ben, first), "🚩")
        await shown(ada, first, hidden=True)


async def _stays(app: App, ada: Person) -> bool:
    found = (await app.store.read(record.of_member, int(ada.id), guild_of(ada), now=system())).reports
    return any(report.reaction_stays for report in found)


async def _reports(app: App, ada: Person) -> bool:
    return bool((await app.store.read(record.of_member, int(ada.id), guild_of(ada), now=system())).reports)


async def _no_reports(app: App, ada: Person) -> bool:
    return not await _reports(app, ada)


async def test_unlocking_counts_the_flags_given_under_the_lock(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    await change_rules(app, ada, flags={"quorum": 1, "locked": True})
    first = await asked()
    await ben.react(await seen(ben, first), "🚩")
    await ben.message(lambda m: "Your report is kept." in m.content, "dm")
    assert await app.store.read(waiting, guild_of(ada)) == []
    await change_rules(app, ada, flags={"quorum": 1, "locked": False})
    await shown(ada, first, hidden=True)
    await case_post(mo)


async def test_without_a_channel_cases_wait_and_are_posted_once_there_is_one(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await change_rules(app, ada, flags={"quorum": 1})
    await asked()
    await mo.react(await mo.message(has_image), "🚩")
    await eventually(lambda: app.store.read(waiting, guild_of(ada)))
    await with_moderators(app, ada)
    await case_post(mo)


async def test_a_case_is_decided_with_closed_direct_messages(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    await ada.dms(open=False)
    first = await asked()
    await report_and_wait(mo, ada)
    await decide(mo, await case_post(mo), "Delete")
    await gone(ada, first)
    (case,) = await app.store.read(cases.of_author, guild_of(ada), int(ada.id))
    assert case.decision == "delete"


async def test_a_report_opens_a_case_and_further_ones_are_added_to_it(app: App, env: Env, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await mo.join("Newt", days=1)
    async with crowd(env, "Ben", "Newt") as (ben, newt):
        await report(newt, first, "This copies somebody.")
        post = await case_post(mo, f"Reported by <@{newt.id}>:\n> This copies somebody.")
        await report(ben, first, "It copies me.")
        await mo.message(lambda m: m.id == post.id and f"Reported by 2 members:\n> <@{newt.id}>: This" in m.content, MODERATORS)
        assert [m.id for m in mo.messages(MODERATORS) if "**Case" in m.content] == [post.id]
        await shown(ada, first, hidden=False)
        await ben.message(lambda m: "moderators have your report. The author isn't told." in m.content)


async def test_a_report_under_locked_flags_opens_its_case_when_they_are_unlocked(
    app: App, ada: Person, ben: Person, mo: Person, asked: Ask
) -> None:
    await with_moderators(app, ada)
    await change_rules(app, ada, flags={"locked": True})
    await report(ben, await asked(), "Too gory")
    await ben.message(lambda m: "Your report is kept." in m.content)
    assert await app.store.read(waiting, guild_of(ada)) == []
    await change_rules(app, ada, flags={"locked": False})
    await case_post(mo, "Too gory")


async def test_managers_are_told_once_that_a_report_waits_without_a_channel(
    app: App, ada: Person, ben: Person, mo: Person, asked: Ask
) -> None:
    await app.services.guilds.change_policy(guild_of(mo), lambda policy: changed(policy, {"flags": {"quorum": 9}}), actor_id=int(mo.id))
    for prompt in ("a red fox", "a blue fox"):
        await report(ben, await asked(prompt=prompt), "Too gory")
    await mo.message(lambda m: "The report waits in `/imagemod cases`" in m.content, "dm")
    await eventually(lambda: _nothing_owed(app))
    assert len([m for m in mo.messages("dm") if "The report waits" in m.content]) == 1
    await mo.slash("imagemod cases")
    await mo.message(lambda m: "2 cases need a decision" in m.text)


async def report(person: Person, image: Message, words: str) -> None:
    await person.menu("Report image", await seen(person, image))
    await person.submit(await person.modal(), reason=words)


async def test_a_flag_is_taken_away_at_once_and_can_be_withdrawn(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await ben.react(await seen(ben, first), "🚩")
    told = await ben.message(lambda m: "Your report was counted. The author isn't told." in m.content, "dm")
    await ada.message(lambda m: m.id == first.id and not m.reactions)
    await ben.react(await seen(ben, first), "🚩", burst=True)
    await ben.message(lambda m: "You've already reported this image" in m.content, "dm")
    await ada.message(lambda m: m.id == first.id and not m.reactions)
    assert await _reports(app, ada)
    await ben.click(told, "Withdraw")
    await ben.message(lambda m: "You've withdrawn your report" in m.content and not m.buttons, "dm")
    assert await _no_reports(app, ada)


@pytest.mark.parametrize("fault", ["discord-answer-lost", "discord-error", "discord-rate-limited", "cdn-gone", "gateway-doubled"])
async def test_a_case_is_posted_once_under_every_discord_fault(
    app: App, env: Env, ada: Person, mo: Person, ben: Person, asked: Ask, fault: str
) -> None:
    await with_moderators(app, ada, quorum=1)
    first = await asked()
    await written_down(app, first)
    there = await seen(ben, first)
    env.switchboard.turn_on(fault, times=3)
    await ben.react(there, "🚩")
    await eventually(lambda: app.store.read(waiting, guild_of(mo)))
    post = await case_post(mo)
    await shown(ada, first, hidden=True)
    await eventually(lambda: _nothing_owed(app))
    assert [m.id for m in mo.messages(MODERATORS) if "**Case" in m.content] == [post.id]


async def _nothing_owed(app: App) -> bool:
    return not await app.store.read(outbox.due, app.clock() + 3_600_000)


async def test_a_flagged_prompt_opens_a_case_for_its_image(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada, prompts={"flag": {"words": ["fox"]}})
    await shown(ada, await asked(), hidden=True)
    post = await case_post(mo)
    assert "The prompt was flagged:" in post.content
    await decide(mo, post, "Delete + refund")
    await decided(mo, post, "**Delete + refund**")


async def test_a_case_about_a_deleted_message_can_be_decided(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    first = await asked()
    await report_and_wait(mo, ada)
    await press(ada, first, "Delete")
    await gone(ada, first)
    post = await case_post(mo)
    await decide(mo, post, "Block 24 h")
    await decided(mo, post, "**Block 24 h**")
    await ada.message(lambda m: "blocked you from creating images there" in m.content, "dm")
