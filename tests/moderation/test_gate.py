"""The order of checks: the first that says no is heard, with one sentence; otherwise the picture may be ordered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.actor import Actor
from bot.domain.request import Channel
from bot.errors import InvalidRequest, NotAllowed, Refusal
from bot.moderation.gate import Block, PromptBlocked, Question, Wish, check
from bot.moderation.policy import read
from bot.moderation.prompts import Level, compile_rules
from bot.moderation.values import DAY_MS, HOUR_MS

NOW = 20_000 * DAY_MS
EDITOR = 77  # a role
EVERYTHING_WRONG: dict[str, Any] = {
    "pause": {"on": True, "reason": "Back on Monday."},
    "channels": {"denied": [10]},
    "everyone": {"models": ["other"], "max_count": 1, "aspect_ratios": ["1:1"], "max_megapixels": 1, "private": False},
    "newcomers": {"wait_hours": 24},
    "prompts": {"block": {"words": ["sword"]}},
}
WISH = Wish(model="m", prompt="a sword", count=3, unsafe=True, aspect_ratio="16:9", megapixels=2.0, private=True)


def question(rules: dict[str, Any] | None = None, **more: Any) -> Question:
    policy = read(rules or {})
    plain: dict[str, Any] = {
        "actor": Actor(user_id=1, joined_at=NOW - HOUR_MS),
        "spot": Channel(guild_id=5, channel_id=10, parent_ids=(11, 12)),
        "wish": Wish(model="m", prompt="a fox"),
    }
    return Question(policy=policy, judge=compile_rules(policy.prompts), now=NOW, **(plain | more))


def refusal(asked: Question) -> str:
    with pytest.raises(Refusal) as caught:
        check(asked)
    return caught.value.sentence


def test_where_nothing_is_decided_everything_may_be_asked() -> None:
    passed = check(question())
    assert (passed.verdict.level, passed.must_spoiler, passed.flagged, passed.allowance.max_count) == (Level.NONE, False, False, 4)


def test_the_checks_speak_in_their_order() -> None:
    """Everything is wrong at once; what is heard is put right, and the next one is heard."""
    amends: list[dict[str, Any]] = [
        {"pause": {"on": False}},
        {},  # the block ends
        {"channels": {}},
        {"everyone": EVERYTHING_WRONG["everyone"] | {"models": "all"}},
        {"everyone": EVERYTHING_WRONG["everyone"] | {"models": "all", "private": True}},
        {"age_restricted": {"unchecked": True}},
        {},  # in another channel
        {"newcomers": {}},
        {"everyone": {"max_count": 4, "aspect_ratios": ["1:1"], "max_megapixels": 1}},
        {"everyone": {"max_megapixels": 1}},
        {"everyone": {}},
        {"prompts": {}},
    ]
    rules, heard = dict(EVERYTHING_WRONG), []
    for number, amend in enumerate(amends):
        block = Block(until=NOW + 1, reason="spam") if number < 2 else None
        spot = Channel(guild_id=5, channel_id=10, age_restricted=number > 6)
        heard.append(refusal(question(rules, wish=WISH, block=block, spot=spot)))
        rules |= amend
    assert heard == [
        "Pictures are paused on this server: Back on Monday.",
        "You cannot ask for pictures here until <t:1728000000:f> (spam).",
        "Pictures are not made in this channel; please try another one.",
        "Your roles do not open the model m to you here; you may use other.",
        "On this server your pictures are made where others see them; ask again without private.",
        "A model's safety checker stays on on this server.",
        "A model's safety checker can be turned off in age-restricted channels only.",
        "New members wait a while before they can ask for pictures here; you can <t:1728082800:R>.",
        "You may ask for 1 picture at a time here; 3 were asked for.",
        "The shape 16:9 is not open to you here; you may use 1:1.",
        "You may ask for pictures of at most 1 MP here; 2 MP were asked for.",
        "This server's rules do not allow this prompt; please put it in other words.",
    ]
    assert check(question(rules, wish=WISH, spot=Channel(guild_id=5, channel_id=10, age_restricted=True)))


def test_limits_are_invalid_values_and_the_rest_is_not_allowed() -> None:
    with pytest.raises(InvalidRequest):
        check(question({"everyone": {"max_count": 1}}, wish=Wish(model="m", prompt="a fox", count=2)))
    with pytest.raises(NotAllowed):
        check(question({"pause": {"on": True}}))


def test_managers_are_paused_too_and_told_how_to_go_on() -> None:
    manager = Actor(user_id=1, may_manage_server=True)
    assert refusal(question({"pause": {"on": True}}, actor=manager)) == "Pictures are paused on this server; /imageadmin resume goes on."


@pytest.mark.parametrize(("until", "blocked"), [(None, True), (NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_a_block_ends_by_itself(until: int | None, blocked: bool) -> None:
    asked = question(block=Block(until=until))
    if blocked:
        assert "no reason was given" in refusal(asked)
    else:
        assert check(asked)


def test_a_block_tells_how_to_appeal() -> None:
    sentence = refusal(question(block=Block(until=None, reason="spam", appeal="You can appeal once with /appeal.")))
    assert sentence == "You cannot ask for pictures here any more (spam). You can appeal once with /appeal."


@pytest.mark.parametrize(
    ("channels", "is_open"),
    [
        ({"allowed": [10]}, True),
        ({"allowed": [11]}, True),  # the channel around the thread
        ({"allowed": [99]}, False),
        ({"denied": [12]}, False),  # the category
        ({"denied": [12], "allowed": [11]}, True),  # the nearer one decides
        ({"denied": [10], "allowed": [11]}, False),
        ({"denied": [99]}, True),
    ],
)
def test_the_nearest_place_that_is_named_decides(channels: dict[str, list[int]], is_open: bool) -> None:
    asked = question({"channels": channels})
    if is_open:
        assert check(asked)
    else:
        assert refusal(asked).startswith("Pictures are not made in this channel")


def test_open_channels_are_named() -> None:
    assert refusal(question({"channels": {"allowed": [99, 98]}})).endswith("try <#99>, <#98>.")


def test_a_role_opens_what_is_closed_to_others() -> None:
    rules = {"everyone": {"models": []}, "roles": {EDITOR: {"models": ["m"]}}}
    assert refusal(question(rules)) == "Your roles do not open any model to you here."
    assert "the model M to you" in refusal(question({"everyone": {"models": ["x"]}}, title_of=str.upper))
    assert check(question(rules, actor=Actor(user_id=1, role_ids=frozenset({EDITOR}))))


@pytest.mark.parametrize(
    ("actor", "waits"),
    [
        (Actor(user_id=1, joined_at=NOW - HOUR_MS), True),
        (Actor(user_id=1, joined_at=NOW - 2 * HOUR_MS), False),
        (Actor(user_id=1, joined_at=NOW - HOUR_MS, may_manage_messages=True), False),
        (Actor(user_id=1, joined_at=NOW - HOUR_MS, role_ids=frozenset({9})), False),  # a moderator's role
        (Actor(user_id=1), True),  # a guest
    ],
)
def test_new_members_wait_and_moderators_do_not(actor: Actor, waits: bool) -> None:
    asked = question({"newcomers": {"wait_hours": 2}, "moderator_role_ids": [9]}, actor=actor)
    if waits:
        assert "members" in refusal(asked)
    else:
        assert check(asked)


@pytest.mark.parametrize(
    ("unspoilered", "age_restricted", "must_spoiler"), [(False, False, True), (False, True, True), (True, False, True), (True, True, False)]
)
def test_a_flagged_prompt_is_spoilered_unless_both_rule_and_channel_allow(
    unspoilered: bool, age_restricted: bool, must_spoiler: bool
) -> None:
    rules = {"prompts": {"flag": {"words": ["sword"]}}, "age_restricted": {"unspoilered": unspoilered}}
    spot = Channel(guild_id=5, channel_id=10, age_restricted=age_restricted)
    passed = check(question(rules, spot=spot, wish=Wish(model="m", prompt="a sword")))
    assert (passed.flagged, passed.must_spoiler) == (True, must_spoiler)


def test_a_prompt_that_is_not_flagged_needs_no_spoiler() -> None:
    assert not check(question({"prompts": {"flag": {"words": ["sword"]}}})).must_spoiler


def test_only_moderators_hear_which_rule_it_was() -> None:
    asked = question({"prompts": {"block": {"patterns": ["sw[o0]rd"]}}}, wish=Wish(model="m", prompt="a sword"))
    assert "sw[o0]rd" not in refusal(asked)
    assert "sw[o0]rd" in refusal(replace(asked, actor=Actor(user_id=1, may_manage_messages=True)))
    with pytest.raises(PromptBlocked):
        check(asked)
