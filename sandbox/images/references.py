"""Reads images that a request names: data URIs and loopback addresses. Any other address gets a drawn placeholder."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress

import aiohttp
from yarl import URL

from sandbox.painter import placeholder

REFERENCE_LIMIT_BYTES = 32 * 2**20


class ReferenceUnavailable(ValueError):
    """A reference that cannot be read. The text becomes the generation's error message."""


async def read_references(session: aiohttp.ClientSession, names: list[str]) -> tuple[bytes, ...]:
    """The bytes of every image, in order. Raises `ReferenceUnavailable` for the first that cannot be read."""
    return tuple([await _read(session, name) for name in names])


async def _read(session: aiohttp.ClientSession, name: str) -> bytes:
    if name.startswith("data:"):
        return _decoded(name)
    try:
        url = URL(name)
    except ValueError as error:
        raise ReferenceUnavailable(f"Failed to download input image: Invalid URL '{name}'") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise ReferenceUnavailable(f"Failed to download input image: Invalid URL '{name}'")
    if not _is_loopback(url.host):
        return await asyncio.to_thread(placeholder, name)
    return await _download(session, url)


def _decoded(data_uri: str) -> bytes:
    head, comma, body = data_uri.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64")):
        raise ReferenceUnavailable("Failed to decode input image: not a base64 image data URI")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ReferenceUnavailable(f"Failed to decode input image: {error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _download(session: aiohttp.ClientSession, url: URL) -> bytes:
    """Redirects are not followed, because they could lead to another machine."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                side = "Server" if response.status >= 500 else "Client"
                raise ReferenceUnavailable(
                    f"Failed to download input image: {response.status} {side} Error: {response.reason} for url: {url}"
                )
            data = bytearray()
            async for chunk in response.content.iter_chunked(2**16):
                data += chunk
                if len(data) > REFERENCE_LIMIT_BYTES:
                    raise ReferenceUnavailable(f"Input image is larger than {REFERENCE_LIMIT_BYTES} bytes: {url}")
            return bytes(data)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise ReferenceUnavailable(f"Failed to download input image: {type(error).__name__} for url: {url}") from error
