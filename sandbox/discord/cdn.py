"""The local CDN: files, signed links to them that are valid for about a day, and its media proxy, which resizes images."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import mimetypes
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import quote

from aiohttp import web
from PIL import Image, ImageOps, UnidentifiedImageError

from sandbox.discord.wire import JSON, Upload, safe_filename
from sandbox.faults import Switchboard

PROXY = "/media"  # the path that stands for Discord's second host
STICKERS = "/stickers"
AVATARS = "/avatars"
_LINK_LIFE_S = 25 * 3600
_LINK_STEP_S = 3600  # links signed within the same hour are equal, so that a page does not fetch an image twice


@dataclass(frozen=True, kw_only=True)
class _Blob:
    data: bytes = field(repr=False)
    content_type: str


def measure_px(data: bytes) -> tuple[int, int] | None:
    """Width and height of an image in px, `None` for other files. Reads only the header."""
    try:
        with Image.open(BytesIO(data)) as image:
            return image.size
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
        return None


class FileStore:
    """All files by path, in memory until the server ends."""

    def __init__(self, *, base_url: str, now: Callable[[], datetime]) -> None:
        self._base_url = base_url
        self._now = now
        self._secret = secrets.token_bytes(32)
        self._blobs: dict[str, _Blob] = {}

    def keep(self, upload: Upload, *, attachment_id: int, channel_id: int) -> JSON:
        """Store a file and return its attachment object."""
        filename = safe_filename(upload.filename)
        path = f"/attachments/{channel_id}/{attachment_id}/{quote(filename)}"
        guessed = mimetypes.guess_type(filename)[0]
        content_type = guessed or upload.content_type
        self._blobs[path] = _Blob(data=upload.data, content_type=content_type)
        size_px = measure_px(upload.data) if content_type.startswith("image/") else None
        return {
            "id": str(attachment_id),
            "filename": filename,
            "description": upload.description,
            "size": len(upload.data),
            "url": self.sign(path),
            "proxy_url": self.sign(path, proxy=True),
            "content_type": content_type,
            **({"width": size_px[0], "height": size_px[1]} if size_px else {}),
        }

    def keep_sticker(self, name: str, data: bytes, content_type: str) -> str:
        """Store a sticker and return its link, which is not signed and does not expire."""
        self._blobs[f"{STICKERS}/{name}"] = _Blob(data=data, content_type=content_type)
        return f"{self._base_url}{STICKERS}/{name}"

    def keep_avatar(self, user_id: int, data: bytes) -> str:
        """Store a PNG as a person's avatar and return its hash, which is the name of its file."""
        name = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self._blobs[f"{AVATARS}/{user_id}/{name}.png"] = _Blob(data=data, content_type="image/png")
        return name

    def medium_of(self, link: str) -> JSON | None:
        """The media object of an image of this CDN; `None` for other links."""
        path = link.removeprefix(self._base_url).split("?", 1)[0]
        blob = self._blobs.get(path.removeprefix(PROXY)) if link.startswith(self._base_url) else None
        size_px = measure_px(blob.data) if blob is not None else None
        if blob is None or size_px is None:
            return None
        proxy_url = self.sign(path.removeprefix(PROXY), proxy=True)
        return {"url": link, "proxy_url": proxy_url, "content_type": blob.content_type, "width": size_px[0], "height": size_px[1]}

    def sign(self, path: str, *, proxy: bool = False) -> str:
        """A link in the format of Discord's CDN: `ex` expiry, `is` issue time (hex seconds), `hm` signature. Both hosts accept it."""
        issued = int(self._now().timestamp()) // _LINK_STEP_S * _LINK_STEP_S
        expires = issued + _LINK_LIFE_S
        base = f"{self._base_url}{PROXY}" if proxy else self._base_url
        return f"{base}{path}?ex={expires:x}&is={issued:x}&hm={self._signature(path, f'{expires:x}', f'{issued:x}')}&"

    def refresh(self, value: Any) -> Any:
        """A copy of a payload in which every link to this CDN is newly signed, as Discord does in everything it sends."""
        if isinstance(value, dict):
            return {key: self.refresh(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.refresh(item) for item in value]
        if isinstance(value, str) and value.startswith(self._base_url) and "/attachments/" in value:
            path = value.removeprefix(self._base_url).split("?", 1)[0]
            return self.sign(path.removeprefix(PROXY), proxy=path.startswith(PROXY))
        return value

    def fetch(self, path: str, query: dict[str, str]) -> _Blob | None:
        """The file behind a link; `None` if there is none, or if the link is forged or expired."""
        if path.startswith((STICKERS, AVATARS)):
            return self._blobs.get(path)
        expires, issued = query.get("ex", ""), query.get("is", "")
        if not hmac.compare_digest(self._signature(path, expires, issued), query.get("hm", "")):
            return None
        if int(expires, 16) < self._now().timestamp():
            return None
        return self._blobs.get(path)

    def _signature(self, path: str, expires: str, issued: str) -> str:
        return hmac.new(self._secret, f"{path}?{expires}&{issued}".encode(), "sha256").hexdigest()


def resized(data: bytes, query: Mapping[str, str]) -> _Blob:
    """The image, upright, in `width` and `height` px and in `format`; it is not made larger."""
    with Image.open(BytesIO(data)) as original:
        image, format_ = ImageOps.exif_transpose(original), query.get("format", original.format or "PNG").upper()
        wanted = (int(query.get("width", image.width)), int(query.get("height", image.height)))
        size = (max(1, min(wanted[0], image.width)), max(1, min(wanted[1], image.height)))
        buffer = BytesIO()
        image.convert("RGBA" if image.has_transparency_data else "RGB").resize(size).save(buffer, format_)
    return _Blob(data=buffer.getvalue(), content_type=f"image/{format_.lower()}")


class Cdn:
    """`GET /attachments/{channel}/{attachment}/{filename}`, `GET /stickers/{filename}` and `GET /avatars/{user}/{hash}.png`.

    `PROXY` has the same paths below it: Discord's media.discordapp.net.
    """

    def __init__(self, *, file_store: FileStore, switchboard: Switchboard) -> None:
        self._file_store = file_store
        self._switchboard = switchboard
        self.requested_paths: list[str] = []  # the path of every request, in order

    async def handle(self, request: web.Request) -> web.Response:
        self.requested_paths.append(request.path)
        path, query = request.rel_url.raw_path, dict(request.query)
        blob = None if self._switchboard.fires("cdn-gone") else self._file_store.fetch(path.removeprefix(PROXY), query)
        if blob is None:
            return web.Response(status=404, text="This content is no longer available.")
        if path.startswith(PROXY):
            if not blob.content_type.startswith("image/"):
                return web.Response(status=415)
            blob = await asyncio.to_thread(resized, blob.data, query)
        headers = {"Content-Type": blob.content_type, "Cache-Control": "private, max-age=3600", "Access-Control-Allow-Origin": "*"}
        return web.Response(body=blob.data, headers=headers)
