"""Untrusted images: validation, removal of metadata, fitting, thumbnails."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from bot.core.errors import ImageError, MachineTrouble
from bot.media import codec, libvips
from bot.media.codec import AnimationTooLarge, FittedImage, ImageInfo, clean_reference, cost, fit, inspect, shrink, still, thumbnail
from bot.media.formats import Format
from tests.env.images import png, tiny_webp

LIMIT = 40_000_000
RED, BLUE = (250, 10, 10), (10, 10, 250)


def encoded(image: Image.Image, format_: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **more)
    return buffer.getvalue()


def halves(size: tuple[int, int] = (64, 32)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    return Image.frombytes(mode, size, os.urandom(size[0] * size[1] * len(mode)))


def gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF whose first frame has another size than its screen."""
    content = bytearray(encoded(Image.new("P", (1, 1)), "GIF"))
    content[6:10] = struct.pack("<HH", *screen)
    start = content.index(b",", 13 + 3)
    content[start + 5 : start + 9] = struct.pack("<HH", *frame)
    return bytes(content)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A one-bit image of a single colour, which deflate shrinks a thousandfold."""
    pixels = zlib.compress(bytes((width // 8 + 1) * height), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def grey_png(width: int, height: int, *, interlaced: bool = False, data_bytes: int) -> bytes:
    """A black image of 8 bits, with so many bytes of filtered rows and right checksums."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    data = zlib.compress(bytes(data_bytes))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def near(colour: Any, expected: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(colour[:3], expected, strict=True))


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


KINDS = [
    pytest.param("PNG", {}, "image/png", "png", id="png"),
    pytest.param("JPEG", {}, "image/jpeg", "jpg", id="jpeg"),
    pytest.param("JPEG", {"progressive": True}, "image/jpeg", "jpg", id="progressive jpeg"),
    pytest.param("WEBP", {}, "image/webp", "webp", id="webp"),
    pytest.param("WEBP", {"lossless": True}, "image/webp", "webp", id="lossless webp"),
    pytest.param("WEBP", {"exif": b"Exif\0\0MM"}, "image/webp", "webp", id="extended webp"),
    pytest.param("GIF", {}, "image/gif", "gif", id="gif"),
]


@pytest.mark.parametrize(("format_", "more", "content_type", "extension"), KINDS)
def test_type_and_size_are_read_from_the_header(
    tmp_path: Path, format_: str, more: dict[str, Any], content_type: str, extension: str
) -> None:
    path = tmp_path / "misnamed.exe"
    path.write_bytes(encoded(halves((301, 7)), format_, **more))
    info = inspect(path, max_pixels=LIMIT, verify=True)
    assert info == ImageInfo(format=Format(format_), width=301, height=7)
    assert (info.content_type, info.extension) == (content_type, extension)


@pytest.mark.parametrize(("format_", "more", "content_type", "extension"), KINDS)
def test_a_truncated_file_is_detected_by_decoding_it(format_: str, more: dict[str, Any], content_type: str, extension: str) -> None:
    content = encoded(noise((80, 60)), format_, **more)
    with pytest.raises(ImageError):
        inspect(content[: len(content) * 2 // 3], max_pixels=LIMIT, verify=True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_whole_png_of_any_mode_is_accepted(mode: str) -> None:
    source = Image.new("I;16", (21, 10), 65_000) if mode == "I;16" else halves((21, 10)).convert(mode)
    assert inspect(encoded(source, "PNG"), max_pixels=LIMIT, verify=True).width == 21


@pytest.mark.parametrize(("size", "interlaced", "data_bytes"), [((5, 3), False, 18), ((8, 8), True, 79), ((1, 1), True, 2)])
def test_a_png_with_too_few_pixels_is_refused(size: tuple[int, int], interlaced: bool, data_bytes: int) -> None:
    inspect(grey_png(*size, interlaced=interlaced, data_bytes=data_bytes), max_pixels=LIMIT, verify=True)
    with pytest.raises(ImageError, match="damaged or incomplete"):
        inspect(grey_png(*size, interlaced=interlaced, data_bytes=data_bytes - 1), max_pixels=LIMIT, verify=True)


def test_a_png_is_not_inflated_beyond_its_size() -> None:
    content = grey_png(8, 8, data_bytes=20_000_000)
    tracemalloc.start()
    inspect(content, max_pixels=LIMIT, verify=True)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@given(at=st.integers(8, 10_000), flip=st.integers(1, 255))
@settings(deadline=None)
def test_any_damage_of_a_png_is_detected(at: int, flip: int) -> None:
    content = bytearray(encoded(halves(), "PNG"))
    content[8 + at % (len(content) - 8)] ^= flip
    with pytest.raises(ImageError):
        inspect(bytes(content), max_pixels=LIMIT, verify=True)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("kept_bytes", [-1, -2, -40, 300])
def test_a_jpeg_without_its_end_is_refused(progressive: bool, kept_bytes: int) -> None:
    content = encoded(noise((80, 60)), "JPEG", progressive=progressive, exif=b"Exif\0\0" + b"\xff\xd9" * 20)
    with pytest.raises(ImageError):
        inspect(content[:kept_bytes], max_pixels=LIMIT, verify=True)


def test_a_jpeg_with_damaged_tables_is_refused() -> None:
    content = bytearray(encoded(noise((80, 60)), "JPEG"))
    content[content.index(b"\xff\xc4") + 5] = 255  # more codes of one bit than there can be
    with pytest.raises(ImageError):
        inspect(bytes(content), max_pixels=LIMIT, verify=True)


STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF0000WEBPVP8X", b"RIFF0000WEBPVP8L", b"RIFF0000WEBPVP8 ")


@pytest.mark.parametrize("content", [b"", b"<html>", b"BM" + bytes(100), b"%PDF-1.4", *STARTS])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ImageError):
        inspect(content, max_pixels=LIMIT)


@given(start=st.sampled_from(STARTS), data=st.binary(max_size=60))
@settings(deadline=None)
def test_hostile_bytes_raise_only_image_errors(start: bytes, data: bytes) -> None:
    with contextlib.suppress(ImageError):
        inspect(start + data, max_pixels=10_000, verify=True)


@given(at=st.integers(0, 2000), flip=st.integers(1, 255), format_=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
@settings(deadline=None)
def test_a_damaged_image_is_cleaned_or_refused(at: int, flip: int, format_: str) -> None:
    content = bytearray(encoded(halves(), format_))
    content[at % len(content)] ^= flip
    with contextlib.suppress(ImageError):
        assert clean_reference(bytes(content), max_pixels=1_000_000).width > 0


def test_an_unwanted_type_is_refused() -> None:
    with pytest.raises(ImageError, match="GIF images don't work here"):
        inspect(encoded(halves(), "GIF"), max_pixels=LIMIT, formats={Format.PNG})


@pytest.mark.parametrize("use", [inspect, clean_reference, lambda data, max_pixels: fit(data, 100, max_pixels=max_pixels)])
@pytest.mark.parametrize("kept_bytes", [None, 200], ids=["whole", "its beginning"])
def test_eighty_megapixels_in_a_small_file_are_refused_by_the_header(use: Callable[..., object], kept_bytes: int | None) -> None:
    bomb = png_bomb(10_000, 8_000)
    assert len(bomb) < 300_000
    with pytest.raises(ImageError, match=r"80 megapixels\. The limit is 40\."):
        use(bomb[:kept_bytes], max_pixels=LIMIT)


def test_a_jpeg_with_a_huge_size_in_its_header_is_refused() -> None:
    content = encoded(halves(), "JPEG")
    at = content.index(b"\xff\xc0") + 5
    with pytest.raises(ImageError, match="megapixels"):
        inspect(content[:at] + struct.pack(">HH", 65_000, 65_000) + content[at + 4 :], max_pixels=LIMIT)


def test_a_gif_with_a_frame_larger_than_its_header_is_refused() -> None:
    content = bytearray(encoded(halves(), "GIF"))
    at = content.index(b"\x2c\0\0\0\0")  # the image descriptor
    content[at + 5 : at + 9] = struct.pack("<HH", 9000, 9000)
    with pytest.raises(ImageError):
        inspect(bytes(content), max_pixels=LIMIT, verify=True)


def test_only_the_first_frame_of_a_gif_is_read() -> None:
    frames = [Image.new("P", (60, 40), colour % 256) for colour in range(300)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    cleaned = clean_reference(content, max_pixels=LIMIT)
    assert (cleaned.content_type, cleaned.width, cleaned.height) == ("image/png", 60, 40)
    assert getattr(opened(cleaned.content), "n_frames", 1) == 1


# Cleaning


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera with a serial number"
    return exif


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_the_orientation_is_applied_and_the_metadata_is_gone(format_: str) -> None:
    content = encoded(halves(), format_, exif=with_orientation(6))  # 6: rotate by 90 degrees clockwise to display it upright
    cleaned = clean_reference(content, max_pixels=LIMIT)
    upright = opened(cleaned.content)
    assert (cleaned.width, cleaned.height) == upright.size == (32, 64)
    assert near(upright.convert("RGB").getpixel((16, 4)), RED)
    assert near(upright.convert("RGB").getpixel((16, 60)), BLUE)
    assert b"serial number" not in cleaned.content
    assert len(upright.getexif()) == 0


def test_comments_profiles_and_texts_are_gone() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(halves(), "JPEG", comment="written at home", icc_profile=profile, dpi=(72, 72))
    info = opened(clean_reference(content, max_pixels=LIMIT).content).info
    assert not {"comment", "icc_profile", "exif", "xmp"} & set(info)


@pytest.mark.parametrize(("format_", "expected"), [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp"), ("GIF", "png")])
def test_the_type_is_kept_if_possible(format_: str, expected: str) -> None:
    assert clean_reference(encoded(halves(), format_), max_pixels=LIMIT).content_type == f"image/{expected}"


@pytest.mark.parametrize("quality", [60, 75, 90])
def test_a_turned_jpeg_does_not_grow(quality: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.radial_gradient("L").resize((600, 400)).convert("RGB").effect_spread(3).save(file, "JPEG", quality=quality, exif=exif)
    cleaned = clean_reference(file.getvalue(), max_pixels=10**6)
    assert (cleaned.width, cleaned.height) == (400, 600)
    assert len(cleaned.content) < 1.5 * len(file.getvalue())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_any_mode_is_cleaned(mode: str) -> None:
    source = Image.new("I;16", (20, 10), 65_000) if mode == "I;16" else halves((20, 10)).convert(mode)
    cleaned = clean_reference(encoded(source, "PNG"), max_pixels=LIMIT)
    assert opened(cleaned.content).size == (20, 10)


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    cleaned = clean_reference(encoded(Image.new("I;16", (8, 8), 65_000), "PNG"), max_pixels=LIMIT)
    assert opened(cleaned.content).convert("L").getpixel((4, 4)) == 253


def test_a_png_keeps_every_pixel() -> None:
    source = noise((50, 40), "RGBA")
    assert opened(clean_reference(encoded(source, "PNG"), max_pixels=LIMIT).content).tobytes() == source.tobytes()


def test_a_palette_keeps_its_transparency() -> None:
    source = Image.new("P", (8, 8), 0)
    cleaned = clean_reference(encoded(source, "PNG", transparency=0), max_pixels=LIMIT)
    assert opened(cleaned.content).convert("RGBA").getpixel((1, 1)) == (0, 0, 0, 0)


def test_a_cmyk_image_becomes_rgb() -> None:
    cleaned = clean_reference(encoded(halves().convert("CMYK"), "JPEG"), max_pixels=LIMIT)
    assert opened(cleaned.content).mode == "RGB"


# Fitting


def test_an_image_that_fits_is_unchanged(tmp_path: Path) -> None:
    content = encoded(halves(), "PNG")
    (tmp_path / "a").write_bytes(content)
    expected = FittedImage(content=content, content_type="image/png", extension="png", width=64, height=32)
    assert fit(tmp_path / "a", len(content)) == fit(content, len(content)) == expected


def test_a_large_image_is_re_encoded_at_full_size() -> None:
    smooth = Image.linear_gradient("L").resize((1024, 768)).convert("RGB")
    speckled = Image.blend(smooth, noise((1024, 768)), 0.05)
    fitted = fit(encoded(speckled, "PNG"), 500_000)
    assert len(fitted.content) <= 500_000
    assert (fitted.content_type, fitted.width, fitted.height) == ("image/jpeg", 1024, 768)
    assert fitted.changed == "converted to JPEG to fit this server's 0.477 MB upload limit"


def test_a_larger_image_is_scaled_down_and_the_member_is_told() -> None:
    fitted = fit(encoded(noise((900, 600)), "PNG"), 100 * 1024)
    assert len(fitted.content) <= 100 * 1024
    assert opened(fitted.content).size == (fitted.width, fitted.height)
    assert fitted.changed == f"converted to JPEG at {fitted.width}×{fitted.height} to fit this server's 0.098 MB upload limit"
    assert 1.4 < fitted.width / fitted.height < 1.6


def test_transparency_is_kept_as_webp() -> None:
    fitted = fit(encoded(noise((300, 200), "RGBA"), "PNG"), 50_000)
    assert (fitted.content_type, fitted.extension) == ("image/webp", "webp")
    assert opened(fitted.content).mode == "RGBA"


def test_an_image_that_cannot_fit_is_refused() -> None:
    with pytest.raises(ImageError, match="can't be made small enough"):
        fit(encoded(noise((300, 200)), "PNG"), 100)


def test_a_truncated_image_cannot_be_fitted() -> None:
    content = encoded(noise((300, 200)), "PNG")
    with pytest.raises(ImageError, match="damaged or incomplete"):
        fit(content[:90_000], 50_000)


# --- memory and time of decoding -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "pixels"),
    [
        (tiny_webp(8000, 5000), 40_000_000),
        (png_bomb(5000, 4000), 20_000_000),
        (gif((1, 1), (3000, 2000)), 6_000_000),
        (gif((1, 1), (65_535, 65_535)), 4_294_836_225),
    ],
    ids=["webp", "png", "gif frame", "largest gif frame"],
)
def test_the_cost_of_an_image_is_known_from_the_headers(content: bytes, pixels: int) -> None:
    found = cost(content, max_pixels=pixels)
    assert (found.pixels, found.memory_bytes > pixels / 8) == (pixels, True)
    with pytest.raises(ImageError, match=rf"megapixels\. The limit is {pixels // 1_000_000 - 1:,}\."):
        cost(content, max_pixels=(pixels // 1_000_000 - 1) * 1_000_000)


@pytest.mark.parametrize("content", [tiny_webp(16_383, 16_383), gif((1, 1), (65_535, 65_535)), png_bomb(20_000, 20_000)])
def test_no_memory_is_taken_before_the_cost_of_an_image_is_known(content: bytes) -> None:
    """Twelve of them at once would take gigabytes."""
    script = f"""import resource
from bot.media.codec import cost
cost({png(1, 1)!r}, max_pixels=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
cost({content!r}, max_pixels=10**10)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  our own words
    assert int(done.stdout) < 10_000  # KiB


@pytest.mark.parametrize("format_", ["WEBP", "GIF", "PNG"])
def test_only_the_first_frame_of_an_animation_is_decoded(format_: str) -> None:
    frames = [Image.new("RGB", (600, 600), (n, 255 - n, n)) for n in range(50)]
    content = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
    begun = time.process_time()
    assert clean_reference(content, max_pixels=LIMIT).width == 600
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(("format_", "most"), [("JPEG", codec._REFERENCE_MAX_PIXELS), ("PNG", 10**6), ("WEBP", 10**6), ("GIF", 10**6)])
def test_a_reference_that_is_larger_than_any_model_takes_is_made_smaller(format_: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_REFERENCE_MAX_PIXELS", most)  # only a JPEG of the real size is quickly encoded
    width, height = size = (5000, 4000) if format_ == "JPEG" else (1500, 1000)
    cleaned = clean_reference(encoded(halves(size), format_), max_pixels=LIMIT)
    image = Image.open(io.BytesIO(cleaned.content)).convert("RGB")
    assert (image.size, cleaned.width, cleaned.height) == ((width // 2, height // 2), width // 2, height // 2)
    for x, colour in ((width // 60, RED), (width // 2 - width // 60, BLUE)):
        assert all(abs(a - b) < 12 for a, b in zip(image.getpixel((x, height // 4)) or (), colour, strict=True))  # type: ignore[arg-type]


# --- references that are sent inline ---------------------------------------------------------------------------------


def test_a_small_reference_is_sent_as_it_is() -> None:
    content = png(64, 64)
    assert shrink(content, "image/png", len(content)) == (content, "image/png")


@pytest.mark.parametrize(("mode", "kind"), [("RGB", "jpeg"), ("RGBA", "png"), ("LA", "png")])
def test_a_large_reference_is_shrunk_and_keeps_its_transparency(mode: str, kind: str) -> None:
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(png(700, 700, noise=True))).convert(mode)
    if mode != "RGB":
        image.putalpha(100)
    image.save(buffer, "PNG")
    content, content_type = shrink(buffer.getvalue(), "image/png", 200_000)
    assert (content_type, len(content) <= 200_000) == (f"image/{kind}", True)
    assert Image.open(io.BytesIO(content)).has_transparency_data is (kind == "png")


# --- photos as phones make them --------------------------------------------------------------------------------------


def avif(image: Image.Image, **more: Any) -> bytes:
    return encoded(image, "AVIF", **more)


def heic(image: Image.Image) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=90)
    return file.getvalue()


@pytest.mark.parametrize(("make", "format_"), [(avif, Format.AVIF), (heic, Format.HEIC)])
def test_heic_and_avif_become_what_every_image_api_reads(tmp_path: Path, make: Callable[[Image.Image], bytes], format_: Format) -> None:
    (tmp_path / "photo.jpg").write_bytes(make(halves()))
    assert inspect(tmp_path / "photo.jpg", max_pixels=LIMIT, verify=True) == ImageInfo(format=format_, width=64, height=32)
    cleaned = clean_reference(tmp_path / "photo.jpg", max_pixels=LIMIT)
    assert (cleaned.content_type, cleaned.was_bare) == ("image/jpeg", False)
    fitted = fit(tmp_path / "photo.jpg", 1_000_000)
    assert (fitted.extension, fitted.changed) == ("png", f"converted from {format_} to PNG")
    for content in (cleaned.content, fitted.content):
        assert near(opened(content).getpixel((4, 16)), RED)


def test_a_photo_of_two_hundred_megapixels_is_read_at_reduced_size() -> None:
    content = pyvips.Image.black(16_320, 12_240).jpegsave_buffer()
    assert cost(content, max_pixels=LIMIT, work=clean_reference).memory_bytes < 400_000_000
    cleaned = clean_reference(content, max_pixels=LIMIT)
    assert (cleaned.width, cleaned.height) == (4080, 3060)
    assert len(thumbnail(content)) < 10_000


def test_a_heic_photo_of_forty_eight_megapixels_is_read() -> None:
    content = heic(halves((64, 64))).replace(b"ispe" + struct.pack(">III", 0, 64, 64), b"ispe" + struct.pack(">III", 0, 8064, 6048))
    found = cost(content, max_pixels=LIMIT, work=clean_reference)
    assert (found.width, found.height, found.is_fragile) == (8064, 6048, True)
    assert found.memory_bytes < 700_000_000


def test_a_large_number_of_megapixels_is_written_for_people() -> None:
    with pytest.raises(ImageError, match=r"^The image has 4,295 megapixels\. The limit is 40\.$"):
        inspect(gif((1, 1), (65_535, 65_535)), max_pixels=LIMIT)


# --- metadata, and the original's own pixels -------------------------------------------------------------------------

BARE = {
    "PNG": encoded(halves(), "PNG"),
    "PNG of 1 bit": encoded(halves().convert("1"), "PNG"),
    "JPEG": encoded(halves(), "JPEG"),
    "progressive JPEG": encoded(halves(), "JPEG", progressive=True),
    "WebP": encoded(halves(), "WEBP"),
    "lossless WebP": encoded(halves(), "WEBP", lossless=True),
}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("name", BARE)
def test_an_image_without_metadata_is_passed_on_as_it_is(name: str) -> None:
    cleaned = clean_reference(BARE[name], max_pixels=LIMIT)
    assert (cleaned.content, cleaned.was_bare) == (BARE[name], True)


@pytest.mark.parametrize("name", BARE)
def test_bytes_behind_an_image_are_left_out(name: str) -> None:
    cleaned = clean_reference(BARE[name] + b"the film of a motion photo", max_pixels=LIMIT)
    assert (cleaned.content, cleaned.was_bare) == (BARE[name], False)


@pytest.mark.parametrize("more", [{"exif": Image.Exif().tobytes() + b"garbage"}, {"icc_profile": SRGB}])
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_metadata_are_left_out_without_encoding_pixels_again(format_: str, more: dict[str, bytes]) -> None:
    cleaned = clean_reference(encoded(halves(), format_, **more), max_pixels=LIMIT)
    assert not cleaned.was_bare
    assert opened(cleaned.content).tobytes() == opened(encoded(halves(), format_)).tobytes()
    assert abs(len(cleaned.content) - len(encoded(halves(), format_))) < 20  # the head of an extended WebP


def test_a_lossless_webp_that_is_turned_stays_lossless() -> None:
    source = noise((40, 30))
    cleaned = clean_reference(encoded(source, "WEBP", lossless=True, exif=with_orientation(3)), max_pixels=LIMIT)
    assert opened(cleaned.content).tobytes() == source.transpose(Image.Transpose.ROTATE_180).tobytes()


@pytest.mark.parametrize("quality", [60, 80, 95])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_a_jpeg_that_is_turned_keeps_its_quality_and_size(quality: int, subsampling: int) -> None:
    smooth = Image.effect_mandelbrot((320, 240), (-2, -1, 1, 1), 60).convert("RGB").resize((640, 480))
    content = encoded(
        Image.blend(smooth, noise((640, 480)), 0.1), "JPEG", quality=quality, subsampling=subsampling, exif=with_orientation(6)
    )
    cleaned = clean_reference(content, max_pixels=LIMIT)
    assert 0.8 < len(cleaned.content) / len(content) < (2 if quality < 75 else 1.2)


# --- results that are too large --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["PNG", "WEBP", "GIF"])
def test_an_animation_never_becomes_a_still_in_silence(format_: str) -> None:
    frames = [noise((60, 40)) for _ in range(3)]
    content = encoded(frames[0], format_, save_all=True, append_images=frames[1:])
    assert fit(content, len(content)).content == content
    with pytest.raises(AnimationTooLarge):
        fit(content, len(content) - 1)
    fitted = still(content, len(content) - 1)
    assert fitted.changed is not None
    assert fitted.changed.startswith("shown as a still image")


@pytest.mark.parametrize(("mode", "size", "type_"), [("RGBA", (16_500, 2), "webp"), ("RGB", (65_600, 2), "jpeg")])
def test_an_image_beyond_what_a_format_holds_is_made_smaller(mode: str, size: tuple[int, int], type_: str) -> None:
    content = encoded(noise(size, mode), "PNG")
    fitted = fit(content, len(content) - 1)
    assert fitted.content_type == f"image/{type_}"
    assert opened(fitted.content).size == (fitted.width, fitted.height)
    assert fitted.width < size[0]


# --- shortages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["vips_tracked: out of memory --- size == 1200MB", "VipsJpeg: Insufficient memory (case 4)", "open: No space left on device"]
)
def test_a_shortage_that_libvips_reports_is_no_damage(text: str) -> None:
    with pytest.raises(MachineTrouble), libvips.decoding():
        raise pyvips.Error("unable to call avg", text)


def test_a_file_that_asks_for_too_much_is_no_shortage() -> None:
    with pytest.raises(ImageError), libvips.decoding():
        raise pyvips.Error("unable to call avg", "gifload: bad image dimensions\\ngifload_buffer: Out of memory")


def test_memory_that_runs_out_is_no_damage() -> None:
    content = encoded(Image.new("RGB", (4000, 4000)), "WEBP", lossless=True)
    script = f"""import resource
from bot.core.errors import MachineTrouble
from bot.media import codec
codec.inspect({png(1, 1)!r}, max_pixels=1, verify=True)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 20_000_000,) * 2)
try:
    codec.thumbnail({content!r})
except MachineTrouble:
    print("trouble")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  our own words
    assert done.stdout.split()[-1:] == ["trouble"], done
