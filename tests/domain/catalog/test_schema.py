"""Untrusted schemas: what is kept of them, and that none of them hangs or breaks anything."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bot.domain.catalog.schema import Option, read_options, read_schema, validator


def option(node: Any, **root: Any) -> Option | None:
    return read_options(read_schema({"properties": {"x": node}, **root})).get("x")


@pytest.mark.parametrize(
    "raw", [None, [], "x", 5, {}, {"properties": None}, {"properties": []}, {"properties": {"x": "y"}}, {"properties": {"": {}}}]
)
def test_invalid_schemas_have_no_options(raw: object) -> None:
    assert read_schema(raw) == {"type": "object", "properties": {}, "required": []}


@pytest.mark.parametrize(
    "node",
    [
        {"$ref": "https://evil.test/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"$ref": 5},
        {"$ref": "#/properties/x"},  # refers to itself
        {"anyOf": [{"$ref": "#/properties/x"}, {"$ref": "#/properties/x"}]},
        {"enum": list(range(100_000))},
        {"anyOf": [{"type": "string"}] * 100_000},
        {"type": "string", "pattern": "(?=look)ahead"},  # not linear
        {"type": "string", "pattern": "(((a{99}){99}){99}){99}"},
        {"type": "string", "pattern": "("},
        {"type": "string", "default": "\ud800"},  # half of a character
    ],
    ids=range(13),
)
def test_an_unusable_parameter_is_quickly_left_out(node: Any) -> None:
    begun = time.perf_counter()
    assert option(node) is None
    assert time.perf_counter() - begun < 2


def test_a_greedy_pattern_does_not_hang() -> None:
    schema = read_schema({"properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}})
    begun = time.perf_counter()
    assert not validator(schema).is_valid({"x": "a" * 2000 + "!"})
    assert time.perf_counter() - begun < 2


def test_a_deep_schema_is_left_out() -> None:
    node: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        node = {"allOf": [node]}
    assert option(node) is None


def test_local_references_are_followed() -> None:
    found = option(
        {"allOf": [{"$ref": "#/$defs/a~1b"}], "default": "1:1"}, **{"$defs": {"a/b": {"type": "string", "enum": ["1:1", "16:9"]}}}
    )
    assert found == Option(name="x", kinds=frozenset({"string"}), values=("1:1", "16:9"), closed=True, default="1:1")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": ["integer", "null"], "minimum": 1, "maximum": 9}, {"kinds": {"integer"}, "least": 1, "most": 9}),
        ({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": 3}, {"kinds": {"integer"}, "least": 1, "default": 3}),
        ({"oneOf": [{"enum": ["a"]}, {"const": "b"}]}, {"kinds": {"string"}, "values": ("a", "b"), "closed": True}),
        ({"anyOf": [{"enum": ["a"]}, {"type": "string"}]}, {"kinds": {"string"}, "values": ("a",), "closed": False}),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"kinds": {"number"}, "least": 0, "above": True, "most": 1}),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"kinds": {"number"}, "least": 0, "above": True}),
        ({"enum": [1, 2, None]}, {"kinds": {"integer"}, "values": (1, 2), "closed": True}),
        ({"type": "boolean"}, {"kinds": {"boolean"}, "values": (True, False)}),
        ({"type": "array", "maxItems": 3, "items": {"type": "string"}}, {"kinds": {"array"}, "max_items": 3}),
        ({"type": "nonsense", "minimum": "a", "maxLength": -1, "multipleOf": 0, "enum": 5, "default": []}, {"kinds": {"string"}}),
        ({"minimum": float("nan"), "maximum": float("inf"), "type": "number"}, {"kinds": {"number"}}),
        (True, None),
    ],
)
def test_options_are_read_from_many_forms_of_schemas(node: Any, expected: dict[str, Any] | None) -> None:
    found = option(node)
    assert found == (None if expected is None else Option(name="x", **expected | {"kinds": frozenset(expected["kinds"])}))


def test_options_keep_the_model_s_order() -> None:
    schema = read_schema({"properties": {"c": {}, "b": {"x-order": 2}, "a": {"x-order": 1}, "d": {"x-order": "0"}}})
    assert list(read_options(schema)) == ["a", "b", "c", "d"]


def test_reading_a_schema_is_idempotent() -> None:
    schema = read_schema(
        {"properties": {"x": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "default": 3}}, "required": ["x", 5]}
    )
    assert read_schema(schema) == schema
