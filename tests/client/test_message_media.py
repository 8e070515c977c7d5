"""Which attachments count as images: by Discord's content type, else by the name of the file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.client.message_media import MediaKind, Medium, media_of

LINK = "https://cdn.discordapp.com/attachments/1/2/file"


def medium(filename: str, content_type: str | None) -> Medium:
    given: dict[str, Any] = {"id": 2, "filename": filename, "size": 3, "url": LINK, "proxy_url": LINK, "content_type": content_type}
    attachment = discord.Attachment(data=given, state=SimpleNamespace(http=None))  # type: ignore[arg-type]
    message: Any = SimpleNamespace(attachments=[attachment], embeds=[], components=[], stickers=[], content="", message_snapshots=[])
    (found,) = media_of(message)
    return found


@pytest.mark.parametrize("content_type", [None, "", "application/octet-stream", "image/heic", "image/jpeg"])
@pytest.mark.parametrize("name", ["IMG_1.heic", "IMG_1.HEIC", "a.heif", "a.hif", "a.avif", "a.jpg", "a.JPEG", "a.jfif", "a.webp"])
def test_photos_are_images_whatever_type_discord_names(name: str, content_type: str | None) -> None:
    assert medium(name, content_type).kind is MediaKind.IMAGE


@pytest.mark.parametrize("content_type", ["image/heic", "image/heif", "image/heic-sequence", "image/avif", "IMAGE/AVIF; charset=binary"])
def test_photos_are_images_whatever_their_name(content_type: str) -> None:
    assert medium("photo", content_type).kind is MediaKind.IMAGE


@pytest.mark.parametrize(
    ("name", "content_type", "format_"),
    [
        ("scan.tif", "image/tiff", "TIFF"),
        ("SCAN.TIFF", None, "TIFF"),
        ("a.bmp", "application/octet-stream", "BMP"),
        ("logo", "image/svg+xml", "SVG"),
        ("a.jxl", None, "JPEG XL"),
        ("a.psd", "image/vnd.adobe.photoshop", "PSD"),
        ("a.dng", "image/x-adobe-dng", "RAW"),
        ("a.xyz", "image/x-unheard-of", ""),
    ],
)
def test_images_of_other_formats_are_named(name: str, content_type: str | None, format_: str) -> None:
    found = medium(name, content_type)
    assert (found.kind, found.unread_format) == (MediaKind.OTHER_FORMAT, format_)


@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [
        ("film.mov", None, MediaKind.VIDEO),
        ("film", "video/mp4", MediaKind.VIDEO),
        ("notes.txt", "text/plain", MediaKind.OTHER),
        ("archive", None, MediaKind.OTHER),
        ("save.dat", "application/octet-stream", MediaKind.OTHER),
    ],
)
def test_other_files_are_no_images(name: str, content_type: str | None, kind: MediaKind) -> None:
    assert medium(name, content_type).kind is kind
