"""Blocks hold in their own guild, and reach members who have used it."""

from __future__ import annotations

from bot.domain.guild.sections import Offence
from bot.domain.money.quota import DAY_MS
from bot.store.engine.base import Store
from bot.store.moderation import conduct
from tests.store.moderation.flagged import ADA, BEN, HERE, MO, NOW, STRIKES, new_image

ELSEWHERE = HERE + 1


async def block(store: Store, *, guild_id: int = HERE, by_id: int | None = MO, now: int = NOW) -> None:
    await store.write(conduct.block, guild_id, ADA, until=None, reason="", by_id=by_id, now=now)


async def test_a_block_holds_in_its_own_guild(store: Store) -> None:
    await block(store)
    found = [await store.read(conduct.blocked, guild_id, ADA, NOW) for guild_id in (HERE, ELSEWHERE, None)]
    assert [each is not None for each in found] == [True, False, False]


async def test_a_guild_was_used_by_those_who_asked_for_images_in_it(store: Store) -> None:
    await new_image(store)
    await store.write(conduct.strike, HERE, BEN, Offence.PROMPT_BLOCKED, rules=STRIKES, now=NOW)
    users = [(guild_id, user) for guild_id in (HERE, ELSEWHERE) for user in (ADA, BEN, MO)]
    assert [each for each in users if await store.read(conduct.has_used, *each)] == [(HERE, ADA), (HERE, BEN)]


async def test_a_member_is_told_of_blocks_once_a_day_by_all_guilds(store: Store) -> None:
    await new_image(store)
    await block(store, by_id=None)  # by strikes, which nobody is told of
    told = [await store.read(conduct.may_be_told, HERE, ADA, NOW)]
    await block(store, guild_id=ELSEWHERE)
    told += [await store.read(conduct.may_be_told, HERE, ADA, now) for now in (NOW, NOW + DAY_MS - 1, NOW + DAY_MS)]
    assert told == [True, False, False, True]
    assert not await store.read(conduct.may_be_told, ELSEWHERE, ADA, NOW + DAY_MS)
