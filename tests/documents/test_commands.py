"""Commands in the documents: those of the terminal, and those of Discord."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from discord import AppCommandType

from bot import __main__ as command_line
from bot.__main__ import VERBS
from bot.domain.gestures import MEANINGS, normalized_emoji
from bot.domain.guild.settings import STARTING_PRESETS
from bot.ops.doctor import CHECKS
from bot.ops.portal import PERMISSIONS
from cogs import load
from tests.documents.pages import DOCS, PAGES, Page, page, rows
from tests.imports import PROJECT

MAKEFILE = (PROJECT / "Makefile").read_text("utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
OPTIONS = frozenset(name for verb in VERBS for name in verb.options) | {"--env-file"}
PYTHONS = ("python", "python3", ".venv/bin/python")
# Those that shell blocks may call.
PROGRAMS = frozenset(
    {"make", "cp", "rm", "mkdir", "createdb", "dropdb", "pg_restore", "docker", "openssl", "sudo", "fly", "systemctl", *PYTHONS}
)
# In code inside of sentences: paths that are no commands.
PATHS = frozenset({"/images", "/moderations", "/metrics", "/healthz", "/readyz", "/run/", "/opt/", "/etc/", "/var/", "/data"})

Tree = Mapping[str, Any]  # sub-commands by name; empty for a command that has none


# --- the terminal -----------------------------------------------------------------------------------------------------


def words(command: str) -> list[str]:
    """The words of a command line up to where its output goes, without settings before it; none for what is no command line."""
    try:
        return shlex.split(re.split(r" [|>&]", re.sub(r"^env (?:[A-Z_]+=\S+ )+", "", command))[0])
    except ValueError:
        return []


def made(here: Page) -> set[str]:
    """The targets that a page calls."""
    lines = [words(command) for command in here.commands]
    return {word for line in lines if line[:1] == ["make"] for word in line[1:] if "=" not in word}


def called(here: Page) -> Iterator[list[str]]:
    """The arguments of every call of the bot's command line, also those that name the verb alone, with an option."""
    for line in map(words, here.commands):
        if line[:1] and line[0] in PYTHONS and line[1:3] == ["-m", "bot"] and line[3:]:
            yield line[3:]
        elif line[:5] == ["docker", "compose", "run", "--rm", "easel"]:
            yield line[5:]
        elif line[1:] and line[0] in {verb.name for verb in VERBS} and line[1].startswith("--"):
            yield line


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_make_targets_exist(here: Page) -> None:
    assert made(here) - TARGETS == set()


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_calls_of_the_bot_are_accepted(here: Page) -> None:
    for arguments in called(here):
        command_line._parser().parse_args(arguments)  # ends with SystemExit if it does not accept them
    assert {span for span in here.spans if re.fullmatch(r"--[a-z-]+", span)} - OPTIONS - {"--profile"} == set()


def test_every_target_verb_and_option_is_in_a_document() -> None:
    calls = [arguments for here in PAGES for arguments in called(here)]
    assert TARGETS - {target for here in PAGES for target in made(here)} == set()
    assert {verb.name for verb in VERBS} - {word for arguments in calls for word in arguments} == set()
    assert OPTIONS - {word for arguments in calls for word in arguments} - {span for here in PAGES for span in here.spans} == set()


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_shell_blocks_call_what_exists(here: Page) -> None:
    for line in (words(line) for language, block in here.blocks if language == "sh" for line in block.splitlines()):
        program, *arguments = line
        assert program in PROGRAMS
        sources = arguments[:1] if program == "cp" else [word for word in arguments if Path(word).suffix in {".txt", ".toml", ".service"}]
        given = [path for path in sources if Path(path).suffix != ".sqlite3" and not path.startswith("backups/")]
        assert [path for path in given if not (PROJECT / path.removeprefix("/opt/easel/")).exists()] == []


@pytest.mark.parametrize("here", PAGES, ids=str)
def test_profiles_of_compose_exist(here: Page) -> None:
    profiles = {name for command in here.commands for name in re.findall(r"--profile (\w+)", command)}
    assert profiles - set(re.findall(r"profiles: \[(\w+)\]", (PROJECT / "compose.yaml").read_text("utf-8"))) == set()


def test_the_doctor_s_checks_are_explained() -> None:
    explained = [cells[0].strip("`") for cells in rows(page("docs/operators.md").section("### In `make doctor`"))]
    assert explained == [name for name, _check in CHECKS]


def test_the_readme_explains_every_permission_of_the_invitation() -> None:
    explained = [cells[0] for cells in rows(page("README.md").section("### What the invitation asks for"))]
    assert [name.lower().removesuffix("s").replace(" ", "_") for name in explained] == [name.removesuffix("s") for name in PERMISSIONS]


# --- Discord ----------------------------------------------------------------------------------------------------------


async def commands() -> tuple[Tree, set[str]]:
    """The slash commands as a tree, and the names of the menus."""

    def tree_of(options: list[Any]) -> Tree:
        return {each["name"]: tree_of(each.get("options", [])) for each in options if each["type"] in (1, 2)}

    tree = await load.command_tree()
    slash = [command.to_dict(tree) for command in tree.get_commands(type=AppCommandType.chat_input)]
    menus = {menu.name for kind in (AppCommandType.user, AppCommandType.message) for menu in tree.get_commands(type=kind)}
    return {each["name"]: tree_of(each["options"]) for each in slash}, menus


def qualified(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full names of all commands that can be called."""
    for name, inner in tree.items():
        yield from qualified(inner, (*path, name)) if inner else iter(["/" + " ".join((*path, name))])


def named(here: Page) -> set[str]:
    """What looks like a slash command, in code and in sentences."""
    spans = {span for span in here.spans if re.match(r"/[a-z]", span)}
    return spans | {f"/{name}" for name in re.findall(r"(?<![\w/.])/([a-z][a-z-]+)", here.prose)}


def exists(tree: Tree, text: str) -> bool:
    first, *rest = text[1:].split()
    if first not in tree:
        return False
    inner = tree[first]
    while inner and rest:
        if rest[0] not in inner:
            return False
        inner, rest = inner[rest[0]], rest[1:]
    return not rest or ":" in rest[0]  # options follow


@pytest.mark.parametrize("here", PAGES, ids=str)
async def test_slash_commands_exist(here: Page) -> None:
    tree, _menus = await commands()
    assert [each for each in sorted(named(here)) if not exists(tree, each) and not any(map(each.startswith, PATHS))] == []


async def test_every_option_of_an_image_is_explained() -> None:
    tree, text = await load.command_tree(), page("docs/members.md").text
    commands = [command.to_dict(tree) for command in tree.get_commands() if command.name in ("generate", "edit", "upscale")]
    options = {option["name"] for command in commands for option in command["options"]} - {"prompt"}
    assert sorted(option for option in options if f"**{option}**" not in text) == []


def test_every_reaction_is_explained() -> None:
    cells = " ".join(cells[0] for cells in rows(page("docs/members.md").section("## React")))
    assert [normalized_emoji(sign) for sign in cells.split()] == [*MEANINGS, *(normalized_emoji(each.emoji) for each in STARTING_PRESETS)]


async def test_every_slash_command_and_menu_is_in_a_document() -> None:
    tree, menus = await commands()
    everything = {span for here in DOCS for span in here.spans}
    assert set(qualified(tree)) - everything == set()
    assert [menu for menu in menus if not any(f"**{menu}**" in here.text for here in DOCS)] == []
