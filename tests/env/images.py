"""Images for tests."""

from __future__ import annotations

import io
import random

from PIL import Image

from bot.domain.job import GenerationState, Outcome


def png(width: int, height: int, *, noise: bool = False) -> bytes:
    """A plain image, or noise that cannot be compressed."""
    image = Image.new("RGB", (width, height), "coral")
    if noise:
        image = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


MADE = Outcome(state=GenerationState.SUCCEEDED, content=png(32, 24))  # returned inline
LARGE = Outcome(state=GenerationState.SUCCEEDED, content=png(800, 500, noise=True))  # 1.2 MB
