"""Sends notices to OPERATOR_WEBHOOK_URL: a Discord webhook, or any address that takes JSON with `content`."""

from __future__ import annotations

from dataclasses import dataclass, field

import aiohttp

from bot.core.errors import RouteClosed, TryLater
from bot.core.proxies import ProxyRules
from bot.core.retry_after import read_retry_after

_TIMEOUT = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """Errors name neither the address nor its host: the address is a secret."""

    url: str = field(repr=False)
    session: aiohttp.ClientSession
    proxies: ProxyRules

    async def send(self, text: str) -> None:
        """Raises `TryLater` or `RouteClosed`."""
        body = {"content": text, "allowed_mentions": {"parse": []}}  # Discord's words for: nobody is pinged
        try:
            async with self.session.post(
                self.url, json=body, timeout=_TIMEOUT, proxy=self.proxies.proxy_for(self.url), allow_redirects=False
            ) as response:
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, OSError) as error:  # with TimeoutError
            raise TryLater(f"no answer ({type(error).__name__})") from None
        if status == 429 or status >= 500:
            raise TryLater(f"status {status}", retry_after_s=read_retry_after(headers.get("Retry-After")))
        if status >= 300:
            raise RouteClosed(f"status {status}; check OPERATOR_WEBHOOK_URL")
