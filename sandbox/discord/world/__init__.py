"""The only package that uses simcord, an in-memory Discord. All other modules use `World`."""

from __future__ import annotations

from simcord.backend.models import Channel, Interaction, Message

from sandbox.discord.world.world import World

__all__ = ["Channel", "Interaction", "Message", "World"]
