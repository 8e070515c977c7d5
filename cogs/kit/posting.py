"""Messages in the background that are posted once: Discord knows their nonce for a few minutes, afterwards the channel shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord

from bot.core.clock import Clock
from bot.services.pipeline.results import ResultImage
from cogs.kit import texts
from cogs.kit.outbound import Messageable, replying

if TYPE_CHECKING:
    from bot.client import Easel

_LOOK_BACK = 50  # messages; one whose answer was lost is among the latest
_TRIED_WITHIN_MS = 2 * 3_600_000  # all tries of an outbox item together


@dataclass(frozen=True, kw_only=True)
class Button:
    """A button of a message in the background."""

    label: str
    custom_id: str
    emoji: str
    style: discord.ButtonStyle


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What a message is to show."""

    content: str
    buttons: tuple[Button, ...] = ()
    images: tuple[ResultImage, ...] = ()
    spoiler: bool = False  # the images, whatever their own names say
    calls: tuple[int, ...] = ()  # whom it mentions audibly

    @property
    def mentions(self) -> discord.AllowedMentions:
        called = [discord.Object(user_id) for user_id in self.calls]
        return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=called or False)

    @contextmanager
    def files(self) -> Iterator[list[discord.File]]:
        """The images as uploads, open as long as the context."""
        opened = [discord.File(p.path, filename=p.filename, description=texts.alt(p.alt)) for p in self.images]
        try:
            for each in opened:
                each.spoiler = each.spoiler or self.spoiler
            yield opened
        finally:
            for each in opened:
                each.close()

    @property
    def view(self) -> discord.ui.View | None:
        """The buttons."""
        if not self.buttons:
            return None
        view = discord.ui.View(timeout=None)
        for each in self.buttons:
            view.add_item(discord.ui.Button(label=each.label, emoji=each.emoji, style=each.style, custom_id=each.custom_id))
        return view


class Poster:
    """Posts sheets. Discord's refusals come out as discord.py's."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def once(
        self,
        channel: Messageable,
        sheet: Draft,
        *,
        nonce: str,
        tried: bool,
        is_it: Callable[[discord.Message], bool],
        reply_to: int | None = None,
    ) -> discord.Message:
        """Post it, unless an earlier try did, as `tried` says there was: then `is_it` tells which of our latest messages it is."""
        there = await self._stands(channel, is_it) if tried else None
        if there is not None:
            return there

        async def send(reply: Mapping[str, Any]) -> discord.Message:
            with sheet.files() as files:
                more: dict[str, Any] = {**reply, **({"view": sheet.view} if sheet.buttons else {})}
                return await channel.send(sheet.content, nonce=nonce, files=files, allowed_mentions=sheet.mentions, **more)

        return await replying(channel, reply_to, send)

    async def _stands(self, channel: Messageable, is_it: Callable[[discord.Message], bool]) -> discord.Message | None:
        """The one of our latest messages that is it already."""
        since = datetime.fromtimestamp((self._clock() - _TRIED_WITHIN_MS) / 1000, tz=UTC)
        own_id = self._client.user.id if self._client.user else 0
        try:
            async for message in channel.history(limit=_LOOK_BACK, after=since, oldest_first=False):
                if message.author.id == own_id and is_it(message):
                    return message
        except discord.Forbidden:
            pass  # the history cannot be read here: the nonce is all there is
        return None


def ids_in(message: discord.Message) -> Iterator[str]:
    """The custom ids of a message's buttons."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            yield getattr(item, "custom_id", None) or ""
