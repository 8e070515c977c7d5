"""The channels that Easel posts in for a guild: whether it can, and who reads there. What is wrong is said as long as it is so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import discord

from bot.core.errors import InvalidRequest
from bot.core.i18n import N_, _, pgettext
from bot.domain.guild.document import Policy
from bot.domain.request import Channel
from cogs.admin.setup.ids import UNDO
from cogs.kit import channels
from cogs.kit.channels import channel_from
from cogs.kit.panels import Part, button

_ROLES_MAX = 3  # named in a sentence
_MODERATING: Final = discord.Permissions(manage_messages=True, manage_guild=True, administrator=True).value


@dataclass(frozen=True, kw_only=True)
class PostChannel:
    """A setting that names a channel to post in."""

    path: tuple[str, ...]  # in the settings document
    reads: Callable[[Policy], int | None]
    public: str = ""  # if everyone reads it
    shared: str = ""  # if members with a role read it who do not moderate


POSTS: Final[Mapping[str, PostChannel]] = {
    "cases": PostChannel(
        path=("cases_channel_id",),
        reads=lambda policy: policy.cases_channel_id,
        public=N_("⚠️ Everyone can read {channel}; reports would be public. Private images are left out there."),
        shared=N_("⚠️ {roles} can read {channel}; they would see reports without being moderators."),
    ),
    "log": PostChannel(
        path=("log_channel_id",),
        reads=lambda policy: policy.log_channel_id,
        public=N_("⚠️ Everyone can read {channel}; the log would be public. Private images are left out there."),
        shared=N_("⚠️ {roles} can read {channel}; they would see the log without being moderators."),
    ),
    "gallery": PostChannel(path=("gallery", "channel_id"), reads=lambda policy: policy.gallery.channel_id),
}


def postable_id(guild: discord.Guild | None, channel_id: int) -> str:
    """The id of a channel that Easel can post in. Raises `InvalidRequest` otherwise: a failed post would go unnoticed."""
    if guild is not None and guild.unavailable:
        raise channels.not_known_yet()
    found = guild.get_channel(channel_id) if guild else None
    if guild is None or found is None or found.type not in channels.POSTABLE_TYPES:
        raise channels.not_postable(channel_id)
    if not _is_writable(guild, found):
        raise InvalidRequest(_cannot_write(channel_id))
    return str(channel_id)


def _is_writable(guild: discord.Guild, channel: discord.abc.GuildChannel) -> bool:
    permissions = channel.permissions_for(guild.me)
    return permissions.view_channel and permissions.send_messages and permissions.attach_files


def _cannot_write(channel_id: int) -> str:
    sentence = _("Easel can't send messages and attach files in {channel}. Give it these permissions there.")
    return sentence.format(channel=f"<#{channel_id}>")


# --- what is wrong ---------------------------------------------------------------------------------------------------


def warnings(guild: discord.Guild | None, policy: Policy, only: Collection[str] = tuple(POSTS)) -> list[str]:
    """One sentence for each of these channels with which something is wrong now. Nothing is said of what is not known."""
    if guild is None or guild.unavailable:
        return []
    return [line for name in POSTS if name in only for line in _of(guild, policy, name)]


def _of(guild: discord.Guild, policy: Policy, name: str) -> Iterator[str]:
    channel_id = POSTS[name].reads(policy)
    found = guild.get_channel(channel_id) if channel_id is not None else None
    if channel_id is None or found is None:  # deleted: the settings say so by themselves
        return
    if not _is_writable(guild, found):
        yield "⚠️ " + _cannot_write(channel_id)
    channel = channel_from(found, guild_id=guild.id, channel_id=channel_id, with_readers=True)
    if channel.readers is None:
        return
    sentences = _gallery(guild, policy, channel) if name == "gallery" else _moderators_only(guild, policy, channel, POSTS[name])
    yield from sentences


def _moderators_only(guild: discord.Guild, policy: Policy, channel: Channel, kind: PostChannel) -> Iterator[str]:
    mention = f"<#{channel.channel_id}>"
    if channel.everyone_reads:
        yield _(kind.public).format(channel=mention)
    elif roles := _other_readers(guild, policy, channel):
        named = ", ".join(f"<@&{role.id}>" for role in roles[:_ROLES_MAX]) + (" …" if len(roles) > _ROLES_MAX else "")
        yield _(kind.shared).format(roles=named, channel=mention)


def _other_readers(guild: discord.Guild, policy: Policy, channel: Channel) -> list[discord.Role]:
    """The roles that read a channel and whose members are no moderators by them."""
    readers, moderators = channel.readers, policy.moderator_role_ids
    people = [role for role in guild.roles if not role.is_bot_managed() and not role.permissions.value & _MODERATING]
    return [role for role in people if role.id not in moderators and readers and readers.include(0, frozenset((role.id,)))]


def _gallery(guild: discord.Guild, policy: Policy, channel: Channel) -> Iterator[str]:
    mention = f"<#{channel.channel_id}>"
    if not channel.everyone_reads and not _other_readers(guild, policy, channel):
        yield _("⚠️ Only moderators can read {channel}, so members don't see the gallery.").format(channel=mention)
    if channel.age_restricted:
        yield _("🔞 {channel} is age-restricted, so members under 18 don't see the gallery.").format(channel=mention)
    elif any(each.is_nsfw() for each in guild.text_channels):
        yield _("-# Images from age-restricted channels are left out of {channel}.").format(channel=mention)


# --- said with a change ----------------------------------------------------------------------------------------------


def changed(before: Policy, after: Policy) -> list[str]:
    """Which of these settings name another channel now."""
    return [name for name, each in POSTS.items() if each.reads(after) is not None and each.reads(before) != each.reads(after)]


def risky(guild: discord.Guild | None, before: Policy, after: Policy) -> list[str]:
    """Those of them that show to others what is for moderators."""
    return [name for name in changed(before, after) if name != "gallery" and warnings(guild, after, [name])]


def undo_buttons(before: Policy, names: Collection[str]) -> list[Part]:
    """For each of these settings a button that sets the channel of before."""
    return [button(pgettext("button", "Undo"), UNDO(setting=name, channel=POSTS[name].reads(before)), emoji="↩️") for name in names]


def view_of(parts: Collection[Part]) -> Mapping[str, Any]:
    """The keyword argument of a message with these buttons; empty without any."""
    if not parts:
        return {}
    view = discord.ui.View(timeout=None)
    for part in parts:
        view.add_item(part)
    return {"view": view}
