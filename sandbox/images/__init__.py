"""A local image API: a real server on loopback that speaks Oxen's contract and draws its own pictures."""

from __future__ import annotations

from sandbox.images.server import Request, Server, serve
from sandbox.images.timing import FAST, Timing

__all__ = ["FAST", "Request", "Server", "Timing", "serve"]
