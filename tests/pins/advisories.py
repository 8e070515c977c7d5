"""Ask the package registry what is known against the pins: `python -m tests.pins.advisories [FOLDER]`, or `make advisories`.

The registry is the one that pip uses here, and is asked about the pinned releases only, one after the other. It answers with the page of
a release, or, if it serves none, with the page of the newest one, which counts if that is the one that is pinned.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.pins import pinned
from tests.pins.audit import ADVISORIES, Advisory, KnownAdvisories

_SUMMARY_MAX = 200
_TIMEOUT_S = 30


def main(arguments: list[str]) -> int:
    """Renew the file of a folder, or of this project. Returns the exit code; without any answer the file stays as it was."""
    folder = Path(arguments[0] if arguments else ".")
    pins = pinned.read_all(folder)
    try:
        registry = registry_url()
        answers = {pin: page for pin in pins if (page := _page(registry, pin)) is not None}
    except urllib.error.URLError as error:
        print(f"the package registry can't be asked, and {ADVISORIES} stays as it was: {error.reason}")
        return 1
    print(f"the registry answered for {len(answers)} of {len(pins)} pinned releases")
    if not answers:
        return 1
    known = KnownAdvisories(
        fetched=datetime.now(UTC).date(),
        answered=frozenset(map(str, answers)),
        advisories=tuple(advisory for pin, page in answers.items() for advisory in advisories(pin, page)),
    )
    content = {**known.model_dump(mode="json"), "answered": sorted(known.answered)}
    (folder / ADVISORIES).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return 0


def registry_url() -> str:
    """The address of pip's registry, from its configuration or environment: its help names the value that is in effect.

    Raises `URLError` if that is a folder.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--help"]
    environment = {**os.environ, "COLUMNS": "1000"}  # so that no address is wrapped
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    if (found := re.search(r"--index-url <url> .*\(default (https?://\S+?)\)", text)) is None:
        raise urllib.error.URLError("pip is told to use no registry on the web")
    return found[1].rstrip("/").removesuffix("/simple")


def advisories(pin: pinned.Pin, page: Mapping[str, Any]) -> Iterator[Advisory]:
    """What the page of a release says against it."""
    for each in page["vulnerabilities"]:
        if not each.get("withdrawn"):
            yield Advisory(
                package=pin.name,
                affected=(pin.version,),
                id=each["id"],
                aliases=tuple(sorted(each.get("aliases", ()))),
                fixed_in=tuple(each.get("fixed_in", ())),
                summary=_summary(each.get("summary") or each.get("details") or "The advisory says no more."),
            )


def _summary(text: str) -> str:
    """The first sentence, not too long."""
    sentence = " ".join(re.split(r"(?<=[.!?])\s|\n\n", text.strip(), maxsplit=1)[0].split())
    return sentence if len(sentence) <= _SUMMARY_MAX else f"{sentence[:_SUMMARY_MAX]}…"


def _page(registry: str, pin: pinned.Pin) -> Mapping[str, Any] | None:
    """The registry's page about a release; None if it has none."""
    for path in (f"{pin.name}/{pin.version}", pin.name):
        page = _get(f"{registry}/pypi/{path}/json")
        if page is not None and page["info"]["version"] == pin.version and "vulnerabilities" in page:
            return page
    return None


def _get(url: str) -> Mapping[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - pip's own registry
            content: Mapping[str, Any] = json.load(response)
            return content
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
