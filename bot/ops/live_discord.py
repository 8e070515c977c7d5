"""What `doctor --live` tries in one channel of Discord: through the REST API, so a running bot keeps its connection to the gateway."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self

import aiohttp
import discord

from bot.client.easel import set_addresses
from bot.core.config import Settings
from bot.core.errors import EaselError
from bot.ops.findings import Finding, bad, ok, skip

_LIMIT_S: Final = 30.0  # for one step
_RECENT: Final = 100  # messages that are searched for an attachment of someone else
_NOTE: Final = "Easel's operator runs `doctor --live`. This message will be deleted in a minute."
_RIGHTS: Final = "give the bot View Channel, Send Messages, Attach Files and Read Message History there"
_REMEDIES: Final = {  # by Discord's code
    10003: "check the channel's id",
    10008: "see whether another bot deletes messages there",
    40005: "see whether the server limits uploads, and try again later",
    50001: _RIGHTS,
    50013: _RIGHTS,
}


@dataclass(kw_only=True)
class LiveChannel:
    """A channel with the doctor's messages, which are deleted when the block ends. Every method raises `EaselError`."""

    channel: discord.abc.Messageable
    name: str
    bot_id: int
    reads_others: bool  # whether the setting MESSAGE_CONTENT_INTENT is on
    _posted: list[discord.Message] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, channel_id: int) -> AsyncGenerator[Self]:
        """Log in without a connection to the gateway, and find the channel."""
        set_addresses(api_url=settings.discord_api_url, gateway_url=settings.discord_gateway_url)
        async with discord.Client(intents=discord.Intents(guilds=True)) as client:
            async with _as_sentences():
                await client.login(settings.discord_token.get_secret_value())
                channel = await client.fetch_channel(channel_id)
            if not isinstance(channel, discord.TextChannel | discord.VoiceChannel | discord.StageChannel | discord.Thread):
                raise EaselError("The bot can't post in that channel; choose a text channel of a server.")
            assert client.user is not None, "it is logged in"  # noqa: S101 - for the type checker
            reads_others = settings.message_content_intent
            yield cls(channel=channel, name=f"#{channel.name}", bot_id=client.user.id, reads_others=reads_others)

    async def post(self, image: bytes) -> str:
        """Post a PNG image and return its link."""
        async with _as_sentences():
            message = await self.channel.send(_NOTE, file=_file(image), silent=True)
            self._posted.append(message)
        if not message.attachments:
            raise EaselError("Discord took an image and answered without its link; try again later.")
        return message.attachments[0].url

    async def check_edit(self, image: bytes) -> Finding:
        """Whether a panel that was posted without images shows one after an edit, as when an image is finished."""
        async with _as_sentences():
            message = await self.channel.send(view=_panel(), silent=True)
            self._posted.append(message)
            await message.edit(
                view=_panel(discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://doctor.png"))), attachments=[_file(image)]
            )
            edited = await self.channel.fetch_message(message.id)
        if not edited.attachments and not _shown(edited):
            return bad("a message was edited, but doesn't show the image that was added; see discordstatus.com, and try again later.")
        return ok("a message with a panel was edited, and shows the image that was added.")

    async def check_attachments(self) -> Finding:
        """Whether messages come with their attachments: the bot's own, and the newest of someone else."""
        async with _as_sentences():
            own = [await self.channel.fetch_message(message.id) for message in self._posted if message.attachments]
            recent = [message async for message in self.channel.history(limit=_RECENT)]
        if not own:
            return skip("not checked, because no image could be posted.")
        if not all(message.attachments for message in own):
            return bad("the bot's own messages come without their attachments; see discordstatus.com, and try again later.")
        return self._judge_others([message for message in recent if message.author.id != self.bot_id and not message.is_system()])

    def _judge_others(self, others: Sequence[discord.Message]) -> Finding:
        if any(message.attachments for message in others):
            return ok("the bot's own messages and those of others come with their attachments.")
        if not any(map(_is_empty, others)):
            return skip("the bot's own messages have theirs; for those of others, post an image in the channel and try again.")
        if not self.reads_others:
            return ok("the bot's own messages have theirs; those of others are hidden, as they are without MESSAGE_CONTENT_INTENT.")
        return bad(
            "messages of others come without their attachments; turn on the message content intent at the Bot page of your application."
        )

    async def clean_up(self) -> Finding | None:
        """Delete what was posted. Returns what went wrong."""
        left = 0
        for message in self._posted:
            try:
                async with _as_sentences():
                    await message.delete()
            except _GoneError:
                continue
            except EaselError:
                left += 1
        self._posted.clear()
        return bad(f"{left} of the doctor's messages in {self.name} couldn't be deleted; delete them there.") if left else None


class _GoneError(EaselError):
    """Discord does not know it."""


@asynccontextmanager
async def _as_sentences() -> AsyncGenerator[None]:
    """Raise every failure of Discord as an `EaselError`, and limit the time."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            yield
    except discord.LoginFailure:
        raise EaselError("Discord refused DISCORD_TOKEN; copy it again from the Bot page of your application.") from None
    except discord.HTTPException as error:
        kind = _GoneError if error.status == 404 else EaselError
        raise kind(
            f"Discord refused it (status {error.status}, code {error.code}); {_REMEDIES.get(error.code, 'try again later')}."
        ) from None
    except (aiohttp.ClientError, OSError, TimeoutError):
        raise EaselError("Discord does not answer; check this machine's connection, and discordstatus.com.") from None
    except (discord.DiscordException, AttributeError, LookupError, TypeError, ValueError):  # an answer of another shape
        raise EaselError("Discord answered something that can't be read; try again later.") from None


def _panel(*more: discord.ui.Item[discord.ui.LayoutView]) -> discord.ui.LayoutView:
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.Container(discord.ui.TextDisplay(_NOTE), *more))
    return view


def _file(image: bytes) -> discord.File:
    return discord.File(io.BytesIO(image), filename="doctor.png")


def _shown(message: discord.Message) -> bool:
    """Whether a gallery in the message's panel has an image of Discord's own storage."""
    inner = [part for box in message.components if isinstance(box, discord.Container) for part in box.children]
    galleries = [part for part in inner if isinstance(part, discord.MediaGalleryComponent)]
    return any(item.media.url.startswith("http") for gallery in galleries for item in gallery.items)


def _is_empty(message: discord.Message) -> bool:
    """Whether everything in it is missing, which Discord does to messages that the bot may not read."""
    return not (message.content or message.attachments or message.embeds or message.components or message.stickers or message.poll)
