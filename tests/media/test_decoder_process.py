"""A function of the codec in a process of its own: what crosses the boundary, and how it ends."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bot.core import i18n
from bot.media.decoder_process import DecoderProcess, Undecodable
from tests.media import decoders
from tests.media.decoders import OddImage, Parts, Work

MB = 2**20


def process(*, memory_bytes: int = 64 * MB, limit_s: float = 30) -> DecoderProcess:
    return DecoderProcess(memory_bytes=memory_bytes, limit_s=limit_s)


def test_results_keep_their_types() -> None:
    content = bytes(range(256))
    parts = process().run(decoders.parts_of, content, None, copies=2)
    assert parts == Parts(content=content * 2, size=(1, 2), changed=None)
    assert process().run(decoders.shrunk, content) == (content[:2], "image/png")


def test_the_image_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"123")
    assert process().run(decoders.size_of, tmp_path / "image") == 3


def test_an_error_keeps_its_class_and_values_and_speaks_the_members_language() -> None:
    i18n.load(["de"])
    with i18n.speaking("de"), pytest.raises(OddImage, match="1,5") as found:
        process().run(decoders.odd, b"")
    assert (found.value.frames, found.value.sentence) == (3, str(found.value))
    assert "megapixels" not in found.value.sentence


def test_a_fault_of_the_codec_is_no_fault_of_the_image() -> None:
    with pytest.raises(RuntimeError, match="a fault of the codec"):
        process().run(decoders.mistaken, b"")


def test_a_shortage_of_the_machine_keeps_its_number() -> None:
    with pytest.raises(OSError, match="Too many open files") as found:
        process().run(decoders.without_files, b"")
    assert found.value.errno == 24
    with pytest.raises(MemoryError):
        process().run(decoders.cut_short, b"")


@pytest.mark.parametrize("work", [decoders.hang, decoders.spin])
def test_a_decoder_that_does_not_end_is_ended(work: Work) -> None:
    with pytest.raises(Undecodable, match="takes too long to open"):
        process(limit_s=0.5).run(work, b"")


def test_a_crash_is_an_error_of_the_image() -> None:
    with pytest.raises(Undecodable, match="damaged or incomplete"):
        process().run(decoders.crash, bytes(10 * MB))


def test_memory_beyond_what_was_agreed_is_refused() -> None:
    assert process(memory_bytes=400 * MB).run(decoders.allocate, b"", 400 * MB) == 400 * MB
    with pytest.raises(Undecodable, match="takes more memory to open"):
        process(memory_bytes=64 * MB).run(decoders.allocate, b"", 1000 * MB)
    with pytest.raises(Undecodable, match="takes more memory to open"):
        process().run(decoders.short_of_memory, b"")


def test_the_process_has_no_secrets_and_leaves_no_core_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    found = process().run(decoders.surroundings, b"")
    assert set(found.environment) <= {"PYTHONPATH", "MALLOC_ARENA_MAX", "VIPS_DISC_THRESHOLD", "LC_CTYPE"}
    assert (found.core_bytes, found.niceness > 0) == (0, True)


def test_a_process_can_be_ended_at_any_time() -> None:
    for early in (True, False):
        running = process()
        if early:
            running.end()
        else:
            threading.Timer(0.3, running.end).start()
        begun = time.monotonic()
        with pytest.raises(InterruptedError):
            running.run(decoders.hang, b"")
        assert time.monotonic() - begun < 10
