"""Write the software bill of materials of what a bot runs on, in CycloneDX's JSON: `python -m tests.pins.sbom`, or `make sbom`.

It follows from requirements.txt alone, but for the licences, which the installed packages declare: no time, no random number, no address.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from bot import __version__
from tests.pins import pinned

SBOM = "deploy/sbom.json"

_LICENSES = LicenseFactory()
_SHORT = 60  # characters: above this the field holds the licence's text, not its name


def main() -> int:
    """Write the file of this project. Returns the exit code."""
    Path(SBOM).write_text(render(pinned.read(Path("requirements.txt"))), "utf-8")
    print(f"wrote {SBOM}")
    return 0


def render(pins: list[pinned.Pin]) -> str:
    """The bill of materials of Easel with these packages, as JSON."""
    easel = Component(name="easel", version=__version__, type=ComponentType.APPLICATION, bom_ref="easel", licenses=licenses_of("MIT"))
    parts = {pin.name: _component(pin) for pin in pins}
    bom = Bom(components=parts.values())
    bom.metadata.component = easel
    bom.metadata.timestamp = None  # type: ignore[assignment]  # without these two it is the same each time
    bom.serial_number = None  # type: ignore[assignment]
    for name, whole in {"easel": easel, **parts}.items():
        bom.register_dependency(whole, [parts[pin.name] for pin in pins if name in pin.needed_by])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def licenses_of(declared: str | None) -> list[License]:
    """By SPDX id or expression if it is one, else by name; none if nothing is declared."""
    return [_LICENSES.make_from_string(declared)] if declared else []


def declared_license(name: str) -> str | None:
    """What an installed package declares; None if it is not installed, such as one that only another platform needs."""
    try:
        fields = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    short = [text for text in (fields["License-Expression"], fields["License"]) if text and len(text) < _SHORT]
    classes = [each.rpartition(" :: ")[2] for each in fields.get_all("Classifier", []) if each.startswith("License :: OSI Approved :: ")]
    return next(iter([*short, *classes]), None)


def _component(pin: pinned.Pin) -> Component:
    purl = PackageURL(type="pypi", name=pin.name, version=pin.version)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        licenses=licenses_of(declared_license(pin.name)),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in pin.sha256],
    )


if __name__ == "__main__":
    sys.exit(main())
