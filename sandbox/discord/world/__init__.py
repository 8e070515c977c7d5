"""The only rooms that know simcord, whose in-memory world does the work; everybody else talks to `World`."""

from __future__ import annotations

from simcord.backend.models import Channel, Interaction, Message

from sandbox.discord.world.world import World

__all__ = ["Channel", "Interaction", "Message", "World"]
