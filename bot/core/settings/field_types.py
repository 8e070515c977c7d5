"""Types of settings: their choices, and how the text of an environment variable becomes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.core.endpoints import Credits

_HOST = re.compile(r"^((\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?$")


class ReferenceMode(StrEnum):
    AUTO = "auto"  # a link while it is fresh and the image API can reach it, else inline
    LINK = "link"  # always Discord's link
    INLINE = "inline"  # always a data URI, without metadata


class ManagersMay(StrEnum):
    """What the managers of a server may set about credits."""

    PRICES = "prices"  # what members pay for an image
    QUOTAS = "quotas"  # the credits of members, of roles and of a pool
    GRANTS = "grants"  # give credits to members, also as rewards


class UncertainCalls(StrEnum):
    RELEASE = "release"  # release the hold and tell the member; the provider may still charge the operator
    RETRY = "retry"  # send it again; the operator may pay twice


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _server_ids(value: object) -> object:
    return value if value == "any" else _split(value)


def _managers_may(value: object) -> object:
    return () if value == "none" else _split(value)


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in value)
    for host in hosts:
        match = _HOST.match(host)
        if match is None or not 1 <= int(match["port"] or 443) <= 65535:
            raise ValueError(f"expected hosts as name or name:port, separated by commas; {host!r} is neither")
    return hosts


def _socket_url(value: str) -> str:
    if not re.match(r"^wss?://[^/\s]+", value):
        raise ValueError("expected an address starting with wss:// (or ws:// on your own machine)")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    if value and not value.get_secret_value().startswith(("sqlite:///", "postgresql://")):
        raise ValueError("expected sqlite:///path/to/file or postgresql://user@host/name")
    return value


def _pairs(expected: str, value: object) -> object:
    """`a=b, c=d` as a mapping, split at the last `=` because a model's name may contain one. `expected` describes the value."""
    if not isinstance(value, str):
        return value
    pairs = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, right = (word.strip() for word in part.rpartition("="))
        if not name or not right:
            raise ValueError(f"expected model={expected}, separated by commas; {part!r} is not such a pair")
        pairs[name] = right
    return pairs


def _routes(value: Mapping[str, str]) -> Mapping[str, str]:
    for model, other in value.items():
        if model == other:
            raise ValueError(f"{model} cannot be its own fallback")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_hosts)]
SocketUrl = Annotated[str, AfterValidator(_socket_url)]
Prices = Annotated[Mapping[str, Credits], BeforeValidator(partial(_pairs, "number of credits"))]
Managers = Annotated[tuple[ManagersMay, ...], BeforeValidator(_managers_may)]
ServerIds = Annotated[Literal["any"] | tuple[Annotated[int, Field(ge=1, lt=2**63)], ...], BeforeValidator(_server_ids)]
Routes = Annotated[Mapping[str, str], BeforeValidator(partial(_pairs, "other model")), AfterValidator(_routes)]
