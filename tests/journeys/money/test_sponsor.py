"""/sponsor: a host pays for everyone in a thread until a time and up to a sum; the rest is returned, also after a restart."""

from __future__ import annotations

import asyncio

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.money.accounts import AccountRef, sponsor_account
from bot.domain.money.quota import MICRO
from bot.store.money import audit
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.journeys.manager_steps import change_rules, grant, granted_left
from tests.services.conftest import eventually

PRICE = 1.4  # credits for an image of the default model
HOUR_MS = 3_600_000


async def begun(app: App, host: Person, channel: str = "studio", **options: object) -> Message:
    """Start a sponsorship, by a member who was granted 1000 credits, and wait for its public message."""
    await grant(app, host, 1000)
    await host.slash("sponsor start", channel, **options)
    return await host.message(lambda m: "sponsors everyone here" in m.text and "How much is left?" in m.buttons, channel)


async def ended(person: Person, line: Message) -> str:
    """The text of a public message without its buttons, which nobody has pressed."""
    return (await person.message(lambda m: m.id == line.id and "has ended." in m.text and not m.buttons)).text


async def erase(person: Person) -> None:
    await person.slash("mydata erase", "dm")
    await person.click(await person.message(lambda m: "Delete everything" in m.buttons, "dm"), "Delete everything")


async def has(app: App, person: Person) -> float:
    statement = await statement_of(app, int(person.id))
    return round(statement.available / MICRO, 2)


async def right(app: App) -> bool:
    return not (await app.store.read(audit.prove)).wrong


async def test_the_host_pays_for_others_in_this_thread_only(app: App, ada: Person, ben: Person) -> None:
    thread = await ada.thread("a contest")
    line = await begun(app, ada, thread, hours=2, credits=5)
    assert (line.ephemeral, "**5** of 5 credits left" in line.text) == (False, True)
    await ben.slash("generate", thread, prompt="a red fox")
    await ben.message(has_image, thread)
    assert [await granted_left(app, ada), await has(app, ben)] == [995, 1000]
    await ben.slash("generate", prompt="a red fox")
    await ben.message(has_image)
    assert [await has(app, ben), await right(app)] == [1000 - PRICE, True]


async def test_anyone_can_refresh_the_public_message(app: App, ada: Person, ben: Person) -> None:
    line = await begun(app, ada, credits=5)
    await ben.slash("generate", prompt="a red fox")
    await ben.message(has_image)
    await ben.click(await ben.message(lambda m: m.id == line.id), "How much is left?")
    await ada.message(lambda m: m.id == line.id and "**3.6** of 5 credits left" in m.text)
    await ben.slash("sponsor show")
    await ben.message(lambda m: m.ephemeral and "**3.6** of 5 credits left" in m.text)
    await ben.slash("quota")
    await ben.message(lambda m: "is sponsoring everyone here until" in m.text and "### Prices" in m.text)


async def test_a_moderator_ends_it_and_the_rest_is_returned(app: App, ada: Person, mo: Person) -> None:
    line = await begun(app, ada, credits=5)
    await mo.click(await mo.message(lambda m: m.id == line.id), "End sponsorship")
    await mo.message(lambda m: m.content == f"💛 Ended. <@{ada.id}> got 5 credits back.")
    over = await ada.message(lambda m: m.id == line.id and "sponsorship has ended." in m.text)
    assert (over.buttons, await granted_left(app, ada), await right(app)) == ({}, 1000, True)
    await ada.slash("sponsor stop")
    await ada.message(lambda m: "Nobody is sponsoring images here." in m.content)


async def test_the_public_message_shows_the_end_whoever_or_whatever_ends_it(app: App, ada: Person, ben: Person, mo: Person) -> None:
    line = await begun(app, ada, credits=5)
    await ada.slash("sponsor stop", "dm")
    await ada.message(lambda m: f"Ended. <@{ada.id}> got 5 credits back." in m.content, "dm")
    assert (await ended(ada, line)).startswith(f"💛 <@{ada.id}>'s sponsorship has ended. It covered 0 of 5 credits.")
    line = await begun(app, ada, credits=5)
    await mo.slash("sponsor stop")
    await ended(ada, line)
    line = await begun(app, ada, credits=PRICE)
    await ben.slash("generate", prompt="a red fox")
    assert "It covered 1.4 of 1.4 credits." in await ended(ada, line)
    line = await begun(app, ada, credits=5)
    await erase(ada)
    assert (await ended(ben, line)).startswith("💛 A sponsorship has ended.")


async def test_ending_it_twice_at_once_returns_the_rest_once(app: App, ada: Person, mo: Person) -> None:
    line = await begun(app, ada, credits=5)
    seen = await mo.message(lambda m: m.id == line.id)
    await asyncio.gather(ada.click(line, "End sponsorship"), mo.click(seen, "End sponsorship"))
    await ada.message(lambda m: m.id == line.id and "sponsorship has ended." in m.text)
    assert [await granted_left(app, ada), await right(app)] == [1000, True]


async def test_a_public_message_of_an_earlier_run_still_works(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        line = await begun(app, ada, credits=5)
    async with env.app() as app, person_in(env, "Ada") as ada:
        line = await ada.message(lambda m: m.id == line.id)
        await ada.click(line, "How much is left?")
        await ada.click(line, "End sponsorship")
        await ada.message(lambda m: m.id == line.id and "sponsorship has ended." in m.text)
        assert await granted_left(app, ada) == 1000


async def test_a_sponsorship_expires_while_the_bot_is_offline(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        line = await begun(app, ada, hours=1, credits=5)
    later = env.app(clock=lambda: system() + 2 * HOUR_MS)
    async with later as app, person_in(env, "Ada") as ada:
        account = AccountRef(name=sponsor_account(str(line.buttons["End sponsorship"]["custom_id"]).rpartition(":")[2]), fills=None)

        async def back() -> bool | None:
            return await granted_left(app, ada) == 1000 or None

        assert await eventually(back)
        assert (await app.services.money.sponsorship(account.name.partition(":")[2])).left == 0
        await ended(ada, line)
        assert await right(app)


async def test_there_is_one_host_at_a_time_and_at_most_their_balance(app: App, ada: Person, ben: Person) -> None:
    await ada.slash("sponsor start", credits=5)
    await ada.message(lambda m: "You have no credits to give here" in m.content)
    await begun(app, ada, credits=5)
    await grant(app, ben, 1000)
    await ben.slash("sponsor start", credits=5)
    await ben.message(lambda m: "Someone is already sponsoring this channel" in m.content)
    assert [await granted_left(app, ada), await has(app, ben)] == [995, 1000]


async def test_sponsorships_can_be_turned_off(app: App, ada: Person) -> None:
    await ada.slash("sponsor start", "dm")
    await ada.message(lambda m: "only sponsor images on a server" in m.content, "dm")
    await change_rules(app, sponsoring={"on": False})
    await ada.slash("sponsor start")
    await ada.message(lambda m: "can't sponsor images on this server" in m.content)


# --- channels that are gone ------------------------------------------------------------------------------------------


async def is_back(app: App, host: Person) -> None:
    async def has_all() -> bool:
        return await granted_left(app, host) == 1000

    await eventually(has_all)
    assert await right(app)


async def test_deleting_the_thread_or_its_channel_ends_it_at_once(app: App, ada: Person, mo: Person) -> None:
    thread = await ada.thread("a contest")
    await begun(app, ada, thread, credits=5)
    await mo.delete_channel(thread)
    await is_back(app, ada)
    await ada.message(lambda m: "channel you sponsored" in m.text and "You were refunded 5 credits." in m.text, "dm")
    archived = await ada.thread("an old contest", "gallery")
    await begun(app, ada, archived, credits=5)
    await mo.archive(archived)
    await mo.delete_channel("gallery")
    await is_back(app, ada)


async def test_an_archived_thread_keeps_its_sponsor(app: App, ada: Person, mo: Person) -> None:
    thread = await ada.thread("a contest")
    await begun(app, ada, thread, credits=5)
    await mo.archive(thread)
    await mo.delete_channel("gallery")
    await ada.slash("sponsor stop", "dm")
    await ada.message(lambda m: f"Ended. <@{ada.id}> got 5 credits back." in m.text, "dm")


@pytest.mark.parametrize("event", ["channel", "server"])
async def test_what_was_deleted_during_a_stop_ends_at_the_start(env: Env, event: str) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada, person_in(env, "Mo") as mo:
        await begun(app, ada, "gallery", credits=5)
    async with Person.connect(env.discord.url, "Mo") as mo:
        await (mo.delete_channel("gallery") if event == "channel" else mo.bot_member(on=False))
        async with env.app() as app:
            await is_back(app, ada)


async def test_removing_the_bot_ends_all_of_the_server(app: App, ada: Person, mo: Person) -> None:
    for channel in ("studio", "gallery"):
        await begun(app, ada, channel, credits=5)
    await mo.bot_member(on=False)
    await is_back(app, ada)
    await ada.until(lambda: len([m for m in ada.messages("dm") if "Easel was removed from a server" in m.text]) == 2)


async def test_of_several_sponsorships_the_host_chooses_one(app: App, ada: Person) -> None:
    for channel in ("studio", "gallery"):
        await begun(app, ada, channel, credits=5)
    await ada.slash("sponsor stop", "dm")
    listed = await ada.message(lambda m: m.text.count("You're sponsoring everyone in") == 2, "dm")
    await ada.click(listed, "End sponsorship")
    await ada.message(lambda m: m.id == listed.id and "got 5 credits back" in m.text, "dm")
    assert await granted_left(app, ada) == 995
