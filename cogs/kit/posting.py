"""Post background messages exactly once: by nonce, which Discord remembers for a few minutes, then by searching the channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import discord

from bot.client.refusals import reason_of
from bot.core.clock import Clock
from bot.core.i18n import _
from bot.services.pipeline.delivery.fitting import ResultImage, notes_of
from cogs.kit import texts
from cogs.kit.channels import note_deleted
from cogs.kit.outbound import UNKNOWN_CHANNEL, Messageable, send_reply

if TYPE_CHECKING:
    from bot.client.easel import Easel

_SEARCHED_MAX = 50  # messages; one whose response was lost is among the latest
_RETRY_SPAN_MS = 2 * 3_600_000  # all tries of an outbox item fit in this


@dataclass(frozen=True, kw_only=True)
class Button:
    """A button of a background message."""

    label: str
    custom_id: str
    emoji: str
    style: discord.ButtonStyle


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A background message to post or edit."""

    content: str
    buttons: tuple[Button, ...] = ()
    images: tuple[ResultImage, ...] = ()
    needs_images: bool = False  # nothing is posted if Discord refuses them
    spoiler: bool = False  # on all images
    ping_ids: tuple[int, ...] = ()  # users that it pings

    @property
    def allowed_mentions(self) -> discord.AllowedMentions:
        users = [discord.Object(user_id) for user_id in self.ping_ids]
        return discord.AllowedMentions(everyone=False, roles=False, replied_user=False, users=users or False)

    @property
    def text(self) -> str:
        """The content, and what was changed of the images."""
        return "\n".join([self.content, *(f"-# {note}" for note in notes_of(self.images))])[: texts.CONTENT_MAX]

    @contextmanager
    def files(self) -> Iterator[list[discord.File]]:
        """The images as uploads, closed on exit."""
        opened = [discord.File(p.path, filename=p.filename, description=texts.alt(p.alt)) for p in self.images]
        try:
            for each in opened:
                each.spoiler = each.spoiler or self.spoiler
            yield opened
        finally:
            for each in opened:
                each.close()

    def without_images(self) -> Draft:
        return replace(self, images=(), content="\n".join([self.content, _("-# Discord doesn't accept its images.")])[: texts.CONTENT_MAX])

    @property
    def view(self) -> discord.ui.View | None:
        if not self.buttons:
            return None
        view = discord.ui.View(timeout=None)
        for each in self.buttons:
            view.add_item(discord.ui.Button(label=each.label, emoji=each.emoji, style=each.style, custom_id=each.custom_id))
        return view


class Poster:
    """Posts drafts. Raises discord.py's own errors."""

    def __init__(self, client: Easel, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def once(
        self,
        channel: Messageable,
        draft: Draft,
        *,
        nonce: str,
        was_tried: bool,
        is_same: Callable[[discord.Message], bool],
        reply_to: int | None = None,
    ) -> discord.Message:
        """Post `draft`, without its images if Discord refuses them and they are not needed.

        If `was_tried`, first search our latest messages for one that `is_same` accepts, and return that instead. A channel that turns out
        to be deleted is remembered.
        """
        posted = await self._find(channel, is_same) if was_tried else None
        if posted is not None:
            return posted

        async def post(draft: Draft) -> discord.Message:
            async def send(reply: Mapping[str, Any]) -> discord.Message:
                with draft.files() as files:
                    more: dict[str, Any] = {**reply, **({"view": draft.view} if draft.buttons else {})}
                    return await channel.send(draft.text, nonce=nonce, files=files, allowed_mentions=draft.allowed_mentions, **more)

            return await send_reply(channel, reply_to, send)

        try:
            return await post(draft)
        except discord.NotFound as error:
            if error.code == UNKNOWN_CHANNEL and isinstance(channel, discord.PartialMessageable) and channel.guild_id is not None:
                await note_deleted(self._client, channel.guild_id, channel.id)
            raise
        except discord.HTTPException as error:
            if not draft.images or draft.needs_images or reason_of(error) is None:
                raise
        return await post(draft.without_images())

    async def _find(self, channel: Messageable, is_same: Callable[[discord.Message], bool]) -> discord.Message | None:
        since = datetime.fromtimestamp((self._clock() - _RETRY_SPAN_MS) / 1000, tz=UTC)
        own_id = self._client.user.id if self._client.user else 0
        try:
            async for message in channel.history(limit=_SEARCHED_MAX, after=since, oldest_first=False):
                if message.author.id == own_id and is_same(message):
                    return message
        except discord.Forbidden:
            pass  # the history cannot be read here: rely on the nonce
        return None


def ids_in(message: discord.Message) -> Iterator[str]:
    """The custom ids of a message's buttons."""
    for row in message.components:
        for item in getattr(row, "children", ()):
            yield getattr(item, "custom_id", None) or ""
