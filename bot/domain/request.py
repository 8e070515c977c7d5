"""The request that every command, button, form, menu and reaction is turned into."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import ReplyTarget
from bot.domain.preferences import Preferences


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Who reads a channel, by its overwrites. Administrators read every channel. Ids of roles and of members differ."""

    guild_id: int
    default: bool | None = None  # @everyone's overwrite
    base: frozenset[int] = frozenset()  # roles that read channels without an overwrite; @everyone has the guild's id
    allowed: frozenset[int] = frozenset()  # roles and members with an overwrite that lets them read
    denied: frozenset[int] = frozenset()
    member_ids: frozenset[int] = frozenset()  # which of these are members
    administrators: frozenset[int] = frozenset()  # roles, and the guild's owner
    moderators: frozenset[int] = field(default=frozenset(), compare=False)  # roles whose Discord permissions make them moderators

    def include(self, user_id: int, role_ids: frozenset[int]) -> bool:
        """Whether a member with these roles reads the channel."""
        if not self.administrators.isdisjoint((user_id, *role_ids)) or user_id in self.allowed:
            return True
        if user_id in self.denied:
            return False
        if not self.allowed.isdisjoint(role_ids):
            return True
        if self.default is False or not self.denied.isdisjoint(role_ids):
            return False
        return self.default is True or not self.base.isdisjoint((self.guild_id, *role_ids))


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel, as far as a guild's rules depend on it."""

    guild_id: int | None  # None: a direct message
    channel_id: int
    parent_ids: tuple[int, ...] = ()  # innermost first: a thread's channel, then the category
    age_restricted: bool = False
    readers: Readers | None = field(default=None, repr=False)  # of a thread: those of its channel; None: not known
    invites: bool = False  # a private thread: of the readers only those who were invited
    direct: bool = False  # direct messages with the bot: only the member reads them

    @property
    def ids(self) -> tuple[int, ...]:
        """The channel and its parents, innermost first."""
        return (self.channel_id, *self.parent_ids)

    @property
    def everyone_reads(self) -> bool:
        """Whether members without any role read it. False if that is not known."""
        return self.readers is not None and not self.invites and self.readers.include(0, frozenset())


def interaction_key(interaction_id: int | str) -> str:
    """The key of a request by a command, a button, a menu or a form."""
    return f"interaction {interaction_id}"


def message_key(message_id: int | str) -> str:
    """The key of a request by a message that mentions the bot."""
    return f"message {message_id}"


def audience_locale(member: str | None, guild: str | None, *, private: bool) -> str | None:
    """The Discord locale of a message: the guild's in public, the member's where only they see it and outside guilds."""
    return member if private or guild is None else guild


@dataclass(frozen=True, kw_only=True)
class Request:
    """Who acts, where, and under which rules. Settings and preferences are read once, when it is built.

    A handler that changes settings continues with `replace(request, settings=...)`.
    """

    actor: Actor
    channel: Channel
    reply_to: ReplyTarget  # for an interaction, `private` is taken from the actor's preferences
    settings: GuildSettings  # the guild's; the defaults in direct messages
    preferences: Preferences  # the actor's
    member_locale: str | None = None  # Discord locales
    guild_locale: str | None = None  # None outside guilds
    key: str = ""  # of an interaction, the same for each delivery of it; a reaction is claimed instead (`bot.store.reactions`)

    def answered(self, *, private: bool) -> Request:
        """A copy that is answered privately or publicly, overriding the preferences, in the language of those who read it."""
        locale = audience_locale(self.member_locale, self.guild_locale, private=private)
        return replace(self, reply_to=replace(self.reply_to, private=private, locale=locale))

    @property
    def guild_id(self) -> int | None:
        return self.channel.guild_id

    @property
    def required_guild_id(self) -> int:
        """The guild's id, for code after a permission check that only passes in guilds. Raises ValueError in direct messages."""
        if self.guild_id is None:
            raise ValueError("not in a guild")
        return self.guild_id

    @property
    def policy(self) -> Policy:
        return self.settings.policy
