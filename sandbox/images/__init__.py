"""A local image API: a real server on loopback that speaks Oxen's contract and draws its own pictures."""

from __future__ import annotations

from sandbox.images.server import ImageServer, RecordedRequest, serve
from sandbox.images.timing import FAST, ApiTiming

__all__ = ["FAST", "ApiTiming", "ImageServer", "RecordedRequest", "serve"]
