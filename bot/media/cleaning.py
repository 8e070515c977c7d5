"""Cleans large references in a process of their own: decoding one holds the interpreter for tenths of a second, also from a thread.

The process gets none of the secrets in the environment, and its memory is returned when it ends. It reads an image from standard input,
and writes a line of JSON and the cleaned image; its argument is the most pixels.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

from bot.core.errors import ImageError
from bot.core.i18n import _
from bot.core.running import machine
from bot.media.codec import CleanedImage, clean_reference

_LIMIT_S: Final = 30.0
_SHORTAGE: Final = (1, -signal.SIGKILL)  # an error other than `ImageError`, or ended by the system when memory ran out
_PROJECT: Final = Path(__file__).parents[2]


async def clean_in_process(content: bytes, *, max_pixels: int) -> CleanedImage:
    """Like `codec.clean_reference`. Raises `ImageError` and `MachineTrouble`."""
    with machine.trouble_raised():
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.media.cleaning", str(max_pixels)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join([str(_PROJECT), *filter(None, sys.path)])},
        )
    is_late = False
    try:
        async with asyncio.timeout(_LIMIT_S):
            out, _nothing = await process.communicate(content)
    except TimeoutError:
        out, is_late = b"", True
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    head, _newline, cleaned = out.partition(b"\n")
    if process.returncode in _SHORTAGE and not is_late:
        with machine.trouble_raised():
            raise MemoryError("a process that decodes an image was ended")
    if not head:
        raise ImageError(_("The image is damaged or incomplete."))
    return CleanedImage(content=cleaned, **json.loads(head))


def main() -> None:
    """Ends without output if the image cannot be used."""
    with contextlib.suppress(ImageError):
        cleaned = clean_reference(sys.stdin.buffer.read(), max_pixels=int(sys.argv[1]))
        head = {"content_type": cleaned.content_type, "width": cleaned.width, "height": cleaned.height, "was_bare": cleaned.was_bare}
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + cleaned.content)


if __name__ == "__main__":
    main()
