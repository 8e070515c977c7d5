"""Compression of gateway frames, one stream per connection.

Source: https://discord.com/developers/docs/events/gateway#encoding-and-compression
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any

Compressor = Callable[[bytes], bytes]


def compressor(kind: str) -> Compressor | None:
    """A compressor for the value of `?compress=`; `None` for uncompressed frames.

    Raises `ImportError` for `zstd-stream` if no zstd is installed; discord.py requests it only if it is.
    """
    if kind == "zlib-stream":
        return _zlib()
    if kind == "zstd-stream":
        return _zstd()
    return None


def _zlib() -> Compressor:
    stream = zlib.compressobj()
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _zstd() -> Compressor:
    """From the standard library (Python 3.14), or from the package that discord.py uses before that."""
    try:
        stdlib: Any = importlib.import_module("compression.zstd")
    except ImportError:
        package: Any = importlib.import_module("zstandard")
        stream = package.ZstdCompressor().compressobj()
        return lambda data: stream.compress(data) + stream.flush(package.COMPRESSOBJ_FLUSH_BLOCK)
    standard = stdlib.ZstdCompressor()
    return lambda data: standard.compress(data, mode=standard.FLUSH_BLOCK)
