"""What the gateway sends: an event that discord.py cannot read is left out, and a guild's state is used only while it is known."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

import discord
import structlog
from discord.state import AutoShardedConnectionState

from bot.core.metrics import GATEWAY_EVENTS

log = structlog.get_logger(__name__)

GUILD_KNOWN: Final = "guild_known"  # dispatched with the id of a guild whose state has arrived
THREAD_TYPES: Final = tuple(kind.value for kind in discord.ChannelType if kind.name.endswith("_thread"))
_OF_GUILDS = ("GUILD_", "CHANNEL_", "THREAD_")  # events that describe a guild's state


class ReadableState(AutoShardedConnectionState[Any]):
    """Survives events that cannot be read, of a guild also the parts that cannot."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._doubtful: set[int] = set()  # guilds whose state lacks what an event said that could not be read
        self.named: set[int] = set()  # shards that have named their guilds
        self.parsers.update({event: self._reading(event, parse) for event, parse in self.parsers.items()})

    def get_guild(self, guild_id: int) -> discord.Guild | None:
        """As the gateway has named it, maybe not described yet."""
        return self._get_guild(guild_id)

    def known_guild(self, guild_id: int) -> discord.Guild | None:
        """A guild whose roles and channels are as Discord sent them; None before they arrived, and during an outage."""
        guild = self._get_guild(guild_id)
        return None if guild is None or guild.unavailable or guild_id in self._doubtful else guild

    def is_awaited(self, guild_id: int) -> bool:
        """Whether Discord will send this guild's state."""
        guild = self._get_guild(guild_id)
        return guild is not None and guild.unavailable

    def described_guild(self, data: Mapping[str, Any]) -> discord.Guild:
        """A guild as an answer of the API describes it, beside the one of the gateway; what cannot be read of it is left out."""
        described: Any = data
        try:
            return discord.Guild(data=described, state=self)
        except Exception as error:  # noqa: BLE001  logged
            _log_unread("GUILD_UPDATE", error, int(data["id"]))
            return discord.Guild(data=self._readable(data), state=self)

    def read_interaction(self, data: Any) -> discord.Interaction[Any]:
        """From its event. A channel that discord.py cannot read counts as a text channel."""
        interaction: discord.Interaction[Any] | None = None
        channel = data["channel"]
        try:
            interaction = discord.Interaction(data=data, state=self)
        except Exception as error:
            if "guild_id" not in data or channel["type"] in THREAD_TYPES:
                raise
            _log_unread("INTERACTION_CREATE", error, int(data["guild_id"]))
        if interaction is None or (interaction.channel is None and interaction.guild_id is not None):
            text_channel: Any = {**data, "channel": as_text_channel(channel)}
            interaction = discord.Interaction(data=text_channel, state=self)
        return interaction

    def described_member(self, guild_id: int, data: Any) -> discord.Member:
        """A member as an event or an answer of the API describes them."""
        return discord.Member(data=data, guild=self._get_or_create_unavailable_guild(guild_id), state=self)

    # --- events ------------------------------------------------------------------------------------------------------

    def parse_ready(self, data: Any) -> None:
        """It names all guilds of its shard: others have removed the bot meanwhile."""
        data["guilds"] = [guild for guild in data["guilds"] if isinstance(guild, dict) and "id" in guild]
        shard_id = data["shard"][0]
        self._forget_guilds(shard_id)
        super().parse_ready(data)
        self.named.add(shard_id)

    def forget_shard(self, shard_id: int) -> None:
        """Another process hears of its guilds from now on."""
        self.named.discard(shard_id)
        self._forget_guilds(shard_id)
        self._ready_states.pop(shard_id, None)
        if (waiting := self._ready_tasks.pop(shard_id, None)) is not None:
            waiting.cancel()

    def _forget_guilds(self, shard_id: int) -> None:
        for guild in [guild for guild in self._guilds.values() if guild.shard_id == shard_id]:
            self._remove_guild(guild)
            self._doubtful.discard(guild.id)

    def parse_guild_create(self, data: Any) -> None:
        """Replace what was known of the guild: during an outage its channels and roles may have changed."""
        if data.get("unavailable") is True:
            return
        guild_id = int(data["id"])
        self._guilds.pop(guild_id, None)
        self._doubtful.discard(guild_id)
        try:
            super().parse_guild_create(data)
        except Exception as error:  # noqa: BLE001  logged
            _log_unread("GUILD_CREATE", error, guild_id)
            super().parse_guild_create(self._readable(data))
        self.dispatch(GUILD_KNOWN, guild_id)

    def parse_guild_delete(self, data: Any) -> None:
        """During an outage no event tells how the guild changes."""
        super().parse_guild_delete(data)
        guild = self._get_guild(int(data["id"]))
        if guild is not None:
            for known in (guild._channels, guild._threads, guild._roles):  # noqa: SLF001  discord.py keeps them
                known.clear()

    def parse_message_reaction_add(self, data: Any) -> None:
        """Tell of the member also if the guild's state has not arrived."""
        guild_id, member = data.get("guild_id"), data.get("member")
        if member is not None and guild_id is not None and self._get_guild(int(guild_id)) is None:
            event = discord.RawReactionActionEvent(data, discord.PartialEmoji.from_dict(data["emoji"]), "REACTION_ADD")
            event.member = self.described_member(int(guild_id), member)
            self.dispatch("raw_reaction_add", event)
        else:
            super().parse_message_reaction_add(data)

    def _reading(self, event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
        def read(data: Any) -> None:
            try:
                parse(data)
            except Exception as error:  # noqa: BLE001  logged; else one event would end the connection, and the process
                guild_id = _guild_of(event, data)
                _log_unread(event, error, guild_id)
                if guild_id is not None and event.startswith(_OF_GUILDS):
                    self._doubtful.add(guild_id)

        return read

    def _readable(self, data: Mapping[str, Any]) -> Any:
        """A guild's description without the parts that cannot be read: an entry of a list, else a field."""
        guild_id = data["id"]

        def is_readable(part: Mapping[str, Any]) -> bool:
            try:
                discord.Guild(data={**part, "id": guild_id}, state=self)  # type: ignore[typeddict-item]
            except Exception:  # noqa: BLE001  the caller logs that
                return False
            return True

        kept: dict[str, Any] = {}
        for name, value in data.items():
            if is_readable({name: value}):
                kept[name] = value
            elif isinstance(value, list):
                kept[name] = [entry for entry in value if is_readable({name: [entry]})]
            if kept.get(name) != value:
                log.warning("part of a guild left out", guild=guild_id, part=name)
        if len(kept.get("roles", ())) != len(data.get("roles") or ()):
            self._doubtful.add(int(guild_id))  # no right can be told from it
        return kept


def as_text_channel(data: Mapping[str, Any]) -> Any:
    """What a channel of any type, also an unknown one, has in common with a text channel. Not for threads."""
    names = ("id", "guild_id", "name", "parent_id", "nsfw", "permissions")
    known = {name: data[name] for name in names if data.get(name) is not None}
    overwrites = data.get("permission_overwrites") or []
    return {"name": "", **known, "type": discord.ChannelType.text.value, "position": 0, "permission_overwrites": overwrites}


def _guild_of(event: str, data: Any) -> int | None:
    """The guild that an event is about, if it says so."""
    found = str(data.get("guild_id") or (event.startswith("GUILD_") and data.get("id"))) if isinstance(data, dict) else ""
    return int(found) if found.isdecimal() else None


def _log_unread(event: str, error: Exception, guild_id: int | None) -> None:
    """Without the error's own text, which may hold what a member wrote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    GATEWAY_EVENTS.labels("unreadable").inc()
    log.warning("event not readable", on=event, guild=guild_id, error=type(error).__name__, where=f"{frame.name}, line {frame.lineno}")
