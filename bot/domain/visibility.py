"""Visibility: whether what was made in one place may be shown in another. One rule, `border`, which every way asks.

Only those who could see it where it was made see it elsewhere, and what comes from an age-restricted channel stays in such channels. What
is not known counts as restricted: a channel that is gone, or of a guild whose state has not arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from bot.core.errors import NotAllowed
from bot.core.i18n import N_, _
from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.job import Job
from bot.domain.moderation.cases import CaseFile
from bot.domain.request import Channel, Readers, Request


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an image and its prompt are from."""

    channels: tuple[Channel, ...]  # where it is shown: that of its message, and those of copies
    owner_id: int | None = None
    private: bool = False  # only its owner sees it
    age_restricted: bool = False  # it was made in an age-restricted channel, whatever that channel is now


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Those who would see it: all readers of a channel, or one member."""

    channel: Channel  # where it would be shown, or where the member asks
    reader: Actor | None = None  # nobody else would see it
    has_seen: bool = False  # the one reader has the image already, from where it is shown
    shown_by: int | None = None  # who decides to show it to all readers of the channel; owners may show their own images
    moderates: bool = False  # it is for the guild's moderators, to decide about it
    only_moderators: bool = False  # nobody else is among them: they may see also what a check withheld


class Border(StrEnum):
    """Why something may not be shown."""

    PRIVATE = "private"
    READERS = "readers"
    AGE = "age"


_SENTENCES = {
    Border.PRIVATE: N_("That image is private."),
    Border.READERS: N_("That image is private, or in a channel you can't see from here."),
    Border.AGE: N_("That image is from an age-restricted channel. It can only be shown or used in age-restricted channels."),
}
_NOT_FOR_ALL = N_("That image is from a channel that not everyone here can see. Use it there, or with a private answer.")


def border(origin: Origin, audience: Audience) -> Border | None:
    """The first border between the origin and the audience, or None: it may be shown.

    Owners see their own images everywhere, and may post them where others read them; only the age restriction binds them there. What is
    private is shown to a guild's moderators if they decide about it, in a channel that not everyone reads or to one of them alone.
    """
    if audience.reader is not None and audience.reader.user_id == origin.owner_id:
        return None
    is_own = audience.shown_by is not None and audience.shown_by == origin.owner_id
    if origin.private and not is_own and not _is_among_moderators(audience):
        return Border.PRIVATE
    if not origin.private and any(channel.channel_id == audience.channel.channel_id for channel in origin.channels):
        return None
    is_known = is_own or origin.private or (audience.has_seen and audience.reader is not None)  # they need not read its channel
    seen = [channel for channel in origin.channels if is_known or _reads(audience, channel)]
    if not seen and not is_known:
        return Border.READERS
    restricted = is_restricted(replace(origin, channels=tuple(seen)))
    is_moderator = audience.moderates and audience.reader is not None
    return Border.AGE if restricted and not audience.channel.age_restricted and not is_moderator else None


def is_restricted(origin: Origin) -> bool:
    """Whether it may be shown in age-restricted channels only."""
    return origin.age_restricted or (bool(origin.channels) and all(channel.age_restricted for channel in origin.channels))


def check(origin: Origin, audience: Audience) -> None:
    """Raises `NotAllowed` with a sentence about the border, if there is one."""
    found = border(origin, audience)
    if found is not None:
        for_all = found is Border.READERS and audience.reader is None
        raise NotAllowed(_(_NOT_FOR_ALL) if for_all else sentence(found))


def sentence(found: Border) -> str:
    """Why something may not be shown, for the member who asks."""
    return _(_SENTENCES[found])


def audience_of(request: Request) -> Audience:
    """Those who see the answer to a request: its actor, or all readers of its channel."""
    channel, actor = request.channel, request.actor
    alone = request.reply_to.private or channel.direct
    return Audience(channel=channel, reader=actor) if alone else Audience(channel=channel, shown_by=actor.user_id)


def reader_of(request: Request, *, moderates: bool = False) -> Audience:
    """The actor alone, who asks in the request's channel; `moderates`: to decide about it."""
    return Audience(channel=request.channel, reader=request.actor, moderates=moderates)


def origin_here(request: Request, job: Job) -> Origin:
    """A job's image as it is shown in the request's channel."""
    place = job.place
    return Origin(channels=(request.channel,), owner_id=place.user_id, private=place.private, age_restricted=job.age_restricted)


def origin_of_case(file: CaseFile, channel: Channel) -> Origin:
    """The image of a case; `channel`: the case's."""
    job = file.job
    return Origin(
        channels=(channel,),
        owner_id=file.case.author_id,
        private=file.direct or (job is not None and job.place.private),
        age_restricted=job is not None and job.age_restricted,
    )


def _is_among_moderators(audience: Audience) -> bool:
    known = audience.channel.readers is not None
    return audience.moderates and (audience.reader is not None or (known and not audience.channel.everyone_reads))


def _reads(audience: Audience, channel: Channel) -> bool:
    """Whether all of the audience read this other channel."""
    readers, target = channel.readers, audience.channel
    if readers is None or channel.invites or channel.guild_id != target.guild_id:
        return False
    if audience.reader is not None:
        return readers.include(audience.reader.user_id, audience.reader.role_ids)
    return target.readers is not None and covers(readers, target.readers)


def only_moderators_read(channel: Channel, policy: Policy) -> bool:
    """Whether all who read a channel are the guild's moderators. False if that is not known, as of members who read it by themselves."""
    readers = channel.readers
    if readers is None or channel.invites:
        return False
    moderators = replace(readers, default=None, base=readers.moderators | frozenset(policy.moderator_role_ids), allowed=frozenset())
    return covers(replace(moderators, denied=frozenset(), member_ids=frozenset()), readers)


# --- readers of two channels -----------------------------------------------------------------------------------------


def covers(wide: Readers, narrow: Readers) -> bool:
    """Whether everyone who reads `narrow` reads `wide`, whatever roles they have.

    If a member with some roles reads only `narrow`, so does one with two of these roles at most: one that lets them read `narrow`, and one
    that keeps them from reading `wide`. Of ids with the same overwrites one is enough.
    """
    if wide == narrow:
        return True
    named = wide.allowed | wide.denied | narrow.allowed | narrow.denied
    member_ids = wide.member_ids | narrow.member_ids
    skipped = wide.administrators | narrow.administrators
    letting = _one_of_each_kind((narrow.allowed | narrow.base) - member_ids - skipped, wide, narrow)
    keeping = _one_of_each_kind(wide.denied - member_ids - skipped, wide, narrow)
    members = [0, *_one_of_each_kind((named & member_ids) - skipped, wide, narrow)]
    held = {frozenset(filter(None, pair)) for pair in product([0, *letting], [0, *keeping])}
    return all(wide.include(member, roles) or not narrow.include(member, roles) for member in members for roles in held)


def _one_of_each_kind(ids: Iterable[int], *channels: Readers) -> list[int]:
    groups = [group for readers in channels for group in (readers.base, readers.allowed, readers.denied)]
    return list({tuple(each in group for group in groups): each for each in ids}.values())
