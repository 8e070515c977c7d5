"""/history, Post here: an image that was made elsewhere is shown under the rules of the place where it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.media import likeness
from bot.store.moderation import cases, conduct
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, statement_of
from tests.env.guild_rules import CHECKED
from tests.journeys.conftest import Ask, job_id_of, written_down
from tests.journeys.manager_steps import audit_lines, change_rules, guild_of, private_reply
from tests.journeys.moderation.test_every_route import DEV, UNSAFE, chosen_in_history
from tests.journeys.moderator_steps import GALLERY, case_post, decide, with_moderators
from tests.journeys.result_steps import press
from tests.services.conftest import eventually

MEDIA = 12  # component type: media gallery


def public_images(person: Person, channel: str = "studio") -> list[Message]:
    return [m for m in person.messages(channel) if has_image(m) and not m.ephemeral]


async def post_here(person: Person) -> None:
    await person.click(await chosen_in_history(person), "Post here")


async def posted(person: Person) -> Message:
    await post_here(person)
    return await person.message(lambda m: has_image(m) and not m.ephemeral)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "pause": ({"pause": {"on": True}}, "Image creation is paused"),
    "channel": ({"channels": {"denied": ["STUDIO"]}}, "can't be created in this channel"),
    "model": ({"everyone": {"models": [DEV]}}, "don't let you use"),
    "count": ({"everyone": {"max_count": 1}}, "1 image at a time"),
    "blocked words": ({"prompts": {"block": {"words": ["kill"]}}}, "doesn't allow that prompt"),
    "checked prompts": ({"checks": {"prompts": True}}, "server's rules don't allow this image"),
    "known bad": ({"known_bad": {"hashes": ["FINGERPRINT"]}}, "server's rules don't allow this image"),
}


@pytest.mark.parametrize("rule", REFUSED)
async def test_a_rule_of_the_server_refuses_an_image_from_elsewhere(app: App, ada: Person, asked: Ask, rule: str) -> None:
    """Made in direct messages, where no server's rules hold."""
    made = await asked("dm", prompt="a fox that will kill", count=2)
    await written_down(app, made)
    paid = await statement_of(app, int(ada.id))
    fingerprint = f"{likeness.fingerprint(await ada.fetch(made.attachments[0]['url'])):016x}"
    named = {"STUDIO": ada.channel("studio"), "FINGERPRINT": fingerprint}
    patch, words = REFUSED[rule]
    await change_rules(app, **_filled(patch, named))
    await post_here(ada)
    await private_reply(ada, words)
    assert public_images(ada) == []
    assert (await statement_of(app, int(ada.id))).lines == paid.lines


def _filled(value: Any, named: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(each, named) for key, each in value.items()}
    return [named.get(each, each) for each in value] if isinstance(value, list) else value


async def test_an_image_that_is_gone_is_told_of_beside_those_that_are_sent(env: Env, app: App, ada: Person, asked: Ask) -> None:
    """Where it is posted again, and where its files are sent."""
    made = await asked("dm", count=2)
    await written_down(app, made)

    def lose_one() -> None:
        for fault in ("result-not-image", "cdn-gone"):
            env.switchboard.turn_on(fault, times=1)

    panel = await chosen_in_history(ada)
    lose_one()
    await ada.click(panel, "Post here")
    again = await ada.message(lambda m: has_image(m) and not m.ephemeral)
    assert len(again.attachments) == 1
    assert "1 more image is no longer available." in again.content
    lose_one()
    await ada.react(made, "✉️")
    sent = await ada.message(lambda m: has_image(m) and m.id != made.id, "dm")
    assert len(sent.attachments) == 1
    assert "1 more image is no longer available." in sent.content


async def test_a_refused_repost_is_a_strike_of_this_server(app: App, ada: Person, asked: Ask) -> None:
    await written_down(app, await asked("dm", prompt="a fox that will kill"))
    await change_rules(app, **CHECKED)
    await post_here(ada)
    await private_reply(ada, "server's rules don't allow this image")
    assert [line.action for line in await audit_lines(app, ada) if line.action == "withheld"] == ["withheld"]
    assert len(await app.store.read(conduct.strikes_of, guild_of(ada), int(ada.id))) == 1


@pytest.mark.faults("moderation-down")
async def test_nothing_is_posted_while_the_check_does_not_answer(app: App, ada: Person, asked: Ask) -> None:
    await written_down(app, await asked("dm"))
    await change_rules(app, **CHECKED)
    await post_here(ada)
    await private_reply(ada, "content check isn't available right now")
    assert public_images(ada) == []


async def test_a_blocked_member_posts_nothing(app: App, ada: Person, asked: Ask) -> None:
    await written_down(app, await asked("dm"))
    await app.store.write(conduct.block, guild_of(ada), int(ada.id), until=None, reason="spam", by_id=1, now=system())
    await post_here(ada)
    await private_reply(ada, "You're blocked from creating images here")
    assert public_images(ada) == []


async def test_an_unchecked_image_is_posted_in_age_restricted_channels_only(app: App, ada: Person, asked: Ask) -> None:
    await change_rules(app, age_restricted={"unchecked": True})
    await written_down(app, await asked("after-dark", model=DEV, more=UNSAFE))
    await post_here(ada)
    await private_reply(ada, "from an age-restricted channel")
    assert public_images(ada) == []


async def test_a_flagged_image_is_posted_behind_a_spoiler_and_reviewed(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await written_down(app, await asked("dm"))
    await with_moderators(app, mo, prompts={"flag": {"words": ["fox"]}})
    again = await posted(ada)
    assert (again.attachments[0]["filename"].startswith("SPOILER_"), "||" in again.content) == (True, True)
    assert "fox" in (await case_post(mo)).content
    (case,) = await app.store.read(cases.waiting, guild_of(mo))
    assert (case.message_id, case.author_id) == (int(again.id), int(ada.id))
    await decide(mo, await case_post(mo), "Delete")
    await ada.until(lambda: public_images(ada) == [] or None)
    assert [m for m in ada.messages("dm") if has_image(m)] != []


async def test_an_image_from_elsewhere_is_logged(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await written_down(app, await asked("dm"))
    await change_rules(app, log_channel_id=mo.channel(GALLERY))
    again = await posted(ada)
    await mo.message(lambda m: "a red fox" in m.content and f"/{again.id}" in m.content, GALLERY)


async def test_an_image_that_a_moderator_hid_says_so_when_it_is_posted_again(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    message = await asked()
    await written_down(app, message)
    await mo.slash("imagemod spoiler", image=message.id)
    await mo.message(lambda m: m.id == message.id and "Hidden by a moderator." in m.content)
    await post_here(ada)
    await mo.until(lambda: len([m for m in mo.messages() if "Hidden by a moderator." in m.content]) == 2 or None)


async def test_a_spoiler_of_a_server_holds_for_everything_that_comes_of_its_message(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    """The image is also shown in direct messages, where it stays as it is."""
    message = await asked()
    await written_down(app, message)
    await ada.click(await chosen_in_history(ada, "dm"), "Post here")
    copy = await ada.message(lambda m: has_image(m) and not m.ephemeral, "dm")

    async def is_recorded() -> bool:
        return (await app.services.orders.job(job_id_of(copy))).place.message_id == int(copy.id)

    await eventually(is_recorded)
    await mo.slash("imagemod spoiler", image=message.id)
    hidden = await mo.message(lambda m: m.id == message.id and m.attachments[0]["filename"].startswith("SPOILER_"))
    await press(mo, hidden, "Details")
    panel = await mo.message(lambda m: m.ephemeral and any(c["type"] == MEDIA for c in m.components))
    assert [item["spoiler"] for c in panel.components if c["type"] == MEDIA for item in c["items"]] == [True]
    await mo.click(hidden, "Again")
    again = await mo.message(lambda m: has_image(m) and not m.ephemeral and m.id != message.id)
    assert again.attachments[0]["filename"].startswith("SPOILER_")
    assert not (await ada.message(lambda m: m.id == copy.id, "dm")).attachments[0]["filename"].startswith("SPOILER_")
