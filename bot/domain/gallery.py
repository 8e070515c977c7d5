"""An image of a guild's gallery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GalleryEntry:
    """An image of the gallery."""

    message_id: int  # where the stars were given
    guild_id: int
    job_id: str | None
    author_id: int
    at: int  # Unix ms
    stars: int  # when it came in
    post_message_id: int | None  # None: it is about to be shown
