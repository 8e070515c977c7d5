"""The local Discord: a real server on loopback to which an ordinary discord.py process connects."""

from __future__ import annotations

from sandbox.discord.server import DiscordServer, serve

__all__ = ["DiscordServer", "serve"]
