"""Any moderations endpoint that speaks OpenAI's contract: `POST moderations`, asked about one text or one picture at a time.

Source: https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp
import stamina
from yarl import URL

from bot.config import Settings
from bot.errors import ProviderAccount, ProviderBusy, ProviderError, ProviderRefused
from bot.moderation.scores import Scores

_ANSWER_MAX: Final = 256 * 1024  # bytes
_RETRY_AFTER_MAX_S: Final = 3600.0
_NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

_AWAY: Final = "The moderations endpoint is busy or away."
_UNREADABLE: Final = "The moderations endpoint answered something that cannot be read."
_ACCOUNT: Final = "The moderations endpoint refuses this bot's account; its operator has to look after it."
_ADDRESS: Final = (
    "There is no moderations endpoint at the address in this bot's settings, or it does not know the model; its operator has to look."
)
_REFUSED: Final = "The moderations endpoint does not take this text or picture."


class Moderations:
    """One account at one endpoint. Holds nothing. What it is asked may be asked twice."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str = "",
        model: str = "",
        timeout_s: float = 15.0,
        attempts: int = 2,
    ) -> None:
        """`base_url` is what comes before `/moderations`. An empty `model` is the endpoint's own. `timeout_s` is for all attempts."""
        self._session = session
        self._url = URL(f"{base_url.rstrip('/')}/moderations", encoded=True)
        self._headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._model = {"model": model} if model else {}
        self._timeout_s = timeout_s
        self._attempts = attempts

    async def check_text(self, text: str) -> Scores:
        """Raise `ProviderBusy` (away, slow, unreadable), `ProviderAccount` (key, credit, address) or `ProviderRefused`."""
        return await self._ask(json.dumps({**self._model, "input": text}).encode())

    async def check_picture(self, content: bytes, content_type: str) -> Scores:
        """A picture's bytes and their type, such as "image/png". Raises as `check_text` does."""
        return await self._ask(await asyncio.to_thread(self._picture_body, content, content_type))

    def _picture_body(self, content: bytes, content_type: str) -> bytes:
        uri = f"data:{content_type};base64,{base64.b64encode(content).decode()}"
        return json.dumps({**self._model, "input": [{"type": "image_url", "image_url": {"url": uri}}]}).encode()

    async def _ask(self, body: bytes) -> Scores:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask_again(body)
        except TimeoutError as error:
            raise ProviderBusy(_AWAY) from error

    async def _ask_again(self, body: bytes) -> Scores:
        async for attempt in stamina.retry_context(
            on=_worth_repeating, attempts=self._attempts, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
        ):
            with attempt:
                return await self._ask_once(body)
        raise AssertionError("the retries ended without an outcome")

    async def _ask_once(self, body: bytes) -> Scores:
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=10)
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, timeout=timeout, allow_redirects=False
            ) as response:  # the key goes to this address and nowhere else
                content = await _read(response)
        except ProviderError:
            raise  # `ProviderBusy` is an OSError too
        except (aiohttp.ClientError, OSError) as error:  # so is a timeout
            raise ProviderBusy(_AWAY) from error
        if response.status != 200:
            raise _explained(response, content)
        return read_scores(content)


def endpoint_of(settings: Settings, session: aiohttp.ClientSession) -> Moderations | None:
    """The operator's; None where the settings name none."""
    if not settings.moderations_url:
        return None
    return Moderations(
        session=session,
        base_url=settings.moderations_url,
        api_key=settings.moderations_key.get_secret_value(),
        model=settings.moderations_model,
        timeout_s=settings.moderations_timeout_s,
    )


def read_scores(content: bytes) -> Scores:
    """An answer's scores: of several results the highest of each category. Raise `ProviderBusy` for what is no answer.

    Some servers send only yes or no for each category; these are scores of 1 and 0.
    """
    try:
        results = json.loads(content)["results"]
        found: dict[str, float] = {}
        for name, score in (each for result in results for each in _scores_of(result)):
            found[name] = max(found.get(name, 0.0), score)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ProviderBusy(_UNREADABLE) from error
    if not found:
        raise ProviderBusy(_UNREADABLE)
    return Scores(by_category=found)


def _scores_of(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in (result.get("category_scores") or result["categories"]).items():
        if value is not None:  # a category that does not apply to this kind of input
            yield str(name), _checked(value)


def _checked(value: object) -> float:
    """A score as a number from 0 to 1. Raise `ValueError`."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(value)
    return min(float(value), 1.0)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > _ANSWER_MAX:
            raise ProviderBusy(_UNREADABLE)
    return bytes(content)


def _explained(response: aiohttp.ClientResponse, content: bytes) -> ProviderError:
    status = response.status
    if status in {401, 402, 403} or _NO_CREDIT & _marks(content):
        return ProviderAccount(_ACCOUNT)
    if status in {404, 405} or 200 < status < 400:
        return ProviderAccount(_ADDRESS)
    if status in {408, 425, 429} or status >= 500:
        return ProviderBusy(_AWAY, retry_after_s=_retry_after_s(response))
    return ProviderRefused(_REFUSED)


def _marks(content: bytes) -> frozenset[str]:
    """The `code` and `type` of an error body."""
    try:
        error = json.loads(content)["error"]
        return frozenset(each for each in (error.get("code"), error.get("type")) if isinstance(each, str))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return frozenset()


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Seconds, where it names them so (RFC 9110, section 10.2.3, also allows a date, which no known endpoint sends)."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _RETRY_AFTER_MAX_S) if text.isascii() and text.isdigit() else None


def _worth_repeating(error: Exception) -> bool:
    """A wish to be left alone is for the caller to honour."""
    return isinstance(error, ProviderBusy) and error.retry_after_s is None
