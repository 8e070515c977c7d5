"""Which link to a reference image is stored, and while which of them are passed on."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from bot.core.settings.field_types import ReferenceMode
from bot.domain.job import Reference, ReplyTarget
from bot.domain.order import Attachment
from bot.services.pipeline.submission import link_of
from tests.env.jobs import request
from tests.env.originals import BARE, TO_CLEAN
from tests.env.scripted import scripted
from tests.services.conftest import Pipeline

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("path", "original", "is_kept"),
    [
        ("/attachments/1/2/a.png?ex=7fffffff&is=1&hm=2", BARE["plain.png"], True),
        ("/attachments/1/2/a.png?ex=7fffffff&is=1&hm=2", TO_CLEAN["text.png"], False),
        ("/stickers/1.png", BARE["plain.png"], True),
        ("/external/abc/https/example.com/a.png", BARE["plain.png"], False),  # may lead to other bytes later
    ],
)
async def test_a_link_is_kept_where_its_bytes_need_no_cleaning(
    pipeline: Pipeline, path: str, original: Callable[[], bytes], is_kept: bool
) -> None:
    async with scripted() as cdn:

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(body=original())

        cdn.answer = answer
        await pipeline.restart(DISCORD_CDN_HOSTS=urlsplit(cdn.url).netloc)
        attachment = Attachment(url=cdn.url + path, filename="a.png", size_bytes=9)
        reference = await pipeline.orders.take_reference(
            attachment, await request(pipeline, ReplyTarget(user_id=7, channel_id=5, guild_id=1))
        )
    expires_at = 0x7FFFFFFF * 1000 if "ex=" in path else None
    assert (reference.url, reference.url_expires_at) == ((attachment.url, expires_at) if is_kept else (None, None))


@pytest.mark.parametrize(
    ("mode", "expires_in_ms", "is_link"),
    [
        (ReferenceMode.AUTO, DAY_MS, True),
        (ReferenceMode.AUTO, 60_000, False),
        (ReferenceMode.AUTO, None, False),
        (ReferenceMode.LINK, 60_000, True),
        (ReferenceMode.LINK, None, True),
        (ReferenceMode.LINK, -1, False),
        (ReferenceMode.INLINE, DAY_MS, False),
    ],
)
def test_a_kept_link_is_passed_on_while_it_lasts(mode: ReferenceMode, expires_in_ms: int | None, is_link: bool) -> None:
    expires_at = None if expires_in_ms is None else DAY_MS + expires_in_ms
    kept = Reference(content=b"", content_type="image/png", width_px=1, height_px=1, url="https://a.example", url_expires_at=expires_at)
    assert (link_of(kept, mode, DAY_MS) is not None) is is_link
