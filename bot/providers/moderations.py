"""Client of an OpenAI-compatible moderations endpoint: `POST moderations`, with one text or one image per call.

Source: https://platform.openai.com/docs/api-reference/moderations
"""

from __future__ import annotations

import asyncio
import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import aiohttp

from bot.core.config import Settings
from bot.core.errors import AnswerLost, ProviderAccount, ProviderBusy, ProviderError, ProviderRefused, ProxyRefused
from bot.core.running import machine
from bot.domain.moderation.scores import Scores
from bot.providers.answers import ApiResponse, error_text
from bot.providers.http import Api
from bot.providers.verdicts import Verdict, judge

_ANSWER_LIMIT: Final = 256 * 1024  # bytes

_DOWN: Final = "The moderations endpoint is busy or down."
_UNREADABLE: Final = "The moderations endpoint's response was lost or cannot be read."
_ACCOUNT: Final = "The moderations endpoint refuses this bot's account; the operator must check MODERATIONS_KEY and the account."
_ADDRESS: Final = (
    "There is no moderations endpoint at this address, or it does not have the model; the operator must check MODERATIONS_URL and"
    " MODERATIONS_MODEL."
)
_PROXY: Final = "A proxy or firewall answers in place of the moderations endpoint."
_REFUSED: Final = "The moderations endpoint does not accept this text or image."


class Moderations:
    """A stateless client. Lost requests are retried."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str = "",
        model: str = "",
        timeout_s: float = 15.0,
        attempts: int = 2,
        proxy: str | None = None,
    ) -> None:
        """`base_url`: without `/moderations`. `model`: empty for the endpoint's default. `timeout_s`: for all attempts together."""
        self._api = _ModerationsApi(session=session, base_url=base_url, api_key=api_key, attempts=attempts, name="moderations", proxy=proxy)
        self._model = {"model": model} if model else {}
        self._timeout_s = timeout_s

    async def check_text(self, text: str) -> Scores:
        """The scores of a text. Raises `ProviderBusy` (down, slow, unreadable), `ProviderAccount` (key, credit, address) or
        `ProviderRefused`.
        """
        return await self._ask(text)

    async def check_image(self, content: bytes, content_type: str) -> Scores:
        """The scores of an image; `content_type` such as "image/png". Raises as `check_text` does."""
        encoded = await machine.in_thread(base64.b64encode, content)
        return await self._ask([{"type": "image_url", "image_url": {"url": f"data:{content_type};base64,{encoded.decode()}"}}])

    async def _ask(self, given: str | list[Any]) -> Scores:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._api.repeat(lambda: self._ask_once({**self._model, "input": given}))
        except TimeoutError as error:
            raise ProviderBusy(_DOWN) from error

    async def _ask_once(self, body: Mapping[str, Any]) -> Scores:
        try:
            given = body["input"] if isinstance(body["input"], str) else ""
            answer = await self._api.send("/moderations", body, timeout_s=self._timeout_s, limit=_ANSWER_LIMIT, prompt=given)
            return _read_scores(answer)
        except AnswerLost as error:
            raise ProviderBusy(_UNREADABLE, detail=error.detail) from error
        except ProviderBusy as error:
            raise ProviderBusy(_DOWN, retry_after_s=error.retry_after_s, detail=error.detail) from error


class _ModerationsApi(Api):
    """`Api` with this endpoint's error sentences."""

    def has_error(self, body: Mapping[str, Any]) -> bool:
        return not body.get("results") and bool(error_text(body))  # what is filtered is its subject, and no error

    def explain(self, answer: ApiResponse, *, prompt: str = "") -> ProviderError:
        error = super().explain(answer, prompt=prompt)
        if judge(answer) in {Verdict.ADDRESS, Verdict.MODEL} or answer.status in {404, 405}:
            return ProviderAccount(_ADDRESS, detail=error.detail)
        if isinstance(error, AnswerLost | ProviderBusy):
            return error
        if isinstance(error, ProxyRefused):
            return ProxyRefused(_PROXY, detail=error.detail)
        if isinstance(error, ProviderAccount):
            return ProviderAccount(_ACCOUNT, detail=error.detail)
        return ProviderRefused(_REFUSED, detail=error.detail)


def moderations_of(settings: Settings, session: aiohttp.ClientSession) -> Moderations | None:
    """The client for the operator's endpoint; None if the settings have none."""
    if not settings.moderations_url:
        return None
    return Moderations(
        session=session,
        base_url=settings.moderations_url,
        api_key=settings.moderations_key.get_secret_value(),
        model=settings.moderations_model,
        timeout_s=settings.moderations_timeout_s,
        proxy=settings.proxies.proxy_for(settings.moderations_url),
    )


def _read_scores(answer: Mapping[str, Any]) -> Scores:
    """The scores in a response; of several results, the highest of each category. Raises `AnswerLost` if there are none.

    Some servers only send booleans, which become scores of 1 and 0.
    """
    found: dict[str, float] = {}
    try:
        for name, score in (each for result in answer["results"] for each in _scores_of(result)):
            found[name] = max(found.get(name, 0.0), score)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise AnswerLost(_UNREADABLE) from error
    if not found:
        raise AnswerLost(_UNREADABLE)
    return Scores(by_category=found)


def _scores_of(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in (result.get("category_scores") or result["categories"]).items():
        if value is not None:  # a category that does not apply to this kind of input
            yield str(name), _checked(value)


def _checked(value: object) -> float:
    """A score as a number from 0 to 1. Raises ValueError if it is none."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(value)
    return min(float(value), 1.0)
