"""The layers of the packages: `python -m tests.layers` prints the imports that do not point downward. There are no exceptions.

Layers in one line do not import each other. A package that is missing here fails the test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.imports import Module, everything_of, modules, within

Levels = Sequence[Sequence[str]]

# From the top: the packages of bot/, its modules that are in none, and cogs/ as a whole.
LAYERS: Levels = (
    ("__main__",),
    ("ops", "app"),
    ("cogs", "assembly"),
    ("client", "services"),
    ("store", "providers"),
    ("media",),
    ("domain",),
    ("core",),
)
# The packages of cogs/. Texts import only texts and the kit, so that every subject may use those of another.
SUBJECTS: Levels = (
    ("load", "outbox"),
    ("replies",),
    ("admin", "images"),
    ("members", "moderation", "money", "reactions"),
    ("texts",),
    ("kit",),
)


def layer_of(name: str) -> str:
    """`bot` itself holds the version and nothing else."""
    package, *rest = name.split(".")
    return package if package == "cogs" else rest[0] if rest else "core"


def subject_of(name: str) -> str:
    _, subject, *rest = name.split(".")
    return "texts" if subject != "kit" and rest and rest[-1].endswith("texts") else subject


def upward() -> list[str]:
    """Imports between layers that do not point downward, also those for the type checker alone."""
    return _upward(("bot", "cogs"), LAYERS, layer_of)


def upward_in_cogs() -> list[str]:
    """The same for the subjects of cogs."""
    return _upward(("cogs",), SUBJECTS, subject_of)


def _upward(packages: Sequence[str], levels: Levels, place: Callable[[str], str]) -> list[str]:
    ours = set(everything_of(*packages)) - {"cogs"}
    return [
        f"{module} -> {other}"
        for module in modules(*packages)
        for other in _imported(module, ours)
        for (here, there) in [(place(module.name), place(other))]
        if here != there and _level(levels, here) <= _level(levels, there)
    ]


def _imported(module: Module, ours: set[str]) -> list[str]:
    """Modules only: `from a.b import c` names the package a.b too, which does not count if a.b.c is a module."""
    named = sorted(module.imports & ours)
    return [name for name in named if not any(other != name and within(other, name) for other in named)]


def _level(levels: Levels, layer: str) -> int:
    """The layer's number, from 0 for the lowest."""
    return next(level for level, layers in enumerate(reversed(levels)) if layer in layers)


if __name__ == "__main__":
    print("\n".join([*upward(), *upward_in_cogs()]))
