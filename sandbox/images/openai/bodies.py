"""Parses request bodies, JSON or multipart (as the official SDK sends them), to plain values and the bytes of images."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web

from sandbox.images.openai.errors import invalid

NUMBERS: dict[str, Callable[[str], int | float]] = {"n": int, "seed": int, "strength": float}  # multipart carries texts only


class Encoding(StrEnum):
    """How a body is encoded."""

    JSON = "json"  # an image is base64 text, with or without the prefix `data:image/...;base64,`
    MULTIPART = "multipart"  # an image is a file called `image`, several are called `image[]`


@dataclass(frozen=True, kw_only=True)
class RequestBody:
    """The body of one request. `values` are all parameters except the images."""

    encoding: Encoding
    values: dict[str, Any]
    images: tuple[bytes, ...] = ()
    mask: bytes | None = None


async def read_body(request: web.Request) -> RequestBody:
    """Raises `OpenAIApiError` for a body that cannot be parsed."""
    try:
        if request.content_type == "multipart/form-data":
            return await _from_multipart(request)
        found = json.loads(await request.read())
    except ValueError as error:
        raise invalid(None, "We could not parse the body of your request.", code="invalid_body") from error
    if not isinstance(found, dict):
        raise invalid(None, "The body of your request must be a JSON object.", code="invalid_body")
    return _from_json(found)


def _from_json(found: dict[str, Any]) -> RequestBody:
    values = {name: value for name, value in found.items() if name not in {"image", "mask"} and value is not None}
    image, mask = (None if found.get(name) is None else _decoded(found[name]) for name in ("image", "mask"))
    return RequestBody(encoding=Encoding.JSON, values=values, images=() if image is None else (image,), mask=mask)


def _decoded(image: object) -> bytes:
    if not isinstance(image, str):
        raise invalid("image", "Invalid type for image: it must be one image as base64 text.", code="invalid_type")
    head, comma, text = image.rpartition(",")
    if comma and not (head.startswith("data:image/") and head.endswith(";base64")):
        raise invalid("image", "Invalid image: it is neither base64 nor a base64 data URI of an image.", code="invalid_image")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("image", "Invalid image: it is not base64.", code="invalid_image") from error


async def _from_multipart(request: web.Request) -> RequestBody:
    values: dict[str, Any] = {}
    images: list[bytes] = []
    mask: bytes | None = None
    for name, value in (await request.post()).items():
        if name in {"image", "image[]"}:
            images.append(_uploaded(value))
        elif name == "mask":
            mask = _uploaded(value)
        else:
            values[name] = _number_or_text(name, value) if isinstance(value, str) else value
    return RequestBody(encoding=Encoding.MULTIPART, values=values, images=tuple(images), mask=mask)


def _uploaded(value: object) -> bytes:
    if not isinstance(value, web.FileField):
        raise invalid("image", "Invalid type for image: it must be a file.", code="invalid_type")
    with value.file as file:
        return file.read()


def _number_or_text(name: str, text: str) -> int | float | str:
    """Text that is not a number is returned unchanged; validation refuses it later."""
    try:
        return NUMBERS.get(name, str)(text)
    except ValueError:
        return text
