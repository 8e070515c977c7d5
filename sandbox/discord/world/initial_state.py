"""The initial world: the bot's server with its roles and channels, then the channels without the bot.

The order determines the ids, so additions go last.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO

import discord
from PIL import Image
from simcord.backend.models import Channel, Guild, Overwrite, Role
from simcord.enums import ChannelType, OverwriteType

from sandbox.discord.wire import JSON
from sandbox.discord.world.engine import Engine

_BOT_PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
    add_reactions=True,
    manage_messages=True,
    use_external_emojis=True,
    use_application_commands=True,
)
_TOPICS = {
    "studio": "Type / to create and edit images.",
    "gallery": "For images with many ⭐. A moderator turns it on with /imageadmin gallery.",
    "quiet": "Easel may not write here. What you make here comes by direct message.",
    "after-dark": "Age-restricted: at Discord only adults can open this channel.",
    "moderators": "Only moderators and Easel see this channel. /imageadmin cases posts reported images here.",
    "elsewhere": "Another server, without Easel. You can use its commands here all the same.",
}
# One line about everybody and every role of the initial world, by name.
ABOUT_PEOPLE = {
    "Ada": "member, artist",
    "Ben": "member",
    "Mo": "moderator, operator",
    "Magpie": "another bot, which only posts what you tell it to",
}
ABOUT_ROLES = {
    "Moderators": "decide about reported images and change settings",
    "Artists": "a role without rights, to try rules for roles",
    "Helpers": "another role without rights",
    "Easel": "the bot's own role",
}
_MODERATOR_PERMISSIONS = discord.Permissions(manage_messages=True, manage_guild=True)

_MEMBER_SINCE = timedelta(days=400)  # as long as the people

# Two typical AutoMod rules of the bot's server.
# Source: https://discord.com/developers/docs/resources/auto-moderation
_BLOCK = [{"type": 1, "metadata": {"custom_message": "That is not for this server."}}]
_RULES: tuple[JSON, ...] = (
    {
        "name": "Rough words",
        "event_type": 1,
        "trigger_type": 1,  # keywords
        "trigger_metadata": {
            "keyword_filter": ["gore", "nsfl*", "*bloodbath*", "*splatter"],
            "regex_patterns": [r"\bfr[e3]{2}\s+n[i1]tr[o0]\b"],
            "allow_list": ["paint splatter"],
        },
        "actions": _BLOCK,
    },
    {
        "name": "Commonly flagged words",
        "event_type": 1,
        "trigger_type": 4,  # Discord's own lists
        "trigger_metadata": {"presets": [1, 2, 3], "allow_list": ["naked mole-rat"]},
        "actions": _BLOCK,
    },
)


@dataclass(frozen=True, kw_only=True)
class BotGuild:
    """The server that the bot is a member of."""

    guild: Guild
    bot_role: Role
    moderators: Role


@dataclass(frozen=True, kw_only=True)
class OutsideChannels:
    """Channels without the bot, where people use it through their own installation."""

    elsewhere: Channel  # the only channel of another server
    private: Channel  # between two people


def create_bot_guild(engine: Engine) -> BotGuild:
    owner = engine.make_user("studio-owner", global_name="Studio owner")
    guild = engine.create_guild("Easel Studio", owner_id=owner.id)
    bot_role = next(role for role in guild.roles.values() if role.managed)
    bot_role.permissions = _BOT_PERMISSIONS.value
    moderators = engine.create_role(guild.id, "Moderators", permissions=_MODERATOR_PERMISSIONS.value, color=0x5B7A4A)
    guild.members[engine.bot_user.id].joined_at = (engine.clock.now() - _MEMBER_SINCE).isoformat()  # not just now
    guild.system_channel_id = engine.create_channel(guild.id, "studio", topic=_TOPICS["studio"]).id
    engine.create_channel(guild.id, "gallery", topic=_TOPICS["gallery"])
    no_sending = Overwrite(engine.bot_user.id, OverwriteType.MEMBER, deny=discord.Permissions.send_messages.flag)
    engine.create_channel(guild.id, "quiet", overwrites=[no_sending], topic=_TOPICS["quiet"])
    return BotGuild(guild=guild, bot_role=bot_role, moderators=moderators)


def extend_bot_guild(engine: Engine, bot_guild: BotGuild, *, artist_id: int) -> None:
    """Add a role for artists, an age-restricted channel, an emoji and AutoMod rules."""
    artists = engine.create_role(bot_guild.guild.id, "Artists", color=0xA8701F, mentionable=True)
    engine.add_member_role(bot_guild.guild.id, artist_id, artists.id)
    engine.age_restricted.add(engine.create_channel(bot_guild.guild.id, "after-dark", topic=_TOPICS["after-dark"]).id)
    engine.create_emoji(bot_guild.guild.id, "easel", bot_guild.guild.owner_id)
    for rule in _RULES:
        engine.create_auto_mod_rule(bot_guild.guild.id, bot_guild.guild.owner_id, rule)


def add_helper_roles(engine: Engine, bot_guild: BotGuild) -> None:
    """Add two roles for moderators' helpers: one with Manage Messages, one without permissions."""
    engine.create_role(bot_guild.guild.id, "Stewards", permissions=discord.Permissions.manage_messages.flag, color=0x3F7F7A)
    engine.create_role(bot_guild.guild.id, "Helpers", color=0x6D63A8)


def add_moderators_channel(engine: Engine, bot_guild: BotGuild) -> None:
    view = discord.Permissions.view_channel.flag
    guild_id = bot_guild.guild.id
    seen_by = [
        Overwrite(bot_guild.moderators.id, OverwriteType.ROLE, allow=view),
        Overwrite(engine.bot_user.id, OverwriteType.MEMBER, allow=view),
    ]
    hidden = Overwrite(guild_id, OverwriteType.ROLE, deny=view)
    engine.create_channel(guild_id, "moderators", overwrites=[hidden, *seen_by], topic=_TOPICS["moderators"])


def add_other_bot(engine: Engine, bot_guild: BotGuild) -> int:
    """Add another bot and two stickers. Returns the other bot's id."""
    other = engine.make_user("Magpie", bot=True)
    engine.add_member(bot_guild.guild.id, other.id)
    for name, format_type, data in (("Palette", 1, _palette()), ("Wave", 3, b'{"v": "5.5.7", "layers": []}')):
        engine.create_sticker(bot_guild.guild.id, name, bot_guild.guild.owner_id, format_type=format_type, file_data=data)
    return other.id


def _palette() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (160, 160), "#a8701f").save(buffer, "PNG")
    return buffer.getvalue()


def create_outside_channels(engine: Engine, *, people: list[int]) -> OutsideChannels:
    """Create a server of these people without the bot, and a private channel between the first two."""
    guild = engine.create_guild("Elsewhere")
    bot_role = next(role for role in guild.roles.values() if role.managed)
    del guild.members[engine.bot_user.id], guild.roles[bot_role.id]
    for user_id in people:
        engine.add_member(guild.id, user_id)
    elsewhere = engine.create_channel(guild.id, "elsewhere", topic=_TOPICS["elsewhere"])
    private = engine.create_channel(None, None, type=ChannelType.DM)
    private.recipient_ids = people[:2]
    engine.out_of_reach.update((guild.id, elsewhere.id, private.id))
    return OutsideChannels(elsewhere=elsewhere, private=private)
