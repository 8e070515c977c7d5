"""Which addresses may be fetched from: the rules, and a name resolution that keeps them.

An address is *named* where a setting lists its host. Unnamed ones must be public and https, also after name resolution. Named ones
may be private, and only there is plain http allowed.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from bot.core.errors import ImageError
from bot.core.i18n import _

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS: Final = {"https": 443, "http": 80}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# "A domain ends in a number" (https://url.spec.whatwg.org/#ends-in-a-number-checker): browsers and C libraries read 2130706433,
# 0177.1 and 0x7f.1 as IPv4 addresses, so a host that ends so and is no plain address is refused.
_ENDS_IN_NUMBER: Final = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


class NotPublicError(OSError):
    """A name resolved to an address that may not be fetched from."""


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """Hosts are written `name` (the scheme's usual port) or `name:port`, in lower case, as the settings check them.

    `allowed_hosts` restricts to those; empty allows every public https address. `trusted_hosts` are allowed besides, such as the
    image API's own.
    """

    allowed_hosts: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()

    def check(self, url: str) -> URL:
        """The address, parsed and allowed. `ImageError` where it may not be fetched."""
        try:
            address = URL(url)
            host, port = (address.raw_host or "").lower(), address.port
        except ValueError:
            raise ImageError(_("A picture's link is no web address.")) from None
        if not host or port is None or address.scheme not in _PORTS or address.user is not None or address.password is not None:
            raise ImageError(_("A picture's link must be a plain https address."))
        if not self.allows(scheme=address.scheme, host=host, port=port):
            raise ImageError(_("Pictures may not be fetched from {host}.").format(host=shown(address)))
        return address

    def allows(self, *, scheme: str, host: str, port: int) -> bool:
        """Whether a host may be asked, before its name is resolved."""
        literal = _literal(host)
        if literal is None and _ENDS_IN_NUMBER.search(host):
            return False
        if self.names(host=host, port=port):
            return literal is None or scheme == "https" or not is_public(literal)
        return scheme == "https" and not self.allowed_hosts and (literal is None or is_public(literal))

    def names(self, *, host: str, port: int) -> bool:
        """Whether a setting names this host and port."""
        written = f"[{host}]" if ":" in host else host
        entries = {*self.allowed_hosts, *self.trusted_hosts}
        return f"{written}:{port}" in entries or (port in _PORTS.values() and written in entries)


class CheckingResolver(AbstractResolver):
    """Name resolution whose answers keep the rules, so that the address connected to is the address checked."""

    def __init__(self, *, rules: AddressRules, scheme: str, inner: AbstractResolver | None = None) -> None:
        self._rules = rules
        self._scheme = scheme
        self._inner = inner or DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Raises `NotPublicError` where no answer is allowed; answers that are not allowed are left out."""
        answers = await self._inner.resolve(host, port, family)
        named = self._rules.names(host=host.lower(), port=port)
        kept = [answer for answer in answers if self._may_connect(answer["host"], named=named)]
        if not kept:
            raise NotPublicError(f"{host} has no address that may be fetched from")
        return kept

    async def close(self) -> None:
        await self._inner.close()

    def _may_connect(self, address: str, *, named: bool) -> bool:
        literal = _literal(address)
        if literal is None:
            return False
        if self._scheme == "http":
            return named and not is_public(literal)
        return named or is_public(literal)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet; one that only carries an IPv4 address is judged by that."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if carried is not None:
            return is_public(carried)
        if address.sixtofour or address.teredo:  # tunnels of another age
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def host_of(url: str) -> str:
    """A setting's address as an entry for the rules: "https://hub.oxen.ai" is "hub.oxen.ai:443"."""
    address = URL(url)
    host = (address.raw_host or "").lower()
    return f"{f'[{host}]' if ':' in host else host}:{address.port}"


def shown(address: URL) -> str:
    """A host for a sentence: no path, no query, no secrets."""
    return (address.raw_host or "an unnamed host")[:100]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
