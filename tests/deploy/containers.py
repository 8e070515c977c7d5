"""Containers without an engine: a service's folders are folders of this machine, and its programs run here with what Compose gives them.

What differs from real ones: the names of other services are 127.0.0.1 with a port of their own, and this machine's programs stand in for
those of images that are not built here.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.compose import COMPOSE, Service

_HEALTHY_WITHIN_S = 60.0
_EVERY_S = 0.2


class WalkError(Exception):
    """What a service does not do; the sentence says which."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """Where a service's programs are: by their names in the image, and the environment and folder that it gives them."""

    programs: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()  # unless the service has its own
    user: Mapping[str, int] = field(default_factory=dict)  # arguments for subprocesses; empty: whoever runs this


@dataclass(kw_only=True)
class Host:
    """The machine that the containers share: volumes, the folder of the secrets, and the addresses of the services."""

    folder: Path
    addresses: dict[str, str] = field(default_factory=dict)  # by "service:port", or the service alone
    settings: dict[str, str] = field(default_factory=dict)  # what the operator wrote into .env

    def folder_of(self, source: str) -> Path:
        """A volume, or a path below the project, which is the operator's."""
        return self.folder / source.removeprefix("./")


@dataclass(kw_only=True)
class Container:
    """One service, with paths and addresses of this machine."""

    service: Service
    image: Image
    host: Host
    more: dict[str, str] = field(default_factory=dict)  # of the environment: ports, which real containers have to themselves

    def __post_init__(self) -> None:
        self.own = self.host.folder / "containers" / self.service.name
        self.own.mkdir(parents=True, exist_ok=True)
        given = {volume: volume.path for volume in self.service.volumes if volume.is_configuration}
        self.places = {
            **{target: self.own / target.strip("/").replace("/", "-") for target in self.service.given.get("tmpfs", ())},
            **{
                each.target: self.own / each.path.name if each in given else self.host.folder_of(each.source)
                for each in self.service.volumes
            },
            **{
                f"/run/secrets/{name}": self.host.folder_of(COMPOSE["secrets"][name]["file"])
                for name in self.service.given.get("secrets", ())
            },
        }
        for volume, path in given.items():
            self._copy(path, self.places[volume.target])
        for place in self.places.values():
            if not place.exists():
                place.mkdir(parents=True)
                if self.image.user:
                    os.chown(place, self.image.user["user"], self.image.user["group"])

    def here(self, text: str) -> str:
        """A text with paths and addresses of the container, with those of this machine instead."""
        for name, address in self.host.addresses.items():
            text = re.sub(rf"(?:(?<=[@\"])|(?<=//)){re.escape(name)}(?=[/\":]|$)", address, text)
        targets = "|".join(map(re.escape, sorted(self.places, key=len, reverse=True)))
        return re.sub(rf"(?<![\w.])({targets})(?![\w.-])", lambda found: str(self.places[found[0]]), text) if targets else text

    @property
    def environment(self) -> dict[str, str]:
        given = {**(self.host.settings if self.service.is_ours else {}), **self.service.environment}
        moved = {name: self.here(value) for name, value in given.items()}
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.image.environment, **moved, **self.more}

    def arguments(self, words: Sequence[str]) -> list[str]:
        """A command line for this machine. Raises `WalkError`."""
        program, *rest = words
        if program not in self.image.programs:
            raise WalkError(f"{self.service.name}: its image has no {program}, as far as is known here.")
        return [self.image.programs[program], *map(self.here, rest)]

    @property
    def start_command(self) -> list[str]:
        return [*self.image.entrypoint, *map(str, self.service.given.get("command", self.image.command))]

    async def run(self, *words: str, within_s: float = 60) -> tuple[int, str]:
        """Run a program in it; returns the exit code and the output."""
        async with self.started(words, log=None) as process, asyncio.timeout(within_s):
            out, _ = await process.communicate()
        return process.returncode or 0, out.decode(errors="replace")

    async def expect(self, *words: str, code: int = 0, told: str = "") -> str:
        """The output of a program whose exit code and some words are known beforehand."""
        got, out = await self.run(*words)
        if got != code or told not in out or "Traceback" in out:
            raise WalkError(f"{self.service.name}: {' '.join(words)}: exit code {got} instead of {code}, or not {told!r}:\n{out}")
        say(f"{self.service.name}: {' '.join(words)}: exit code {got}, {(out.strip().splitlines() or ['nothing printed'])[-1][:100]}")
        return out

    async def until_healthy(self, process: asyncio.subprocess.Process | None = None) -> None:
        """Run its own health check until it succeeds, or its process has ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEALTHY_WITHIN_S):
                while not (await self._is_healthy() or (process and process.returncode is not None)):  # noqa: ASYNC110  nothing announces it
                    await asyncio.sleep(_EVERY_S)
        await self.expect(*self.service.health_command)

    async def _is_healthy(self) -> bool:
        code, _ = await self.run(*self.service.health_command)
        return code == 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Its own command until it is healthy, then within the block, and its stop, which must be in time."""
        log = self.own / "log"
        say(f"{self.service.name}: {' '.join(self.start_command)}")
        async with self.started(self.start_command, log=log) as process:
            try:
                await self.until_healthy(process)
                yield process
                process.send_signal(signal.SIGINT if self.service.name == "postgres" else signal.SIGTERM)  # as its image says
                async with asyncio.timeout(float(str(self.service.given["stop_grace_period"]).rstrip("s"))):
                    code = await process.wait()
            except BaseException:
                say("\n   ".join(["the last lines of its log:", *log.read_text(errors="replace").splitlines()[-30:]]))
                raise
        if code:
            raise WalkError(f"{self.service.name}: its stop ended with exit code {code}.")
        say(f"{self.service.name}: stopped in time")

    @asynccontextmanager
    async def started(self, words: Sequence[str], *, log: Path | None) -> AsyncIterator[asyncio.subprocess.Process]:
        with open(log or os.devnull, "ab") as file:  # noqa: ASYNC230, PTH123 - a moment
            out: Any = file if log else asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *self.arguments(words),
                cwd=self.image.folder,
                env=self.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                **self.image.user,  # type: ignore[arg-type]
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def _copy(self, source: Path, target: Path) -> None:
        """Configuration files, with the paths and addresses of this machine."""
        for path in [source] if source.is_file() else filter(Path.is_file, source.rglob("*")):
            copy = target if source.is_file() else target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self.here(path.read_text("utf-8")))


def say(sentence: str) -> None:
    print(f"   {sentence}", flush=True)
