"""Compatibility: the custom ids of all buttons, menus and forms ever posted, and the registered commands."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogs import load
from cogs.kit.router import LENGTH_MAX, VERSION, Control, CustomId, Route, integer, one_of, optional

GOLDEN = Path(__file__).parent / "golden"
COGS = Path(__file__).parents[2] / "cogs"
CUSTOM_IDS: Mapping[str, list[str]] = json.loads((GOLDEN / "custom_ids.json").read_text("utf-8"))
EXAMPLES = [each for family in CUSTOM_IDS.values() for each in family]
ROUTES = load.ROUTER.routes


# --- the ids -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", CUSTOM_IDS)
def test_every_id_is_read_by_one_declaration_and_built_again(family: str) -> None:
    for custom_id in CUSTOM_IDS[family]:
        (built,) = [route.custom_id(**values) for route in ROUTES if (values := route.custom_id.read(custom_id)) is not None]
        assert built == custom_id


def test_every_declaration_has_an_example() -> None:
    """Add an example of each new declaration to the golden file. Never remove one: its buttons are still in channels."""
    assert [route.custom_id.template for route in ROUTES if not any(map(route.custom_id.pattern.fullmatch, EXAMPLES))] == []


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.custom_id.template)
def test_a_handler_takes_the_fields_of_its_ids(route: Route) -> None:
    """Handlers also take the request and the interaction, and of a menu or a form the values."""
    given: tuple[object, ...] = () if route.control is Control.BUTTON else ([],)
    (fields, *_more) = [values for each in EXAMPLES if (values := route.custom_id.read(each)) is not None]
    inspect.signature(route.handler).bind(None, None, *given, **fields)


def test_every_declaration_is_handled_once() -> None:
    templates = [route.custom_id.template for route in ROUTES]
    assert sorted(templates) == sorted(set(templates))


@given(st.sampled_from(ROUTES).flatmap(lambda route: st.from_regex(route.custom_id.pattern, fullmatch=True)))
def test_no_two_declarations_read_the_same_id(custom_id: str) -> None:
    assert len([route for route in ROUTES if route.custom_id.read(custom_id) is not None]) <= 1


def test_ids_are_built_only_by_declarations() -> None:
    """The router adds the version, so no other string contains it."""
    texts = [
        f"{path.name}, line {node.lineno}"
        for path in COGS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and f"{VERSION}:" in node.value
    ]
    assert texts == []


def test_no_id_is_longer_than_discord_allows() -> None:
    assert [each for each in EXAMPLES if len(each) > LENGTH_MAX] == []


SAMPLE = CustomId("sample:{answer}:{many}:{who}", answer=one_of("yes", "no"), many=integer(most=99), who=optional(integer()))


@pytest.mark.parametrize(
    "forged",
    ["", "v1:sample", "v2:sample:yes:1:-", "v1:sample:maybe:1:-", "v1:sample:yes:100:-", "v1:sample:yes:01:-", "v1:sample:yes:1:-\n"],
)
def test_a_declaration_does_not_read_a_forged_id(forged: str) -> None:
    assert SAMPLE.read(forged) is None


@pytest.mark.parametrize("values", [{"answer": "maybe"}, {"many": 100}, {"many": -1}, {"who": 2**63}])
def test_a_declaration_does_not_build_an_id_that_it_cannot_read(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot carry"):
        SAMPLE(**{"answer": "yes", "many": 1, "who": None, **values})


# --- the commands ------------------------------------------------------------------------------------------------------


async def commands_as_registered() -> list[dict[str, Any]]:
    """Every command and menu with its options, choices, ranges, contexts and permissions, in English."""
    tree = await load.command_tree()
    return sorted((command.to_dict(tree) for command in tree.get_commands()), key=lambda command: (command["type"], command["name"]))


async def test_the_commands_match_the_golden_file() -> None:
    """After an intended change, write `commands_as_registered()` to the file as JSON."""
    assert await commands_as_registered() == json.loads((GOLDEN / "commands.json").read_text("utf-8"))


def test_images_come_before_the_model_and_the_model_before_its_options() -> None:
    """Discord shows options in the order in which they are registered; required ones must be first."""
    registered = {command["name"]: command.get("options", []) for command in json.loads((GOLDEN / "commands.json").read_text("utf-8"))}
    for name, first in (("generate", ["model"]), ("edit", ["image", "model"]), ("upscale", ["image", "model"])):
        assert [option["name"] for option in registered[name] if not option.get("required")][: len(first)] == first
