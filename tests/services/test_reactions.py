"""Reactions without Discord: emoji, claims and presets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.errors import InvalidRequest, NotFound
from bot.domain import presets
from bot.domain.actor import Actor
from bot.domain.catalog.models import Catalog
from bot.domain.gestures import (
    MARKS,
    TAKEN,
    BatchEntry,
    BatchPace,
    Claim,
    Fate,
    Reaction,
    ReactionBatch,
    ReactionOutcome,
    is_reserved,
    is_single_emoji,
    meaning_of,
    normalized_emoji,
)
from bot.domain.guild.document import changed
from bot.domain.guild.settings import PRESETS_MAX, STARTING_PRESETS, GuildSettings, Preset
from bot.domain.job import ReplyTarget
from bot.domain.moderation.cases import Report
from bot.domain.outbox import ItemKind
from bot.services import housekeeping
from bot.services.guilds import Guilds
from bot.store import outbox, reactions
from bot.store.engine.base import Store
from bot.store.moderation import reports
from bot.store.reactions import BURST_MS, PAUSE_MS, REPEAT_MS
from tests.env.job_steps import order, restart
from tests.env.jobs import new_job, request_by

NOW = 1_700_000_000_000
MANAGER = request_by(Actor(user_id=7, may_manage_server=True))
FOX = Reaction(message_id=1, user_id=7, emoji="🎨")


# --- emoji -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["🩷", "🫨", "🪿", "\U0001facc", "◽", "◼️", "◼", "🐦‍🔥", "🧑🏻‍❤️‍💋‍🧑🏿", "⏏️", "〰️", "*️⃣", "🇺🇳"])
def test_emoji_of_any_age_and_kind_are_recognised(text: str) -> None:
    assert is_single_emoji(text)


@pytest.mark.parametrize(
    "text", ["🎨", "❄️", "❄", "👩🏽‍🎨", "🇬🇧", "0️⃣", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "↔️", "ℹ️", "🏳️‍🌈", "👍🏿", *(preset.emoji for preset in STARTING_PRESETS)]
)
def test_one_emoji_is_recognised(text: str) -> None:
    assert is_single_emoji(text)


@pytest.mark.parametrize("text", ["", "a", "7", "☇", "🏿", "🎨🎨", "🎨a", ":easel:", "🇬", "👍🏿🏿", "\u200d", "🏿🎨", "ok"])
def test_other_texts_are_not_one_emoji(text: str) -> None:
    assert not is_single_emoji(text)


@pytest.mark.parametrize("emoji", ["✏️", "🔁", "✉", "❌", "🙈", "🚩", "⭐", *MARKS])
def test_emoji_with_a_fixed_meaning_are_taken(emoji: str) -> None:
    assert is_reserved(emoji)


def test_a_custom_emoji_is_identified_by_its_id() -> None:
    assert normalized_emoji("<:easel:123>") == normalized_emoji("<a:brush:123>") != normalized_emoji("<:easel:124>")


@pytest.mark.parametrize(
    ("preset", "given"), [("👋", "👋🏿"), ("👋🏿", "👋"), ("👋🏻", "👋🏿"), ("❄️", "❄"), ("❄", "❄️"), ("❄", "❄\ufe0e"), ("👩🏽‍🎨", "👩‍🎨")]
)
def test_a_reaction_finds_the_preset_in_any_skin_tone_and_style(preset: str, given: str) -> None:
    settings = GuildSettings(presets=(Preset(emoji=preset, name="Wave", prompt="waving"),))
    meaning = meaning_of(given, settings)
    assert meaning is not None
    assert meaning.preset == settings.presets[0]


def test_a_preset_on_exactly_this_skin_tone_is_preferred() -> None:
    settings = GuildSettings(presets=tuple(Preset(emoji=each, name=each, prompt="waving") for each in ("👋", "👋🏿")))
    assert [meaning.preset and meaning.preset.name for each in ("👋", "👋🏿", "👋🏻") if (meaning := meaning_of(each, settings))] == [
        "👋",
        "👋🏿",
        "👋",
    ]


def test_the_starting_presets_use_different_free_emoji() -> None:
    assert len({normalized_emoji(preset.emoji) for preset in STARTING_PRESETS}) == len(STARTING_PRESETS)
    assert not any(is_reserved(preset.emoji) for preset in STARTING_PRESETS)


# --- claims ----------------------------------------------------------------------------------------------------------


PACE = BatchPace(quiet_ms=4_000, longest_ms=20_000, acting_ms=600_000)


def entry_of(given: Reaction) -> BatchEntry:
    return BatchEntry(message_id=given.message_id, channel_id=5, guild_id=1, emoji=given.emoji, super=given.burst, shown=given.emoji)


async def claim(store: Store, given: Reaction = FOX, *, now: int = NOW, burst: int = 3) -> Claim:
    return await store.write(reactions.claim, given, entry_of(given), burst=burst, pace=PACE, now=now)


async def batches(store: Store) -> list[ReactionBatch]:
    """What is told to the members, as it is due."""
    return [ReactionBatch.read(item.data) for item in await store.read(outbox.due, 2**60) if item.kind is ItemKind.REACTIONS]


@pytest.mark.parametrize("turns", [(0, 1), (1, 0)])
def test_of_a_reaction_that_is_added_again_each_outcome_ends_one(turns: tuple[int, int]) -> None:
    outcomes = (ReactionOutcome(fate=Fate.TAKEN, sentence="You gave 2 credits."), None)  # the second was booked before
    batch = ReactionBatch(began_at=NOW, entries=(entry_of(FOX), entry_of(FOX)))
    for turn in turns:
        batch = batch.ended(FOX, outcomes[turn])
    assert [each.sentence for each in batch.entries] == ["You gave 2 credits."]


async def test_of_twenty_concurrent_claims_one_is_new(store: Store) -> None:
    claims = await asyncio.gather(*(claim(store, burst=99) for _ in range(20)))
    assert claims.count(Claim.NEW) == 1


async def test_a_removed_reaction_can_be_claimed_again_after_a_pause(store: Store) -> None:
    await claim(store)
    await store.write(reactions.take_back, FOX, NOW + 1)
    assert await claim(store, now=NOW + PAUSE_MS - 1) is Claim.KNOWN
    assert await claim(store, now=NOW + PAUSE_MS) is Claim.NEW


async def test_without_a_seen_removal_the_pause_is_longer(store: Store) -> None:
    await claim(store)
    assert await claim(store, now=NOW + REPEAT_MS - 1) is Claim.KNOWN
    assert await claim(store, now=NOW + REPEAT_MS) is Claim.NEW


async def test_claims_over_the_limit_are_counted_and_told_once_a_minute(store: Store) -> None:
    claims = [await claim(store, replace(FOX, emoji=emoji), now=NOW + n) for n, emoji in enumerate("abcdef")]
    assert claims == [Claim.NEW] * 3 + [Claim.TOO_MANY] * 3
    assert [(len(each.entries), each.left_out, each.limit) for each in await batches(store)] == [(6, 3, 3)]
    await store.write(outbox.claim, 2 * NOW, kinds=[ItemKind.REACTIONS], free=1, pause_ms=lambda _item: 1000)
    await claim(store, replace(FOX, emoji="g"), now=NOW + PACE.longest_ms)
    assert len(await batches(store)) == 1


async def test_a_batch_is_answered_when_no_more_reactions_come_and_all_are_over(store: Store) -> None:
    async def due() -> list[int]:
        return [item.due_at - NOW for item in await store.read(outbox.due, 2**60)]

    await claim(store)
    assert await due() == [PACE.acting_ms]
    other = replace(FOX, emoji="b")
    await claim(store, other, now=NOW + 1_000)
    await store.write(outbox.end_reaction, FOX, TAKEN, now=NOW + 2_000, pace=PACE)
    assert await due() == [2_000 + PACE.acting_ms]
    await store.write(outbox.end_reaction, other, None, now=NOW + 3_000, pace=PACE)
    assert await due() == [3_000 + PACE.quiet_ms]
    await claim(store, replace(FOX, emoji="c"), now=NOW + PACE.longest_ms)
    assert [[each.shown for each in batch.entries] for batch in await batches(store)] == [["🎨"], ["c"]]


async def test_the_limit_resets_after_a_burst(store: Store) -> None:
    for emoji in "abcd":
        await claim(store, replace(FOX, emoji=emoji))
    assert await claim(store, replace(FOX, emoji="d"), now=NOW + BURST_MS) is Claim.NEW


async def test_a_reaction_that_ordered_a_job_was_taken_even_if_the_bot_ends_at_once(store: Store) -> None:
    await restart(store, NOW)
    await claim(store)
    place = ReplyTarget(user_id=FOX.user_id, channel_id=5, reply_to=FOX.message_id)
    await order(store, new_job(place=place, reaction="🎨"))
    await restart(store, NOW)
    due = {item.kind for item in await store.read(outbox.due, NOW)}
    assert (due, [each.fate for (batch,) in [await batches(store)] for each in batch.entries]) == (
        {ItemKind.MARK, ItemKind.REACTIONS},
        [Fate.TAKEN],
    )
    assert await store.read(reactions.is_used, FOX.message_id)


async def test_removing_one_of_a_normal_and_a_super_reaction_cancels_its_own_job(store: Store) -> None:
    place = ReplyTarget(user_id=FOX.user_id, channel_id=5, reply_to=FOX.message_id)
    both = [FOX, replace(FOX, burst=True)]
    jobs_of = [await order(store, new_job(place=place, reaction="🎨")) for _ in both]
    for given, job in zip(both, jobs_of, strict=True):
        assert await claim(store, given) is Claim.NEW
        await store.write(reactions.note_job, given, job.id)
    cancelled = await store.write(reactions.take_back, both[1], NOW)
    assert cancelled is not None
    assert cancelled.id == jobs_of[1].id
    assert await store.read(reactions.remains, both[1])


async def test_a_burst_does_not_affect_other_members(store: Store) -> None:
    for emoji in "abcd":
        await claim(store, replace(FOX, emoji=emoji))
    assert await claim(store, replace(FOX, user_id=8)) is Claim.NEW


async def test_claims_over_the_limit_are_not_counted(store: Store) -> None:
    for user_id in (7, 8, 9):
        await claim(store, replace(FOX, user_id=user_id, emoji="⭐"))
    await claim(store, replace(FOX, user_id=9, message_id=2, emoji="⭐"), burst=1)
    await store.write(reactions.take_back, replace(FOX, user_id=8, emoji="⭐"), NOW)
    assert [await store.read(reactions.count, message_id, "⭐") for message_id in (1, 2)] == [2, 0]


async def test_old_reactions_are_deleted_and_stars_by_their_own_time(store: Store) -> None:
    for emoji in ("⭐", "🎨"):
        await claim(store, replace(FOX, emoji=emoji))
    assert await housekeeping.remove(store, reactions.old(NOW + 1)) == 1
    assert await store.read(reactions.count, 1, "⭐") == 1
    assert [await housekeeping.remove(store, reactions.old(before, stars=True)) for before in (NOW, NOW + 1)] == [0, 1]


async def test_a_job_cannot_be_linked_to_a_removed_reaction(store: Store) -> None:
    await claim(store)
    assert await store.write(reactions.note_job, FOX, "0123456789ab")
    await store.write(reactions.take_back, FOX, NOW)
    assert not await store.write(reactions.note_job, FOX, "0123456789ab")


async def test_first_in_is_true_once_per_interval(store: Store) -> None:
    times = [NOW, NOW + 1, NOW + 1000]
    assert [await store.write(reactions.first_in, "pointed:7", 1000, now) for now in times] == [True, False, True]


async def test_a_member_reports_a_message_once(store: Store) -> None:
    report = Report(at=NOW, guild_id=1, channel_id=5, message_id=6, user_id=7, author_id=8, reason="x" * 600)
    assert [await store.write(reports.add, each) for each in (report, report, replace(report, user_id=9, at=NOW + 1))] == [
        True,
        False,
        True,
    ]
    assert [r.user_id for r in await store.read(reports.about, 8, 1)] == [9, 7]
    assert await store.read(reports.about, 8, 2) == []


# --- presets ---------------------------------------------------------------------------------------------------------


def catalog() -> Catalog:
    schema = {"properties": {"input_image": {"type": "array"}, "steps": {"type": "integer", "maximum": 8}, "style": {"enum": ["a b", "c"]}}}
    model = {"capabilities": {"output": ["image"]}, "pricing": {"method": "per_image", "cost_per_image": 0.02}}
    return Catalog.read(
        [
            {**model, "id": "words", "request_schema": {"properties": {"prompt": {"type": "string"}}}},
            {**model, "id": "edits", "request_schema": schema},
            {**model, "id": "free", "request_schema": schema, "pricing": {}},
        ],
        credit_usd=0.01,
        model_prices={},
    )


def checked(**changes: Any) -> Preset:
    return presets.checked(catalog(), "words", **{"emoji": "🦊", "name": " Fox  face ", "prompt": "a fox", **changes})


def test_a_preset_is_normalised() -> None:
    preset = checked(model="Edits", options='steps=4 style="a b"')
    assert (preset.name, preset.model, dict(preset.options), preset.more) == (
        "Fox face",
        "edits",
        {"steps": "4", "style": "a b"},
        'steps="4" style="a b"',
    )


def test_a_preset_without_a_model_uses_one_that_edits_images() -> None:
    assert presets.model_of(checked(), catalog(), "words").id == "edits"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "words"}, "can't edit images"),
        ({"model": "free"}, "no price"),
        ({"model": "other"}, "no model called other"),
        ({"options": "steps=9"}, "steps"),
        ({"options": "wings=2"}, "no option"),
        ({"options": "steps"}, "name=value"),
        ({"name": "  "}, "1 to 40 characters"),
        ({"prompt": "  "}, "Describe the image"),
    ],
)
def test_an_invalid_preset_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        checked(**changes)


@pytest.fixture
def guilds(store: Store) -> Guilds:
    return Guilds(store=store, clock=lambda: NOW)


def preset(emoji: str, name: str = "Fox") -> Preset:
    return Preset(emoji=emoji, name=name, prompt="a fox")


async def test_an_added_preset_survives_a_restart(store: Store, guilds: Guilds) -> None:
    await guilds.add_preset(MANAGER, preset("🦊"))
    for each in (guilds, Guilds(store=store, clock=lambda: NOW)):
        assert (await each.settings(1)).preset("🦊") == preset("🦊")
    assert (await guilds.settings(2)).presets == (await guilds.settings(None)).presets == STARTING_PRESETS


async def test_a_new_preset_replaces_the_one_with_the_same_emoji(guilds: Guilds) -> None:
    await guilds.add_preset(MANAGER, preset("❄️", "Ice"))
    changed = await guilds.add_preset(MANAGER, preset("❄", "Snow"))
    assert [p.name for p in changed.presets if normalized_emoji(p.emoji) == normalized_emoji("❄️")] == ["Snow"]


@pytest.mark.parametrize("wanted", ["🦊", "fox", " FOX "])
async def test_a_preset_is_removed_by_emoji_or_name(guilds: Guilds, wanted: str) -> None:
    await guilds.add_preset(MANAGER, preset("🦊"))
    assert (await guilds.remove_preset(MANAGER, wanted)).emoji == "🦊"
    with pytest.raises(NotFound, match="no preset"):
        await guilds.remove_preset(MANAGER, wanted)


async def test_a_preset_cannot_use_a_fixed_emoji(guilds: Guilds) -> None:
    with pytest.raises(InvalidRequest, match="already has a meaning"):
        await guilds.add_preset(MANAGER, preset("🔁"))


async def test_an_emoji_that_gives_credits_can_run_no_preset(guilds: Guilds) -> None:
    gift = {"gifts": {"by_reaction": {"emoji": "👋", "credits": 1}}}
    await guilds.change_policy(1, lambda policy: changed(policy, gift), actor_id=7)
    with pytest.raises(InvalidRequest, match="can't both give credits and run the preset Wave"):
        await guilds.add_preset(MANAGER, Preset(emoji="👋🏿", name="Wave", prompt="waving"))
    await guilds.add_preset(MANAGER, Preset(emoji="🎁", name="Gift", prompt="wrapped"))


async def test_presets_are_limited_and_can_be_reset(guilds: Guilds) -> None:
    for n in range(PRESETS_MAX - len(STARTING_PRESETS)):
        await guilds.add_preset(MANAGER, preset(chr(0x1F600 + n)))
    with pytest.raises(InvalidRequest, match="already has 20 presets"):
        await guilds.add_preset(MANAGER, preset("🦊"))
    assert len((await guilds.settings(1)).presets) == PRESETS_MAX
    assert (await guilds.reset_presets(MANAGER)).presets == STARTING_PRESETS
