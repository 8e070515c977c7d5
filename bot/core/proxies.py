"""Which addresses are reached through the operator's proxy: HTTPS_PROXY and NO_PROXY, as other programs read them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_DEFAULT_PORT = 443


@dataclass(frozen=True, kw_only=True)
class ProxyRules:
    """The proxy for https addresses, and what is reached without it."""

    https_proxy: str = field(default="", repr=False)  # its address, which may hold a password; empty: none
    no_proxy: tuple[str, ...] = ()  # hosts with all below them, host:port, IP addresses and networks; `*`: everything

    def proxy_for(self, url: str) -> str | None:
        """The proxy's address for this one; None if it is reached without."""
        address = urlsplit(url)
        host = (address.hostname or "").lower()
        if not self.https_proxy or address.scheme != "https" or not host:
            return None
        return None if _is_listed(host, address.port or _DEFAULT_PORT, self.no_proxy) else self.https_proxy

    @property
    def shown(self) -> str:
        """The proxy's host and port, without user and password."""
        address = urlsplit(self.https_proxy)
        return f"{address.hostname}:{address.port}" if address.port else str(address.hostname)


NO_PROXIES: Final = ProxyRules()


def _is_listed(host: str, port: int, entries: Iterable[str]) -> bool:
    return any(_matches(host, port, entry.strip().lower()) for entry in entries)


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:  # one of both is a name
        name, _, wanted = entry.rpartition(":") if entry.rpartition(":")[2].isdecimal() and entry.count(":") == 1 else (entry, "", "")
    name = name.removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}")) and wanted in {"", str(port)}
