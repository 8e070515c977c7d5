"""How long things are kept."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.errors import NotFound
from bot.core.i18n import _

TRAY_DAYS = 1  # also open forms
REQUEST_KEYS_DAYS = 2  # Discord takes no answer to an interaction after 15 minutes; a clock may be a day ahead
REACTIONS_DAYS = 30  # nobody repeats a reaction after this time


@dataclass(frozen=True, kw_only=True)
class KeepDays:
    """The operator's settings. What belongs to a job is not kept for longer than the job."""

    jobs: float = 400
    thumbnails: float = 90
    references: float = 7
    images: float = 7  # those that the image API returned without a link
    moderation: float = 730  # decided cases, reports, strikes, and blocks that ended
    audit: float = 730
    ledger: float = 365  # single lines; sums stay


def image_gone() -> NotFound:
    """Nothing is known of an image of the bot's any more."""
    return NotFound(_("This image is older than the bot keeps, or its author deleted their data."))
