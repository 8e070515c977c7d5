"""Protection against server-side request forgery: which addresses may be fetched, also after name resolution.

Only listed hosts may be fetched from. A host is *named* if a setting lists it itself, and not by a pattern such as `*.example.org`. Named
hosts may have private addresses, and only for private ones is plain http allowed. The others must have public addresses and use https.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from bot.core.errors import ImageError
from bot.core.i18n import _

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS: Final = {"https": 443, "http": 80}
_VISIBLE: Final = "".join(map(chr, range(0x21, 0x7F)))  # kept as written; spaces, controls and non-ASCII characters are percent-encoded
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
# The "ends in a number" check (https://url.spec.whatwg.org/#ends-in-a-number-checker): browsers and C libraries parse 2130706433,
# 0177.1 and 0x7f.1 as IPv4 addresses, so a host that ends in a number and is not a plain address is refused.
_ENDS_IN_NUMBER: Final = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\.?$", re.IGNORECASE)


class NotPublicError(OSError):
    """A name resolved to an address that may not be fetched from."""


class HostNotListed(ImageError):
    """The link is that of a public host that no setting lists. Another setting could allow it."""


@dataclass(frozen=True, kw_only=True)
class AddressRules:
    """Hosts are `name` (default port of the scheme) or `name:port`, in lower case; validated by the settings.

    `allowed_hosts` may also be patterns: in `*.example.org` the `*` stands for one or more labels of a name, in `s3.*.example.org` for
    one. `trusted_hosts` are allowed in addition, such as the image API's own host. `public_hosts` are names and patterns that no setting
    wrote: they are not named, so they have public addresses only.
    """

    allowed_hosts: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    public_hosts: tuple[str, ...] = ()

    def check(self, url: str) -> URL:
        """Parse a URL, whose path and query stay exactly as written: a signature may cover them.

        Raises `ImageError` if it may not be fetched, `HostNotListed` if that is only because nothing lists its host.
        """
        try:
            address = _as_written(url)
            host, port = (address.raw_host or "").lower(), address.port
        except ValueError:
            raise ImageError(_("The image's link isn't a web address.")) from None
        if not host or port is None or address.scheme not in _PORTS or address.user is not None or address.password is not None:
            raise ImageError(_("The image's link must start with https."))
        if not self.allows(scheme=address.scheme, host=host, port=port):
            refusal = HostNotListed if _could_be_listed(address.scheme, host) else ImageError
            raise refusal(_("Images can't be loaded from {host}.").format(host=shown(address)))
        return address

    def allows(self, *, scheme: str, host: str, port: int) -> bool:
        """Whether a host may be contacted, judged before its name is resolved."""
        literal = _literal(host)
        if literal is None and _ENDS_IN_NUMBER.search(host):
            return False
        if self.names(host=host, port=port):
            return literal is None or scheme == "https" or not is_public(literal)
        listed = (*self.allowed_hosts, *self.public_hosts)
        return (scheme, port, literal) == ("https", 443, None) and any(_pattern(each).fullmatch(host) for each in listed)

    def names(self, *, host: str, port: int) -> bool:
        """Whether a setting names this host and port."""
        written = f"[{host}]" if ":" in host else host
        entries = {*self.allowed_hosts, *self.trusted_hosts}
        return f"{written}:{port}" in entries or (port in _PORTS.values() and written in entries)


class CheckingResolver(AbstractResolver):
    """A resolver that drops forbidden addresses, so that the address that was checked is the one that is connected to."""

    def __init__(self, *, rules: AddressRules, scheme: str, inner: AbstractResolver | None = None) -> None:
        self._rules = rules
        self._scheme = scheme
        self._inner = inner or DefaultResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """The allowed addresses. Raises `NotPublicError` if there are none."""
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
    """Whether an address is on the public internet. An IPv6 address with an embedded IPv4 address is judged by the latter."""
    if isinstance(address, ipaddress.IPv6Address):
        embedded = address.ipv4_mapped or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
        if embedded is not None:
            return is_public(embedded)
        if address.sixtofour or address.teredo:  # obsolete tunnels
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def host_of(url: str) -> str:
    """The host entry for a URL: "https://hub.oxen.ai" gives "hub.oxen.ai:443"."""
    address = URL(url)
    host = (address.raw_host or "").lower()
    return f"{f'[{host}]' if ':' in host else host}:{address.port}"


def shown(address: URL) -> str:
    """The host for messages, without path and query, which may contain secrets."""
    return (address.raw_host or "an unnamed host")[:100]


def _as_written(url: str) -> URL:
    """Raises `ValueError`."""
    visible = quote(url.strip(), safe=_VISIBLE)
    parsed, written = URL(url.strip()), urlsplit(visible)
    return URL(SplitResult(parsed.scheme, parsed.raw_authority, written.path or "/", written.query, ""), encoded=True)


def _could_be_listed(scheme: str, host: str) -> bool:
    literal = _literal(host)
    return scheme == "https" and (not _ENDS_IN_NUMBER.search(host) if literal is None else is_public(literal))


@cache
def _pattern(entry: str) -> re.Pattern[str]:
    first, *rest = (r"[a-z0-9_-]+" if label == "*" else re.escape(label) for label in entry.split("."))
    return re.compile(r"\.".join((rf"{first}(?:\.{first})*" if entry.startswith("*.") else first, *rest)))


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
