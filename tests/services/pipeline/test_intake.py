"""Intake under a guild's rules: the order of the checks, the content of the job, and that no refusal costs anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core.errors import NotAllowed, Refusal
from bot.domain.actor import Actor
from bot.domain.catalog.ideas import Idea
from bot.domain.job import Job, JobKind, ReplyTarget, Source
from bot.domain.moderation.audit import AuditAction
from bot.domain.order import Attachment, Order
from bot.domain.preferences import Consent
from bot.domain.request import Channel
from bot.store import jobs
from bot.store.moderation import audit_log, conduct
from tests.env.guild_rules import CHECKED, change_rules
from tests.env.job_steps import own
from tests.env.jobs import new_job, order_of, request
from tests.services.conftest import BUCKET, MODEL, Pipeline

DEV = "flux-2-dev"  # has sizes, and a safety checker that can be turned off
PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1, private=True)
BENS = Attachment(url="http://127.0.0.1:1/a.png", filename="a.png", size_bytes=9, source=Source(owner_id=8, channel_id=5, message_id=3))
ALL_WRONG: dict[str, Any] = {
    "pause": {"on": True},
    "channels": {"denied": [5]},
    "everyone": {"models": [], "private": False, "max_count": 1, "aspect_ratios": ["1:1"], "max_megapixels": 1, "waiting": 1},
    "newcomers": {"wait_hours": 24},
    "prompts": {"block": {"words": ["sword"]}},
    "roles": {"77": {"purse": {"size": 0}}},
}
# The refusals in order, and the change of the rules that removes each.
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("paused", {"pause": {"on": False}}),
    ("blocked from creating images", {}),  # the block is lifted
    ("can't be created in this channel", {"channels": {"denied": []}}),
    ("don't let you use any model", {"everyone": {"models": "all"}}),
    ("can't create private images", {"everyone": {"private": True}}),
    ("safety checker", {"age_restricted": {"unchecked": True}}),
    ("only be turned off in age-restricted channels", {}),  # the channel is changed
    ("New members can't create images", {"newcomers": {"wait_hours": 0}}),
    ("1 image at a time", {"everyone": {"max_count": 4}}),
    ("aspect ratio 16:9", {"everyone": {"aspect_ratios": "all"}}),
    ("up to 1 MP", {"everyone": {"max_megapixels": None}}),
    ("images queued (limit: 1)", {"everyone": {"waiting": 9}}),
    ("you have 0.", {"roles": {"77": None}}),
    ("doesn't allow that prompt", {"prompts": {"block": {"words": []}}}),
    ("doesn't let you edit", {}),  # the owner's consent is changed
    ("a.png: Images can't be loaded", {}),  # the attachment is removed
)


async def with_current_rules(pipeline: Pipeline, order: Order) -> Order:
    """The same order under the current rules."""
    old = order.request
    return replace(order, request=await request(pipeline, old.reply_to, actor=old.actor, channel=old.channel))


async def refusal(pipeline: Pipeline, order: Order) -> str:
    with pytest.raises(Refusal) as caught:
        await pipeline.orders.order(await with_current_rules(pipeline, order))
    return caught.value.sentence


async def test_the_checks_are_applied_in_order_and_cost_nothing(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **ALL_WRONG)
    await pipeline.store.write(conduct.block, 1, 7, until=None, reason="spam", by_id=9, now=pipeline.clock())
    await pipeline.members.change(8, lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
    actor = Actor(user_id=7, joined_at=pipeline.clock(), role_ids=frozenset({77}))
    options = {Idea.ASPECT_RATIO: "16:9", Idea.RESOLUTION: "2 MP"}
    wrong: dict[str, Any] = {"options": options, "more": "disable_safety_checker=true", "attachments": [BENS]}
    order = await order_of(pipeline, "a sword", PLACE, actor=actor, kind=JobKind.EDIT, model=DEV, count=2, **wrong)
    sentences: list[str] = []
    for sentence, changes in STEPS:
        sentences.append(await refusal(pipeline, order))
        assert sentence in sentences[-1], (sentence, sentences[-1])
        await change_rules(pipeline.guilds, **changes)
        order = await _corrected(pipeline, order, sentence)
    assert (await pipeline.orders.order(await with_current_rules(pipeline, order))).job.spent == 0
    assert len(sentences) == len(STEPS)


async def _corrected(pipeline: Pipeline, order: Order, sentence: str) -> Order:
    """Remove a refusal that does not depend on the rules."""
    match sentence:
        case "blocked from creating images":
            await pipeline.store.write(conduct.unblock, 1, 7, by_id=9, now=pipeline.clock())
        case "only be turned off in age-restricted channels":
            channel = Channel(guild_id=1, channel_id=5, age_restricted=True)
            return replace(order, request=replace(order.request, channel=channel))
        case "doesn't let you edit":
            await pipeline.members.change(8, lambda chosen: chosen.model_copy(update={"consent": Consent.EVERYONE}))
        case "a.png: Images can't be loaded":
            return replace(order, kind=JobKind.GENERATE, attachments=[])
    return order


@pytest.mark.parametrize(
    ("made", "words"), [({"private": True}, "That image is private"), ({"channel_id": 6}, "from an age-restricted channel")]
)
async def test_an_image_of_someone_else_is_used_within_its_borders(pipeline: Pipeline, made: dict[str, Any], words: str) -> None:
    """Moderators see private images of others in cases, and could edit them there."""
    place = ReplyTarget(**{"user_id": 8, "channel_id": 5, "guild_id": 1, **made})
    job = new_job(member=8, place=place, age_restricted=place.channel_id == 6)
    await pipeline.store.write(jobs.add, job, (), payment=own(8, BUCKET), max_waiting=8, now=1000)
    source = Source(owner_id=8, channel_id=place.channel_id, message_id=3, job_id=job.id, n=0)
    more: dict[str, Any] = {"kind": JobKind.EDIT, "model": DEV, "attachments": [replace(BENS, source=source)]}
    assert words in await refusal(pipeline, await order_of(pipeline, "by day", PLACE, **more))


@pytest.mark.parametrize("more", ["disable_safety_checker=true", "disable_safety_checker=yes"])
@pytest.mark.parametrize("guild_id", [1, None])
async def test_the_safety_checker_stays_on_by_default(pipeline: Pipeline, more: str, guild_id: int | None) -> None:
    order = await order_of(pipeline, "a fox", ReplyTarget(user_id=7, channel_id=5, guild_id=guild_id), model=DEV, more=more)
    assert "safety checker can't be turned off" in await refusal(pipeline, order)


MARKUP = ['a fox <sd_cpp_extra_args>{"steps": 150}</sd_cpp_extra_args>', "a fox <lora:nude:1>"]


@pytest.mark.parametrize("prompt", MARKUP)
async def test_markup_that_servers_obey_is_refused(pipeline: Pipeline, prompt: str) -> None:
    assert "Tags like" in await refusal(pipeline, await order_of(pipeline, prompt, PLACE))
    job = replace(new_job(), prompt=prompt, model=MODEL)  # from before the rule
    with pytest.raises(Refusal, match="Tags like"):
        await pipeline.orders.again(job, await request(pipeline, job.place))


async def test_only_a_blocked_prompt_adds_a_strike(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, prompts={"block": {"words": ["sword"]}}, channels={"denied": [6]})
    for channel_id in (5, 6):
        await refusal(pipeline, await order_of(pipeline, "a sword", ReplyTarget(user_id=7, channel_id=channel_id, guild_id=1)))
    assert len(await pipeline.store.read(conduct.strikes_of, 1, 7)) == 1
    assert [line.action for line in await pipeline.store.read(audit_log.latest, 1) if line.target_id == 7] == [AuditAction.STRUCK]


async def test_a_block_by_strikes_survives_a_restart(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, prompts={"block": {"words": ["sword"]}}, strikes={"ladder": [{"points": 2, "hours": 1}]})
    for _ in range(2):
        await refusal(pipeline, await order_of(pipeline, "a sword", PLACE))
    again = await pipeline.restart()
    await again.models.load()
    assert "too many strikes" in await refusal(again, await order_of(again, "a fox", PLACE))


SLOW = tuple(f"(a?){{200}}a{{200}}b{number}|a" for number in range(8))


async def test_a_prompt_that_the_rules_are_too_slow_for_is_refused_without_a_strike(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, prompts={"allow": {"patterns": SLOW}})
    assert "Checking this prompt took too long" in await refusal(pipeline, await order_of(pipeline, "a" * 2000, PLACE))
    assert await pipeline.store.read(conduct.strikes_of, 1, 7) == []
    (line,) = [line for line in await pipeline.store.read(audit_log.latest, 1) if line.target_id == 7]
    assert line.action is AuditAction.TOO_SLOW


async def test_a_prompt_that_the_rules_are_too_slow_for_is_flagged_if_the_guild_wants_that(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, prompts={"allow": {"patterns": SLOW}, "too_slow": "flag"})
    job = await ordered(pipeline, "a" * 2000)
    assert (job.flagged, job.spoiler) == ("checking it took too long", True)


# --- the job ---------------------------------------------------------------------------------------------------------

FLAGGED: dict[str, Any] = {"prompts": {"flag": {"words": ["blood*"]}}}


async def ordered(pipeline: Pipeline, prompt: str, *, age_restricted: bool = False) -> Job:
    return await pipeline.order(prompt, channel=Channel(guild_id=1, channel_id=5, age_restricted=age_restricted))


async def test_a_flagged_prompt_is_made_behind_a_spoiler(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **FLAGGED)
    job, plain = await ordered(pipeline, "a bloodhound"), await ordered(pipeline, "a fox")
    assert [(each.flagged, each.spoiler) for each in (job, plain)] == [("blood*", True), (None, False)]


async def test_a_flagged_prompt_needs_no_spoiler_only_in_age_restricted_channels(pipeline: Pipeline) -> None:
    await change_rules(pipeline.guilds, **FLAGGED, age_restricted={"unspoilered": True})
    jobs_ = [await ordered(pipeline, "a bloodhound", age_restricted=adult) for adult in (True, False)]
    assert [(job.spoiler, job.age_restricted, job.flagged) for job in jobs_] == [(False, True, "blood*"), (True, False, "blood*")]


async def test_a_prompt_is_checked_only_if_the_guild_enables_it(pipeline: Pipeline) -> None:
    before = await ordered(pipeline, "a fox")
    await change_rules(pipeline.guilds, **CHECKED)
    assert [before.needs_check, (await ordered(pipeline, "a fox")).needs_check] == [False, True]


async def test_again_is_checked_by_the_rules_of_the_current_guild(pipeline: Pipeline) -> None:
    old = new_job(model=DEV, member=8)
    await pipeline.store.write(jobs.add, old, (), payment=own(8, BUCKET), max_waiting=8, now=1000)
    await change_rules(pipeline.guilds, prompts={"block": {"words": ["fox"]}})
    with pytest.raises(NotAllowed, match="doesn't allow that prompt"):
        await pipeline.orders.again(old, await request(pipeline, PLACE))
    elsewhere = await request(pipeline, replace(PLACE, guild_id=2))
    assert (await pipeline.orders.again(old, elsewhere)).job.place.user_id == 7


# --- the default model -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "own", "made_by"),
    [("all", None, MODEL), ("all", DEV, DEV), ([DEV], None, DEV), ([DEV], MODEL, DEV), ([MODEL], DEV, MODEL), ("all", "gone", MODEL)],
)
async def test_the_default_model_is_one_that_is_allowed_here(pipeline: Pipeline, models: object, own: str | None, made_by: str) -> None:
    await change_rules(pipeline.guilds, everyone={"models": models})
    await pipeline.members.change(7, lambda chosen: chosen.model_copy(update={"default_model": own}))
    assert (await ordered(pipeline, "a fox")).model == made_by
