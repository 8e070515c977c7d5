"""Converts a model's parameter schema, which is untrusted input, to a safe schema and to options.

The image API describes each model by a JSON Schema, which may be null, malformed, huge or hostile. Only known, well-formed keywords are
kept, local references are inlined under a size limit, and unusable properties are left out.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

from bot.domain.catalog.reading import PartsBudget

if TYPE_CHECKING:
    import jsonschema_rs

Scalar = str | int | float | bool
Schema = dict[str, Any]

MAX_PROPERTIES: Final = 100
MAX_NODES: Final = 2000  # subschemas and enum values of one property, counted again for each reference to them
MAX_DEPTH: Final = 8
_TEXT_LIMIT: Final = 500
_PATTERN_NODES: Final = 50  # compiling a pattern takes as long as reading so many subschemas
_PATTERN_BYTES: Final = 256 * 1024  # of a pattern and its automaton

_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_NUMBERS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS: Final = ("minLength", "maxLength", "minItems", "maxItems")
_BRANCHES: Final = ("anyOf", "oneOf", "allOf")


class UnusableSchemaError(ValueError):
    """A schema that is too large or too deep, or refers to another document."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One parameter of a model."""

    name: str
    kinds: frozenset[str]  # JSON types, without null
    values: tuple[Scalar, ...] = ()  # in the schema's order
    closed: bool = False  # only `values` are allowed
    least: float | None = None
    most: float | None = None
    above: bool = False  # `least` itself is not allowed
    below: bool = False  # `most` itself is not allowed
    step: float | None = None
    max_length: int | None = None
    max_items: int | None = None
    default: Scalar | None = None
    required: bool = False
    is_typed: bool = True  # False: its values are objects, or lists of objects
    summary: str = ""
    sent_as: Mapping[Scalar, Scalar] = field(default_factory=dict)  # values that are replaced before they are sent


def find_schema(model: Mapping[str, Any]) -> object:
    """A raw model's schema, under either of its two keys; None if it has none."""
    return model.get("request_schema") or model.get("json_request_schema")


def read_schema(raw: object, budget: PartsBudget | None = None) -> Schema:
    """The usable part of a schema: `{"type", "properties", "required"}`, without references. Raises only `ModelTooLargeError`."""
    budget = budget or PartsBudget()
    root = raw if isinstance(raw, Mapping) else {}
    found = root.get("properties")
    properties = {}
    for name, node in list(found.items() if isinstance(found, Mapping) else ())[:MAX_PROPERTIES]:
        with contextlib.suppress(UnusableSchemaError):
            if isinstance(name, str) and 0 < len(name) <= 64:
                properties[name] = _property(root, node, budget)
    wanted = root.get("required")
    required = [name for name in wanted if isinstance(name, str)][:MAX_PROPERTIES] if isinstance(wanted, list) else []
    return {"type": "object", "properties": dict(sorted(properties.items(), key=_order)), "required": required}


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """Compile a schema from `read_schema`. Never fetches other documents."""
    import jsonschema_rs  # imported here because it takes 6 MiB, and only orders need it

    linear = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)  # linear time, no backtracking
    return jsonschema_rs.Draft202012Validator(schema, retriever=_refuse_to_fetch, pattern_options=linear)


def read_options(schema: Schema) -> dict[str, Option]:
    """The properties of a schema from `read_schema` as options, in order."""
    required = set(schema["required"])
    return {name: _option(name, node, required=name in required) for name, node in schema["properties"].items()}


def _refuse_to_fetch(uri: str) -> NoReturn:
    raise UnusableSchemaError(f"a schema refers to another document: {uri}")


def _order(item: tuple[str, Schema]) -> float:
    order = item[1].get("x-order")
    return order if isinstance(order, int) else math.inf


def _property(root: Mapping[str, Any], node: object, budget: PartsBudget) -> Schema:
    cleaned = _Cleaner(root, budget).clean(node, MAX_DEPTH)
    try:
        if b'"pattern"' in json.dumps(cleaned, ensure_ascii=False).encode():
            validator(cleaned)
    except ValueError as error:  # a pattern that needs backtracking, or half of a surrogate pair; the rest was checked
        raise UnusableSchemaError(str(error)) from error
    return cleaned


class _Cleaner:
    """Copies the known, well-formed keywords of a subschema, up to `MAX_NODES`."""

    def __init__(self, root: Mapping[str, Any], budget: PartsBudget) -> None:
        self._root = root
        self._budget = budget
        self._left = MAX_NODES

    def clean(self, node: object, depth: int) -> Schema:
        if not isinstance(node, Mapping):
            raise UnusableSchemaError("a subschema is not an object")
        self._spend(_PATTERN_NODES if "pattern" in node else 1, depth)
        if "$ref" in node:
            siblings = {key: value for key, value in node.items() if key != "$ref"}
            return {**self.clean(self._follow(node["$ref"]), depth - 1), **self.clean(siblings, depth - 1)}
        cleaned = _plain_keywords(node)
        cleaned |= self._enumeration(node, depth)
        for keyword in _BRANCHES:
            branches = node.get(keyword)
            if isinstance(branches, list) and branches:
                cleaned[keyword] = [self.clean(branch, depth - 1) for branch in branches]
        if isinstance(node.get("items"), Mapping):
            cleaned["items"] = self.clean(node["items"], depth - 1)
        return cleaned

    def _enumeration(self, node: Mapping[str, Any], depth: int) -> Schema:
        given = [node["const"]] if "const" in node else node.get("enum")
        if not isinstance(given, list):
            return {}
        self._spend(len(given), depth)
        values = [value for value in given if value is None or _is_scalar(value)]
        return {"enum": list(dict.fromkeys(values))} if values else {}

    def _follow(self, reference: object) -> object:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise UnusableSchemaError("a schema refers to another document")
        node: object = self._root
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")  # RFC 6901, section 4
            node = node.get(key) if isinstance(node, Mapping) else None
        return node

    def _spend(self, nodes: int, depth: int) -> None:
        self._budget.spend(min(nodes, max(self._left, 0)))
        self._left -= nodes
        if self._left < 0 or depth < 0:
            raise UnusableSchemaError("a schema is too large or too deep")


def _plain_keywords(node: Mapping[str, Any]) -> Schema:
    kept: Schema = {}
    kinds = node.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(kinds, list) and kinds and all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
        kept["type"] = sorted(set(kinds))
    kept |= {key: node[key] for key in _NUMBERS if _is_number(node.get(key))}
    kept |= {key: node[key] for key in _COUNTS if _is_count(node.get(key))}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.get(exclusive) is True and bound in kept:  # a flag in draft 4
            kept[exclusive] = kept.pop(bound)
    if _is_number(node.get("multipleOf")) and node["multipleOf"] > 0:
        kept["multipleOf"] = node["multipleOf"]
    if isinstance(node.get("pattern"), str) and len(node["pattern"]) <= _TEXT_LIMIT:
        kept["pattern"] = node["pattern"]
    kept |= {key: node[key][:_TEXT_LIMIT] for key in ("title", "description") if isinstance(node.get(key), str)}
    if _is_scalar(node.get("default")):
        kept["default"] = node["default"]
    if _is_count(node.get("x-order")):
        kept["x-order"] = node["x-order"]
    return kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 2**64  # NaN compares false


def _is_count(value: object) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_scalar(value: object) -> bool:
    return isinstance(value, bool) or _is_number(value) or (isinstance(value, str) and len(value) <= _TEXT_LIMIT)


def _option(name: str, node: Schema, *, required: bool) -> Option:
    branches = [branch for branch in _branches(node) if branch.get("type") != ["null"] and branch.get("enum") != [None]] or [node]
    enums = [branch["enum"] for branch in branches if "enum" in branch]
    values = tuple(dict.fromkeys(value for enum in enums for value in enum if value is not None))
    kinds = frozenset(kind for branch in branches for kind in _kinds(branch)) - {"null"}
    least, above = _bound(branches, "minimum", "exclusiveMinimum", min)
    most, below = _bound(branches, "maximum", "exclusiveMaximum", max)
    return Option(
        name=name,
        kinds=kinds or frozenset({"string"}),
        values=values or ((True, False) if kinds == {"boolean"} else ()),
        closed=len(enums) == len(branches),
        least=least,
        most=most,
        above=above,
        below=below,
        step=next((branch["multipleOf"] for branch in branches if "multipleOf" in branch), None),
        max_length=next((branch["maxLength"] for branch in branches if "maxLength" in branch), None),
        max_items=next((branch["maxItems"] for branch in branches if "maxItems" in branch), None),
        default=next((part["default"] for part in (node, *branches) if "default" in part), None),
        required=required,
        is_typed=any(_is_typed(branch) for branch in branches),
        summary=node.get("description", ""),
    )


def _is_typed(branch: Schema) -> bool:
    """Whether people can type its values: not objects, and not lists of only objects."""
    kinds = set(_kinds(branch))
    takes_list = "array" in kinds and set(_kinds(branch.get("items", {}))) != {"object"}
    return not kinds or takes_list or bool(kinds - {"object", "array", "null"})


def _branches(node: Schema) -> list[Schema]:
    """The alternatives of a subschema, each without branching keywords."""
    own = {key: value for key, value in node.items() if key not in _BRANCHES}
    for part in node.get("allOf", ()):
        alternatives = _branches(part)
        own = own | alternatives[0] if len(alternatives) == 1 else own
    choices = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [own | alternative for choice in choices for alternative in _branches(choice)] or [own]


def _kinds(branch: Schema) -> Iterable[str]:
    if "type" in branch:
        return list(branch["type"])
    seen = branch.get("enum") or [value for value in (branch.get("default"),) if value is not None]
    return [_KIND_OF[type(value)] for value in seen if type(value) in _KIND_OF]


_KIND_OF: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _bound(branches: list[Schema], closed: str, exclusive: str, widest: Any) -> tuple[float | None, bool]:
    """The widest bound of the alternatives, and whether it is exclusive; None if an alternative has no bound."""
    bounds = [(branch.get(exclusive, branch.get(closed)), exclusive in branch) for branch in branches if "enum" not in branch]
    if not bounds or any(value is None for value, _ in bounds):
        return None, False
    edge: tuple[float, bool] = widest(bounds)
    return edge
