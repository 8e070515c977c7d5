"""A server's rules for tests, and pictures that the local moderations endpoint has an opinion on."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from bot.domain.guild import document
from bot.domain.job import GenerationState, Outcome
from bot.services.guilds import Guilds

CHECKED: dict[str, Any] = {"checks": {"prompts": True, "results": True}}  # flagged from 0.5 on, blocked from 0.9 on


async def rule(guilds: Guilds, guild_id: int = 1, **changes: Any) -> None:
    """Change what a server decided."""
    await guilds.change_policy(guild_id, lambda now: document.changed(now, changes), actor_id=None)


def reddish(percent: int) -> Outcome:
    """A picture of which so much is red: what the endpoint takes for violence."""
    image = Image.new("RGB", (100, 40), "grey")
    image.paste("red", (0, 0, percent, 40))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Outcome(state=GenerationState.SUCCEEDED, content=buffer.getvalue())
