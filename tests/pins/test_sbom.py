"""The committed bill of materials is that of requirements.txt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bot import __version__
from tests.imports import PROJECT
from tests.pins import pinned, sbom

PINS = pinned.read(PROJECT / "requirements.txt")
COMMITTED = (PROJECT / sbom.SBOM).read_text("utf-8")
BILL: Mapping[str, Any] = json.loads(COMMITTED)


def test_it_lists_every_pinned_package_with_its_files() -> None:
    listed = {(part["name"], part["version"], frozenset(hash_["content"] for hash_ in part["hashes"])) for part in BILL["components"]}
    assert listed == {(pin.name, pin.version, frozenset(pin.sha256)) for pin in PINS}
    assert BILL["metadata"]["component"]["version"] == __version__


def test_it_names_the_licence_of_every_package() -> None:
    """Except for one that only newer versions of Python need."""
    assert {part["name"] for part in BILL["components"] if "licenses" not in part} <= {"audioop-lts"}
    (mako,) = (part for part in BILL["components"] if part["name"] == "mako")
    assert mako["licenses"] == [{"license": {"id": sbom.declared_license("mako")}}]


def test_it_says_what_easel_needs_itself() -> None:
    needs = {each["ref"]: each.get("dependsOn", []) for each in BILL["dependencies"]}
    assert needs["easel"] == sorted(f"pkg:pypi/{pin.name}@{pin.version}" for pin in PINS if "easel" in pin.needed_by)
    assert set(needs) == {"easel", *(part["bom-ref"] for part in BILL["components"])}


def test_it_is_the_same_each_time() -> None:
    """No time, no random number, and no address but those of the format and of packages."""
    assert sbom.render(PINS) == sbom.render(PINS[::-1])
    assert COMMITTED.count("://") == 1
    assert "timestamp" not in COMMITTED
    assert "serialNumber" not in COMMITTED
