"""compose.yaml, read as Compose reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.imports import PROJECT


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A folder or file of a container: `source` is a volume's name, or a path of the host that begins with a dot."""

    source: str
    target: str
    is_read_only: bool

    @property
    def is_named(self) -> bool:
        return not self.source.startswith(".")

    @property
    def is_configuration(self) -> bool:
        """Whether it is of this repository, and not what the operator writes beside it."""
        return not self.is_named and not self.source.startswith("./secrets")

    @property
    def path(self) -> Path:
        """Of the host."""
        return PROJECT / self.source


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service with everything that it has in common with others."""

    name: str
    given: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        return "build" in self.given

    @property
    def volumes(self) -> list[Volume]:
        parts = [each.split(":") for each in self.given.get("volumes", ())]
        return [Volume(source=source, target=target, is_read_only=mode == ["ro"]) for source, target, *mode in parts]

    @property
    def environment(self) -> dict[str, str]:
        return dict(self.given.get("environment", {}))

    @property
    def profiles(self) -> list[str]:
        return list(self.given.get("profiles", ()))

    @property
    def health_command(self) -> list[str]:
        kind, *command = self.given["healthcheck"]["test"]
        assert kind == "CMD"
        return [str(word) for word in command]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


COMPOSE = load(PROJECT / "compose.yaml")
SERVICES = {name: Service(name=name, given=given) for name, given in COMPOSE["services"].items()}


def configuration_files() -> Iterator[tuple[str, Path]]:
    """The files of this repository that containers read: where they find each, and its path here."""
    for volume in (volume for service in SERVICES.values() for volume in service.volumes if volume.is_configuration):
        if volume.path.is_file():
            yield volume.target, volume.path
        yield from ((f"{volume.target}/{path.relative_to(volume.path)}", path) for path in volume.path.rglob("*") if path.is_file())
