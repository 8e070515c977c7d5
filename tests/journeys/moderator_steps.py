"""Steps of journeys with moderators: guilds with a cases channel, case posts, several members."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bot.app import App
from bot.domain.guild.document import changed
from bot.domain.job import ReplyTarget
from sandbox.person import Message, Person
from tests.env.app import Env, person_in
from tests.env.jobs import request
from tests.journeys.manager_steps import guild_of

MODERATORS, LOG, GALLERY = "after-dark", "quiet-log", "gallery"


async def change_rules(app: App, person: Person, **patch: Any) -> None:
    """Change the rules of the guild, as a manager would."""
    await app.services.guilds.change_policy(guild_of(person), lambda policy: changed(policy, patch), actor_id=1)
    place = ReplyTarget(user_id=int(person.id), channel_id=1, guild_id=guild_of(person))
    await app.services.flagging.catch_up(await request(app.services, place))


async def with_moderators(app: App, person: Person, *, quorum: int = 2, **more: Any) -> None:
    """Set the cases channel, and the number of flags that opens a case."""
    await change_rules(app, person, cases_channel_id=person.channel(MODERATORS), flags={"quorum": quorum}, **more)


async def case_post(person: Person, words: str = "**Case") -> Message:
    """The moderators' message about a case."""
    return await person.message(lambda m: words in m.content and bool(m.buttons), MODERATORS)


async def decided(person: Person, post: Message, words: str) -> Message:
    """The same message, once it shows the decision and has no buttons."""
    return await person.message(lambda m: m.id == post.id and words in m.content and not m.buttons, MODERATORS)


async def decide(person: Person, message: Message, button: str, *, reason: str = "") -> None:
    """Press a decision that cannot be undone, and confirm it."""
    await person.click(message, button)
    await person.submit(await person.modal(), reason=reason)


async def shown(person: Person, message: Message, *, hidden: bool) -> Message:
    """An image with or without its spoiler."""

    def is_so(m: Message) -> bool:
        return m.id == message.id and all(a["filename"].startswith("SPOILER_") is hidden for a in m.attachments)

    return await person.message(is_so)


async def gone(person: Person, message: Message, channel: str = "studio") -> None:
    await person.until(lambda: all(m.id != message.id for m in person.messages(channel)) or None)


@asynccontextmanager
async def crowd(env: Env, *names: str) -> AsyncIterator[list[Person]]:
    """People who see that the bot is online; those who are new have been members for a long time."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(person_in(env, names[0]))
        for name in names[1:]:
            if name not in first.people:
                await first.join(name)
        yield [first, *[await stack.enter_async_context(person_in(env, name)) for name in names[1:]]]
