"""The table of permissions, row by row: who may do an action, and nobody else."""

from __future__ import annotations

import pytest

from bot.core.errors import NotAllowed
from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import ReplyTarget
from bot.domain.permissions import RULES, Action, Target, check, may
from bot.domain.preferences import Consent, Preferences
from bot.domain.request import Channel, Request

HERE, ELSEWHERE, NAMED_ROLE, FRIENDS = 1, 2, 71, 72
PEOPLE = {
    "author": Actor(user_id=7),
    "member": Actor(user_id=8),
    "friend": Actor(user_id=9, role_ids=frozenset({FRIENDS})),
    "named": Actor(user_id=10, role_ids=frozenset({NAMED_ROLE})),
    "moderator": Actor(user_id=11, may_manage_messages=True),
    "manager": Actor(user_id=12, may_manage_server=True),
}
EVERYBODY = set(PEOPLE)
MODERATORS = {"named", "moderator", "manager"}
IMAGE = Target(guild_id=HERE, owner_id=7)
PRIVATE = Target(guild_id=HERE, owner_id=7, private=True)

TABLE = [
    (Action.SEE, IMAGE, EVERYBODY),
    (Action.SEE, PRIVATE, {"author"}),
    (Action.SEE, Target(guild_id=HERE, owner_id=7, is_readable=False), {"author"}),
    (Action.ORIGINAL, IMAGE, EVERYBODY),
    (Action.ORIGINAL, PRIVATE, {"author"}),
    (Action.AGAIN, IMAGE, EVERYBODY),
    (Action.AGAIN, PRIVATE, {"author"}),
    (Action.AGAIN, Target(guild_id=HERE, owner_id=7, is_readable=False), {"author"}),
    (Action.USE, IMAGE, EVERYBODY),
    (Action.USE, Target(owner_id=7, consent=Consent.NOBODY), {"author"}),
    (Action.USE, Target(owner_id=7, consent=Consent.ROLE, consent_role_id=FRIENDS), {"author", "friend"}),
    (Action.USE, Target(owner_id=7, consent=Consent.ROLE), {"author"}),
    *[(action, IMAGE, {"author"} | MODERATORS) for action in (Action.CANCEL, Action.DELETE, Action.HIDE, Action.STOP_SPONSORSHIP)],
    *[(action, Target(guild_id=ELSEWHERE, owner_id=7), {"author"}) for action in (Action.CANCEL, Action.DELETE, Action.HIDE)],
    (Action.DELETE, Target(guild_id=HERE, owner_id=None), MODERATORS),
    (Action.FLAG, IMAGE, EVERYBODY - {"author"}),
    (Action.FLAG, Target(guild_id=ELSEWHERE, owner_id=7), set()),
    (Action.MODERATE, None, MODERATORS),
    (Action.DECIDE, IMAGE, MODERATORS),
    (Action.DECIDE, Target(guild_id=HERE, owner_id=10, favors_owner=True), {"moderator", "manager"}),
    (Action.DECIDE, Target(guild_id=HERE, owner_id=12, favors_owner=True), MODERATORS),
    (Action.DECIDE, Target(guild_id=ELSEWHERE, owner_id=7), set()),
    (Action.BLOCK, Target(guild_id=HERE, owner_id=11), {"named", "manager"}),
    (Action.APPEAL, IMAGE, {"author"}),
    (Action.APPEAL, Target(owner_id=7, is_open=False), set()),
    (Action.MANAGE, None, {"manager"}),
    *[(action, IMAGE, {"author"}) for action in (Action.BROWSE, Action.SEND, Action.ANSWER, Action.RETRY)],
]


def request(who: str, *, guild_id: int | None = HERE) -> Request:
    actor = PEOPLE[who]
    return Request(
        actor=actor,
        channel=Channel(guild_id=guild_id, channel_id=5),
        reply_to=ReplyTarget(user_id=actor.user_id, channel_id=5, guild_id=guild_id),
        settings=GuildSettings(policy=Policy(moderator_role_ids=(NAMED_ROLE,))),
        preferences=Preferences(),
    )


@pytest.mark.parametrize(("action", "target", "allowed"), TABLE)
def test_only_the_listed_people_may(action: Action, target: Target | None, allowed: set[str]) -> None:
    assert {who for who in PEOPLE if may(request(who), action, target)} == allowed


def test_both_tables_have_every_action() -> None:
    assert set(RULES) == set(Action) == {action for action, _, _ in TABLE}


@pytest.mark.parametrize("action", [Action.MODERATE, Action.MANAGE, Action.DECIDE, Action.BLOCK])
def test_in_direct_messages_nobody_moderates_or_manages(action: Action) -> None:
    assert [who for who in PEOPLE if may(request(who, guild_id=None), action, Target(owner_id=7))] == []


def test_a_refusal_names_the_owner() -> None:
    with pytest.raises(NotAllowed) as refused:
        check(request("member"), Action.USE, Target(owner_id=7, consent=Consent.NOBODY))
    assert refused.value.sentence == "<@7> doesn't let you edit their images."


def test_the_refusal_of_a_note_says_what_to_do_instead() -> None:
    with pytest.raises(NotAllowed, match="React to the image with ✏️ yourself"):
        check(request("member"), Action.ANSWER, IMAGE)
