"""Guild rules for tests, and images that the local moderations endpoint flags."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from bot.domain.guild import document
from bot.domain.job import GenerationState, Outcome
from bot.services.guilds import Guilds

CHECKED: dict[str, Any] = {"checks": {"prompts": True, "results": True}}  # default thresholds: flagged from 0.5, blocked from 0.9


async def change_rules(guilds: Guilds, guild_id: int = 1, **changes: Any) -> None:
    """Change a guild's rules."""
    await guilds.change_policy(guild_id, lambda now: document.changed(now, changes), actor_id=None)


def reddish(percent: int) -> Outcome:
    """An image with this percentage of red, which the endpoint takes as the score for violence."""
    image = Image.new("RGB", (100, 40), "grey")
    image.paste("red", (0, 0, percent, 40))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Outcome(state=GenerationState.SUCCEEDED, content=buffer.getvalue())
