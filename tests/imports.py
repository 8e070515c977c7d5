"""The project's modules and their imports, read from the source text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True, kw_only=True)
class Module:
    name: str
    tree: ast.Module = field(repr=False)

    @property
    def imports(self) -> frozenset[str]:
        """Names of all modules it imports, also under TYPE_CHECKING; `from a import b` counts as a and as a.b."""
        return frozenset(name for node in ast.walk(self.tree) for name in _imported(node))

    @property
    def imports_at_once(self) -> frozenset[str]:
        """Names of the modules that are imported together with it, at the top level."""
        return frozenset(name for node in self.tree.body for name in _imported(node))

    def __str__(self) -> str:
        return self.name


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules(*packages: str) -> tuple[Module, ...]:
    return tuple(_module(path) for package in packages for path in sorted((PROJECT / package).rglob("*.py")))


@cache
def _module(path: Path) -> Module:
    return Module(name=_name(path), tree=ast.parse(path.read_text("utf-8")))


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def everything_of(*packages: str) -> list[str]:
    """Real modules only: an imported name may also be a class."""
    return [module.name for module in modules(*packages)]
