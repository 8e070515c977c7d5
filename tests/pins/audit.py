"""Compare the pins with the known vulnerabilities in a file: `python -m tests.pins.audit [FOLDER]`, or `make audit`.

Works without a network. Says how old the file is, and which pins it knows nothing of. The exit code is 1 if a pinned release is vulnerable
and its advisory is not accepted, with the reason, in `.ci/accepted-advisories.json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tests.pins import pinned

ADVISORIES = ".ci/advisories.json"
ACCEPTED = ".ci/accepted-advisories.json"

_OLD_DAYS = 30
_RENEW = "renew the file with `make advisories`"


class Advisory(BaseModel):
    """A vulnerability of pinned releases, as the package registry knows it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    affected: tuple[str, ...]  # exact versions, of those that were asked about
    id: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]
    summary: str


class KnownAdvisories(BaseModel):
    """What the registry answered, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fetched: date
    answered: frozenset[str]  # `name==version` of the releases that it answered for
    advisories: tuple[Advisory, ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The outcome, as lines to print."""

    title: str
    warnings: tuple[str, ...]
    faults: tuple[str, ...]


def main(arguments: list[str]) -> int:
    """Print the audit of a folder, or of this project. Returns the exit code."""
    folder = Path(arguments[0] if arguments else ".")
    known = KnownAdvisories.model_validate_json((folder / ADVISORIES).read_bytes())
    accepted = {name: reason for name, reason in json.loads((folder / ACCEPTED).read_bytes()).items() if reason.strip()}
    outcome = audit(pinned.read_all(folder), known, accepted, datetime.now(UTC).date())
    print(outcome.title, *(f"warning: {each}" for each in outcome.warnings), *(f"vulnerable: {each}" for each in outcome.faults), sep="\n")
    return int(bool(outcome.faults))


def audit(pins: list[pinned.Pin], known: KnownAdvisories, accepted: Mapping[str, str], today: date) -> Audit:
    """Compare. `accepted` has the reason for each advisory that may stay, by its id or an alias."""
    age_days = (today - known.fetched).days
    found = [(pin, advisory) for pin in pins for advisory in known.advisories if _is_affected(pin, advisory)]
    faults = tuple(_sentence(pin, advisory) for pin, advisory in found if not _names(advisory) & accepted.keys())
    return Audit(
        title=f"{len(pins)} pinned releases, known vulnerabilities as of {known.fetched}, {age_days} days old: {len(faults)} to mend",
        warnings=tuple(_warnings(pins, known, age_days, accepted, {name for _pin, advisory in found for name in _names(advisory)})),
        faults=faults,
    )


def _warnings(pins: list[pinned.Pin], known: KnownAdvisories, age_days: int, accepted: Mapping[str, str], used: set[str]) -> Iterator[str]:
    if age_days > _OLD_DAYS:
        yield f"the file is older than {_OLD_DAYS} days; {_RENEW}"
    if unknown := [str(pin) for pin in pins if str(pin) not in known.answered]:
        yield f"nothing is known about {len(unknown)} of the releases; {_RENEW}: {' '.join(unknown)}"
    for name, reason in accepted.items():
        yield f"{name} is accepted: {reason}" if name in used else f"{name} is accepted, but concerns no pin; remove it from {ACCEPTED}"


def _is_affected(pin: pinned.Pin, advisory: Advisory) -> bool:
    return pin.name == advisory.package and pin.version in advisory.affected


def _names(advisory: Advisory) -> set[str]:
    return {advisory.id, *advisory.aliases}


def _sentence(pin: pinned.Pin, advisory: Advisory) -> str:
    names = ", ".join([advisory.id, *advisory.aliases])
    do = f"Fixed in {', '.join(advisory.fixed_in)}: run `make lock`." if advisory.fixed_in else "No release fixes it yet."
    return f"{pin} ({names}): {advisory.summary} {do}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
