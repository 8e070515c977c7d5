"""Composes the local Discord on one port: HTTP API, gateway, CDN, and the chat page with its socket."""

from __future__ import annotations

import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL

from sandbox.discord.bot_process import BotProcess
from sandbox.discord.calls import RefusedCall
from sandbox.discord.cdn import AVATARS, PROXY, STICKERS, Cdn, FileStore
from sandbox.discord.gateway import Gateway
from sandbox.discord.people import People
from sandbox.discord.rest import RestApi
from sandbox.discord.sharding import SessionStart, Sharding
from sandbox.discord.wire import FIRST_ANSWER_S
from sandbox.discord.world import World
from sandbox.faults import Switchboard

_PAGE = Path(__file__).parent / "page"
_LARGEST_REQUEST_BYTES = 256 * 1024 * 1024  # ten files, even if some exceed the upload limit and must be refused with a proper error


@dataclass(frozen=True, kw_only=True)
class DiscordServer:
    """The addresses and ids of a running local Discord."""

    url: str  # the chat page, and the base of the addresses in PROTOCOL.md
    api_url: str  # for discord.py's `Route.BASE`
    gateway_url: str  # for `DiscordWebSocket.DEFAULT_GATEWAY`
    cdn_host: str  # host and port of attachment links
    downloads: list[str]  # the paths of all attachments that were requested so far
    refused: list[RefusedCall]  # the calls so far that count against the bot
    starts: list[SessionStart]  # the sessions of the gateway that were asked for so far
    token: str  # the bot's token
    application_id: int
    guild_id: int


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def serve(
    *,
    switchboard: Switchboard,
    host: str = "127.0.0.1",
    port: int = 0,
    or_free: bool = False,
    now: Callable[[], datetime] = _utc_now,
    first_answer_s: float = FIRST_ANSWER_S,
    privileged_intents: frozenset[str] = frozenset(),
    shards: int = 1,
    max_concurrency: int = 1,
    identify_s: float = 5.0,
    kill_bot: Callable[[], None] | None = None,
    images_in_work: Callable[[], int] = lambda: 0,
) -> AsyncIterator[DiscordServer]:
    """Run the local Discord until the block ends.

    `port` 0 means a free port, and `or_free` takes one if `port` is taken. `now` returns aware times. `first_answer_s` is the time limit
    for the first answer to an interaction.
    `privileged_intents` (`members`, `presences`, `message_content`) are those enabled for the application in the developer portal.
    `shards` is how many sessions Discord asks for; with several, the bot's server is not of the first one. Under the fault identify-limited
    `max_concurrency` of them may be started in `identify_s` seconds.
    `kill_bot` kills the bot for the page, which has no button for it otherwise; `images_in_work` is how many images are being made.
    """
    with _listen(host, port, or_free) as listener:
        base = f"{host}:{listener.getsockname()[1]}"
        sharding = Sharding(switchboard=switchboard, shards=shards, max_concurrency=max_concurrency, identify_s=identify_s)
        app, server = _assemble(base, switchboard, now, first_answer_s, privileged_intents, sharding, kill_bot, images_in_work)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield server
        finally:
            await runner.cleanup()


def _listen(host: str, port: int, or_free: bool) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError:
        if not or_free:
            raise
        return socket.create_server((host, 0))


def _assemble(
    base: str,
    switchboard: Switchboard,
    now: Callable[[], datetime],
    first_answer_s: float,
    privileged: frozenset[str],
    sharding: Sharding,
    kill_bot: Callable[[], None] | None,
    images_in_work: Callable[[], int],
) -> tuple[web.Application, DiscordServer]:
    url, gateway_url = f"http://{base}", f"ws://{base}/gateway"
    file_store = FileStore(base_url=url, now=now)
    world = World(file_store=file_store, now=now, first_answer_s=first_answer_s, begins_ms=int(sharding.shards > 1))
    token = _token_for(world.bot_id)
    gateway = Gateway(world=world, switchboard=switchboard, sharding=sharding, token=token, url=gateway_url, privileged=privileged)
    cdn = Cdn(file_store=file_store, switchboard=switchboard)
    bot_process = BotProcess(kill=kill_bot, images_in_work=images_in_work, is_online=lambda: gateway.online)
    people = People(world=world, gateway=gateway, bot_process=bot_process, switchboard=switchboard, first_answer_s=first_answer_s)
    rest = RestApi(
        world=world,
        switchboard=switchboard,
        sharding=sharding,
        interactions=people.interactions,
        token=token,
        gateway_url=gateway_url,
        privileged=privileged,
        now=now,
    )
    app = web.Application(client_max_size=_LARGEST_REQUEST_BYTES, middlewares=[_own_pages_only])
    app.on_shutdown.extend([gateway.close_all, people.close_all])
    app.router.add_get("/", _front_page)
    app.router.add_static("/page/", _PAGE)
    app.router.add_get("/people", people.list_people)
    app.router.add_post("/people/uploads", people.upload)
    app.router.add_get("/people/socket", people.socket)
    app.router.add_post("/bot/kill", bot_process.kill)
    app.router.add_post("/bot/ended", bot_process.ended)
    app.router.add_get("/gateway", gateway.handle)
    app.router.add_get("/gateway/", gateway.handle)
    for prefix in ("", PROXY):
        app.router.add_get(f"{prefix}/attachments/{{channel}}/{{attachment}}/{{filename}}", cdn.handle)
        app.router.add_get(f"{prefix}{STICKERS}/{{filename}}", cdn.handle)
        app.router.add_get(f"{prefix}{AVATARS}/{{user}}/{{filename}}", cdn.handle)
    app.router.add_route("*", "/api/{path:.*}", rest.handle)
    server = DiscordServer(
        url=url,
        api_url=f"{url}/api/v10",
        gateway_url=gateway_url,
        cdn_host=base,
        downloads=cdn.requested_paths,
        refused=rest.refused,
        starts=sharding.starts,
        token=token,
        application_id=world.application_id,
        guild_id=int(world.guild_json["id"]),
    )
    return app, server


@web.middleware
async def _own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that pages of other sites make in a browser. Programs send no `Origin`."""
    origin = request.headers.get("Origin")
    if origin is not None and URL(origin).authority != request.host:
        raise web.HTTPForbidden(text="Only the local Discord's own page may ask this.")
    return await handler(request)


async def _front_page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(_PAGE / "index.html")


def _token_for(bot_id: int) -> str:
    """A token in Discord's format: the bot's id in base64, a time, a signature. It is valid only here."""
    account = base64.b64encode(str(bot_id).encode()).decode().rstrip("=")
    return f"{account}.LOCAL0.local-sandbox-token-of-easel-0000000"
