"""Who asks for something, where, and under which rules: the same value for a command, a press, a form, a menu and a reaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import ReplyTarget
from bot.domain.preferences import Preferences


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel as the rules of its guild see it."""

    guild_id: int | None  # None: a direct message
    channel_id: int
    parent_ids: tuple[int, ...] = ()  # what the channel is in, from the innermost outwards: a thread's channel, a category
    age_restricted: bool = False

    @property
    def places(self) -> tuple[int, ...]:
        return (self.channel_id, *self.parent_ids)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One event's facts. Settings and preferences are read once, when it is built, and hold for all that follows from it.

    Only what the event changes itself takes their place: `replace(request, settings=...)` with what was written.
    """

    actor: Actor
    channel: Channel
    reply_to: ReplyTarget  # of an interaction: private as the actor's preferences say
    settings: GuildSettings  # the guild's; the defaults in direct messages
    preferences: Preferences  # the actor's own

    def answered(self, *, private: bool) -> Request:
        """The same with its answer shown to the actor alone, or to everybody: whatever says otherwise than `preferences`."""
        return replace(self, reply_to=replace(self.reply_to, private=private))

    @property
    def guild_id(self) -> int | None:
        return self.channel.guild_id

    @property
    def required_guild_id(self) -> int:
        """The guild, once a right that there is in guilds alone was checked. Raises ValueError in direct messages."""
        if self.guild_id is None:
            raise ValueError("not in a guild")
        return self.guild_id

    @property
    def policy(self) -> Policy:
        return self.settings.policy
