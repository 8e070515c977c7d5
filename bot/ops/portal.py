"""What the doors ask of Discord over plain HTTP: who the bot is, where it is, and what it may do there."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import or_
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import aiohttp
from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.core.config import Settings
from bot.core.errors import EaselError

_TIMEOUT = aiohttp.ClientTimeout(total=15)
_ADMINISTRATOR = 1 << 3
_EVERY_RIGHT = -1  # all bits
_TEXT_CHANNELS = frozenset({0, 5})  # ordinary and announcement channels
_AUTHORIZE = "https://discord.com/oauth2/authorize"
_UNREADABLE = "Discord at DISCORD_API_URL answered something that cannot be read."
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Permission:
    """One right that the bot asks for: its name at Discord, its bit, and what happens without it."""

    name: str
    bit: int
    without: str


# The least that is needed: answers to commands need none of these, what comes later than 15 minutes or after a restart does.
# Source of the bits: https://discord.com/developers/docs/topics/permissions
PERMISSIONS = (
    Permission(name="View Channels", bit=1 << 10, without="pictures that take over 15 minutes go to direct messages"),
    Permission(name="Send Messages", bit=1 << 11, without="where the waiting message was deleted, the picture goes to direct messages"),
    Permission(name="Send Messages in Threads", bit=1 << 38, without="the same is so in threads"),
    Permission(name="Attach Files", bit=1 << 15, without="pictures that take over 15 minutes cannot be attached there"),
    Permission(
        name="Read Message History",
        bit=1 << 16,
        without="reactions to pictures do nothing, and a post whose answer was lost may come twice",
    ),
    Permission(name="Add Reactions", bit=1 << 6, without="a request by reaction is not acknowledged"),
)
NEEDED = functools.reduce(or_, (permission.bit for permission in PERMISSIONS))


# --- what Discord answers, as far as it is read -----------------------------------------------------------------------


class User(BaseModel):
    id: int
    username: str


class Application(BaseModel):
    id: int
    name: str
    flags: int = 0
    bot_public: bool = True
    integration_types_config: dict[str, Any] | None = None


class _Role(BaseModel):
    id: int
    permissions: int


class _Overwrite(BaseModel):
    id: int
    allow: int
    deny: int


class _Channel(BaseModel):
    name: str
    type: int
    permission_overwrites: list[_Overwrite] = []


class _Guild(BaseModel):
    id: int
    name: str
    owner_id: int
    roles: list[_Role]


class _Member(BaseModel):
    roles: list[int]


class _Brief(BaseModel):
    id: int
    name: str


class _SessionLimit(BaseModel):
    total: int
    remaining: int


class GatewayInfo(BaseModel):
    session_start_limit: _SessionLimit


# --- asking ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server that the bot is in. Rights are bits as in `PERMISSIONS`."""

    name: str
    channels: tuple[tuple[str, int], ...]  # text channels: name, and what the bot may do there
    everywhere: int  # what its roles allow before a channel's own rules


class Portal:
    """Discord's HTTP API with the bot's token; only reads. Raises `EaselError` with a sentence for the operator."""

    def __init__(self, session: aiohttp.ClientSession, *, api_url: str) -> None:
        self._session = session
        self._api_url = api_url

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator[Self]:
        """With a session of its own."""
        headers = {"Authorization": f"Bot {settings.discord_token.get_secret_value()}", "User-Agent": "DiscordBot (Easel, 1)"}
        async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT) as session:
            yield cls(session, api_url=settings.discord_api_url)

    async def me(self) -> User:
        return await self._get("/users/@me", User)

    async def application(self) -> Application:
        return await self._get("/applications/@me", Application)

    async def gateway(self) -> GatewayInfo:
        return await self._get("/gateway/bot", GatewayInfo)

    async def command_names(self, application_id: int) -> list[str]:
        """The commands that are registered for every server."""
        return [command.name for command in await self._get(f"/applications/{application_id}/commands", list[_Brief])]

    async def guilds(self) -> list[_Brief]:
        """Id and name of the servers that the bot is in; the first 200."""
        return await self._get("/users/@me/guilds", list[_Brief])

    async def place(self, guild_id: int, user_id: int) -> Place:
        """What the bot may do in one server."""
        guild = await self._get(f"/guilds/{guild_id}", _Guild)
        member = await self._get(f"/guilds/{guild_id}/members/{user_id}", _Member)
        channels = await self._get(f"/guilds/{guild_id}/channels", list[_Channel])
        base = _base_rights(guild, member, user_id)
        rights = [(c.name, _rights_in(c, base, guild.id, member, user_id)) for c in channels if c.type in _TEXT_CHANNELS]
        return Place(name=guild.name, channels=tuple(rights), everywhere=base)

    async def _get(self, path: str, shape: type[T]) -> T:
        try:
            async with self._session.get(self._api_url + path, allow_redirects=False) as response:
                if response.status != 200:
                    raise EaselError(_refusal(response.status))
                return TypeAdapter(shape).validate_json(await response.read())
        except ValidationError:
            raise EaselError(_UNREADABLE) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EaselError(f"Discord at DISCORD_API_URL does not answer ({type(error).__name__}).") from None


def _refusal(status: int) -> str:
    if status == 401:
        return "DISCORD_TOKEN is refused by Discord; copy it anew from the Bot page of your application."
    if status == 429:
        return "Discord asks for patience (status 429); try again in a minute."
    return f"Discord at DISCORD_API_URL refused the question (status {status})."


async def invitation(settings: Settings) -> str:
    """The addresses that bring this bot to a server or to an account, as text for the terminal. Raises `EaselError`."""
    async with Portal.open(settings) as portal:
        application = await portal.application()
    server = {"client_id": application.id, "integration_type": 0, "scope": "bot applications.commands", "permissions": NEEDED}
    account = {"client_id": application.id, "integration_type": 1, "scope": "applications.commands"}
    lines = [
        f"Bring {application.name} to a server where you may manage it:",
        f"  {_AUTHORIZE}?{urlencode(server)}",
        "Or to your own account, to use it anywhere:",
        f"  {_AUTHORIZE}?{urlencode(account)}",
    ]
    if "1" not in (application.integration_types_config or {}):
        lines.append("  (first switch on User Install at the Installation page of your application)")
    if not application.bot_public:
        lines.append("The application is not public, so only its owner can use these addresses.")
    return "\n".join(lines)


# --- rights ----------------------------------------------------------------------------------------------------------


def _base_rights(guild: _Guild, member: _Member, user_id: int) -> int:
    held = {guild.id, *member.roles}  # the role of everyone has the server's own id
    rights = functools.reduce(or_, (role.permissions for role in guild.roles if role.id in held), 0)
    return _EVERY_RIGHT if guild.owner_id == user_id or rights & _ADMINISTRATOR else rights


def _rights_in(channel: _Channel, base: int, everyone_id: int, member: _Member, user_id: int) -> int:
    """The channel's own rules, in Discord's order: everyone, the roles together, the member."""
    if base == _EVERY_RIGHT:
        return base  # owners and administrators stand above the channel's rules
    rules = {rule.id: rule for rule in channel.permission_overwrites}
    for level in ((everyone_id,), tuple(member.roles), (user_id,)):
        base = _ruled(base, [rules[each] for each in level if each in rules])
    return base


def _ruled(rights: int, rules: Iterable[_Overwrite]) -> int:
    rules = list(rules)
    deny = functools.reduce(or_, (rule.deny for rule in rules), 0)
    allow = functools.reduce(or_, (rule.allow for rule in rules), 0)
    return rights & ~deny | allow
