"""What `tests.media.cases` expects of image files is what Chromium shows of them."""

from __future__ import annotations

import base64
import re
from typing import Final, TypedDict

import pytest
from playwright.async_api import Browser, Page

from tests.media.cases.everything import SAMPLES
from tests.media.cases.sample import Colour, Sample

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.asyncio(loop_scope="package")]

# Chromium turns no WebP, refuses an AVIF for its profile, and makes black of inks lighter than other readers do.
_OTHERWISE: Final = re.compile(r"WebP with Exif, |WebP lossy with orientation|AVIF with a profile that is|JPEG CMYK with a profile$")
_SHOW: Final = """async ([content, type]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([bytes], {type}));
  try { await image.decode(); } catch { return null; }
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(image, 0, 0);
  const quarters = [[.25, .25], [.75, .25], [.25, .75], [.75, .75]].map(
    ([x, y]) => [...context.getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data]);
  URL.revokeObjectURL(image.src);
  return {size: [canvas.width, canvas.height], quarters};
}"""


class Shown(TypedDict):
    size: list[int]
    quarters: list[list[int]]


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "GIF", "WEBP", "AVIF"])
async def test_chromium_shows_every_file_as_expected(browser: Browser, format_: str) -> None:
    page = await browser.new_page()
    samples = [sample for sample in SAMPLES.values() if sample.format == format_ and not _OTHERWISE.match(sample.name)]
    wrong = [(sample.name, shown) for sample in samples if not _is_expected(sample, shown := await _shown(page, sample))]
    await page.close()
    assert wrong == []


async def _shown(page: Page, sample: Sample) -> Shown | None:
    content = base64.b64encode(sample.content).decode()
    shown: Shown | None = await page.evaluate(_SHOW, [content, f"image/{sample.format.lower()}"])
    return shown


def _is_expected(sample: Sample, shown: Shown | None) -> bool:
    if shown is None:
        return False
    is_size_right = sample.size is None or tuple(shown["size"]) == sample.size
    return is_size_right and all(map(_is_near, shown["quarters"], sample.quarters or (), [sample.tolerance] * 4))


def _is_near(got: list[int], expected: Colour, tolerance: int) -> bool:
    """Of transparent pixels, only that they are."""
    channels = (3,) if expected[3] == 0 else range(4)
    return all(abs(got[at] - expected[at]) <= tolerance for at in channels)
