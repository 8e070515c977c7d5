"""A picture is flagged, moderators decide, its author appeals: in the local Discord, with restarts in between."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import House
from bot.store import outbox
from bot.store.moderation import audit_log
from bot.store.moderation.audit_log import Action
from bot.store.moderation.cases import waiting
from sandbox.person import Person
from tests.env.app import Street, with_picture
from tests.journeys.conftest import Ask, written_down
from tests.journeys.moderating import MODERATORS, case_post, crowd, decided, gone, rule, server_of, shown, with_moderators
from tests.journeys.reacting import marked, new_picture, seen
from tests.services.conftest import eventually


async def test_flags_hide_a_picture_and_call_the_moderators(house: House, ada: Person, ben: Person, mo: Person, street: Street) -> None:
    async with crowd(street, "Ben", "Cleo") as (_ben, cleo):
        await with_moderators(house, ada)
        first = await new_picture(ada)
        for person in (ben, cleo):
            await person.react(await seen(person, first), "🚩")
        await shown(ada, first, hidden=True)
        post = await case_post(mo)
        assert list(post.buttons) == ["Keep", "Spoiler", "Delete", "Block 24 h", "Refund"]
        assert post.attachments[0]["filename"].startswith("SPOILER_easel-")
        assert all(
            words in post.content for words in (f"<@{ada.id}>", "a red fox in the snow", "Flagged by 2 members", f"<@{cleo.id}> (1)")
        )
        assert post.silent or post.pings == []


async def report_and_wait(mo: Person, ada: Person) -> None:
    """A moderator flags Ada's picture, which is a case at once."""
    await mo.react(await mo.message(with_picture), "🚩")
    await case_post(mo)


@pytest.mark.parametrize(("button", "strikes"), [("Delete", True), ("Block 24 h", True), ("Refund", False)])
async def test_what_a_moderator_deletes_is_gone_and_the_author_hears_of_it(
    house: House, ada: Person, mo: Person, asked: Ask, button: str, strikes: bool
) -> None:
    await with_moderators(house, ada)
    first = await asked()
    await report_and_wait(mo, ada)
    post = await case_post(mo)
    await mo.click(post, button)
    await gone(ada, first)
    await decided(mo, post, f"**{button}**, decided by <@{mo.id}>")
    letter = await ada.message(lambda m: "A moderator of" in m.content, "dm")
    assert ("Appeal" in letter.buttons) == strikes
    assert ("trike was noted" in letter.content) == strikes


async def test_keep_takes_the_flaggers_spoiler_away(house: House, ada: Person, ben: Person, mo: Person) -> None:
    await with_moderators(house, ada, quorum=1)
    first = await new_picture(ada)
    await ben.react(await seen(ben, first), "🚩")
    await shown(ada, first, hidden=True)
    post = await case_post(mo)
    await mo.click(post, "Keep")
    now = await shown(ada, first, hidden=False)
    assert now.content.startswith("**a red fox in the snow**")
    await decided(mo, post, "**Keep**")
    assert not any("moderator" in m.content for m in ada.messages("dm"))


async def test_each_step_outlives_a_restart(street: Street) -> None:
    """Flag; restart; the post; restart; decide; restart; appeal; restart; decide again."""
    async with Person.connect(street.discord.url, "Ada") as ada, Person.connect(street.discord.url, "Mo") as mo:
        async with street.house() as house:
            await with_moderators(house, ada)
            first = await new_picture(ada)
            await mo.react(await mo.message(lambda m: m.id == first.id), "🚩")
            await eventually(lambda: house.store.read(waiting, server_of(mo)))
        async with street.house():
            post = await case_post(mo)
        async with street.house():
            await mo.click(post, "Block 24 h")
            await decided(mo, post, "**Block 24 h**")
        async with street.house():
            letter = await ada.message(lambda m: "Appeal" in m.buttons, "dm")
            await ada.click(letter, "Appeal")
            form = await ada.modal()
        async with street.house():
            await ada.submit(form, words="It is only a fox.")
            second = await case_post(mo, "It is only a fox.")
        async with street.house() as house:
            await mo.click(second, "Keep")
            await decided(mo, second, "**Keep**")
            await ada.message(lambda m: "Your appeal was heard" in m.content, "dm")
            assert await house.services.cases.blocked(server_of(mo)) == []
        assert len([m for m in mo.messages(MODERATORS) if "**Case" in m.content]) == 2


async def test_there_is_one_appeal(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    await asked()
    await report_and_wait(mo, ada)
    await mo.click(await case_post(mo), "Delete")
    letter = await ada.message(lambda m: "Appeal" in m.buttons, "dm")
    await ada.click(letter, "Appeal")
    await ada.submit(await ada.modal(), words="Why?")
    await ada.message(lambda m: "will look again" in m.content, "dm")
    await ada.click(letter, "Appeal")
    await ada.message(lambda m: "nothing to appeal here" in m.content, "dm")


async def test_of_two_moderators_who_press_at_once_one_decides(house: House, street: Street, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    await asked()
    await report_and_wait(mo, ada)
    await mo.join("Max", moderator=True)
    async with crowd(street, "Max") as (max_,):
        post = await case_post(mo)
        presses = (mo.click(post, "Spoiler"), max_.click(await case_post(max_), "Delete"))
        await asyncio.gather(*presses, return_exceptions=True)  # the page refuses a press on a button that is gone
        final = await mo.message(lambda m: m.id == post.id and not m.buttons, MODERATORS)
        lines = await house.store.read(audit_log.latest, server_of(mo))
    assert [line.action for line in lines].count(Action.CASE_DECIDED) == 1
    assert ("**Spoiler**" in final.content) != ("**Delete**" in final.content)


async def test_members_who_press_a_moderator_s_button_change_nothing(
    house: House, ada: Person, ben: Person, mo: Person, asked: Ask
) -> None:
    await with_moderators(house, ada)
    first = await asked()
    await report_and_wait(mo, ada)
    post = await case_post(mo)
    await ben.click(await ben.message(lambda m: m.id == post.id, MODERATORS), "Delete")
    await ben.message(lambda m: "for the moderators" in m.content, MODERATORS)
    assert any(m.id == first.id for m in ada.messages())


async def test_newcomers_flags_are_kept_and_do_not_count(house: House, street: Street, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada, quorum=1)
    first = await asked()
    await mo.join("Newt", days=1)
    async with crowd(street, "Newt") as (newt,):
        await newt.react(await seen(newt, first), "🚩")
        await newt.message(lambda m: "counts once you have been a member here for 7 days" in m.content, "dm")
    assert await house.store.read(waiting, server_of(ada)) == []


async def test_a_flag_taken_back_does_not_count(house: House, street: Street, ada: Person, ben: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    first = await asked()
    async with crowd(street, "Ben", "Cleo") as (_ben, cleo):
        await ben.react(await seen(ben, first), "🚩")
        await marked(ben, first, "✅")
        await ben.unreact(await seen(ben, first), "🚩")
        await eventually(lambda: _no_reports(house, ada))
        await cleo.react(await seen(cleo, first), "🚩")
        await eventually(lambda: _reports(house, ada))
        assert await house.store.read(waiting, server_of(ada)) == []
        await ben.react(await seen(ben, first), "🚩")
        await shown(ada, first, hidden=True)


async def _reports(house: House, ada: Person) -> bool:
    return bool((await house.services.conduct.record(int(ada.id), server_of(ada))).reports)


async def _no_reports(house: House, ada: Person) -> bool:
    return not await _reports(house, ada)


async def test_unlocking_counts_what_was_flagged_meanwhile(house: House, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    await rule(house, ada, flags={"quorum": 1, "locked": True})
    first = await asked()
    await ben.react(await seen(ben, first), "🚩")
    await marked(ben, first, "✅")
    assert await house.store.read(waiting, server_of(ada)) == []
    await rule(house, ada, flags={"quorum": 1, "locked": False})
    await shown(ada, first, hidden=True)
    await case_post(mo)


async def test_without_a_channel_cases_wait_and_are_posted_once_there_is_one(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await rule(house, ada, flags={"quorum": 1})
    await asked()
    await mo.react(await mo.message(with_picture), "🚩")
    await eventually(lambda: house.store.read(waiting, server_of(ada)))
    await with_moderators(house, ada)
    await case_post(mo)


async def test_with_closed_direct_messages_nothing_is_lost(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    await ada.dms(open=False)
    first = await asked()
    await report_and_wait(mo, ada)
    await mo.click(await case_post(mo), "Delete")
    await gone(ada, first)
    (case,) = await house.services.cases.of_member(server_of(ada), int(ada.id))
    assert case.decision == "delete"


async def test_a_report_in_words_reaches_the_moderators(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    await asked()
    await mo.menu("Report image", await mo.message(with_picture))
    await mo.submit(await mo.modal(), reason="This copies somebody.")
    assert "This copies somebody." in (await case_post(mo)).content


@pytest.mark.parametrize("fault", ["discord-answer-lost", "discord-error", "discord-rate-limited", "cdn-gone", "gateway-doubled"])
async def test_whatever_discord_s_day_is_like_a_case_is_posted_once(
    house: House, street: Street, ada: Person, mo: Person, ben: Person, asked: Ask, fault: str
) -> None:
    await with_moderators(house, ada, quorum=1)
    first = await asked()
    await written_down(house, first)
    there = await seen(ben, first)
    street.switchboard.turn_on(fault, times=3)
    await ben.react(there, "🚩")
    await eventually(lambda: house.store.read(waiting, server_of(mo)))
    post = await case_post(mo)
    await shown(ada, first, hidden=True)
    await eventually(lambda: _nothing_owed(house))
    assert [m.id for m in mo.messages(MODERATORS) if "**Case" in m.content] == [post.id]


async def _nothing_owed(house: House) -> bool:
    return not await house.store.read(outbox.due, house.clock() + 3_600_000)


async def test_a_flagged_prompt_brings_its_picture_before_the_moderators(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada, prompts={"flag": {"words": ["fox"]}})
    await shown(ada, await asked(), hidden=True)
    post = await case_post(mo)
    assert "Its prompt was flagged:" in post.content
    await mo.click(post, "Refund")
    await decided(mo, post, "**Refund**")


async def test_a_picture_that_is_gone_is_decided_all_the_same(house: House, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(house, ada)
    first = await asked()
    await report_and_wait(mo, ada)
    await ada.click(first, "Delete")
    await gone(ada, first)
    post = await case_post(mo)
    await mo.click(post, "Block 24 h")
    await decided(mo, post, "**Block 24 h**")
    await ada.message(lambda m: "cannot make pictures there" in m.content, "dm")
