"""The gallery: an image with enough stars of other members is shown and rewarded once."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.gestures import BatchEntry, BatchPace, Reaction
from bot.domain.guild.sections import GalleryRules
from bot.domain.job import Job, JobMessage, MessageRole
from bot.domain.moderation.cases import Decision
from bot.domain.money.accounts import member_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY, MICRO
from bot.domain.outbox import ItemKind
from bot.store import delivery, gallery, outbox, reactions
from bot.store.engine.base import Store
from bot.store.money import ledger
from tests.store.moderation.flagged import ADA, HERE, MESSAGE, MO, NOW, decide, flag, flagged, new_image

RULES = GalleryRules(channel_id=50, stars=2, reward=3)


async def star(store: Store, job: Job, user_id: int, *, rules: GalleryRules = RULES, message_id: int = MESSAGE) -> bool:
    given = Reaction(message_id=message_id, user_id=user_id, emoji=gallery.STAR)
    entry = BatchEntry(message_id=message_id, channel_id=5, guild_id=HERE, emoji=given.emoji, shown=given.emoji)
    pace = BatchPace(quiet_ms=1, longest_ms=1, acting_ms=1)
    await store.write(reactions.claim, given, entry, burst=99, pace=pace, now=NOW)
    return await store.write(gallery.show_if_starred, job.id, message_id, guild_id=HERE, rules=rules, now=NOW)


async def posted(store: Store, *, post_id: int) -> bool:
    """The entry's post is sent and recorded."""
    entry = await store.read(gallery.get, MESSAGE)
    assert entry is not None
    post = JobMessage(message_id=post_id, channel_id=50, guild_id=HERE, role=MessageRole.GALLERY, at=NOW, job_id=entry.job_id)
    return await store.write(gallery.record_post, entry, post, reward=3 * MICRO)


async def rewards(store: Store) -> list[int]:
    statement = await store.read(ledger.statement, account=member_account(HERE, ADA), bucket=EMPTY, now=NOW, lines=50)
    return [line.available for line in statement.lines if line.entry is Entry.REWARD]


async def test_enough_stars_of_others_show_the_image_and_its_post_rewards_it_once(store: Store) -> None:
    job = await new_image(store)
    assert [await star(store, job, user_id) for user_id in (ADA, 20, 21, 22)] == [False, False, True, False]
    assert await rewards(store) == []
    assert [await posted(store, post_id=post_id) for post_id in (900, 901)] == [True, True]
    assert await rewards(store) == [3 * MICRO]
    assert [item.kind for item in await store.read(outbox.due, NOW)] == [ItemKind.GALLERY]


async def test_thirty_simultaneous_stars_show_the_image_once(store: Store) -> None:
    job = await new_image(store)
    results = await asyncio.gather(*(star(store, job, user_id) for user_id in range(20, 50)))
    assert (sum(results), await store.read(ledger.audit)) == (1, [])


async def test_the_same_image_in_another_message_is_not_shown_again(store: Store) -> None:
    job = await new_image(store)
    for user_id in (20, 21):
        await star(store, job, user_id)
    assert [await star(store, job, user_id, message_id=MESSAGE + 1) for user_id in (22, 23)] == [False, False]


async def test_an_entry_that_was_not_posted_can_come_again(store: Store) -> None:
    job = await new_image(store)
    assert [await star(store, job, user_id) for user_id in (20, 21)] == [False, True]
    await store.write(gallery.forget, MESSAGE)
    assert (await star(store, job, 22), await rewards(store)) == (True, [])


async def test_a_removed_star_does_not_count(store: Store) -> None:
    job = await new_image(store)
    await star(store, job, 20)
    await store.write(reactions.take_back, Reaction(message_id=MESSAGE, user_id=20, emoji=gallery.STAR), NOW)
    assert not await star(store, job, 21)


async def test_without_a_channel_there_is_no_gallery(store: Store) -> None:
    job = await new_image(store)
    assert [await star(store, job, user_id, rules=GalleryRules(stars=1)) for user_id in (20, 21)] == [False, False]


@pytest.mark.parametrize("hidden", [{"spoiler": True}, {"private": True}])
async def test_hidden_images_are_not_shown(store: Store, hidden: dict[str, bool]) -> None:
    job = await new_image(store, **hidden)
    assert [await star(store, job, user_id) for user_id in (20, 21)] == [False, False]


async def test_deleted_images_are_not_shown(store: Store) -> None:
    job = await new_image(store)
    await store.write(delivery.mark_deleted, job.id)
    assert [await star(store, job, user_id) for user_id in (20, 21)] == [False, False]


async def test_an_image_with_an_open_case_is_not_shown_until_moderators_keep_it(store: Store) -> None:
    job = await new_image(store)
    case = (await flag(store, job, MO, opens_case=True)).opened
    assert [await star(store, job, user_id) for user_id in (20, 21)] == [False, False]
    assert case is not None
    await decide(store, case, Decision.KEEP)
    assert await star(store, job, 22)


async def test_a_flagged_image_that_moderators_kept_may_be_shown(store: Store) -> None:
    job = await new_image(store)
    await decide(store, await flagged(store, job, 30, 31, 32), Decision.KEEP)
    assert [await star(store, job, user_id) for user_id in (20, 21)] == [False, True]
