"""Who reacts to a message, as Discord knows it: an event may be lost, and none arrives while the bot is down."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import discord

from bot.domain.gestures import FLAGS, Reactors
from bot.services.moderation.flagging import FlaggedBy
from cogs.kit.channels import asked_of_discord
from cogs.kit.outbound import delivery_errors
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

_PAGE: Final = 100  # Discord's limit
_PAGES_MAX: Final = 10  # of members with one reaction; the settings ask for fewer


async def who_reacted(client: Easel, channel_id: int, message_id: int, emoji: str) -> Reactors:
    """The members who react with an emoji, by normal and super reactions; no bots. Raises `NotKnownYet`, `NotFound`, `Forbidden`."""
    with asked_of_discord():
        return await _who_reacted(client, channel_id, message_id, emoji)


def flagged_by(client: Easel) -> FlaggedBy:
    """The port of `Cases`."""

    async def ask(channel_id: int, message_id: int) -> Reactors | None:
        async with delivery_errors():
            try:
                return await _who_reacted(client, channel_id, message_id, FLAGS)
            except (discord.NotFound, discord.Forbidden):
                return None

    return ask


async def _who_reacted(client: Easel, channel_id: int, message_id: int, emoji: str) -> Reactors:
    found, at = set[tuple[int, bool]](), services_of(client).clock()
    for kind in discord.ReactionType:
        ask = partial(client.http.get_reaction_users, channel_id, message_id, emoji, _PAGE, type=kind.value)
        after: Any = None
        for _ in range(_PAGES_MAX):
            page: list[Any] = await ask(after=after)
            found.update((int(user["id"]), kind is discord.ReactionType.burst) for user in page if not user.get("bot"))
            if len(page) < _PAGE:
                break
            after = page[-1]["id"]
    return Reactors(user_ids=frozenset(user_id for user_id, _burst in found), at=at, reactions=frozenset(found))
