"""Images for tests."""

from __future__ import annotations

import io
import random

from PIL import Image

from bot.domain.job import GenerationState, Outcome
from sandbox.images.bombs import lossless_webp


def png(width: int, height: int, *, noise: bool = False, colour: str = "coral") -> bytes:
    """A plain image, or noise that cannot be compressed."""
    image = Image.new("RGB", (width, height), colour)
    if noise:
        image = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


tiny_webp = lossless_webp  # of 38 bytes, whatever its size


MADE = Outcome(state=GenerationState.SUCCEEDED, content=png(32, 24))  # returned inline
LARGE = Outcome(state=GenerationState.SUCCEEDED, content=png(800, 500, noise=True))  # 1.2 MB
