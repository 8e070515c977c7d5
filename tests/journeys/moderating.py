"""What journeys of moderators look for, and how a server is set up for them."""

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

MODERATORS, LOG, GALLERY = "after-dark", "quiet-log", "gallery"


def server_of(person: Person) -> int:
    return int(person.hello["guild"]["id"])


async def rule(app: App, person: Person, **patch: Any) -> None:
    """Change the rules of the server, as a manager would."""
    await app.services.guilds.change_policy(server_of(person), lambda policy: changed(policy, patch), actor_id=1)
    place = ReplyTarget(user_id=int(person.id), channel_id=1, guild_id=server_of(person))
    await app.services.cases.catch_up(await request(app.services, place))


async def with_moderators(app: App, person: Person, *, quorum: int = 2, **more: Any) -> None:
    """Cases are posted, and this many flags make one."""
    await rule(app, person, cases_channel_id=person.channel(MODERATORS), flags={"quorum": quorum}, **more)


async def case_post(person: Person, words: str = "**Case") -> Message:
    """The moderators' message about a case."""
    return await person.message(lambda m: words in m.content and bool(m.buttons), MODERATORS)


async def decided(person: Person, post: Message, words: str) -> Message:
    """The same message once it says who decided what, without buttons."""
    return await person.message(lambda m: m.id == post.id and words in m.content and not m.buttons, MODERATORS)


async def shown(person: Person, message: Message, *, hidden: bool) -> Message:
    """A picture with or without its spoiler."""

    def is_so(m: Message) -> bool:
        return m.id == message.id and all(a["filename"].startswith("SPOILER_") is hidden for a in m.attachments)

    return await person.message(is_so)


async def gone(person: Person, message: Message, channel: str = "studio") -> None:
    await person.until(lambda: all(m.id != message.id for m in person.messages(channel)) or None)


@asynccontextmanager
async def crowd(env: Env, *names: str) -> AsyncIterator[list[Person]]:
    """People who see that the bot is there; those who are new here have been members for long."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(person_in(env, names[0]))
        for name in names[1:]:
            if name not in first.people:
                await first.join(name)
        yield [first, *[await stack.enter_async_context(person_in(env, name)) for name in names[1:]]]
