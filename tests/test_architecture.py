"""Rules of the structure: the direction of imports, and that what is written beside the code matches it."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import __version__
from bot.core import config
from bot.core.config import Settings
from bot.ops import settings_page
from bot.ops.env_example import render
from tests import structure
from tests.imports import PROJECT, everything_of, modules, within
from tests.layers import upward, upward_in_cogs

NOT_OURS = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "data", "out"}

SPEAKS_DISCORD = ("cogs", "bot.client", "bot.ops.live_discord", "bot.ops.portal")  # cogs.images.delivery is the delivery adapter
KNOWS_SANDBOX = {"bot.ops.demo"}
TRANSLATING = {"_": 1, "N_": 1, "ngettext": 2, "pgettext": 2}  # and how many of their arguments are texts
READS_ENVIRONMENT = {"bot.core.config", "bot.ops.demo"}  # the demo makes the environment of its two processes


def test_imports_point_downward() -> None:
    """`tests/layers.py` holds the order of the packages, and no exceptions."""
    assert upward() == []


def test_subjects_of_cogs_import_downward() -> None:
    assert upward_in_cogs() == []


def test_there_are_no_import_cycles() -> None:
    ours = set(everything_of("bot", "cogs"))
    needs = {module.name: _modules_only(module.imports & ours) - {module.name} for module in modules("bot", "cogs")}
    while free := [name for name, others in needs.items() if not others & needs.keys()]:
        needs = {name: others for name, others in needs.items() if name not in free}
    assert needs == {}


def _modules_only(names: frozenset[str]) -> set[str]:
    """`from a import b` names the package a too, which does not count if a.b is a module."""
    return {name for name in names if not any(other != name and within(other, name) for other in names)}


def test_no_folder_has_too_many_modules() -> None:
    folders = Counter(path.parent for package in ("bot", "cogs") for path in (PROJECT / package).rglob("*.py") if path.stem != "__init__")
    del folders[PROJECT / "bot/store/migrations/versions"]  # there is one more with each change of the database
    assert {str(folder.relative_to(PROJECT)): count for folder, count in folders.items() if count > 16} == {}


def test_only_the_front_imports_discord_py() -> None:
    speakers = [module.name for module in modules("bot", "cogs") if any(within(name, "discord") for name in module.imports)]
    assert [name for name in speakers if not any(within(name, place) for place in SPEAKS_DISCORD)] == []


def test_the_bot_does_not_import_the_sandbox() -> None:
    users = {module.name for module in modules("bot", "cogs") if any(within(name, "sandbox") for name in module.imports)}
    at_once = {module.name for module in modules("bot", "cogs") if any(within(name, "sandbox") for name in module.imports_at_once)}
    assert (users, at_once) == (KNOWS_SANDBOX, set())


def test_the_sandbox_does_not_import_the_bot() -> None:
    assert [str(module) for module in modules("sandbox") for name in module.imports if within(name, "bot") or within(name, "cogs")] == []


def test_only_the_settings_read_the_environment() -> None:
    readers = [
        module.name
        for module in modules("bot", "cogs", "sandbox")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}
    ]
    assert set(readers) == READS_ENVIRONMENT


def test_rights_are_decided_in_three_modules() -> None:
    """One decides over existing things, one over new orders, one where an image may be shown; all other modules call them."""
    assert set(structure.rights(PROJECT)) == {f"bot/domain/{name}.py" for name in ("permissions", "admission", "visibility")}


def test_cogs_change_nothing_in_the_store() -> None:
    """Cogs run queries with the `Reader`, and change data through services."""
    writers = [
        f"{module}, line {node.lineno}"
        for module in modules("cogs")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "write"
    ]
    assert writers == []


def test_cogs_take_only_queries_from_the_store() -> None:
    """Values are in the domain; of the store a cog imports modules, whose functions it passes to the `Reader`."""
    stores = set(everything_of("bot"))
    values = [
        f"{module}: {node.module}.{alias.name}"
        for module in modules("cogs")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module and within(node.module, "bot.store")
        for alias in node.names
        if f"{node.module}.{alias.name}" not in stores
    ]
    assert values == []


def test_no_two_classes_have_the_same_name() -> None:
    assert structure.duplicate_classes(PROJECT, "bot", "cogs", "sandbox", "tests", "benchmarks") == {}


def test_retired_words_are_gone() -> None:
    """Names, comments, docstrings and log events use the field's terms."""
    assert structure.retired_words(PROJECT) == []


def test_an_interaction_has_one_listener() -> None:
    """The library starts a task for each, also for every keystroke of a suggestion."""
    assert len(structure.listeners(PROJECT)) == 1


def test_interactions_are_answered_in_one_place() -> None:
    """`cogs.kit.answers` knows whether an interaction was deferred. Only forms are opened elsewhere."""
    answering = [
        f"{module}, line {node.lineno}"
        for module in modules("cogs")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "response"
        if module.name != "cogs.kit.answers" and node.attr != "send_modal"
    ]
    assert answering == []


def test_every_task_has_a_name() -> None:
    nameless = [
        f"{module}, line {node.lineno}"
        for module in modules("bot", "cogs", "sandbox")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "create_task"
        if not any(keyword.arg == "name" for keyword in node.keywords)
    ]
    assert nameless == []


WAKES_ITSELF = {"bot.core.running.loops"}  # a worker that was full, when a task ends


def test_no_code_wakes_a_loop_directly() -> None:
    """A commit wakes the loops it concerns: the store announces it."""
    wakers = {
        module.name
        for module in modules("bot", "cogs")
        if not within(module.name, "bot.store")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"ring", "wake"}
    }
    assert wakers == WAKES_ITSELF


def test_every_translated_text_is_one_literal() -> None:
    """Values are put in after the translation: `_("{count} left").format(...)`, never before or by an f-string."""
    broken = [
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for module in modules("bot", "cogs")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATING
        if any(isinstance(part, ast.JoinedStr | ast.BinOp | ast.Call) for part in node.args[: TRANSLATING[node.func.id]])
    ]
    assert broken == []


def test_no_text_to_translate_is_in_an_f_string() -> None:
    """Python before 3.12 has no tokens inside f-strings, so the extraction would miss the text."""
    hidden = [
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for module in modules("bot", "cogs")
        for text in ast.walk(module.tree)
        if isinstance(text, ast.JoinedStr)
        for node in ast.walk(text)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TRANSLATING
        if any(isinstance(argument, ast.Constant) for argument in node.args)
    ]
    assert hidden == []


# --- what is written beside the code ---------------------------------------------------------------------------------


def test_env_example_equals_the_settings() -> None:
    assert (PROJECT / ".env.example").read_text("utf-8") == render(), "renew it: python -m bot settings > .env.example"


def test_env_example_has_every_setting_once_with_a_comment() -> None:
    entries = re.findall(r"^# (.+)\n#?([A-Z_]+)=", render(), re.MULTILINE)
    assert [name for _, name in entries] == [name.upper() for name in Settings.model_fields]
    assert [name for comment, name in entries if not comment.endswith(".")] == []


def test_env_example_has_a_heading_for_each_group_and_short_lines() -> None:
    assert re.findall(r"^# --- (.+?) -+$", render(), re.MULTILINE) == [
        "Required",
        "Money",
        "Limits",
        "Retention",
        "Moderation",
        "Image APIs",
        "Advanced",
    ]
    assert [line for line in render().splitlines() if len(line) > 120] == []


def test_the_page_of_settings_equals_the_settings() -> None:
    page = (PROJECT / "docs/settings.md").read_text("utf-8")
    assert page == settings_page.render(), "renew it: python -m bot settings --markdown > docs/settings.md"


def test_the_examples_in_a_description_are_json() -> None:
    examples = [line for field in Settings.model_fields.values() for line in str(field.description).splitlines() if line.startswith("  ")]
    endpoints, prices = examples
    settings = config.load({"DISCORD_TOKEN": "a", "OPENAI_ENDPOINTS": endpoints}, env_file=None)
    assert (settings.default_model, len(json.loads(f"{{{prices}}}")["prices"])) == ("sd-xl", 2)


def test_env_example_gives_the_defaults(tmp_path: Path) -> None:
    required = {"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}
    path = tmp_path / ".env"
    path.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", render(), flags=re.MULTILINE))
    assert config.load(required, env_file=path).model_dump() == config.load(required, env_file=None).model_dump()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_a_page_names_only_files_that_exist(page: str) -> None:
    named = re.findall(r"`((?:bot|cogs|sandbox|tests)/[^`\s]*)`", (PROJECT / page).read_text("utf-8"))
    assert named
    assert [path for path in named if not (PROJECT / path).exists()] == []


def test_both_places_name_the_same_version() -> None:
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == __version__


def test_every_make_target_says_what_it_does() -> None:
    described = set(re.findall(r"^([a-z-]+):.*## .+", (PROJECT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert make_targets() - described == set()


# --- what is not committed -------------------------------------------------------------------------------------------


def committed_files() -> Iterator[Path]:
    for path in sorted(PROJECT.rglob("*")):
        if path.is_file() and not NOT_OURS & set(path.relative_to(PROJECT).parts) and path.name != ".env":
            yield path


HOSTS = ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "index" + "-url = ")


def test_no_file_names_a_package_registry() -> None:
    named = re.compile("|".join(map(re.escape, HOSTS)).encode())
    assert [str(path) for path in committed_files() if named.search(path.read_bytes())] == []


def test_pins_hold_hashes_and_no_addresses() -> None:
    pins = [path.read_text("utf-8") for path in PROJECT.glob("requirements*.txt")]
    assert len(pins) == 3
    for text in pins:
        assert re.findall(r"://|^--|^-i ", text, re.MULTILINE) == []
        assert len(re.findall(r"^\S+==\S+", text, re.MULTILINE)) == len(re.findall(r"^\S+==[^\n]*\\\n +--hash=sha256:", text, re.MULTILINE))


def test_there_is_no_lock_file_with_addresses() -> None:
    locks = {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "package-lock.json", "yarn.lock"}
    assert [str(path) for path in committed_files() if path.name in locks] == []
