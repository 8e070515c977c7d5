"""The local image APIs: a real server on loopback that implements Oxen's and Oxlo's contracts and draws its own images."""

from __future__ import annotations

from sandbox.images.server import ImageServer, RecordedRequest, serve
from sandbox.images.timing import FAST, ApiTiming

__all__ = ["FAST", "ApiTiming", "ImageServer", "RecordedRequest", "serve"]
