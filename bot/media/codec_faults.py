"""What the codec does not expect, as an error of the image: the same bytes would fail in the same way at every attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bot.core.errors import EaselError, ImageError
from bot.core.i18n import _
from bot.core.running import machine

log = structlog.get_logger(__name__)


class CodecFailed(ImageError):
    """A decoder failed in a way that nobody expected."""


@contextmanager
def as_image_error() -> Iterator[None]:
    """Raise an unexpected exception as `CodecFailed`, which is logged, and a shortage of this machine as `MachineTrouble`."""
    try:
        with machine.trouble_raised():
            yield
    except EaselError:
        raise
    except Exception as error:
        log.exception("codec failed unexpectedly")
        raise CodecFailed(_("Easel can't read this image.")) from error
