"""An image of a guild's gallery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """One image in the gallery."""

    message_id: int  # the message that got the stars
    guild_id: int
    job_id: str | None
    author_id: int
    at: int  # Unix ms
    stars: int  # when it was added
    post_message_id: int | None  # None: not posted yet
