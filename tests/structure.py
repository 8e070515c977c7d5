"""Measures of the project's structure: `python -m tests.structure [FOLDER]` prints them, for this checkout or another.

They are read from the source text, so that two versions can be compared; `tests/test_architecture.py` checks some of them.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent.parent
# A decision about rights compares a user with an owner, or reads a Discord permission.
_OWNERS = re.compile(r"\b(user_id|user\.id|author_id|owner_id|host_id)\b")
_DISCORDS = re.compile(r"\bguild\.owner_id\b")  # a guild's owner has every permission in it: a rule of Discord, not a decision of the bot
_RIGHTS = re.compile(r"\.(may_manage_messages|may_manage_server|manage_messages|manage_guild)$|\bis_(moderator|manager)$")

_RETIRED = re.compile(
    r"house|street|doors?|rooms?|bells?|rings?|crew|hands?|desk|till|purses?|errands?|clerks?|keepsakes?|parcels?"
    r"|ladder|rungs?|gates?|wish|wishes|spots?|look|looks|looked|looking|kin",
    re.IGNORECASE,
)

_IDIOMS = re.compile(r"look(s|ed|ing)?[ _](it[ _])?up|look-alikes?|looks[ _]like|by[ _]hand")


@cache
def _parse(text: str) -> ast.Module:
    """Parsed once, however many counts read it."""
    return ast.parse(text)


def sources(folder: Path, *packages: str) -> Iterator[tuple[str, str]]:
    """Every Python file below these packages: its path from the folder, and its text."""
    for package in packages:
        for path in sorted((folder / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(folder).as_posix(), path.read_text("utf-8")


def lines(folder: Path, *packages: str) -> int:
    return sum(text.count("\n") for _, text in sources(folder, *packages))


def listeners(folder: Path) -> list[str]:
    """Functions that discord.py starts a task for with every interaction."""
    return [
        f"{path}:{node.lineno}"
        for path, text in sources(folder, "bot", "cogs")
        for node in ast.walk(_parse(text))
        if isinstance(node, ast.AsyncFunctionDef) and node.name in ("on_interaction", "on_press")
    ]


def wake_ups(folder: Path) -> list[str]:
    """Calls that wake a loop directly."""
    return [
        f"{path}:{node.lineno}"
        for path, text in sources(folder, "bot", "cogs")
        for node in ast.walk(_parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "ring"
    ]


def rights(folder: Path) -> Mapping[str, int]:
    """Number of decisions about rights in each module: comparisons of users, and reads of Discord permissions."""
    found = {path: sum(1 for _ in _decisions(_parse(text))) for path, text in sources(folder, "bot", "cogs")}
    return {path: count for path, count in found.items() if count}


def _decisions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            sides = [ast.unparse(node.left), ast.unparse(node.comparators[0])]
            is_known = any(".c." in side or _DISCORDS.search(side) for side in sides)
            if all(_OWNERS.search(side) for side in sides) and not is_known:
                yield node
        elif isinstance(node, ast.If | ast.IfExp | ast.BoolOp | ast.Return):
            yield from _asked(node)


def _asked(node: ast.If | ast.IfExp | ast.BoolOp | ast.Return) -> Iterator[ast.AST]:
    tested = node.values if isinstance(node, ast.BoolOp) else [node.value if isinstance(node, ast.Return) else node.test]
    for part in tested:
        bare = part.operand if isinstance(part, ast.UnaryOp) else part
        name = bare.func if isinstance(bare, ast.Call) else bare
        if bare is not None and name is not None and _RIGHTS.search(ast.unparse(name)):
            yield bare


def id_patterns(folder: Path) -> list[str]:
    """Strings from which custom ids are built or parsed."""
    return [
        f"{path}:{node.lineno}"
        for path, text in sources(folder, "bot", "cogs")
        for node in ast.walk(_parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"v1:(?=\S)", node.value)
    ]


def duplicate_classes(folder: Path, *packages: str) -> Mapping[str, list[str]]:
    """Names that more than one class has."""
    named: dict[str, list[str]] = {}
    for path, text in sources(folder, *packages):
        for node in ast.walk(_parse(text)):
            if isinstance(node, ast.ClassDef):
                named.setdefault(node.name, []).append(path)
    return {name: paths for name, paths in named.items() if len(paths) > 1}


def retired_words(folder: Path) -> list[str]:
    """Words that names, comments, docstrings and log events must not use: metaphors for things that have a proper term.

    Texts for members, data and migrations are not read: migrations need the earlier table names.
    """
    return [
        f"{path}:{line} {word}"
        for path, text in sources(folder, "bot", "cogs", "sandbox", "tests", "benchmarks")
        for line, written in _written(text)
        for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", _IDIOMS.sub("", written))
        if _RETIRED.fullmatch(word)
    ]


def _written(text: str) -> Iterator[tuple[int, str]]:
    """Names, comments, docstrings and log events, each with its line."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for token, following in pairwise(tokens):
        is_keyword = (
            following.string == "=" and following.start == token.end
        )  # names a parameter or a placeholder, which is defined elsewhere
        if token.type == tokenize.COMMENT or (token.type == tokenize.NAME and not is_keyword):
            yield token.start[0], token.string
    for node in ast.walk(_parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (docstring := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), docstring
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log.") and node.args:
            yield node.lineno, ast.unparse(node.args[0])


def report(folder: Path) -> Mapping[str, int]:
    deciding = rights(folder)
    return {
        "lines of product (bot, cogs)": lines(folder, "bot", "cogs"),
        "lines of tests": lines(folder, "tests"),
        "files of product": sum(1 for _ in sources(folder, "bot", "cogs")),
        "listeners for interactions": len(listeners(folder)),
        "wake-ups by hand": len(wake_ups(folder)),
        "decisions about rights": sum(deciding.values()),
        "modules that decide rights": len(deciding),
        "texts that build or read custom ids": len(id_patterns(folder)),
        "class names used more than once": len(duplicate_classes(folder, "bot", "cogs")),
        "retired words": len(retired_words(folder)),
    }


if __name__ == "__main__":
    for name, count in report(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE).items():
        print(f"{count:>8}  {name}")
