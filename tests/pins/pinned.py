"""The pins in the requirement files that `make lock` writes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILES = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")

_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<rest>(?:.*\\\n)*.*\n(?: +#.*\n)*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PARENT = re.compile(r"^ +# +(?:via +)?(?!via$|-c )([\w.-]+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, order=True)
class Pin:
    """One pinned release."""

    name: str
    version: str
    sha256: tuple[str, ...] = ()  # of its files, in hex
    needed_by: tuple[str, ...] = ()  # names of the packages that need it; `easel` is the project itself

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def read(path: Path) -> list[Pin]:
    """The pins of one file, in its order."""
    return [
        Pin(
            name=found["name"],
            version=found["version"],
            sha256=tuple(_HASH.findall(found["rest"])),
            needed_by=tuple(_PARENT.findall(found["rest"])),
        )
        for found in _PIN.finditer(path.read_text("utf-8"))
    ]


def read_all(folder: Path, files: Iterable[str] = FILES) -> list[Pin]:
    """The releases in all files, each once, sorted."""
    return sorted({(pin.name, pin.version): pin for file in files for pin in read(folder / file)}.values())
