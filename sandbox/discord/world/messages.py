"""Messages that people and the server's other bot post: text, files, stickers, forwards, and what Discord adds to them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from simcord.backend.errors import BackendError
from simcord.backend.models import Channel, Message, MessageSticker

from sandbox.discord.wire import JSON, RefusedError, Upload
from sandbox.discord.world.engine import Engine

_COMPONENTS_V2 = 1 << 15  # message flag
_OWN = "attachment://"  # how a bot names a file that it sends along
_MEDIUM = ("url", "proxy_url", "width", "height", "content_type")
_LINK = re.compile(r"https?://[^\s<>|]+")
_FORWARD = 1  # message reference type


class WorldMessages:
    """Methods raise `RefusedError` if Discord would refuse the message."""

    def __init__(self, engine: Engine, *, other_bot_id: int) -> None:
        self._engine = engine
        self._other_bot_id = other_bot_id

    def post(
        self,
        user_id: int,
        channel: Channel,
        content: str,
        files: Iterable[Upload],
        *,
        reply_to: Message | None = None,
        sticker_id: int | None = None,
    ) -> Message:
        """Post a person's message. A link to an image of the local CDN is shown as an embed, as Discord does with links to images."""
        reference = None if reply_to is None else {"message_id": str(reply_to.id), "channel_id": str(channel.id)}
        return self._create(
            user_id,
            channel,
            content,
            attachments=[self._engine.keep(file, channel.id) for file in files],
            embeds=self._unfurled(content),
            reference=reference,
            stickers=[] if sticker_id is None else [self._sticker(sticker_id)],
        )

    def forward(self, user_id: int, message: Message, channel: Channel) -> Message:
        """Forward a message to another channel: a snapshot of what it shows, without its author."""
        reference = {"type": _FORWARD, "message_id": str(message.id), "channel_id": str(message.channel_id)}
        return self._create(user_id, channel, "", reference=reference)

    def post_as_other_bot(
        self, channel: Channel, content: str, files: Iterable[Upload], *, embeds: list[JSON], components: list[JSON]
    ) -> Message:
        """Post as the server's other bot. In embeds and components `attachment://<name>` is one of its files; Discord links to it."""
        kept = {file["filename"]: file for file in (self._engine.keep(upload, channel.id) for upload in files)}
        linked_embeds, linked_components = _linked(embeds, kept), _linked(components, kept)
        shown = str((linked_embeds, linked_components))
        return self._create(
            self._other_bot_id,
            channel,
            content,
            attachments=[file for file in kept.values() if file["url"] not in shown and file["proxy_url"] not in shown],  # as at Discord
            embeds=linked_embeds,
            components=linked_components,
            flags=_COMPONENTS_V2 if components else 0,
        )

    def stickers_json(self) -> list[JSON]:
        """The server's stickers."""
        return [
            {"id": str(sticker.id), "name": sticker.name, "format_type": sticker.format_type, "url": sticker.url}
            for guild in self._engine.guilds.values()
            for sticker in guild.stickers.values()
        ]

    def _create(self, user_id: int, channel: Channel, content: str, **fields: Any) -> Message:
        try:
            message = self._engine.create_message(channel.id, user_id, content, **fields)
        except BackendError as error:
            raise RefusedError(error.message) from error
        if message.id not in self._engine.messages[channel.id]:
            raise RefusedError("The server's AutoMod has blocked this message.")
        return message

    def _sticker(self, sticker_id: int) -> MessageSticker:
        known = {sticker.id: sticker for guild in self._engine.guilds.values() for sticker in guild.stickers.values()}
        if sticker_id not in known:
            raise RefusedError("There is no such sticker here.")
        sticker = known[sticker_id]
        return MessageSticker(sticker.id, sticker.name, sticker.format_type, sticker.guild_id, sticker.url)

    def _unfurled(self, content: str) -> list[JSON]:
        media = ((link, self._engine.file_store.medium_of(link)) for link in _LINK.findall(content))
        return [{"type": "image", "url": link, "thumbnail": medium} for link, medium in media if medium is not None]


def _linked(value: Any, files: Mapping[str, JSON]) -> Any:
    """A copy of embeds or components in which each `attachment://` is what Discord makes of it."""
    if isinstance(value, list):
        return [_linked(item, files) for item in value]
    if not isinstance(value, dict):
        return value
    linked = {key: _linked(item, files) for key, item in value.items()}
    for key in ("url", "proxy_url"):
        name = str(value.get(key, "")).removeprefix(_OWN)
        if str(value.get(key, "")).startswith(_OWN):
            if name not in files:
                raise RefusedError(f"There is no file called {name} in this message.")
            medium = {name_: files[name][name_] for name_ in _MEDIUM if name_ in files[name]}
            linked |= medium if key == "url" else {key: medium["proxy_url"]}
    return linked
