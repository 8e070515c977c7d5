"""What to say where packages are missing. This module imports nothing that has to be installed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_OURS = ("bot", "cogs")
_TARGETS = ("run", "doctor", "invite", "demo")  # verbs that `make` can run, after it has installed everything


def missing_package(error: ModuleNotFoundError, arguments: Sequence[str]) -> str:
    """The sentence about a package that this Python does not have, with the command to use. Raises the error if the module is ours."""
    package = (error.name or "").partition(".")[0]
    if package in ("", *_OURS):
        raise error
    if [*arguments] in [[verb] for verb in _TARGETS]:
        way = f"use `make {arguments[0]}`, which installs them"
    else:
        way = f"run `make setup` once, then `{shlex.join(['.venv/bin/python', '-m', 'bot', *arguments])}`"
    return f"This Python does not have Easel's packages ({package} is missing): {way}."
