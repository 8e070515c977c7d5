"""The part of Discord that a bot needs to log in, answer interactions and post images. It checks nothing."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from itertools import count
from typing import Any

from aiohttp import web

from benchmarks.interactions import InteractionLog, InteractionStep, TimedInteraction

APPLICATION_ID, BOT_ID = 1000, 1000
GUILDS = 4  # in which members act
USERS = 200
_CHANNELS, _ROLES = 20, 10  # of a guild
_HEARTBEAT_MS = 41_250
_ACK_DELAY_S = 0.02  # discord.py warns of an answer that comes before it has recorded its heartbeat
_FILE = re.compile(rb'name="files\[\d+\]"; filename="([^"]+)"')
_ids = count(10**18)
_JOINED = "2020-01-01T00:00:00+00:00"


class CheapDiscord:
    """HTTP API, gateway, and the interactions that members start. Bots connect with as many shards as `shards` says."""

    def __init__(self, orders: InteractionLog, *, shards: int, guilds: int) -> None:
        self._orders = orders
        self._shards = shards
        self._guilds = guilds
        self._sockets: dict[int, GatewaySocket] = {}  # by shard
        self._connected = asyncio.Event()
        self._commands: dict[str, str] = {}  # id by name
        self.gateway_url = ""

    def routes(self) -> list[web.RouteDef]:
        api = "/api/v10"
        return [
            web.get("/gateway", self.gateway),
            web.get(f"{api}/users/@me", lambda _: _later(_user(BOT_ID, bot=True))),
            web.get(f"{api}/oauth2/applications/@me", lambda _: _later(_application())),
            web.get(f"{api}/applications/@me", lambda _: _later(_application())),
            web.get(f"{api}/gateway", lambda _: _later({"url": self.gateway_url})),
            web.get(f"{api}/gateway/bot", lambda _: _later(self._session_limits())),
            web.put(f"{api}/applications/{{application}}/commands", self.register),
            web.post(f"{api}/interactions/{{id}}/{{token}}/callback", self.callback),
            web.patch(f"{api}/webhooks/{{application}}/{{token}}/messages/{{message}}", self.edit),
            web.post(f"{api}/webhooks/{{application}}/{{token}}", self.follow_up),
            web.post(f"{api}/channels/{{channel}}/messages", self.post),
            web.patch(f"{api}/channels/{{channel}}/messages/{{message}}", self.post),
        ]

    # --- interactions ---

    async def send(self, command: str, user: int) -> TimedInteraction:
        """A member uses a command. The prompt ends with the interaction's token, so that its generation can be found."""
        order = self._orders.new(command, user)
        options = [{"name": "prompt", "type": 3, "value": f"a red fox {order.token}"}] if command == "generate" else []
        payload = _interaction(order, command_id=self._commands.get(command, "1"), options=options)
        gateway = await self._gateway_of(guild_id(user))
        order.reach(InteractionStep.DISPATCHED)
        await gateway.dispatch("INTERACTION_CREATE", payload)
        return order

    async def talk(self, messages: int) -> None:
        """Members write messages that do not concern the bot, in all guilds by turns."""
        for number in range(messages):
            guild = guild_of(number % self._guilds)
            await (await self._gateway_of(guild)).dispatch("MESSAGE_CREATE", _chat(guild, number))

    async def _gateway_of(self, guild: int) -> GatewaySocket:
        """Waits while the shard is given from one process to another."""
        while (gateway := self._sockets.get((guild >> 22) % self._shards)) is None:
            self._connected.clear()
            await self._connected.wait()
        return gateway

    async def callback(self, request: web.Request) -> web.Response:
        token = request.match_info["token"]
        self._orders.reach(token, InteractionStep.ACKNOWLEDGED)
        self._orders.calls["callback"] += 1
        answer = await request.json()
        if request.query.get("with_response") not in ("true", "True", "1"):
            return web.Response(status=204)
        message = _message(message_id=next(_ids))
        interaction = {"id": request.match_info["id"], "type": 2, "response_message_id": message["id"]}
        return _json({"interaction": interaction, "resource": {"type": answer["type"], "message": message}})

    async def edit(self, request: web.Request) -> web.Response:
        token, files = request.match_info["token"], _files(await request.read())
        if files:
            self._orders.reach(token, InteractionStep.POSTED)
        self._orders.calls["post by token" if files else "edit by token"] += 1
        message_id = request.match_info["message"]
        return _json(_message(message_id=next(_ids) if message_id == "@original" else int(message_id), files=files))

    async def follow_up(self, request: web.Request) -> web.Response:
        await request.read()
        self._orders.calls["follow-up"] += 1
        return _json(_message(message_id=next(_ids)))

    async def post(self, request: web.Request) -> web.Response:
        """A message by the bot's token, new or edited."""
        files = _files(await request.read())
        self._orders.calls["post by bot" if files else "message by bot"] += 1
        self._orders.posted += bool(files)
        return _json(_message(message_id=int(request.match_info.get("message", next(_ids))), files=files))

    async def register(self, request: web.Request) -> web.Response:
        commands = await request.json()
        for command in commands:
            self._commands[command["name"]] = command["id"] = str(next(_ids))
            command |= {"application_id": str(APPLICATION_ID), "version": "1", "default_member_permissions": None}
        return _json(commands)

    # --- gateway ---

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        """Text frames, whatever compression was asked for: clients accept both."""
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        gateway, shard = GatewaySocket(socket), 0
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": _HEARTBEAT_MS}, "s": None, "t": None})
        async for frame in socket:
            received = json.loads(frame.data)
            if received["op"] == 1:
                await asyncio.sleep(_ACK_DELAY_S)
                await socket.send_json({"op": 11, "d": None, "s": None, "t": None})
            elif received["op"] == 2:
                shard = (received["d"].get("shard") or [0])[0]
                await self._ready(gateway, shard)
                self._sockets[shard] = gateway
                self._connected.set()
        if self._sockets.get(shard) is gateway:
            del self._sockets[shard]
        return socket

    async def _ready(self, gateway: GatewaySocket, shard: int) -> None:
        numbers = [number for number in range(self._guilds) if (guild_of(number) >> 22) % self._shards == shard]
        ready = {
            "v": 10,
            "user": _user(BOT_ID, bot=True),
            "guilds": [{"id": str(guild_of(number)), "unavailable": True} for number in numbers],
            "session_id": f"benchmark-{shard}",
            "resume_gateway_url": self.gateway_url,
            "shard": [shard, self._shards],
            "application": {"id": str(APPLICATION_ID), "flags": 0},
            "private_channels": [],
        }
        await gateway.dispatch("READY", ready)
        for number in numbers:
            await gateway.dispatch("GUILD_CREATE", _guild(number))

    def _session_limits(self) -> dict[str, Any]:
        limits = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16}
        return {"url": self.gateway_url, "shards": self._shards, "session_start_limit": limits}


class GatewaySocket:
    """One connection of a bot, which has its own count of events."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._sequence = count(1)

    async def dispatch(self, event: str, payload: dict[str, Any]) -> None:
        await self._socket.send_str(json.dumps({"op": 0, "t": event, "s": next(self._sequence), "d": payload}))


# --- payloads ---


def guild_of(number: int) -> int:
    """The id of a guild. Its upper bits choose the shard, as those of Discord's ids do: they are spread evenly."""
    return 2000 + number + (number << 22)


def guild_id(user: int) -> int:
    """The guild in which a user acts."""
    return guild_of(user % GUILDS)


def channel_id(guild: int) -> int:
    return guild + 1000


def user_id(user: int) -> int:
    return 10_000 + user


def _interaction(order: TimedInteraction, *, command_id: str, options: list[dict[str, Any]]) -> dict[str, Any]:
    guild = guild_id(order.user)
    return {
        "id": str(order.id),
        "application_id": str(APPLICATION_ID),
        "type": 2,
        "token": order.token,
        "version": 1,
        "data": {"id": command_id, "name": order.command, "type": 1, "options": options},
        "guild_id": str(guild),
        "guild": {"id": str(guild), "locale": "en-US", "features": []},
        "channel_id": str(channel_id(guild)),
        "channel": {**_channel(guild), "permissions": _PERMISSIONS},
        "member": {
            "user": _user(user_id(order.user)), "roles": [], "joined_at": _JOINED, "permissions": _PERMISSIONS,
            "nick": None, "avatar": None, "premium_since": None, "deaf": False, "mute": False, "pending": False, "flags": 0,
        },
        "app_permissions": _PERMISSIONS,
        "locale": "en-US",
        "guild_locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(guild)},
        "context": 0,
        "attachment_size_limit": 10 * 2**20,
    }  # fmt: skip


_PERMISSIONS = str(1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 31)  # see, send, embed, attach, history, commands


def _guild(number: int) -> dict[str, Any]:
    guild = guild_of(number)
    me = {"user": _user(BOT_ID, bot=True), "roles": [], "joined_at": _JOINED, "deaf": False, "mute": False, "flags": 0}
    return {
        "id": str(guild), "name": f"Guild {number}", "owner_id": "1", "member_count": USERS, "unavailable": False,
        "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0, "premium_tier": 0,
        "roles": [_role(guild, n) for n in range(_ROLES)], "channels": [_channel(guild, n) for n in range(_CHANNELS)],
        "members": [me], "threads": [], "emojis": [], "stickers": [], "features": [],
    }  # fmt: skip


def _role(guild: int, number: int) -> dict[str, Any]:
    return {
        "id": str(guild + number), "name": "@everyone" if number == 0 else f"Role {number}", "permissions": _PERMISSIONS,
        "position": number, "color": 0, "flags": 0, "hoist": False, "managed": False, "mentionable": False,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
    }  # fmt: skip


def _channel(guild: int, number: int = 0) -> dict[str, Any]:
    return {
        "id": str(channel_id(guild) + number * 10_000), "type": 0, "name": "images", "guild_id": str(guild), "position": 0, "nsfw": False,
        "permission_overwrites": [], "parent_id": None, "topic": None, "last_message_id": None, "rate_limit_per_user": 0, "flags": 0,
    }  # fmt: skip


def _chat(guild: int, number: int) -> dict[str, Any]:
    """A message as Discord sends it to a bot that may not read what people write."""
    author = _user(user_id(number % USERS))
    member = {
        "roles": [],
        "joined_at": _JOINED,
        "nick": None,
        "avatar": None,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
    }
    return {
        **_message(message_id=next(_ids)),
        "author": author,
        "member": member,
        "guild_id": str(guild),
        "channel_id": str(channel_id(guild)),
    }


def _user(number: int, *, bot: bool = False) -> dict[str, Any]:
    return {
        "id": str(number), "username": f"user{number}", "discriminator": "0", "global_name": None, "avatar": None,
        "bot": bot, "public_flags": 0,
    }  # fmt: skip


def _application() -> dict[str, Any]:
    return {
        "id": str(APPLICATION_ID), "name": "Benchmark", "description": "", "icon": None, "bot_public": True,
        "bot_require_code_grant": False, "owner": _user(1), "team": None, "verify_key": "", "flags": 0,
    }  # fmt: skip


def _message(*, message_id: int, files: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": str(message_id), "channel_id": "3000", "author": _user(BOT_ID, bot=True), "content": "", "type": 0, "flags": 0,
        "timestamp": datetime.now(UTC).isoformat(), "edited_timestamp": None, "tts": False, "pinned": False,
        "mention_everyone": False, "mentions": [], "mention_roles": [], "embeds": [], "components": [],
        "attachments": [_attachment(message_id, name) for name in files],
    }  # fmt: skip


def _attachment(message_id: int, name: str) -> dict[str, Any]:
    url = f"https://cdn.discordapp.com/attachments/3000/{message_id}/{name}"
    return {"id": str(next(_ids)), "filename": name, "size": 1, "url": url, "proxy_url": url, "content_type": "image/png"}


def _files(body: bytes) -> tuple[str, ...]:
    return tuple(name.decode() for name in _FILE.findall(body))


def _json(payload: Any) -> web.Response:
    return web.Response(body=json.dumps(payload).encode(), content_type="application/json")


async def _later(payload: Any) -> web.Response:
    return _json(payload)
