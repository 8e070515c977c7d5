"""Runs a function of the codec in a process of its own, with limits of time and memory: decoders can crash, hang or take too much.

The process has none of the secrets in the environment, and its memory is returned when it ends. It reads a pickled call from standard
input, and writes a line of JSON and the bytes that the line refers to. What it writes is never unpickled: an image may have taken it over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, get_type_hints

import structlog

from bot.core import i18n
from bot.core.errors import ImageError, MachineTrouble
from bot.core.i18n import N_, _
from bot.media.codec import TooManyPixels

T = TypeVar("T")

log = structlog.get_logger(__name__)

LIMIT_S: Final = 30.0
OWN_BYTES: Final = 48 * 2**20  # of Python, libvips and what they need besides the image

# The system can limit addresses only, and decoders reserve many that they never use: for each byte of an image another one at most.
_RESERVED: Final = 2
_ADDRESS_SPACE: Final = 512 * 2**20  # for libraries and stacks
_NICENESS: Final = 5  # the bot and its event loop go first
_ENDED_BY_SYSTEM: Final = (1, -signal.SIGKILL)  # Python could not start, or memory ran out
_PROJECT: Final = Path(__file__).parents[2]
_DAMAGED: Final = N_("The image is damaged or incomplete.")
TOO_SLOW: Final = N_("The image takes too long to open. Save it as a PNG or JPEG and try again.")
_TOO_MUCH: Final = N_("The image takes more memory to open than Easel allows. Make it smaller and try again.")


class Undecodable(TooManyPixels):
    """Decoding the image crashes, or takes more time or memory than is allowed: that is the same each time."""


class DecoderProcess:
    """One call in a process. `run` blocks, so it is called in a thread; `end` may be called from another."""

    def __init__(self, *, memory_bytes: int, limit_s: float = LIMIT_S) -> None:
        self._memory_bytes, self._limit_s = memory_bytes, limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ended = False

    def run(self, work: Callable[..., T], /, *args: Any, **options: Any) -> T:
        """The result of `work(*args, **options)`, a function of a module with a type for its result.

        Raises what `work` raises: an `ImageError` with its own class and values, a shortage as `OSError` or `MemoryError`. Raises
        `Undecodable` if the process crashes or exceeds a limit.
        """
        call = pickle.dumps((work, args, options, i18n.language(), self._memory_bytes, self._limit_s))
        head, _newline, rest = self._answer(call).partition(b"\n")
        return _result(work, head, memoryview(rest))

    def end(self) -> None:
        self._is_ended = True
        if self._process is not None:
            self._process.kill()

    def _answer(self, call: bytes) -> bytes:
        process = self._process = subprocess.Popen(
            (sys.executable, "-m", "bot.media.decoder_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=_environment(),
            process_group=0,  # Ctrl-C is for the bot
        )
        is_late = False
        with process:
            try:
                if self._is_ended:
                    process.kill()
                answer, _nothing = process.communicate(call, timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                is_late = True
            finally:
                process.kill()
        if self._is_ended:
            raise InterruptedError("nobody waits for this image any more")
        if is_late or process.returncode:
            raise _failure(process.returncode, is_late=is_late)
        return answer


def _environment() -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(_PROJECT), *filter(None, sys.path)]),
        "MALLOC_ARENA_MAX": "1",  # each reserves 64 MiB of the address space, which is limited
        "VIPS_DISC_THRESHOLD": "100g",  # no image is written to a disk
    }


def _failure(returncode: int, *, is_late: bool) -> Exception:
    """Why the process ended without an answer."""
    if is_late or returncode == -signal.SIGXCPU:
        return Undecodable(_(TOO_SLOW))
    if returncode in _ENDED_BY_SYSTEM:
        return MemoryError("a process that decodes an image was ended")
    log.warning("decoder crashed", exit_code=returncode)
    return Undecodable(_(_DAMAGED))


# --- what crosses the boundary -------------------------------------------------------------------------------------------


def _result(work: Callable[..., T], head: bytes, rest: memoryview) -> T:
    answer = json.loads(head, object_hook=lambda found: bytes(rest[slice(*found["bytes"])]) if set(found) == {"bytes"} else found)
    match answer:
        case {"result": result}:
            return _checked(work, result)
        case {"error": str(name), "values": dict(values)}:
            raise _image_error(name, values)
        case {"errno": int(code)}:
            raise OSError(code, os.strerror(code))
        case {"memory": True}:
            raise Undecodable(_(_TOO_MUCH))
    raise RuntimeError(f"a decoder failed: {answer}")


def _checked(work: Callable[..., T], result: object) -> T:
    checked: T = _type_of_result(work).validate_python(result)
    return checked


@lru_cache(maxsize=32)
def _type_of_result(work: Callable[..., object]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(get_type_hints(work)["return"])


def _image_error(name: str, values: dict[str, Any]) -> ImageError:
    """The exception as it was raised in the process, made without its constructor, whose parameters are its own."""
    kind = next((each for each in _kinds_of(ImageError) if each.__name__ == name), ImageError)
    error = kind.__new__(kind)
    error.args = (values["sentence"],)
    vars(error).update(values)
    return error


def _kinds_of(kind: type[ImageError]) -> Iterator[type[ImageError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds_of(each)


# --- in the process ------------------------------------------------------------------------------------------------------


def main() -> None:
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries may print
        work, args, options, language, memory_bytes, limit_s = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the bot itself
        _limit(memory_bytes, limit_s)
        i18n.load([language])
        with i18n.speaking(language):
            answer = _answer_of(work, args, options)
        blobs = _Blobs()
        head = json.dumps(answer, default=blobs.add)
        out.writelines([head.encode(), b"\n", *blobs.all])
    os._exit(0)  # the answer is complete: what a library does at its end decides nothing


class _Blobs:
    """Bytes that follow the JSON, which has their place in place of them."""

    def __init__(self) -> None:
        self.all: list[bytes] = []

    def add(self, value: object) -> object:
        if not isinstance(value, bytes):
            raise TypeError(f"{type(value).__name__} cannot leave the process")
        start = sum(map(len, self.all))
        self.all.append(value)
        return {"bytes": [start, start + len(value)]}


def _answer_of(work: Callable[..., object], args: Sequence[Any], options: dict[str, Any]) -> dict[str, object]:
    try:
        result = work(*args, **options)
        return {"result": dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result}
    except ImageError as error:
        return {"error": type(error).__name__, "values": vars(error)}
    except Exception as error:  # noqa: BLE001 - it is raised in the bot
        return _shortage_of(error) or {"traceback": traceback.format_exc()}


def _shortage_of(error: BaseException | None) -> dict[str, object] | None:
    """What this error, or one that it came from, lacked: memory unless it has a number, since that is what is limited here."""
    is_short = False
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return {"errno": error.errno}
        if isinstance(error, ImportError):  # the bot itself has loaded it
            return {"errno": errno.ENOMEM}
        is_short = is_short or isinstance(error, MemoryError | MachineTrouble)
        error = error.__cause__ or error.__context__
    return {"memory": True} if is_short else None


def _limit(memory_bytes: int, limit_s: float) -> None:
    """No more memory or time than agreed, no core dumps, and the first to be ended if the machine runs out of memory."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_CPU, int(limit_s) + 1)  # if the bot was killed
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("1000")
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _set(resource.RLIMIT_AS, taken + _ADDRESS_SPACE + _RESERVED * memory_bytes)


def _set(kind: int, most: int) -> None:
    """As far as the operator's own limits allow."""
    _soft, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, hard))


if __name__ == "__main__":
    main()
