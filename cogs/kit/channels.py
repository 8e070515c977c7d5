"""Channels with their parents and readers, where an image is from, and whether channels and roles are of a guild."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import discord
import structlog

from bot.client.events import THREAD_TYPES, as_text_channel
from bot.core.errors import InvalidRequest, NotKnownYet
from bot.core.i18n import _
from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId
from bot.domain.job import Job, JobMessage, Source
from bot.domain.order import Order
from bot.domain.permissions import is_moderator
from bot.domain.request import Channel, Readers
from bot.domain.visibility import Audience, Origin, border

if TYPE_CHECKING:
    from bot.client.easel import Easel

log = structlog.get_logger(__name__)

_NOT_FETCHED: Final = (discord.HTTPException, aiohttp.ClientError, OSError)
POSTABLE_TYPES: Final = (discord.ChannelType.text, discord.ChannelType.news)
ASKING_S: Final = 5.0  # a member waits for it
_NO_RULES: Final = Policy()
_FETCHED_MAX: Final = 10  # channels of one settings document that are not cached, such as archived threads


def channel_from(channel: Any, *, guild_id: int | None, channel_id: int, with_readers: bool = False) -> Channel:
    """From a channel of discord.py, or from None if the channel is unknown. A thread is age-restricted if its parent is.

    `with_readers`: the channel is complete, with its overwrites.
    """
    parent = getattr(channel, "parent", None) if isinstance(channel, discord.Thread) else channel
    thread_parent_id = channel.parent_id if isinstance(channel, discord.Thread) else None
    category_id = getattr(parent, "category_id", None)
    parents = tuple(parent_id for parent_id in (thread_parent_id, category_id) if parent_id is not None)
    is_nsfw = getattr(parent, "is_nsfw", None)  # missing on direct messages and groups
    return Channel(
        guild_id=guild_id,
        channel_id=channel_id,
        parent_ids=parents,
        age_restricted=guild_id is not None and is_nsfw is not None and bool(is_nsfw()),
        readers=_readers(parent) if with_readers else None,
        invites=isinstance(channel, discord.Thread) and channel.is_private(),
    )


@dataclass(frozen=True, kw_only=True)
class GuildPlace:
    """A channel or thread of a guild, and the channel whose permissions hold in it."""

    guild: discord.Guild
    channel: Channel
    parent: discord.abc.GuildChannel  # the channel itself, or a thread's


async def fetch_channel(client: Easel, *, guild_id: int | None, channel_id: int) -> Channel:
    """By id, with its readers, from the gateway's cache or from Discord.

    A channel that Discord does not return counts as one without parents that is not age-restricted, and whose readers are not known.
    """
    if guild_id is None:
        return Channel(guild_id=None, channel_id=channel_id, direct=True)
    try:
        return (await fetch_place(client, guild_id, channel_id)).channel
    except (NotKnownYet, discord.HTTPException) as error:
        log.info("channel fetch failed", channel=channel_id, error=type(error).__name__)
        return Channel(guild_id=guild_id, channel_id=channel_id)


async def fetch_place(client: Easel, guild_id: int, channel_id: int) -> GuildPlace:
    """From the gateway if it has described the guild, else from Discord.

    Raises `NotKnownYet` if Discord does not say, and `discord.NotFound` or `discord.Forbidden` if there is no such channel for the bot.
    """
    guild = await client.known_guild(guild_id)
    found: Any = guild.get_channel_or_thread(channel_id) if guild else None
    parent = found.parent if isinstance(found, discord.Thread) else found
    if guild is not None and parent is not None:
        channel = channel_from(found, guild_id=guild_id, channel_id=channel_id, with_readers=True)
        return GuildPlace(guild=guild, channel=channel, parent=parent)
    with asked_of_discord():
        async with asyncio.timeout(ASKING_S):
            return await _described_place(client, guild_id, channel_id)


@contextmanager
def asked_of_discord() -> Iterator[None]:
    """Raise `NotKnownYet` where Discord does not answer, or with something that cannot be read."""
    try:
        yield
    except (discord.NotFound, discord.Forbidden):
        raise
    except (discord.HTTPException, aiohttp.ClientError, OSError, LookupError, TypeError, ValueError) as error:
        log.warning("guild not known", error=type(error).__name__)
        raise not_known_yet() from error


def not_known_yet() -> NotKnownYet:
    return NotKnownYet(_("Discord hasn't told the bot about this server yet. Nothing was charged; try again in a minute."))


async def _described_place(client: Easel, guild_id: int, channel_id: int) -> GuildPlace:
    """As the API describes it; a channel may be of a type that discord.py cannot read."""
    own: Any = await client.http.get_channel(channel_id)
    guild = client.state.described_guild(await client.http.get_guild(guild_id))
    is_thread = own["type"] in THREAD_TYPES
    of_parent: Any = await client.http.get_channel(own["parent_id"]) if is_thread else own
    if int(of_parent["guild_id"]) != guild_id:
        raise LookupError("the channel is not of this guild")
    parent = discord.TextChannel(state=client.state, guild=guild, data=as_text_channel(of_parent))
    channel = channel_from(parent, guild_id=guild_id, channel_id=parent.id, with_readers=True)
    if is_thread:
        invites = own["type"] == discord.ChannelType.private_thread.value
        channel = replace(channel, channel_id=channel_id, parent_ids=channel.ids, invites=invites)
    return GuildPlace(guild=guild, channel=channel, parent=parent)


def _readers(channel: Any) -> Readers | None:
    """Who reads a channel of a guild, without bots. None if the channel or the guild's roles are not known."""
    guild: discord.Guild | None = getattr(channel, "guild", None)
    if guild is None or guild.get_role(guild.id) is None:
        return None
    by_id = {target.id: target for target in channel.overwrites if not _is_bot(target)}
    states = {target.id: overwrite.view_channel for target, overwrite in channel.overwrites.items() if target.id in by_id}
    default = states.pop(guild.id, None)
    base, moderators, administrators = _roles(guild)
    return Readers(
        guild_id=guild.id,
        default=default,
        base=base,
        allowed=frozenset(each for each, state in states.items() if state is True),
        denied=frozenset(each for each, state in states.items() if state is False),
        member_ids=frozenset(each for each in states if _is_member(by_id[each])),
        administrators=administrators,
        moderators=moderators,
    )


def _roles(guild: discord.Guild) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
    """The roles that read channels without an overwrite; those of moderators; and those of administrators, with the guild's owner."""
    people = [role for role in guild.roles if not role.is_bot_managed()]
    administrators = [role.id for role in people if role.permissions.administrator]
    moderators = [role.id for role in people if is_moderator(_holder_of(role), _NO_RULES)]
    readers = frozenset(role.id for role in people if role.permissions.view_channel)
    return readers, frozenset(moderators), frozenset((guild.owner_id or 0, *administrators))


def _holder_of(role: discord.Role) -> Actor:
    """A member with this role alone."""
    return Actor(user_id=0, may_manage_messages=role.permissions.manage_messages, may_manage_server=role.permissions.manage_guild)


def _is_member(target: discord.Role | discord.Member | discord.Object) -> bool:
    return isinstance(target, discord.Member) or (isinstance(target, discord.Object) and target.type is not discord.Role)


def _is_bot(target: discord.Role | discord.Member | discord.Object) -> bool:
    return target.bot if isinstance(target, discord.Member) else isinstance(target, discord.Role) and target.is_bot_managed()


# --- where an image is from ------------------------------------------------------------------------------------------


class KnownChannels:
    """Channels with their readers, from the gateway's cache alone, each read once: for many at a time."""

    def __init__(self, client: Easel) -> None:
        self._client = client
        self._found: dict[tuple[int | None, int], Channel] = {}

    async def learn(self, *places: tuple[int | None, int]) -> None:
        """Ask Discord about channels of guilds of which another process hears."""
        for guild_id, channel_id in places:
            if guild_id is not None and self._client.is_elsewhere(guild_id):
                self._found[guild_id, channel_id] = await fetch_channel(self._client, guild_id=guild_id, channel_id=channel_id)

    def get(self, guild_id: int | None, channel_id: int) -> Channel:
        """One that is not cached has no known readers."""
        place = guild_id, channel_id
        if place not in self._found:
            guild = self._client.get_guild(guild_id) if guild_id is not None else None
            cached = guild.get_channel_or_thread(channel_id) if guild else None
            self._found[place] = channel_from(cached, guild_id=guild_id, channel_id=channel_id, with_readers=True)
        return self._found[place]

    def seen_by(self, audience: Audience, jobs: Iterable[Job]) -> tuple[tuple[Job, ...], int]:
        """The jobs that the audience may see where they are, and how many others there are."""
        listed = tuple(jobs)
        shown = tuple(job for job in listed if border(self.origin_of(job), audience) is None)
        return shown, len(listed) - len(shown)

    async def with_sources(self, order: Order, sources: Iterable[Source | None]) -> Order:
        """The order with the channels of these sources; the readers of its own matter only if one is from another channel.

        Raises `NotKnownYet` if Discord does not tell of one.
        """
        request = order.request
        others = {source.channel_id for source in sources if source is not None} - {request.channel.channel_id}
        if not others:
            return order
        guilds = {each: await self._guild_of(each) for each in others}
        await self.learn(*((guild_id, each) for each, guild_id in guilds.items()))
        here = self.get(request.guild_id, request.channel.channel_id)
        channel = replace(request.channel, readers=here.readers, invites=here.invites)
        return replace(order, request=replace(request, channel=channel), channels={each: self.get(guilds[each], each) for each in others})

    async def _guild_of(self, channel_id: int) -> int | None:
        """The guild of a channel that this process may not know; None outside guilds, and where the bot has no access."""
        cached = self._client.get_channel(channel_id)
        if cached is not None or self._client.knows_all_guilds:
            guild = getattr(cached, "guild", None)
            return guild.id if guild else None
        try:
            with asked_of_discord():
                async with asyncio.timeout(ASKING_S):
                    described: Any = await self._client.http.get_channel(channel_id)
        except (discord.NotFound, discord.Forbidden):
            return None
        return int(described["guild_id"]) if described.get("guild_id") else None

    def origin_of(self, job: Job, copies: Iterable[JobMessage] = ()) -> Origin:
        """Where a job's image is shown: in its own channel, and in those of the given messages."""
        channels = tuple(self.get(*place) for place in _places(job, copies))
        return Origin(channels=channels, owner_id=job.place.user_id, private=job.place.private, age_restricted=job.age_restricted)


async def origin_of(client: Easel, job: Job, copies: Iterable[JobMessage] = ()) -> Origin:
    """As `KnownChannels.origin_of`, also of guilds of which another process hears."""
    known, copies = KnownChannels(client), tuple(copies)
    await known.learn(*_places(job, copies))
    return known.origin_of(job, copies)


def _places(job: Job, copies: Iterable[JobMessage]) -> set[tuple[int | None, int]]:
    return {(job.place.guild_id, job.place.channel_id), *((copy.guild_id, copy.channel_id) for copy in copies)}


# --- ids of a guild ----------------------------------------------------------------------------------------------------


async def find_channel(client: Easel, guild_id: int, channel_id: int) -> Any:
    """A channel or thread of this guild, from the cache or from Discord; None if it has none with this id.

    Ids come from settings files and commands, and the bot can write in many guilds: without this check it would write in any of them.
    """
    try:
        return await _find_channel(client, guild_id, channel_id)
    except discord.NotFound:
        return None


async def _find_channel(client: Easel, guild_id: int, channel_id: int) -> Any:
    """As `find_channel`. Raises `discord.NotFound` if the channel was deleted."""
    if client.is_outside(guild_id):
        return None  # it has removed the bot
    guild = client.get_guild(guild_id)
    cached = guild.get_channel_or_thread(channel_id) if guild else None
    if cached is not None:
        return cached
    try:
        channel = await client.fetch_channel(channel_id)
    except (discord.Forbidden, discord.InvalidData):
        return None
    owner = getattr(channel, "guild", None)  # missing on direct messages and groups
    return channel if owner is not None and owner.id == guild_id else None


async def deleted_ids(client: Easel, guild: discord.Guild, named: Iterable[NamedId]) -> set[int]:
    """Those of these channels, threads and roles of a guild that Discord says do not exist (any more).

    The cache alone does not decide: archived threads are not in it, nor is what could not be read.
    """
    if guild.unavailable:
        return set()
    named = list(named)
    roles = {each.id for each in named if each.kind is IdKind.ROLE and guild.get_role(each.id) is None}
    channels = [each.id for each in named if each.kind is IdKind.CHANNEL and guild.get_channel_or_thread(each.id) is None]
    deleted = {each for each in channels[:_FETCHED_MAX] if await is_deleted(client, each)}
    try:
        return deleted | (roles - {int(role["id"]) for role in await client.http.get_roles(guild.id)} if roles else set())
    except _NOT_FETCHED as error:
        log.info("roles fetch failed", guild=guild.id, error=type(error).__name__)
        return deleted


async def is_deleted(client: Easel, channel_id: int) -> bool:
    """Whether Discord says that there is no such channel or thread (any more)."""
    try:
        await client.http.get_channel(channel_id)
    except discord.NotFound:
        return True
    except _NOT_FETCHED as error:
        log.info("channel fetch failed", channel=channel_id, error=type(error).__name__)
    return False


async def note_deleted(client: Easel, guild_id: int, channel_id: int) -> None:
    """Remember a channel of the settings that Discord did not find. During an outage of the guild that proves nothing."""
    guild = client.get_guild(guild_id)
    if guild is not None and not guild.unavailable:
        await client.services.guilds.mark_gone(guild_id, {channel_id})


async def writable(client: Easel, guild_id: int, channel_id: int | None) -> discord.PartialMessageable | None:
    """A channel that the guild's settings name, to write in; None if none is named, or if it is not of this guild (any more)."""
    if channel_id is None or channel_id in (await client.services.guilds.settings(guild_id)).gone:
        return None
    try:
        found = await _find_channel(client, guild_id, channel_id)
    except discord.NotFound:
        await note_deleted(client, guild_id, channel_id)
        return None
    if found is None:
        log.warning("not written to: the channel is not of this server", guild=guild_id, channel=channel_id)
        return None
    return client.get_partial_messageable(channel_id, guild_id=guild_id)


async def _guild_with_roles(client: Easel, guild_id: int) -> discord.Guild:
    known = await client.known_guild(guild_id)
    with asked_of_discord():
        return known or client.state.described_guild(await client.http.get_guild(guild_id))


async def foreign(client: Easel, guild_id: int, named: Iterable[NamedId]) -> list[NamedId]:
    """Those of these ids that are not of this guild: roles first, then channels. Raises `NotKnownYet` if Discord does not say."""
    guild, found, fetched = await _guild_with_roles(client, guild_id), [], 0
    for each in sorted(named, key=lambda each: (each.kind is IdKind.CHANNEL, each.id)):
        if each.kind is IdKind.ROLE:
            is_theirs = guild.get_role(each.id) is not None
        else:
            is_cached = guild.get_channel_or_thread(each.id) is not None
            fetched += not is_cached
            is_theirs = is_cached or (fetched <= _FETCHED_MAX and await find_channel(client, guild_id, each.id) is not None)
        found += [] if is_theirs else [each]
    return found


def check_kind(client: Easel, guild_id: int, channel_id: int) -> None:
    """Raises `InvalidRequest` if this is a channel of the guild that cannot be posted in, such as a category or a thread."""
    guild = client.get_guild(guild_id)
    channel = guild.get_channel_or_thread(channel_id) if guild else None
    if channel is not None and channel.type not in POSTABLE_TYPES:
        raise not_postable(channel_id)


def not_postable(channel_id: int) -> InvalidRequest:
    return InvalidRequest(_("Choose a text channel that Easel can see. {channel} isn't one.").format(channel=f"<#{channel_id}>"))


def check_role(client: Easel, guild_id: int, role_id: int) -> None:
    """Raises `InvalidRequest` for a role that everyone has, and for one that no member can have."""
    if role_id == guild_id:
        raise InvalidRequest(_("Everyone has the role @everyone. Choose one that only some members have."))
    guild = client.get_guild(guild_id)
    role = guild.get_role(role_id) if guild else None
    if role is not None and (role.is_bot_managed() or (role.managed and role.tags is None)):
        raise InvalidRequest(_("{role} is a bot's own role, which no member can have. Choose another role.").format(role=role.mention))
