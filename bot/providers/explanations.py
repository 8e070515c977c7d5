"""The exception for each verdict: what the member reads, and what the operator is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bot.core.errors import (
    AnswerLost,
    ContentRefused,
    ModelLocked,
    ProviderAccount,
    ProviderBusy,
    ProviderError,
    ProviderFailed,
    ProviderRefused,
    ProxyRefused,
    RateLimited,
    ReferenceUnread,
)
from bot.core.i18n import N_, _
from bot.domain.failures import CONTENT_RULES, UNAVAILABLE
from bot.providers.answers import ApiResponse
from bot.providers.verdicts import Verdict

BUSY: Final = N_("The image service is busy or unavailable. Easel will try again.")
UNREADABLE: Final = N_("The image service sent an answer that can't be read. Easel will try again.")
ACCOUNT_DO: Final = "Check the key and the credit of the account there: `python -m bot doctor` says what is wrong."
_PROBLEM: Final = N_("The image service had a problem, so there's no image to show.")
_UNREAD: Final = N_("The image service couldn't read a reference image.")
_LOCKED: Final = N_("This bot's account can't use this model. Choose another one.")
_REFUSED: Final = N_("The image service refused this request.")
_REFUSED_FOR: Final = N_("The image service refused this request: {words}.")
_FAILED: Final = N_("The image service couldn't create this image.")
_FAILED_FOR: Final = N_("The image service couldn't create this image: {words}.")
_SHOWN: Final = 200  # characters of the service's words in a sentence


@dataclass(frozen=True, kw_only=True)
class Explanation:
    error: type[ProviderError]
    sentence: str  # for the member
    meaning: str = ""  # for the operator


# The service's words are shown to a member only for what is the member's doing: `REQUEST`.
_EXPLANATIONS: Final[Mapping[Verdict, Explanation]] = {
    Verdict.CONTENT: Explanation(error=ContentRefused, sentence=CONTENT_RULES),
    Verdict.REFERENCE: Explanation(error=ReferenceUnread, sentence=_UNREAD),
    Verdict.REQUEST: Explanation(error=ProviderRefused, sentence=_REFUSED),
    Verdict.MODEL: Explanation(error=ModelLocked, sentence=_LOCKED, meaning="the account can't use the model"),
    Verdict.CREDIT: Explanation(error=ProviderAccount, sentence=UNAVAILABLE, meaning="the account has no credit left"),
    Verdict.ACCOUNT: Explanation(error=ProviderAccount, sentence=UNAVAILABLE, meaning="it refuses the key or the account"),
    Verdict.ADDRESS: Explanation(error=ProviderAccount, sentence=UNAVAILABLE, meaning="it serves nothing at this address"),
    Verdict.PROXY: Explanation(error=ProxyRefused, sentence=UNAVAILABLE, meaning="a proxy or firewall answered with a page of its own"),
    Verdict.LIMITED: Explanation(error=RateLimited, sentence=BUSY, meaning="its rate limit is reached"),
    Verdict.BUSY: Explanation(error=ProviderBusy, sentence=BUSY),
    Verdict.FAILED: Explanation(error=ProviderFailed, sentence=_FAILED),
    Verdict.UNCERTAIN: Explanation(error=AnswerLost, sentence=_PROBLEM),
}


def explain(verdict: Verdict, answer: ApiResponse, *, words: str) -> ProviderError:
    """The exception. `words`: the service's own, redacted."""
    found = _EXPLANATIONS[verdict]
    detail = detail_of(status=answer.status, meaning=found.meaning, words=words, request_id=answer.request_id)
    sentence = _with_words(words, _REFUSED_FOR, _REFUSED) if verdict is Verdict.REQUEST else _(found.sentence)
    if issubclass(found.error, ProviderBusy):
        return found.error(sentence, retry_after_s=answer.retry_after_s, detail=detail)
    return found.error(sentence, detail=detail)


OPERATORS: Final = frozenset(verdict for verdict, each in _EXPLANATIONS.items() if issubclass(each.error, ProviderAccount))


def explain_failure(verdict: Verdict | None, *, words: str) -> str:
    """A sentence for why a generation failed. `words`: the image API's error text, redacted."""
    if verdict in {None, Verdict.FAILED}:  # often a value of the request: it is checked only when the generation runs
        return _with_words(words, _FAILED_FOR, _FAILED)
    return _(_EXPLANATIONS[verdict].sentence)


def detail_of(*, status: int | None = None, meaning: str = "", words: str = "", request_id: str = "") -> str:
    """What the operator is told about a failed call, in one line."""
    where = ", ".join(filter(None, (f"status {status}" if status else "", f"request {request_id}" if request_id else "")))
    return " ".join(filter(None, (": ".join(filter(None, (meaning, words))), where and f"({where})")))


def _with_words(words: str, sentence: str, without: str) -> str:
    words = words[:_SHOWN].rstrip(" .")
    return _(sentence).format(words=words) if words else _(without)
