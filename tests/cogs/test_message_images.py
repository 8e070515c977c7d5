"""The images of a message, reduced to one of them."""

from __future__ import annotations

from bot.domain.job import Source
from bot.domain.order import Attachment
from cogs.kit.message_images import FoundImages


def test_an_image_is_found_by_its_number_also_beside_one_that_failed() -> None:
    sources = [Source(owner_id=1, channel_id=2, message_id=3, job_id="k3x9a0b7zq1m", n=n) for n in (0, 2)]
    shown = [Attachment(url=f"https://cdn.example/{each.n}", filename="easel.png", size_bytes=1, source=each) for each in sources]
    found = FoundImages(owner_id=1, images=tuple(shown))
    assert found.only(3).images == (shown[1],)
    assert found.only(2).images == ()
