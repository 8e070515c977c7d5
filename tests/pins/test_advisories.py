"""`make audit` and `make advisories`, run as they are, against a package registry on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.imports import PROJECT
from tests.pins import audit, pinned

TODAY = datetime.now(UTC).date()
MAKO = {
    "id": "PYSEC-1",
    "aliases": ["CVE-1"],
    "fixed_in": ["1.4.4"],
    "summary": None,
    "details": "A template reads\nany file. More\n\nabout it.",
    "withdrawn": None,
}
# Mako's page of this release; aiohttp is the newest one, so that its project's page counts; nothing counts about yarl.
PAGES: dict[str, Mapping[str, Any]] = {
    "/pypi/mako/1.4.3/json": {
        "info": {"version": "1.4.3"},
        "vulnerabilities": [MAKO, {**MAKO, "id": "PYSEC-2", "withdrawn": "2026-01-01"}],
    },
    "/pypi/aiohttp/json": {"info": {"version": "3.14.5"}, "vulnerabilities": []},
    "/pypi/yarl/json": {"info": {"version": "9"}, "vulnerabilities": [MAKO]},
}


class Registry(BaseHTTPRequestHandler):
    """Serves `PAGES`."""

    def do_GET(self) -> None:
        page = PAGES.get(self.path)
        self.send_response(404 if page is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(page or {}).encode())

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    (tmp_path / audit.ACCEPTED).write_text("{}")
    for file in pinned.FILES:
        (tmp_path / file).write_text("mako==1.4.3 \\\n    --hash=sha256:0\n    # via alembic\n")
    (tmp_path / "requirements-dev.txt").write_text('aiohttp==3.14.5 ; sys_platform == "linux" \\\n    --hash=sha256:0\nyarl==1.25.1\n')
    return tmp_path


def run(module: str, folder: Path, registry: str = "http://127.0.0.1:1") -> tuple[int, str]:
    """The exit code, and what is printed. A real registry cannot be reached."""
    environment = {"PIP_INDEX_URL": f"{registry}/simple/", "PIP_CONFIG_FILE": "/dev/null"}
    command = [sys.executable, "-m", f"tests.pins.{module}", str(folder)]
    ended = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_a_vulnerable_pin_fails_until_its_advisory_is_accepted(folder: Path, registry: str) -> None:
    assert run("advisories", folder, registry) == (0, "the registry answered for 2 of 3 pinned releases\n")
    title = f"3 pinned releases, known vulnerabilities as of {TODAY}, 0 days old:"
    unknown = "warning: nothing is known about 1 of the releases; renew the file with `make advisories`: yarl==1.25.1\n"
    fault = "vulnerable: mako==1.4.3 (PYSEC-1, CVE-1): A template reads any file. Fixed in 1.4.4: run `make lock`.\n"
    assert run("audit", folder) == (1, f"{title} 1 to mend\n{unknown}{fault}")
    (folder / audit.ACCEPTED).write_text('{"CVE-1": " "}')
    assert run("audit", folder)[0] == 1  # a reason is needed
    (folder / audit.ACCEPTED).write_text('{"CVE-1": "Easel renders no template.", "CVE-9": "Long gone."}')
    used = "warning: CVE-1 is accepted: Easel renders no template.\n"
    unused = "warning: CVE-9 is accepted, but concerns no pin; remove it from .ci/accepted-advisories.json\n"
    assert run("audit", folder) == (0, f"{title} 0 to mend\n{unknown}{used}{unused}")


def test_an_old_file_warns(folder: Path) -> None:
    known = {"fetched": f"{TODAY - timedelta(days=31)}", "answered": list(map(str, pinned.read_all(folder))), "advisories": []}
    (folder / audit.ADVISORIES).write_text(json.dumps(known))
    title, warning = run("audit", folder)[1].splitlines()
    assert title == f"3 pinned releases, known vulnerabilities as of {known['fetched']}, 31 days old: 0 to mend"
    assert warning == "warning: the file is older than 30 days; renew the file with `make advisories`"


@pytest.mark.parametrize("registry", ["http://127.0.0.1:1", "file:///nowhere"])
def test_a_registry_that_does_not_answer_changes_nothing(folder: Path, registry: str) -> None:
    code, said = run("advisories", folder, registry)
    assert (code, said.partition(":")[0]) == (1, "the package registry can't be asked, and .ci/advisories.json stays as it was")
    assert not (folder / audit.ADVISORIES).exists()


def test_the_pins_are_all_read() -> None:
    for file in pinned.FILES:
        text = (PROJECT / file).read_text("utf-8")
        pins = pinned.read(PROJECT / file)
        assert len(pins) == text.count("\n    # via") > 0
        assert sum(len(pin.sha256) for pin in pins) == text.count("--hash=")
        assert all(pin.needed_by for pin in pins)
