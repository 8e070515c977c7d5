"""Options that multiply the number of images of one request, under any name: "num_images", "batchSize", "samples-per-prompt".

An order has its own count, and each of its images is one request. So members cannot set these options, and they are sent as 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from bot.domain.catalog.options import fits
from bot.domain.catalog.schema import Option, Scalar

_MAX_DEPTH: Final = 8
_MAX_NODES: Final = 5000  # of a raw schema
_MAX_JSON: Final = 4000  # characters of a text that may hold JSON


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_NUMBERING: Final = _set(
    "n nb nr num nums number numbers max maximum min minimum total count counts amount quantity qty per many times sequential multi"
    " multiple"
)
_IMAGES: Final = _set(
    "images imgs pictures photos outputs samples generations results variations variants candidates completions copies renders artifacts"
)
_ONE_IMAGE: Final = _set(
    "image img picture photo output sample generation result variation variant candidate completion copy render artifact"
)
_BATCH: Final = _set("batch batches")
# Names of one word; the plurals in `_IMAGES` are such names too.
_ALONE: Final = _set("n num number count quantity qty repeat repeats repetitions replicas duplicates") | _IMAGES
# Words that give these names another meaning: "max_image_size", "num_input_images".
_OTHERWISE: Final = _set(
    "size width height pixel pixels resolution megapixel megapixels dimension dimensions length bytes mb quality strength weight step steps"
    " scale side edge aspect ratio seed token tokens tolerance input inputs reference references index"
)
_WORDS: Final = _NUMBERING | _IMAGES | _ONE_IMAGE | _BATCH | _ALONE | _OTHERWISE | _set("of the to prompt request")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z]+")
_ANY_WORD: Final = "|".join(sorted(_WORDS, key=len, reverse=True))
_JOINED: Final = re.compile(f"(?:{_ANY_WORD})+")
_SPLIT: Final = re.compile(_ANY_WORD)


@lru_cache(maxsize=4096)
def names_a_count(name: str) -> bool:
    """Whether an option of this name, if it is a number, says how many images one request makes."""
    words = _words(name)
    if len(words) == 1 and words <= _ALONE:
        return True
    is_number_of_images = words & _NUMBERING and words & (_IMAGES | _ONE_IMAGE) and not words & _OTHERWISE
    return bool(words & _BATCH or is_number_of_images)


def is_count(option: Option) -> bool:
    """Whether the option multiplies the number of images of a request."""
    if not names_a_count(option.name) or option.kinds <= {"array", "object", "boolean"}:
        return False
    return bool(option.kinds & {"integer", "number"}) or all(_number(value) is not None for value in option.values)


def single_image(options: Mapping[str, Option]) -> dict[str, Scalar]:
    """The parameters that make a request one image: 1 for every count, or the least that the model allows."""
    return {name: _least(option) for name, option in options.items() if is_count(option) and (option.required or option.default != 1)}


def images_made(options: Mapping[str, Option], params: Mapping[str, Any]) -> int | None:
    """The most images that a request with these params makes, also by counts within nested values. None: it cannot be known."""
    total = 1
    for name, value in leaves(params):
        if names_a_count(name) and not isinstance(value, bool):
            option = options.get(name)
            if option is not None and not is_count(option):
                continue
            count = _number(value)
            count = option.most if count is None and option is not None else count
            if count is None:
                return None
            total *= max(1, math.ceil(count))
    for name, option in options.items():
        if name not in params and is_count(option):
            total *= max(1, math.ceil(_number(option.default) or 1))
    return total


def hidden_images(raw: object, known: Container[str]) -> int | None:
    """The images that a raw schema's defaults ask for by counts that are not among the `known` options, which are sent as 1.

    These are counts within objects, and options that could not be read. None: the schema is too large to know.
    """
    total, nodes = 1, 0
    pending: list[tuple[object, Container[str]]] = [(raw, known)]
    while pending:
        node, sent = pending.pop()
        nodes += 1
        if nodes + len(pending) > _MAX_NODES:
            return None
        if isinstance(node, list):
            pending += [(inner, ()) for inner in node[:_MAX_NODES]]
        if not isinstance(node, Mapping):
            continue
        total *= images_made({}, {name: default for name, default in _defaults(node) if name not in sent}) or 1
        pending += [(inner, ()) for name, inner in list(node.items())[:_MAX_NODES] if name not in ("default", "enum", "const", "examples")]
    return total


def _defaults(node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The scalar defaults of a subschema's properties by name, and its own default if it is an object or a list."""
    properties = node.get("properties")
    for name, inner in properties.items() if isinstance(properties, Mapping) else ():
        if isinstance(inner, Mapping) and isinstance(inner.get("default"), int | float | str):
            yield str(name), inner["default"]
    if isinstance(node.get("default"), Mapping | list):
        yield "", node["default"]


def nested_counts(values: Iterable[object]) -> list[str]:
    """The names of counts within values: in objects, lists of objects, or JSON in a text."""
    return [name for value in values for name, _inner in _walk("", value, _MAX_DEPTH) if name and names_a_count(name)]


def leaves(params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every scalar within params, with the nearest name."""
    for name, value in params.items():
        yield from _walk(name, value, _MAX_DEPTH)


def _walk(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = _parsed(value)
    if isinstance(value, Mapping) and depth:
        for key, inner in value.items():
            yield from _walk(str(key), inner, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for inner in value:
            yield from _walk(name, inner, depth - 1)
    else:
        yield name, value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if len(text) <= _MAX_JSON else text
    except (ValueError, RecursionError):
        return text


def _words(name: str) -> frozenset[str]:
    """The words of a name: "numberOfImages", "num-images" and "numimages" alike."""
    parts = [part.casefold() for part in _CAMEL.split(name) if part]
    return frozenset(word for part in parts for word in (_SPLIT.findall(part) if _JOINED.fullmatch(part) else [part]))


def _least(option: Option) -> Scalar:
    listed = sorted((number, index) for index, value in enumerate(option.values) if (number := _number(value)) is not None and number >= 1)
    if option.values:
        return option.values[listed[0][1]] if listed else option.values[0]
    if not option.kinds & {"integer", "number"}:
        return "1"
    return 1 if fits(option, 1) or option.least is None else math.ceil(option.least) + (1 if option.above else 0)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value) if isinstance(value, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
