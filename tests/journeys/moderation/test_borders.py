"""A server ends at its border: ids of another server are refused when they are set, and not used if they are set nevertheless."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import named_ids
from bot.domain.outbox import ItemKind
from bot.store import outbox
from bot.store.moderation import cases, reports
from cogs.moderation import report
from cogs.moderation.report import FORM
from sandbox.person import Person
from tests.env.guild_ids import every_id
from tests.journeys.admin.test_imageadmin_panel import imported
from tests.journeys.conftest import Ask, written_down
from tests.journeys.images.test_presses import posted
from tests.journeys.manager_steps import grant, guild_of, private_reply, rules_of, updated
from tests.journeys.moderator_steps import change_rules, with_moderators
from tests.journeys.reaction_steps import acted_on
from tests.services.conftest import eventually

# --- settings --------------------------------------------------------------------------------------------------------


async def test_no_id_of_another_server_enters_by_a_settings_file(app: App, ada: Person, mo: Person) -> None:
    """Ada's direct messages and the server Elsewhere stand for another server's channels: the bot can write in the first."""
    channels = iter([int(ada.channel("dm")), int(ada.channel("elsewhere")), *range(10**17, 10**17 + 50)])
    wanted, ids = every_id(lambda _kind: next(channels))
    preview = await imported(mo, {**wanted, "usd_per_month": 20}, "Not on this server")
    assert all(f"{each.kind} {each.id}" in preview.text for each in ids)
    await mo.click(preview, "Apply")
    await updated(mo, preview, "was changed")
    assert named_ids(await rules_of(app, mo)) == frozenset()


async def test_a_file_makes_nobody_a_moderator_by_a_role_that_everyone_has(app: App, mo: Person) -> None:
    await imported(mo, {"moderator_role_ids": [str(guild_of(mo))]}, "🚫 Everyone has the role @everyone.")
    assert named_ids(await rules_of(app, mo)) == frozenset()


async def test_a_file_names_no_thread_as_a_channel_to_post_in(mo: Person) -> None:
    thread_id = await mo.thread("Talk")
    for section in ({"log_channel_id": thread_id}, {"gallery": {"channel_id": thread_id}}):
        await imported(mo, section, f"🚫 Choose a text channel that Easel can see. <#{thread_id}> isn't one.")


async def test_ids_of_this_server_are_imported(app: App, mo: Person) -> None:
    own = {
        IdKind.CHANNEL: cycle(map(mo.channel, ("studio", "gallery", "quiet"))),
        IdKind.ROLE: cycle(mo.roles[each] for each in ("Artists", "Helpers", "Stewards")),
    }
    wanted, ids = every_id(lambda kind: int(next(own[kind])))
    preview = await imported(mo, wanted, "This file would change")
    await mo.click(preview, "Apply")
    await updated(mo, preview, "changed")
    assert named_ids(await rules_of(app, mo)) == ids


POSTS: dict[str, dict[str, Any]] = {
    "log": {"log_channel_id": "CHANNEL"},
    "cases": {"cases_channel_id": "CHANNEL", "prompts": {"flag": {"words": ["fox"]}}},
    "gallery": {"gallery": {"channel_id": "CHANNEL", "stars": 1}},
}


@pytest.mark.parametrize("post", POSTS)
async def test_a_channel_that_is_not_of_this_server_is_not_written_to(app: App, ada: Person, mo: Person, asked: Ask, post: str) -> None:
    """Such a setting may come from an earlier version, or its channel may have moved away."""
    before = len(mo.messages("dm"))
    await change_rules(app, mo, **_with_channel(POSTS[post], mo.channel("dm")))
    message = await asked()
    await written_down(app, message)
    await mo.react(await mo.message(lambda m: m.id == message.id), "⭐")
    await acted_on(app, mo, message, "⭐")

    async def is_done() -> bool:
        return not await app.store.read(lambda conn: conn.exec_driver_sql("SELECT id FROM outbox").all())

    await eventually(is_done)
    assert len(mo.messages("dm")) == before


def _with_channel(patch: dict[str, Any], channel: str) -> dict[str, Any]:
    filled: dict[str, Any] = json.loads(json.dumps(patch).replace("CHANNEL", channel))
    return filled


# --- members ---------------------------------------------------------------------------------------------------------


async def told_of_blocks(app: App) -> int:
    """Notices that wait to be sent."""
    return sum(item.kind is ItemKind.TELL_BLOCK for item in await app.store.read(outbox.due, system()))


async def test_a_block_of_a_server_does_not_close_direct_messages(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await asked()
    await mo.slash("imagemod block", member=ada.id, reason="spam")
    await ada.message(lambda m: "spam" in m.text, "dm")
    await ada.slash("generate", prompt="a red fox")
    await private_reply(ada, "You're blocked from creating images here")
    await asked("dm")


async def test_a_member_who_never_used_easel_is_blocked_without_a_message(app: App, ada: Person, mo: Person) -> None:
    before = len(ada.messages("dm"))
    await mo.slash("imagemod block", member=ada.id, reason="visit my shop")
    await private_reply(mo, "until you unblock them")
    assert (await told_of_blocks(app), len(ada.messages("dm"))) == (0, before)


async def test_a_stranger_cannot_be_blocked(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    """Ada uses Easel in direct messages only, and is no member any more."""
    await asked("dm")
    await ada.leave()
    before = len(ada.messages("dm"))
    await mo.slash("imagemod block", member=ada.id, reason="visit my shop")
    await private_reply(mo, "hasn't used Easel on this server")
    await mo.slash("imagemod member", member=ada.id)
    assert "0 images" in (await private_reply(mo, f"<@{ada.id}>")).text
    assert (await told_of_blocks(app), len(ada.messages("dm"))) == (0, before)


# --- forged ids ------------------------------------------------------------------------------------------------------


async def test_a_forged_note_reaches_no_other_channel(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    """The bot reads every channel; a member could otherwise edit, and so see, what they cannot read."""
    message = await asked()
    note = await posted(app, ada, f"v1:describe:{message.channel_id}:{message.id}:{ada.id}", where="dm")
    await ada.click(note, "Press")
    await private_reply(ada, "That message was deleted", "dm")
    assert ada.modals == []


async def test_a_forged_report_names_nobody(app: App, ada: Person, mo: Person, ben: Person, asked: Ask) -> None:
    """A form that was opened for one message cannot be sent for another, and says nothing of the author."""
    await with_moderators(app, mo)
    image, other = await asked(), await mo.say("hello")
    seen = await mo.message(lambda m: m.id == image.id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "FORM", lambda **named: FORM(**{**named, "message": int(other), "author": int(ben.id), "job": None}))
        await mo.menu("Report image", seen)
        await mo.submit(await mo.modal(), reason="forged")
    await private_reply(mo, "This form has expired")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "FORM", lambda **named: FORM(**{**named, "author": int(ben.id), "job": None}))
        await mo.menu("Report image", seen)
        await mo.submit(await mo.modal(), reason="true")
    await private_reply(mo, "Thanks")
    (case,) = await app.store.read(cases.waiting, guild_of(mo))
    (kept,) = await app.store.read(reports.about, int(ada.id), guild_of(mo))
    assert (case.author_id, case.message_id, kept.case_id, kept.reason) == (int(ada.id), int(image.id), case.id, "true")


async def test_a_forged_button_shows_no_sponsorship_of_another_channel(app: App, ada: Person, mo: Person) -> None:
    await grant(app, ada, 100)
    await ada.slash("sponsor start", credits=5)
    line = await ada.message(lambda m: "How much is left?" in m.buttons)
    forged = await posted(app, mo, line.buttons["How much is left?"]["custom_id"], where="dm", panel=True)
    await mo.click(forged, "Press")
    await private_reply(mo, "Nobody is sponsoring images here", "dm")
