"""Images for tests."""

from __future__ import annotations

import io
import random

from PIL import Image

from bot.domain.job import GenerationState, Outcome


def png(width: int, height: int, *, noise: bool = False, colour: str = "coral") -> bytes:
    """A plain image, or noise that cannot be compressed."""
    image = Image.new("RGB", (width, height), colour)
    if noise:
        image = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def tiny_webp(width: int, height: int) -> bytes:
    """A plain lossless WebP of 38 bytes, whatever its size: its pixels have codes of no length (RFC 9649, section 3)."""
    bits = (width - 1) | (height - 1) << 14 | 0b0001_0001_0001_0001_0001_000 << 32  # no transforms, then five codes of one symbol
    data = b"\x2f" + bits.to_bytes(17, "little")
    return b"RIFF" + (12 + len(data)).to_bytes(4, "little") + b"WEBPVP8L" + len(data).to_bytes(4, "little") + data


MADE = Outcome(state=GenerationState.SUCCEEDED, content=png(32, 24))  # returned inline
LARGE = Outcome(state=GenerationState.SUCCEEDED, content=png(800, 500, noise=True))  # 1.2 MB
