"""What a message shows: its attachments, embeds, components and stickers, and those of the message that it forwards.

Source: https://discord.com/developers/docs/resources/message
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import chain
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import discord

_READ_ENDINGS: Final = (".png", ".apng", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".heic", ".heif", ".hif", ".avif")
_READ: Final = frozenset(
    {
        *("image/png", "image/apng", "image/jpeg", "image/jpg", "image/pjpeg", "image/webp", "image/gif", "image/avif"),
        *("image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"),
    }
)
# Formats that Easel does not read, by the names that people know: content types and the ends of file names.
_UNREAD: Final[Mapping[str, tuple[str, ...]]] = {
    "TIFF": ("image/tiff", ".tif", ".tiff"),
    "BMP": ("image/bmp", "image/x-ms-bmp", ".bmp"),
    "SVG": ("image/svg+xml", ".svg", ".svgz"),
    "JPEG XL": ("image/jxl", ".jxl"),
    "JPEG 2000": ("image/jp2", "image/jpx", ".jp2", ".j2k"),
    "PSD": ("image/vnd.adobe.photoshop", ".psd"),
    "ICO": ("image/x-icon", "image/vnd.microsoft.icon", ".ico"),
    "RAW": ("image/x-adobe-dng", "image/dng", ".dng", ".cr2", ".cr3", ".nef", ".arw"),
}
_UNREAD_ENDINGS: Final = tuple(mark for marks in _UNREAD.values() for mark in marks if mark.startswith("."))
_VIDEO_ENDINGS: Final = (".mp4", ".mov", ".webm")
_NAME_MAX: Final = 100  # characters


class MediaKind(StrEnum):
    """By content type or file name: what a file really contains is checked when it is read."""

    IMAGE = "image"
    OTHER_FORMAT = "other format"  # an image, but not of a format that Easel reads
    VIDEO = "video"
    ANIMATION = "animation"  # a sticker of vectors (Lottie)
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Medium:
    """One thing that a message shows."""

    kind: MediaKind
    url: str  # at one of Discord's hosts if Discord has a copy
    filename: str
    original: str  # the link of what it is a copy of: equal for the same file
    content_type: str = ""  # as Discord names it; empty: not known
    size_bytes: int = 0  # 0: not known
    sides_px: tuple[int, int] | None = None  # None: not known
    spoiler: bool = False

    @property
    def unread_format(self) -> str:
        """The name of a format that Easel does not read, such as "TIFF"; empty if it has no name that people know."""
        named = self.filename.lower()
        return next((name for name, marks in _UNREAD.items() if self.content_type in marks or named.endswith(marks)), "")


Part = discord.Message | discord.MessageSnapshot


def media_of(message: discord.Message) -> list[Medium]:
    """Everything that a message shows, once each, in Discord's order."""
    media: dict[str, Medium] = {}
    for medium in chain.from_iterable(map(_shown_by, _parts(message))):
        first = media.setdefault(medium.original, medium)
        media[medium.original] = replace(first, spoiler=first.spoiler or medium.spoiler)
    return list(media.values())


def starter_of(message: discord.Message) -> discord.Message:
    """The message that a thread was started on, for the thread's first message; else the message itself."""
    is_first = message.type is discord.MessageType.thread_starter_message
    shown = message.reference.resolved if is_first and message.reference else None
    return shown if isinstance(shown, discord.Message) else message


def is_unreadable(message: discord.Message) -> bool:
    """Whether Discord hides what the message contains: one that a person wrote is never empty."""
    written = message.type in (discord.MessageType.default, discord.MessageType.reply) and message.poll is None
    return written and not any(p.content or p.attachments or p.embeds or p.components or p.stickers for p in _parts(message))


def _parts(message: discord.Message) -> tuple[Part, ...]:
    return (message, *message.message_snapshots)


def _shown_by(part: Part) -> Iterator[Medium]:
    yield from map(_attached, part.attachments)
    for embed in part.embeds:
        yield from _embedded(embed, spoiler=_is_behind_spoiler(embed.url, part.content))
    yield from _laid_out(part.components, spoiler=False)
    yield from map(_sticker, part.stickers)


def _attached(file: discord.Attachment) -> Medium:
    given = _type(file.content_type)
    return Medium(
        kind=_kind(given, file.filename, other=MediaKind.OTHER),
        url=file.url,
        filename=file.filename,
        original=_original(file.url),
        content_type=given,
        size_bytes=file.size,
        sides_px=(file.width, file.height) if file.width and file.height else None,
        spoiler=file.is_spoiler(),
    )


def _embedded(embed: discord.Embed, *, spoiler: bool) -> Iterator[Medium]:
    """The image and the thumbnail, not the small icons of author and footer. A video's thumbnail stands for the video."""
    for medium in (embed.image, embed.thumbnail):
        if medium.url:
            found = _copied(medium.url, medium.proxy_url, None, spoiler=spoiler)
            yield replace(found, kind=MediaKind.VIDEO) if embed.type == "video" else found


def _laid_out(components: Iterable[Any], *, spoiler: bool) -> Iterator[Medium]:
    for each in components:
        hidden = spoiler or getattr(each, "spoiler", False)
        match each:
            case discord.MediaGalleryComponent():
                for item in each.items:
                    yield _unfurled(item.media, spoiler=spoiler or item.spoiler)
            case discord.ThumbnailComponent():
                yield _unfurled(each.media, spoiler=hidden)
            case discord.FileComponent():
                yield _unfurled(each.media, spoiler=hidden, other=MediaKind.OTHER)
            case discord.SectionComponent():
                yield from _laid_out([*each.children, each.accessory], spoiler=spoiler)
            case discord.Container():
                yield from _laid_out(each.children, spoiler=hidden)


def _unfurled(item: discord.UnfurledMediaItem, *, spoiler: bool, other: MediaKind = MediaKind.IMAGE) -> Medium:
    return _copied(item.url, item.proxy_url, item.content_type, spoiler=spoiler, other=other)


def _copied(url: str, proxy_url: str | None, content_type: str | None, *, spoiler: bool, other: MediaKind = MediaKind.IMAGE) -> Medium:
    """A medium by its address. It is read from Discord's own copy: the bot asks no server that a member can choose."""
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])[-_NAME_MAX:] or "image"
    given = _type(content_type)
    return Medium(
        kind=_kind(given, name, other=other),
        url=proxy_url or url,
        filename=name,
        original=_original(url),
        content_type=given,
        spoiler=spoiler,
    )


def _sticker(sticker: discord.StickerItem) -> Medium:
    kind = MediaKind.ANIMATION if sticker.format is discord.StickerFormatType.lottie else MediaKind.IMAGE
    name = f"{sticker.name}.{sticker.format.file_extension}"
    return Medium(kind=kind, url=sticker.url, filename=name, original=sticker.url)


def _type(content_type: str | None) -> str:
    """Without parameters; empty if Discord does not know it."""
    given = (content_type or "").partition(";")[0].strip().lower()
    return "" if given == "application/octet-stream" else given


def _kind(given: str, filename: str, *, other: MediaKind) -> MediaKind:
    """By the type that Discord names, else by the file's name; a name that promises an image counts more than another type."""
    named = filename.lower()
    kinds: Sequence[tuple[bool, MediaKind]] = (
        (given in _READ or named.endswith(_READ_ENDINGS), MediaKind.IMAGE),
        (given.startswith("image/") or named.endswith(_UNREAD_ENDINGS), MediaKind.OTHER_FORMAT),
        (given.startswith("video/") or named.endswith(_VIDEO_ENDINGS), MediaKind.VIDEO),
        (bool(given), MediaKind.OTHER),
    )
    return next((kind for holds, kind in kinds if holds), other)


def _original(url: str) -> str:
    """Without its signature, which changes, if it is a link to an attachment."""
    return url.partition("?")[0] if urlsplit(url).path.startswith("/attachments/") else url


def _is_behind_spoiler(link: str | None, content: str) -> bool:
    """Whether the link that an embed shows is written between `||` and `||`."""
    return link is not None and any(link in hidden for hidden in re.findall(r"\|\|(.+?)\|\|", content, re.DOTALL))
