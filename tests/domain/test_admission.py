"""Admission: the first rule that refuses is reported with one sentence; otherwise the order is accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from bot.core.errors import InvalidRequest, NotAllowed, Refusal
from bot.domain.actor import Actor
from bot.domain.admission import Admission, Facts, PromptBlocked, admitted, check, judge_prompt
from bot.domain.allowance import merge
from bot.domain.guild.document import read
from bot.domain.guild.fields import DAY_MS, HOUR_MS
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import ReplyTarget
from bot.domain.moderation.conduct import BlockRow
from bot.domain.money.quota import MICRO, Bucket
from bot.domain.preferences import Preferences
from bot.domain.prompts.judge import compile_rules
from bot.domain.request import Channel, Request
from tests.env.job_steps import own

NOW = 20_000 * DAY_MS
EDITOR = 77  # a role
EVERYTHING_WRONG: dict[str, Any] = {
    "pause": {"on": True, "reason": "Back on Monday."},
    "channels": {"denied": [10]},
    "everyone": {"models": ["other"], "max_count": 1, "aspect_ratios": ["1:1"], "max_megapixels": 1, "private": False},
    "newcomers": {"wait_hours": 24},
    "prompts": {"block": {"words": ["sword"]}},
}
WRONG: dict[str, Any] = {
    "drawable_text": "a sword",
    "count": 3,
    "unsafe": True,
    "aspect_ratio": "16:9",
    "megapixels": 2.0,
    "private": True,
    "price": None,
    "waiting": 4,
    "left": 0,
}


@dataclass(frozen=True, kw_only=True)
class FixedBalance:
    """An account's funds."""

    available: int
    held: int = 0


def facts(rules: dict[str, Any] | None = None, *, private: bool = False, left: int = 10 * MICRO, **more: Any) -> Facts:
    """A member with some credit orders an image of a fox."""
    policy = read(rules or {})
    actor = more.pop("actor", Actor(user_id=1, joined_at=NOW - HOUR_MS))
    request = Request(
        actor=actor,
        channel=more.pop("channel", Channel(guild_id=5, channel_id=10, parent_ids=(11, 12))),
        reply_to=ReplyTarget(user_id=1, channel_id=10, guild_id=5, private=private),
        settings=GuildSettings(policy=policy),
        preferences=Preferences(),
    )
    payment = own(1, Bucket(size=10 * MICRO, refill_per_day=0))
    plain: dict[str, Any] = {
        "model": "m",
        "drawable_text": "a fox",
        "allowance": merge(policy, actor.role_ids),
        "price": MICRO,
        "cost": MICRO,
        "max_waiting": 4,
        "funds": {payment.payer.name: FixedBalance(available=left)},
    }
    return Facts(request=request, now=NOW, payment=payment, **(plain | more))


def admit(order: Facts) -> Admission:
    check(order)
    return admitted(order, judge_prompt(order, compile_rules(order.request.policy.prompts)))


def refusal(order: Facts) -> str:
    with pytest.raises(Refusal) as caught:
        admit(order)
    return caught.value.sentence


def test_a_guild_without_rules_accepts_everything() -> None:
    assert admit(facts()) == Admission(price=MICRO, cost=MICRO, payment=facts().payment, max_waiting=4, running=None)


def test_the_checks_refuse_in_their_order() -> None:
    """Everything is wrong at once. Each refusal is corrected in turn, and the next check refuses."""
    corrections: list[dict[str, Any]] = [
        {"pause": {"on": False}},
        {},  # the block ends
        {"channels": {}},
        {"everyone": EVERYTHING_WRONG["everyone"] | {"models": "all"}},
        {"everyone": EVERYTHING_WRONG["everyone"] | {"models": "all", "private": True}},
        {"age_restricted": {"unchecked": True}},
        {},  # the channel becomes age-restricted
        {"newcomers": {}},
        {"everyone": {"max_count": 4, "aspect_ratios": ["1:1"], "max_megapixels": 1}},
        {"everyone": {"max_megapixels": 1}},
        {"everyone": {}},
        {"price": MICRO},
        {"waiting": 0},
        {"left": 9 * MICRO},
        {"prompts": {}},
    ]
    rules, wrong, refusals = dict(EVERYTHING_WRONG), dict(WRONG), []
    for number, correction in enumerate(corrections):
        blocked = block(until=NOW + 1, reason="spam") if number < 2 else None
        channel = Channel(guild_id=5, channel_id=10, age_restricted=number > 6)
        refusals.append(refusal(facts(rules, blocked=blocked, channel=channel, **wrong)))
        rules |= {name: value for name, value in correction.items() if name not in WRONG}
        wrong |= {name: value for name, value in correction.items() if name in WRONG}
    assert refusals == [
        "Image creation is paused on this server: Back on Monday.",
        "You're blocked from creating images here until <t:1728000000:f>, <t:1728000000:R> (spam).",
        "Images can't be created in this channel. Try another one.",
        "Your roles don't let you use m here. Choose other.",
        "You can't create private images on this server. Try again with private turned off.",
        "The safety checker can't be turned off on this server.",
        "The safety checker can only be turned off in age-restricted channels.",
        "New members can't create images here right away. You can start <t:1728082800:R>.",
        "You can create 1 image at a time here, not 3.",
        "You can't use the aspect ratio 16:9 here. Choose 1:1.",
        "Images here can have up to 1 MP. This one would have 2 MP.",
        "m can't be used yet because it has no price. Choose another model.",
        "You already have 4 images queued (limit: 4), and this would add 3. Wait for one to finish, or use /cancel.",
        "This costs 3 credits, and you have 0. Your credits don't refill on their own. Ask the people who run this bot.",
        "This server doesn't allow that prompt. You weren't charged.",
    ]
    assert admit(facts(rules, channel=Channel(guild_id=5, channel_id=10, age_restricted=True), **wrong))


def block(*, until: int | None, reason: str = "", case_id: int | None = None) -> BlockRow:
    who: dict[str, Any] = {"id": 1, "guild_id": 5, "user_id": 1, "at": 0, "by_id": 9, "lifted_at": None, "lifted_by": None}
    return BlockRow(until=until, reason=reason, case_id=case_id, **who)


def test_limits_raise_invalid_request_and_other_rules_not_allowed() -> None:
    with pytest.raises(InvalidRequest):
        check(facts({"everyone": {"max_count": 1}}, count=2))
    with pytest.raises(NotAllowed):
        check(facts({"pause": {"on": True}}))


def test_a_pause_holds_for_managers_and_tells_them_how_to_resume() -> None:
    manager = Actor(user_id=1, may_manage_server=True)
    assert refusal(facts({"pause": {"on": True}}, actor=manager)) == (
        "Image creation is paused on this server. Use /imageadmin resume to turn it back on."
    )


@pytest.mark.parametrize(("until", "blocked"), [(None, True), (NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_a_block_expires(until: int | None, blocked: bool) -> None:
    order = facts(blocked=block(until=until))
    if blocked:
        assert "no reason given" in refusal(order)
    else:
        assert admit(order)


def test_a_block_tells_how_to_appeal() -> None:
    sentence = refusal(facts(blocked=block(until=None, reason="spam", case_id=3)))
    assert sentence == "You're blocked from creating images here (spam)."


@pytest.mark.parametrize(
    ("channels", "is_open"),
    [
        ({"allowed": [10]}, True),
        ({"allowed": [11]}, True),  # the thread's channel
        ({"allowed": [99]}, False),
        ({"denied": [12]}, False),  # the category
        ({"denied": [12], "allowed": [11]}, True),  # the nearer one decides
        ({"denied": [10], "allowed": [11]}, False),
        ({"denied": [99]}, True),
    ],
)
def test_the_innermost_listed_channel_decides(channels: dict[str, list[int]], is_open: bool) -> None:
    order = facts({"channels": channels})
    if is_open:
        assert admit(order)
    else:
        assert refusal(order).startswith("Images can't be created in this channel")


def test_the_refusal_lists_open_channels() -> None:
    assert refusal(facts({"channels": {"allowed": [99, 98]}})).endswith("Try <#99>, <#98>.")


def test_a_role_allows_what_others_may_not_use() -> None:
    rules = {"everyone": {"models": []}, "roles": {EDITOR: {"models": ["m"]}}}
    assert refusal(facts(rules)) == "Your roles don't let you use any model here."
    assert "Your roles don't let you use M here" in refusal(facts({"everyone": {"models": ["x"]}}, title_of=str.upper))
    assert admit(facts(rules, actor=Actor(user_id=1, role_ids=frozenset({EDITOR}))))


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
    order = facts({"newcomers": {"wait_hours": 2}, "moderator_role_ids": [9]}, actor=actor)
    if waits:
        assert "members" in refusal(order)
    else:
        assert admit(order)


@pytest.mark.parametrize(
    ("unspoilered", "age_restricted", "must_spoiler"), [(False, False, True), (False, True, True), (True, False, True), (True, True, False)]
)
def test_a_flagged_prompt_is_spoilered_unless_guild_and_channel_allow_it(
    unspoilered: bool, age_restricted: bool, must_spoiler: bool
) -> None:
    rules = {"prompts": {"flag": {"words": ["sword"]}}, "age_restricted": {"unspoilered": unspoilered}}
    channel = Channel(guild_id=5, channel_id=10, age_restricted=age_restricted)
    admission = admit(facts(rules, channel=channel, drawable_text="a sword"))
    assert (admission.flagged, admission.must_spoiler) == ("sword", must_spoiler)


def test_an_unflagged_prompt_needs_no_spoiler() -> None:
    assert not admit(facts({"prompts": {"flag": {"words": ["sword"]}}})).must_spoiler


def test_only_moderators_are_told_which_rule_matched() -> None:
    rules = {"prompts": {"block": {"patterns": ["sw[o0]rd"]}}}
    order = facts(rules, drawable_text="a sword")
    assert "sw[o0]rd" not in refusal(order)
    assert "sw[o0]rd" in refusal(facts(rules, drawable_text="a sword", actor=Actor(user_id=1, may_manage_messages=True)))
    with pytest.raises(PromptBlocked):
        admit(order)
