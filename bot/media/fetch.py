"""Downloads images from untrusted URLs: only allowed hosts, limited size, time and concurrency, and the key only to its own API."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot import USER_AGENT
from bot.core import private_files
from bot.core.errors import EaselError, ImageError, ProviderBusy
from bot.core.i18n import _
from bot.core.numbers import number
from bot.core.proxies import NO_PROXIES, ProxyRules
from bot.core.retry_after import read_retry_after
from bot.core.running import machine
from bot.media.addresses import AddressRules, CheckingResolver, NotPublicError, shown
from bot.media.encodings import BodyDecoder, decoder_of

HEADER_BYTES: Final = 64 * 1024  # of one header of a response: some image APIs put policies and metadata there

_MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LOCKED: Final = frozenset({401, 403})
_GONE: Final = _LOCKED | {404, 410}
_BUSY: Final = frozenset({408, 425, 429})
_WRITE_BYTES: Final = 1024 * 1024
_PROXIED: Final = "proxied"  # the session of a proxy, which the operator names: its address is not checked
_HEADERS: Final = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}

Sink = Callable[[bytearray], Awaitable[object]]  # the piece is its own


class LinkExpired(ImageError):
    """The link has expired; a new link may work."""


class TooManyBytes(ImageError):
    """The image is larger than the limit."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """An image API's key, for links to its own scheme, host and port that do not open without it."""

    base_url: str
    key: str = field(repr=False)

    def headers_for(self, address: URL) -> Mapping[str, str]:
        """Empty for every other address."""
        return {"Authorization": f"Bearer {self.key}"} if self.key and address.origin() == URL(self.base_url).origin() else {}


class Fetcher:
    """Downloads within `rules`, at most `concurrency` at a time. An async context manager with its own sessions.

    Raises `ImageError` (not allowed, `TooManyBytes`), `LinkExpired` (401, 403, 404, 410), `ProviderBusy` (network error, busy host), and
    `MachineTrouble` if this machine cannot connect or store it.
    """

    def __init__(
        self,
        *,
        rules: AddressRules,
        credential: Credential | None = None,
        concurrency: int = 4,
        timeout_s: float = 120.0,
        resolver: Callable[[], AbstractResolver] | None = None,
        proxies: ProxyRules = NO_PROXIES,
    ) -> None:
        """`resolver` makes the resolver whose results are checked; by default the system's. `proxies`: what is fetched through a proxy."""
        self._proxies = proxies
        self._rules = rules
        self._credential = credential
        self._turn = asyncio.Semaphore(concurrency)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=10, sock_read=30)
        self._resolver = resolver
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for scheme in ("https", "http"):  # one session each: the allowed addresses depend on the scheme
            self._sessions[scheme] = await self._stack.enter_async_context(self._session(self._checking(scheme)))
        self._sessions[_PROXIED] = await self._stack.enter_async_context(self._session(None))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    async def fetch_to_file(self, url: str, *, max_bytes: int, folder: Path) -> Path:
        """Download to a new file in `folder`, which the caller removes. On an error, no file is left."""
        async with self._turn:
            path = await machine.in_thread(_new_file, folder)
            try:
                await self._fetch(url, max_bytes, lambda part: machine.in_thread(_append, path, part))
            except BaseException:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                raise
            return path

    async def fetch_bytes(self, url: str, *, max_bytes: int) -> bytes:
        """Download to memory, for small images."""
        content = bytearray()

        async def keep(part: bytearray) -> None:
            content.extend(part)

        async with self._turn:
            await self._fetch(url, max_bytes, keep)
        return bytes(content)

    async def opens(self, url: str, *, private: bool) -> bool:
        """Whether the link opens without the key, at a public address or (`private`) at any. Raises as a download does."""
        async with self._turn:
            with _explained(url):
                if not private and not await self._is_public(self._rules.check(url)):
                    return False
                async with contextlib.aclosing(self._open(url, with_key=False)) as hops:
                    await anext(hops)
                    return True

    async def _fetch(self, url: str, max_bytes: int, sink: Sink) -> None:
        with _explained(url):
            async with contextlib.aclosing(self._open(url)) as hops:
                response = await anext(hops)
                await _drain(response, max_bytes, sink)

    async def _open(self, url: str, *, with_key: bool = True) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Follow redirects, checking each, and yield the final response."""
        address = self._rules.check(url)
        for _hop in range(1 + _MAX_REDIRECTS):
            async with self._get(address, with_key=with_key) as response:
                if response.status not in _REDIRECTS:
                    _check_status(response)
                    yield response
                    return
                address = self._next_hop(address, response.headers.get("Location", ""))
        raise ImageError(_("The image's link redirects too often."))

    @contextlib.asynccontextmanager
    async def _get(self, address: URL, *, with_key: bool) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The response of one address. If it is locked, it is asked once more with the key, if that is the key of this address."""
        session, proxy = await self._way_to(address)
        credential = self._credential if with_key else None
        async with session.get(address, headers=_HEADERS, allow_redirects=False, proxy=proxy) as response:
            key = credential.headers_for(address) if credential and response.status in _LOCKED else {}
            if not key:
                yield response
                return
        async with session.get(address, headers={**_HEADERS, **key}, allow_redirects=False, proxy=proxy) as response:
            yield response

    async def _way_to(self, address: URL) -> tuple[aiohttp.ClientSession, str | None]:
        """The session for an address, and its proxy. A name that this machine knows must have an allowed address behind a proxy too."""
        proxy = self._proxies.proxy_for(str(address))
        if proxy is None:
            return self._sessions[address.scheme], None
        resolver = self._checking(address.scheme)
        try:
            await resolver.resolve(address.raw_host or "", address.port or 0)
        except NotPublicError:
            raise ImageError(_("Images can't be loaded from {host}.").format(host=shown(address))) from None
        except OSError:
            pass  # only the proxy knows it
        finally:
            await resolver.close()
        return self._sessions[_PROXIED], proxy

    async def _is_public(self, address: URL) -> bool:
        """Whether others can reach this address too. A name that only the proxy knows counts as public."""
        resolver = CheckingResolver(rules=AddressRules(), scheme="https", inner=self._resolver() if self._resolver else None)
        try:
            return address.scheme == "https" and bool(await resolver.resolve(address.raw_host or "", address.port or 0))
        except NotPublicError:
            return False
        except OSError:
            return self._proxies.proxy_for(str(address)) is not None
        finally:
            await resolver.close()

    def _checking(self, scheme: str) -> CheckingResolver:
        return CheckingResolver(rules=self._rules, scheme=scheme, inner=self._resolver() if self._resolver else None)

    def _next_hop(self, address: URL, location: str) -> URL:
        try:
            return self._rules.check(urljoin(str(address), location))
        except ImageError:
            raise
        except ValueError:
            raise ImageError(_("The image's link leads nowhere.")) from None

    def _session(self, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
            auto_decompress=False,  # done here, within the limit of bytes
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
        )


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Errors of a download as this module's."""
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, NotPublicError):
            raise ImageError(_("Images can't be loaded from {host}.").format(host=error.host[:100])) from None
        raise machine.trouble_of(error) or _unreachable(url) from error
    except aiohttp.InvalidURL:
        raise ImageError(_("The image's link isn't a web address.")) from None
    except EaselError:  # some are OSErrors too
        raise
    except (aiohttp.ClientError, OSError, MemoryError) as error:
        raise machine.trouble_of(error) or _unreachable(url) from error


def _check_status(response: aiohttp.ClientResponse) -> None:
    status, host = response.status, shown(response.url)
    if status in _GONE:
        raise LinkExpired(_("The image's link at {host} has expired.").format(host=host))
    if status in _BUSY or status >= 500:
        raise ProviderBusy(
            _("{host} is busy. Easel will try again.").format(host=host),
            retry_after_s=read_retry_after(response.headers.get("Retry-After")),
        )
    if status != 200:
        raise ImageError(_("{host} doesn't give Easel access to the image.").format(host=host))


async def _drain(response: aiohttp.ClientResponse, max_bytes: int, sink: Sink) -> None:
    """Pass the body to `sink` in large pieces. Checks the announced and the actual size, also of what is compressed."""
    too_large = TooManyBytes(_("The image is larger than {limit} MB.").format(limit=number(max_bytes / 1e6, decimals=3)))
    if (response.content_length or 0) > max_bytes:
        raise too_large
    decoder = decoder_of(response.headers.getall("Content-Encoding", ()))
    total = written = 0
    async for piece in _pieces(response):
        total += len(piece)
        if total > max_bytes:
            raise too_large
        for part in [piece] if decoder is None else await machine.in_thread(_decoded, decoder, piece, max_bytes - written):
            written += len(part)
            if written > max_bytes:
                raise too_large
            await sink(part)
    if decoder is not None and not decoder.is_complete:
        raise aiohttp.ClientPayloadError("the compressed body is cut short")


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytearray, None]:
    pending = bytearray()
    async for chunk in response.content.iter_any():
        pending += chunk
        if len(pending) >= _WRITE_BYTES:
            yield pending
            pending = bytearray()
    yield pending


def _decoded(decoder: BodyDecoder, piece: bytearray, most: int) -> list[bytearray]:
    try:
        return [bytearray(decoder.feed(piece, most=most + 1))]
    except ValueError as error:
        raise aiohttp.ClientPayloadError("the compressed body is damaged") from error


def _unreachable(url: str) -> ProviderBusy:
    return ProviderBusy(_("The image couldn't be loaded from {host}. Easel will try again.").format(host=shown(URL(url))))


def _new_file(folder: Path) -> Path:
    private_files.make_folder(folder)
    handle, name = tempfile.mkstemp(prefix="picture-", suffix=".part", dir=folder)
    os.close(handle)
    return Path(name)


def _append(path: Path, part: bytearray) -> None:
    machine.check_space(path, len(part))
    with path.open("r+b") as file:  # does not create the file: it may have been removed after a cancellation
        file.seek(0, os.SEEK_END)
        file.write(part)
