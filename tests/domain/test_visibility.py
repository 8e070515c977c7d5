"""Visibility: what was made in one place is shown in another only to those who may see it there."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest

from bot.core.errors import NotAllowed
from bot.domain.actor import Actor
from bot.domain.request import Channel, Readers
from bot.domain.visibility import Audience, Origin, border, check, covers

GUILD, AUTHOR, READER, VIP, STAFF, OWNER_ROLE = 1, 7, 8, 71, 72, 73
BASE = Readers(guild_id=GUILD, base=frozenset({GUILD}), administrators=frozenset({OWNER_ROLE}))


def channel(number: int, *, only: int | None = None, adult: bool = False, invites: bool = False, known: bool = True) -> Channel:
    """A channel that everyone reads, or one role only."""
    readers = BASE if only is None else replace(BASE, default=False, allowed=frozenset({only}))
    return Channel(guild_id=GUILD, channel_id=number, age_restricted=adult, readers=readers if known else None, invites=invites)


def origin(*channels: Channel, private: bool = False, adult: bool | None = None) -> Origin:
    restricted = any(each.age_restricted for each in channels) if adult is None else adult
    return Origin(channels=channels, owner_id=AUTHOR, private=private, age_restricted=restricted)


HOME = channel(50)
ORIGINS = {
    "open": origin(HOME),
    "adult": origin(channel(51, adult=True)),
    "adult later": origin(channel(51, adult=True), adult=False),
    "no longer adult": origin(channel(51), adult=True),
    "hidden": origin(channel(52, only=VIP)),
    "private": origin(HOME, private=True),
    "direct": origin(Channel(guild_id=None, channel_id=53)),
    "thread": origin(replace(HOME, channel_id=54, parent_ids=(50,))),
    "adult thread": origin(channel(55, adult=True)),
    "hidden thread": origin(channel(56, only=VIP)),
    "private thread": origin(channel(57, invites=True)),
    "gone": origin(channel(58, known=False)),
    "nowhere": origin(),
    "other server": origin(Channel(guild_id=2, channel_id=59, readers=replace(BASE, guild_id=2, base=frozenset({2})))),
    "posted again": origin(channel(52, only=VIP), HOME),
}
ADULT, HIDDEN = {"adult", "adult later", "no longer adult", "adult thread"}, {"hidden", "hidden thread"}
SHOWN = {"open", "thread", "posted again"}  # to everyone in the guild
ELSEWHERE, VIP_CHANNEL, STAFF_CHANNEL = channel(90), channel(91, only=VIP), channel(92, only=STAFF)
MEMBER, GUEST = Actor(user_id=READER), Actor(user_id=READER, role_ids=frozenset({VIP}))
AUDIENCES = {
    "gallery": (Audience(channel=ELSEWHERE), SHOWN),
    "adult gallery": (Audience(channel=channel(93, adult=True)), SHOWN | ADULT),
    "hidden gallery": (Audience(channel=VIP_CHANNEL), SHOWN | HIDDEN),
    "gallery of others": (Audience(channel=STAFF_CHANNEL), SHOWN),
    "gallery that is not known": (Audience(channel=channel(94, known=False)), set()),
    "open log": (Audience(channel=ELSEWHERE, moderates=True), SHOWN),
    "log": (Audience(channel=STAFF_CHANNEL, moderates=True), SHOWN | {"private"}),
    "log of the same readers": (Audience(channel=VIP_CHANNEL, moderates=True), SHOWN | HIDDEN | {"private"}),
    "a member": (Audience(channel=ELSEWHERE, reader=MEMBER), SHOWN),
    "a reader of hidden channels": (Audience(channel=ELSEWHERE, reader=GUEST), SHOWN | HIDDEN),
    "a member in an adult channel": (Audience(channel=channel(93, adult=True), reader=MEMBER), SHOWN | ADULT),
    "an administrator": (Audience(channel=ELSEWHERE, reader=Actor(user_id=9, role_ids=frozenset({OWNER_ROLE}))), SHOWN | HIDDEN),
    "a moderator": (Audience(channel=ELSEWHERE, reader=MEMBER, moderates=True), SHOWN | ADULT | {"private"}),
    "in direct messages": (Audience(channel=Channel(guild_id=None, channel_id=95, direct=True), reader=MEMBER), set()),
    "on another server": (Audience(channel=Channel(guild_id=3, channel_id=96), reader=MEMBER), set()),
    "shown by another": (Audience(channel=ELSEWHERE, shown_by=READER), SHOWN),
    "a member who has it": (Audience(channel=ELSEWHERE, reader=MEMBER, has_seen=True), set(ORIGINS) - ADULT - {"private"}),
    "all, by a member who has it": (Audience(channel=ELSEWHERE, shown_by=READER, has_seen=True), SHOWN),
    "its owner": (Audience(channel=ELSEWHERE, reader=Actor(user_id=AUTHOR)), set(ORIGINS)),
    "posted by its owner": (Audience(channel=ELSEWHERE, shown_by=AUTHOR), set(ORIGINS) - ADULT),
    "where it is": (Audience(channel=channel(57, invites=True), reader=MEMBER), SHOWN | {"private thread"}),
}


@pytest.mark.parametrize("audience", AUDIENCES)
def test_only_those_see_an_image_who_may_see_it_where_it_was_made(audience: str) -> None:
    target, allowed = AUDIENCES[audience]
    assert {name for name, each in ORIGINS.items() if border(each, target) is None} == allowed


def test_a_channel_that_lost_its_age_restriction_still_shows_its_own_images() -> None:
    assert border(ORIGINS["no longer adult"], Audience(channel=channel(51), reader=MEMBER)) is None


@pytest.mark.parametrize(
    ("made", "audience", "words"),
    [
        ("adult", "shown by another", "from an age-restricted channel"),
        ("hidden", "a member", "in a channel you can't see"),
        ("hidden", "shown by another", "not everyone here can see"),
        ("private", "a member", "That image is private"),
    ],
)
def test_each_border_has_a_sentence(made: str, audience: str, words: str) -> None:
    with pytest.raises(NotAllowed, match=words):
        check(ORIGINS[made], AUDIENCES[audience][0])


# --- readers ---------------------------------------------------------------------------------------------------------

ROLES, SOMEONE = (71, 72, 73), 99


def every_channel() -> list[Readers]:
    """Every channel with overwrites for @everyone, two roles and a member. A third role reads without overwrites."""
    channels = []
    for default, *named in product((None, True, False), repeat=4):
        ids = dict(zip((71, 72, SOMEONE), named, strict=True))
        allowed, denied = (frozenset(each for each, state in ids.items() if state is wanted) for wanted in (True, False))
        overwrites = {"allowed": allowed, "denied": denied, "member_ids": frozenset({SOMEONE})}
        channels.append(Readers(guild_id=GUILD, default=default, base=frozenset({73}), **overwrites))
    return channels


def test_a_channel_covers_another_if_no_member_with_any_roles_reads_only_the_other() -> None:
    everybody = [(user, frozenset(held)) for user in (0, SOMEONE) for n in range(4) for held in combinations(ROLES, n)]
    reads = {each: frozenset(who for who in everybody if each.include(*who)) for each in every_channel()}
    assert all(covers(wide, narrow) is (reads[narrow] <= reads[wide]) for wide, narrow in product(reads, reads))
