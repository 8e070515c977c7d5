"""Steps of journeys that begin with a reaction."""

from __future__ import annotations

import asyncio

from bot.app import App
from bot.domain.gestures import MARKS, STARS, WORKING, Fate, normalized_emoji
from bot.domain.job import JobState
from bot.store import jobs, outbox, reactions
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, statement_of
from tests.services.conftest import eventually

PRICE = 1_400_000
NOTE = "Describe the edit"


async def seen(person: Person, message: Message, channel: str = "studio") -> Message:
    """The message of one person as another sees it."""
    return await person.message(lambda m: m.id == message.id, channel)


async def marked(person: Person, message: Message, channel: str = "studio") -> Message:
    """Wait until something is being made from this message."""
    return await person.message(lambda m: m.id == message.id and WORKING in m.reactions, channel)


async def unmarked(person: Person, message: Message, channel: str = "studio") -> Message:
    """Wait until nothing is: the message has none of the bot's marks."""
    return await person.message(lambda m: m.id == message.id and not set(MARKS) & set(m.reactions), channel)


async def acted_on(app: App, person: Person, message: Message, emoji: str) -> None:
    """Wait until a reaction was acted on, however it ended."""
    user_id, message_id = int(person.id), int(message.id)

    async def is_over() -> bool:
        seen = {(given[0], given[1]) for given in await app.store.read(reactions.seen, message_id)}
        open_ones = [each for each in await app.store.read(outbox.due, 2**60) if Fate.OPEN in str(each.data)]
        return (user_id, normalized_emoji(emoji)) in seen and not any(each.user_id == user_id for each in open_ones)

    await eventually(is_over)


async def answer_to(person: Person, message: Message, channel: str = "studio") -> Message:
    """The finished image that replies to this message."""

    def replies(m: Message) -> bool:
        return has_image(m) and (m.raw.get("message_reference") or {}).get("message_id") == message.id

    return await person.message(replies, channel)


async def note_for(person: Person) -> Message:
    return await person.message(lambda m: NOTE in m.buttons and person.id in m.pings)


async def direct_message(person: Person, words: str) -> Message:
    return await person.message(lambda m: words in m.content and "🚫" in m.content, "dm")


async def spent(app: App, person: Person) -> int:
    statement = await statement_of(app, int(person.id))
    assert statement.held == 0
    return statement.spent


async def new_image(person: Person) -> Message:
    await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)
    await person.slash("generate", prompt="a red fox in the snow")
    return await person.message(has_image)


async def until_generations(env: Env, count: int) -> None:
    """Wait until the image API was asked for this many images in all."""
    async with asyncio.timeout(10):
        while len(await env.generations()) < count:  # noqa: ASYNC110  the server sends no event
            await asyncio.sleep(0.01)


async def until_open(app: App, person: Person, count: int) -> None:
    """Wait until a member has this many unfinished jobs."""
    async with asyncio.timeout(10):
        while len(await app.store.read(jobs.of_member, int(person.id), state=JobState.OPEN)) != count:  # noqa: ASYNC110  the database sends no event
            await asyncio.sleep(0.01)


async def until_stars(app: App, message: Message, count: int) -> None:
    async with asyncio.timeout(10):
        while await app.store.read(reactions.count, int(message.id), normalized_emoji(STARS)) != count:  # noqa: ASYNC110  the database sends no event
            await asyncio.sleep(0.01)
