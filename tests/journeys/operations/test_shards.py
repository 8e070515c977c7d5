"""A bot whose servers are divided among shards, and a process that has none: what another one began, it ends everywhere."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import aiohttp
import pytest

from bot.app import App
from bot.client import shards
from bot.client.sharing import AloneSharing
from bot.core.running.coordination import AlwaysGranted
from bot.domain.job import JobState
from bot.store.money import ledger
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Message, NotDoneError, Person
from tests.chaos.killable import bot_process
from tests.env.app import Env, has_image, statement_of
from tests.env.databases import Postgres
from tests.env.images import png
from tests.env.job_steps import in_state
from tests.journeys.images.test_menus import posted
from tests.journeys.manager_steps import change_rules
from tests.services.conftest import eventually
from tests.services.operating.pages import free_port, get

MANY = {"MAX_RUNNING_PER_USER": "20", "MAX_RUNNING_PER_SERVER": "20", "MAX_RUNNING": "20"}
END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
PLACES = ("studio", "dm", "private", "elsewhere")


@pytest.fixture
async def env(tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Env]:
    """Discord asks for two shards: direct messages are of the first one, the server is of the second one."""
    board = Switchboard()
    async with (
        images.serve(switchboard=board, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=board, shards=2) as chat,
    ):
        yield Env(switchboard=board, images=image_server, discord=chat, folder=tmp_path, empty_database=sqlite_template, overrides=MANY)


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


@pytest.fixture
async def mo(env: Env) -> AsyncIterator[Person]:
    async with Person.connect(env.discord.url, "Mo") as person:
        yield person


class TakenShards(AlwaysGranted):
    """Another process has every shard."""

    async def try_lock(self, name: str) -> bool:
        return not name.startswith("shard:") and await super().try_lock(name)


def without_shards() -> AloneSharing:
    sharing = AloneSharing()
    sharing.coordination = TakenShards()
    return sharing


async def connected(app: App, *people: Person) -> None:
    """By every shard, and seen by these people."""
    for person in people:
        await person.until(lambda person=person: ("generate" in person.commands and app.client.gateway_trouble() is None) or None)  # type: ignore[misc]


async def begun(env: Env, person: Person, channel: str, count: int, **options: object) -> None:
    """Ordered, and in work at the image API until the fault is over."""
    await person.slash("generate", channel, prompt="a red fox", **options)

    async def is_submitted() -> bool | None:
        return len(await env.generations()) == count or None

    await eventually(is_submitted)


def finished(person: Person, channel: str) -> list[Message]:
    return [message for message in person.messages(channel) if has_image(message)]


@pytest.mark.parametrize("has_expired", [False, True], ids=["by the interaction's token", "by the bot's token"])
async def test_a_process_without_a_shard_delivers_everywhere_what_another_one_began(env: Env, ada: Person, has_expired: bool) -> None:
    env.switchboard.turn_on("generation-stuck")
    if has_expired:
        env.switchboard.turn_on("token-expired")
    async with env.app() as app:
        await connected(app, ada)
        places = {*PLACES, await ada.thread("ideas")}
        for count, channel in enumerate(sorted(places), start=1):
            await begun(env, ada, channel, count)
        await begun(env, ada, "studio", len(places) + 1, private=True)
    env.switchboard.turn_off("generation-stuck")
    sessions = len(env.discord.starts)
    async with env.app(sharing=without_shards()) as app:
        assert (app.client.gateway_trouble(), app.client.shards) == (None, {})

        async def all_are_delivered() -> bool | None:
            return len(await app.store.read(in_state, JobState.DELIVERED)) == len(places) + 1 or None

        await eventually(all_are_delivered)
        shown = {channel: len(finished(ada, channel)) for channel in places}
        assert (await statement_of(app, int(ada.id))).held == 0
        assert await app.store.read(ledger.audit) == []
    assert len(env.discord.starts) == sessions
    private = {"private": 0, "elsewhere": 0, "dm": 4, "studio": 1} if has_expired else {"private": 1, "elsewhere": 1, "dm": 1, "studio": 2}
    assert shown == {**dict.fromkeys(places, 1), **private}


async def test_a_process_without_a_shard_writes_to_the_log_what_its_readers_may_see_in_their_language(
    env: Env, ada: Person, mo: Person
) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with env.app() as app:
        await connected(app, ada, mo)
        await mo.ask("guild_locale", locale="de")
        await change_rules(app, log_channel_id=mo.channel("moderators"))
        await begun(env, ada, "studio", 1)
    env.switchboard.turn_off("generation-stuck")
    async with env.app(sharing=without_shards()):
        post = await mo.message(lambda message: bool(message.buttons), "moderators")
    assert ("a red fox" in post.content, "Behalten" in str(post.buttons.keys())) == (True, True)


@pytest.mark.parametrize("gone", ["channel", "server"])
async def test_a_process_without_a_shard_refunds_what_has_no_place_any_more(env: Env, ada: Person, mo: Person, gone: str) -> None:
    for fault in ("generation-stuck", "token-expired"):
        env.switchboard.turn_on(fault)
    async with env.app() as app:
        await connected(app, ada, mo)
        await begun(env, ada, "gallery", 1)
    await ada.dms(open=False)
    await (mo.delete_channel("gallery") if gone == "channel" else mo.bot_member(False))
    env.switchboard.turn_off("generation-stuck")
    async with env.app(sharing=without_shards()) as app:

        async def is_refunded() -> bool | None:
            statement = await statement_of(app, int(ada.id))
            return (statement.held, statement.spent) == (0, 0) or None

        await eventually(is_refunded)
        assert await app.store.read(ledger.audit) == []


async def test_a_process_without_a_shard_asks_discord_about_servers_at_once(env: Env) -> None:
    async with env.app(sharing=without_shards()) as app:
        client, guild_id = app.client, env.discord.guild_id
        async with asyncio.timeout(1):
            assert await client.known_guild(guild_id) is None
            whole, found = await client.whole_guild(guild_id), await client.found_guild(guild_id)
        assert whole is not None
        assert whole.system_channel is not None
        assert whole.system_channel.permissions_for(whole.me).send_messages
        assert found is await client.found_guild(guild_id), "asked once in a minute"
        assert (client.is_elsewhere(guild_id), client.is_outside(guild_id), client.knows_all_guilds) == (True, False, False)


async def test_what_one_shard_is_told_is_forgotten_with_it_and_the_others_stay(env: Env, ada: Person) -> None:
    async with env.app() as app:
        await connected(app, ada)
        client, guild_id = app.client, env.discord.guild_id
        assert await client.known_guild(guild_id) is not None
        (first,) = [shard for shard in client.shards.values() if shard.id == 0]
        await client._close_shard(1)
        assert (client.get_guild(guild_id), client.is_elsewhere(guild_id), first.is_closed()) == (None, True, False)
        await eventually(lambda: client.known_guild(guild_id))  # its turn comes: the process still has the lock
        await ada.slash("ping", "studio")
        assert not first.is_closed()


class FirstShard(TakenShards):
    """Another process has every shard but the first."""

    async def try_lock(self, name: str) -> bool:
        return name == "shard:2:0" or await super().try_lock(name)


async def test_an_image_keeps_the_limits_of_a_channel_of_which_another_process_hears(env: Env, ada: Person) -> None:
    async with env.app() as app:
        await connected(app, ada)
        photo = await posted(ada, png(40, 30), channel="after-dark")
        await ada.menu("Use as reference", photo)
        await ada.message(lambda message: "Saved to your tray" in message.content, "after-dark")
    sharing = AloneSharing()
    sharing.coordination = FirstShard()
    async with env.app(sharing=sharing) as app:
        await connected(app, ada)
        await ada.slash("edit", "private", prompt="as a painting")
        answer = await ada.message(lambda message: "age-restricted" in message.content or has_image(message), "private")
        assert not has_image(answer)
    assert await env.generations() == []


class GrowingSharing(AloneSharing):
    """Another process has asked for more shards."""

    number = 1

    async def agree(self, wanted: int, *, is_start: bool = False) -> int:
        return max(self.number, await super().agree(wanted, is_start=is_start))


async def test_a_process_follows_the_others_to_more_shards(env: Env, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_AGREE_EVERY", 1)
    sharing = GrowingSharing()
    async with env.app(sharing=sharing) as app:
        await connected(app, ada)
        sharing.number = 3
        await until_open(app, 3)
        assert await app.client.known_guild(env.discord.guild_id) is not None
        await ada.slash("ping", "studio")
        await ada.slash("ping", "dm")


@pytest.mark.parametrize(("given", "opened"), [("3", 3), ("1", 2)])
async def test_the_operator_s_number_is_used_unless_it_is_too_small(env: Env, ada: Person, given: str, opened: int) -> None:
    async with env.app(SHARDS=given) as app:
        await until_open(app, opened)
        await ada.until(lambda: "generate" in ada.commands or None)
        await ada.slash("ping", "studio")
        await ada.slash("ping", "dm")


async def until_open(app: App, count: int) -> None:
    """Wait until so many shards have named their servers."""

    async def are_open() -> bool | None:
        return app.client.state.named == set(range(count)) or None

    await eventually(are_open, timeout_s=20)


# --- two processes -----------------------------------------------------------------------------------------------------


@pytest.fixture
async def shared(env: Env, postgres: Postgres) -> Env:
    env.overrides = {**MANY, "DATABASE_URL": postgres.emptied()}
    return env


@asynccontextmanager
async def process(env: Env, name: str) -> AsyncIterator[tuple[ForkServerProcess, int]]:
    """A bot in its own process, and the port of its page."""
    port = free_port()
    environment = env.environment(DATA_DIR=str(env.folder / name), METRICS_PORT=str(port))
    async with bot_process(environment, log=env.folder / f"{name}.log") as (running, _):
        yield running, port


async def connected_shards(*ports: int) -> list[int]:
    """How many shards these processes have connected."""
    found = []
    for port in ports:
        values = re.findall(r'^easel_shards\{state="connected"\} (\S+)', (await get(port, "/metrics")).text, re.MULTILINE)
        found.append(int(float(values[0])) if values else 0)
    return found


async def until_shards(ports: Sequence[int], *wanted: int) -> float:
    """The seconds until these processes have so many shards."""

    async def is_so() -> bool | None:
        try:
            return await connected_shards(*ports) == list(wanted) or None
        except aiohttp.ClientError:
            return None

    began = time.monotonic()
    await eventually(is_so, timeout_s=60)
    return time.monotonic() - began


async def answered(person: Person) -> None:
    """Of both shards: the server's, and that of direct messages. The database may be opened again meanwhile."""

    async def is_answered() -> bool | None:
        with suppress(NotDoneError):
            for channel in ("studio", "dm"):
                await person.slash("ping", channel)
            return True
        return None

    await eventually(is_answered, timeout_s=30)


async def test_two_processes_share_the_shards_and_one_takes_over_from_the_other_within_seconds(
    shared: Env, postgres: Postgres, ada: Person
) -> None:
    async with process(shared, "first") as (first, one):
        await until_shards([one], 2)
        async with process(shared, "second") as (second, two):
            await until_shards([one, two], 1, 1)
            sessions = len(shared.discord.starts)
            assert int(await asyncio.to_thread(postgres.sql, END_SESSIONS, postgres.shared)) > 2
            await answered(ada)
            assert (await connected_shards(one, two), len(shared.discord.starts)) == ([1, 1], sessions), "it was the database's session"
            first.kill()
            took_s = await until_shards([two], 2)
            assert took_s < 10, "two turns of a second, and a busy machine"
            await answered(ada)
            async with process(shared, "third") as (_, three):
                await until_shards([two, three], 1, 1)
                second.terminate()
                await until_shards([three], 2)
                await answered(ada)
    assert {(start.shard_count, start.is_taken) for start in shared.discord.starts} == {(2, True)}
