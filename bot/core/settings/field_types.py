"""Types of settings: their choices, and how the text of an environment variable becomes a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.core.settings.endpoints import Credits
from bot.core.settings.values import Expected

_HOST = re.compile(r"^((\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?$")


class ReferenceMode(StrEnum):
    """Whatever the mode, an original that has something to clean is sent inline."""

    AUTO = "auto"  # a link while it is fresh and the image API reads links, else inline
    LINK = "link"  # a link until it expires, if the image API reads links, else inline
    INLINE = "inline"  # always a data URI


class ManagersMay(StrEnum):
    """What the managers of a server may set about credits."""

    PRICES = "prices"  # what members pay for an image
    QUOTAS = "quotas"  # the credits of members, of roles and of a pool
    GRANTS = "grants"  # give credits to members, also as rewards


class UncertainCalls(StrEnum):
    RELEASE = "release"  # refund the member and say so; the provider may still charge the operator
    RETRY = "retry"  # send it again; the operator may pay twice


_DATABASE_URL = Expected(phrase="sqlite:///path/to/file or postgresql://user:password@host/name")
_HOSTS = Expected(phrase="hosts, each as name or name:port, separated by commas")
_WEBHOOK_URL = Expected(phrase="the address of a webhook, which starts with https:// (or http://)")
_SOCKET_URL = Expected(phrase="an address that starts with wss:// (or ws:// on your own machine)")
_PROXY = Expected(phrase="the address of a proxy, such as http://proxy.example:3128")
_NO_PROXY = Expected(phrase="names of hosts, IP addresses and networks, separated by commas")
_PRICES = Expected(phrase="model=credits, separated by commas, each a number from 0 to 1000000")
_ROUTES = Expected(phrase="model=other model, separated by commas")
_MANAGERS = Expected(phrase=f"{', '.join(ManagersMay)}, separated by commas, or none")
_SERVERS = Expected(phrase="any, or the ids of servers, separated by commas")


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
            raise ValueError(f"must be {_HOSTS.phrase}")
    return hosts


def _socket_url(value: str) -> str:
    if not re.match(r"^wss?://[^/\s]+", value):
        raise ValueError(f"must be {_SOCKET_URL.phrase}")
    return value


def _proxy_url(value: str) -> str:
    if value and not re.match(r"^https?://[^/\s]+/?$", value):
        raise ValueError(f"must be {_PROXY.phrase}")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    if value and not value.get_secret_value().startswith(("sqlite:///", "postgresql://")):
        raise ValueError(f"must be {_DATABASE_URL.phrase}")
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    if value and not re.match(r"^https?://[^/\s]+\S*$", value.get_secret_value()):
        raise ValueError(f"must be {_WEBHOOK_URL.phrase}")
    return value


def _pairs(expected: Expected, value: object) -> object:
    """`a=b, c=d` as a mapping, split at the last `=` because a model's name may contain one."""
    if not isinstance(value, str):
        return value
    pairs = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, right = (word.strip() for word in part.rpartition("="))
        if not name or not right:
            raise ValueError(f"must be {expected.phrase}")
        pairs[name] = right
    return pairs


def _routes(value: Mapping[str, str]) -> Mapping[str, str]:
    for model, other in value.items():
        if model == other:
            raise ValueError(f"must name another model as the fallback of {model}")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url), _DATABASE_URL]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_hosts), _HOSTS]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url), _WEBHOOK_URL]
SocketUrl = Annotated[str, AfterValidator(_socket_url), _SOCKET_URL]
ProxyUrl = Annotated[str, AfterValidator(_proxy_url), _PROXY]
NoProxy = Annotated[tuple[str, ...], BeforeValidator(_split), _NO_PROXY]
Prices = Annotated[Mapping[str, Credits], BeforeValidator(partial(_pairs, _PRICES)), _PRICES]
Managers = Annotated[tuple[ManagersMay, ...], BeforeValidator(_managers_may), _MANAGERS]
ServerIds = Annotated[Literal["any"] | tuple[Annotated[int, Field(ge=1, lt=2**63)], ...], BeforeValidator(_server_ids), _SERVERS]
Routes = Annotated[Mapping[str, str], BeforeValidator(partial(_pairs, _ROUTES)), AfterValidator(_routes), _ROUTES]
