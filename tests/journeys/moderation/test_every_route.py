"""Every way to ask for an image is refused by the same rules of the guild, and a refusal costs nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.app import App
from bot.core.clock import system
from bot.store.moderation import conduct
from cogs.kit.channels import fetch_channel
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, statement_of
from tests.env.guild_rules import CHECKED, change_rules
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import guild_of
from tests.journeys.reaction_steps import NOTE, direct_message, note_for
from tests.journeys.result_steps import press

Route = Callable[[Person, Message], Awaitable[Message]]
PAUSED, BLOCKED = "Image creation is paused", "You're blocked from creating images here"
DEV, UNSAFE = "flux-2-dev", "disable_safety_checker=true"


async def refused(person: Person, channel: str = "studio") -> Message:
    """The newest ephemeral refusal."""
    return await person.message(lambda m: m.ephemeral and m.content.startswith("🚫"), channel)


async def chosen_in_history(ada: Person, channel: str = "studio") -> Message:
    """The panel of the newest request."""
    await ada.slash("history", channel)
    panel = await ada.message(lambda m: "Your history" in m.text, channel)
    (choice,) = [c for c in panel.components if c["type"] == 3]
    await ada.select(panel, choice["custom_id"], choice["options"][0]["value"])
    return await ada.message(lambda m: m.id == panel.id and "Back" in m.buttons, channel)


# --- the routes ------------------------------------------------------------------------------------------------------


async def generate(ada: Person, _first: Message) -> Message:
    await ada.slash("generate", prompt="a fox")
    return await refused(ada)


async def edit(ada: Person, first: Message) -> Message:
    content = await ada.fetch(first.attachments[0]["url"])
    await ada.slash("edit", prompt="at night", image=ada.upload("fox.png", content))
    return await refused(ada)


async def again(ada: Person, first: Message) -> Message:
    await ada.click(first, "Again")
    return await refused(ada)


async def form(ada: Person, first: Message) -> Message:
    await ada.click(first, "Edit")
    await ada.submit(await ada.modal(), prompt="at night")
    return await refused(ada)


async def upscale(ada: Person, first: Message) -> Message:
    content = await ada.fetch(first.attachments[0]["url"])
    await ada.slash("upscale", image=ada.upload("fox.png", content))
    return await refused(ada)


async def upscale_form(ada: Person, first: Message) -> Message:
    await press(ada, first, "Upscale")
    await ada.submit(await ada.modal(), offer=["0"])
    return await refused(ada)


async def upscale_menu(ada: Person, first: Message) -> Message:
    await ada.menu("Upscale with Easel", first)
    await ada.submit(await ada.modal(), offer=["0"])
    return await refused(ada)


async def menu(ada: Person, first: Message) -> Message:
    await ada.menu("Edit with Easel", first)
    await ada.submit(await ada.modal(), prompt="at night")
    return await refused(ada)


async def history(ada: Person, _first: Message) -> Message:
    await ada.click(await chosen_in_history(ada), "Edit")
    await ada.submit(await ada.modal(), prompt="at night")
    return await refused(ada)


async def post_here(ada: Person, _first: Message) -> Message:
    await ada.click(await chosen_in_history(ada), "Post here")
    return await refused(ada)


async def pencil(ada: Person, first: Message) -> Message:
    await ada.react(first, "✏️")
    await ada.click(await note_for(ada), NOTE)
    await ada.submit(await ada.modal(), prompt="at night")
    return await refused(ada)


async def preset(ada: Person, first: Message) -> Message:
    await ada.react(first, "🌙")
    return await direct_message(ada, "")


async def once_more(ada: Person, first: Message) -> Message:
    await ada.react(first, "🔁")
    return await direct_message(ada, "")


ROUTES: tuple[Route, ...] = (
    *(generate, edit, again, form, menu, history, post_here, pencil, preset, once_more),
    *(upscale, upscale_form, upscale_menu),
)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
async def test_every_route_is_refused_by_a_pause_and_a_block(env: Env, app: App, ada: Person, asked: Ask, route: Route) -> None:
    first = await asked()
    await written_down(app, first)
    lines = (await statement_of(app, int(ada.id))).lines
    await app.store.write(conduct.block, guild_of(ada), int(ada.id), until=None, reason="spam", by_id=1, now=system())
    assert BLOCKED in (await route(ada, first)).content
    await change_rules(app.services.guilds, guild_of(ada), pause={"on": True})
    await ada.slash("generate", prompt="a fox")
    await ada.message(lambda m: m.ephemeral and PAUSED in m.content)
    assert (len(await env.generations()), (await statement_of(app, int(ada.id))).lines) == (1, lines)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.__name__)
async def test_a_pause_holds_for_every_route(env: Env, app: App, ada: Person, asked: Ask, route: Route) -> None:
    first = await asked()
    await written_down(app, first)
    await change_rules(app.services.guilds, guild_of(ada), pause={"on": True, "reason": "Back on Monday."})
    assert f"{PAUSED} on this server: Back on Monday." in (await route(ada, first)).content
    assert len(await env.generations()) == 1


async def test_a_failed_request_is_not_repeated_during_a_pause(env: Env, app: App, ada: Person) -> None:
    env.switchboard.turn_on("generation-fails", times=1)
    await ada.slash("generate", prompt="a fox")
    failed = await ada.message(lambda m: "No image" in m.content)
    await change_rules(app.services.guilds, guild_of(ada), pause={"on": True})
    assert PAUSED in (await again(ada, failed)).content


# --- where it is asked for -------------------------------------------------------------------------------------------


async def test_a_thread_follows_the_rules_of_its_channel(app: App, ada: Person) -> None:
    thread = await ada.thread("foxes")
    await change_rules(app.services.guilds, guild_of(ada), channels={"denied": [int(ada.channel("studio"))]})
    await ada.slash("generate", thread, prompt="a fox")
    assert "can't be created in this channel" in (await refused(ada, thread)).content


async def test_a_thread_can_be_allowed_in_a_channel_that_is_not(app: App, ada: Person) -> None:
    thread = await ada.thread("foxes")
    channels = {"denied": [int(ada.channel("studio"))], "allowed": [int(thread)]}
    await change_rules(app.services.guilds, guild_of(ada), channels=channels)
    await ada.slash("generate", thread, prompt="a fox")
    await ada.message(has_image, thread)


@pytest.mark.parametrize(
    ("channel", "allowed", "made"), [("after-dark", True, True), ("studio", True, False), ("after-dark", False, False)]
)
async def test_the_safety_checker_is_off_only_where_that_is_allowed(
    env: Env, app: App, ada: Person, channel: str, allowed: bool, made: bool
) -> None:
    await change_rules(app.services.guilds, guild_of(ada), age_restricted={"unchecked": allowed})
    await ada.slash("generate", channel, prompt="a fox", model=DEV, more=UNSAFE)
    if not made:
        assert "safety checker" in (await refused(ada, channel)).content
        return
    await ada.message(has_image, channel)
    assert (await env.generations())[0]["disable_safety_checker"] is True


async def test_a_thread_in_an_age_restricted_channel_is_age_restricted(app: App, ada: Person) -> None:
    thread = await ada.thread("late", "after-dark")
    await change_rules(app.services.guilds, guild_of(ada), age_restricted={"unchecked": True})
    await ada.slash("generate", thread, prompt="a fox", model=DEV, more=UNSAFE)
    await ada.message(has_image, thread)


async def test_a_reaction_follows_the_rules_of_its_channel(app: App, ada: Person, asked: Ask) -> None:
    first = await asked("after-dark", model=DEV, spoiler=False)
    await written_down(app, first)
    words = {"prompts": {"flag": {"words": ["fox"]}}, "age_restricted": {"unspoilered": True}}
    await change_rules(app.services.guilds, guild_of(ada), **words)
    await ada.react(first, "🔁")
    second = await ada.message(lambda m: has_image(m) and m.id != first.id, "after-dark")
    assert not second.attachments[0]["filename"].startswith("SPOILER_")


# --- what members see of it ------------------------------------------------------------------------------------------


async def test_a_server_s_prices_are_shown_in_every_model_list(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    klein = "black-forest-labs-flux-2-klein-4b"
    await change_rules(app.services.guilds, guild_of(ada), prices={klein: "2.5"}, everyone={"models": [klein]})
    assert [choice["name"] for choice in await ada.autocomplete("generate", "model", model="")] == [
        "FLUX.2 Klein 4B · 2.5 credits per image"
    ]
    await ada.click(first, "Edit")
    offered = (await ada.modal()).control("model")["options"]
    assert [(each["value"], each["description"]) for each in offered] == [(klein, "2.5 credits per image · you have 998.6")]


@pytest.mark.faults("moderation-down")
async def test_a_waiting_message_says_that_it_waits_for_the_check(env: Env, app: App, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), **CHECKED)
    await ada.slash("generate", prompt="a fox")
    await ada.message(lambda m: "The prompt check isn't responding" in m.content)
    env.switchboard.turn_off("moderation-down")
    await ada.message(has_image)


async def test_a_refused_prompt_says_so_in_its_message(app: App, ada: Person) -> None:
    await change_rules(app.services.guilds, guild_of(ada), **CHECKED)
    await ada.slash("generate", prompt="a fox that will kill")
    message = await ada.message(lambda m: "No image" in m.content)
    assert "Try a different one. This is strike 1 of 5" in message.content


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"pool": {"size": 9}}, "This server's shared pool pays for this."),
        ({"pool": {"size": 9}, "roles": {"ROLE": {"purse": {"size": 1}}}}, "This is free, and starts when nobody else is waiting."),
    ],
)
@pytest.mark.faults("generation-stuck")
async def test_a_waiting_message_says_who_pays(app: App, ada: Person, ben: Person, rules: dict[str, Any], said: str) -> None:
    role = str(ada.roles["Artists"])
    named = {name: {role: words["ROLE"]} if name == "roles" else words for name, words in rules.items()}
    await change_rules(app.services.guilds, guild_of(ada), **named)
    for person in (ada, ben):
        await person.slash("generate", prompt=f"a fox for {person.name}")
    messages = [m.content for m in ada.messages() if "a fox for" in m.content]
    assert any(said in content for content in messages)


async def test_a_channel_that_is_not_cached_is_fetched(app: App, ada: Person) -> None:
    thread, channel = await ada.thread("late", "after-dark"), ada.channel("after-dark")
    known = [await fetch_channel(app.client, guild_id=guild_of(ada), channel_id=int(place)) for place in (thread, channel)]
    guild = app.client.get_guild(guild_of(ada))
    assert guild is not None
    guild._threads.clear()
    guild._channels.clear()
    assert [await fetch_channel(app.client, guild_id=guild_of(ada), channel_id=int(place)) for place in (thread, channel)] == known
    assert [(channel.age_restricted, channel.parent_ids) for channel in known] == [(True, (int(channel),)), (True, ())]
    nowhere = await fetch_channel(app.client, guild_id=guild_of(ada), channel_id=1)
    assert (nowhere.age_restricted, nowhere.ids) == (False, (1,))
