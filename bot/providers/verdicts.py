"""Decides what an image API's answer means: by its code, then by its status, then by documented phrases.

A paid call counts as not taken only where the answer is `LIMITED` or `BUSY`. A verdict that is none of the documented ones is `UNCERTAIN`.

Sources: https://platform.openai.com/docs/guides/error-codes, https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://openrouter.ai/docs/api-reference/errors, https://docs.x.ai/docs/guides/image-generations,
https://platform.stability.ai/docs/api-reference, https://docs.fal.ai/model-apis/errors, https://docs.bfl.ai, and this project's contracts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from bot.providers.answers import ApiResponse, error_parts, error_text


class Verdict(StrEnum):
    CONTENT = "content"  # its content rules do not allow this image
    REFERENCE = "reference"  # it could not read the link of a reference image
    REQUEST = "request"  # it refuses a value of this request, such as a model that it does not have
    MODEL = "model"  # the account cannot use this model
    CREDIT = "credit"  # the operator's account has no credit left
    ACCOUNT = "account"  # it refuses the operator's key or account
    ADDRESS = "address"  # nothing is served at this address
    PROXY = "proxy"  # a proxy or firewall answered in its place
    LIMITED = "limited"  # a rate limit
    BUSY = "busy"  # it does not take requests now
    FAILED = "failed"  # it tried and could not
    UNCERTAIN = "uncertain"  # it may have taken the request


def _table(**names: str) -> dict[str, Verdict]:
    return {name: Verdict(verdict) for verdict, listed in names.items() for name in listed.split()}


# Codes without case and punctuation, at any status.
_CODES: Final[Mapping[str, Verdict]] = _table(
    content="contentpolicyviolation contentpolicy moderationblocked contentfilter contentfiltered responsibleaipolicyviolation"
    " contentmoderation contentmoderated requestmoderated imagesafety safety prohibitedcontent blocklist nsfw nsfwcontentdetected"
    " safetyviolation datainspectionfailed inputtextsensitivecontentdetected inputimagesensitivecontentdetected"
    " outputimagesensitivecontentdetected sensitivecontentdetected",
    request="modelnotfound modeldeprecated deploymentnotfound",
    model="tiertoolow modelnotavailable modelnotallowed modelnotopen",
    credit="insufficientquota billinghardlimitreached billingnotactive insufficientcredits insufficientbalance insufficientfunds"
    " paymentrequired arrearage accountoverdueerror insufficientcredit outofcredits creditsexhausted nocredits billingerror",
    account="invalidapikey apikeyinvalid accountdeactivated accountsuspended unauthenticated unauthorized authenticationerror"
    " invalidauthentication accessterminated unsupportedcountryregionterritory accountdisabled accountblocked invalidtoken tokenexpired"
    " expiredapikey missingapikey",
    limited="ratelimitexceeded ratelimiterror ratelimitreached resourceexhausted toomanyrequests throttling throttled",
    failed="servererror internalerror internalservererror apierror",
)
_STATUSES: Final[Mapping[int, Verdict]] = {
    301: Verdict.ADDRESS,
    302: Verdict.ADDRESS,
    307: Verdict.ADDRESS,
    308: Verdict.ADDRESS,
    401: Verdict.ACCOUNT,
    402: Verdict.CREDIT,
    403: Verdict.ACCOUNT,
    404: Verdict.ADDRESS,
    405: Verdict.ADDRESS,
    407: Verdict.PROXY,
    410: Verdict.ADDRESS,
    429: Verdict.LIMITED,
    503: Verdict.BUSY,
    511: Verdict.PROXY,
}
_REFUSALS: Final = frozenset({400, 406, 411, 413, 414, 415, 416, 417, 422, 428, 431, 451})  # of the request, if the words do not say more
_OF_MODELS: Final[Mapping[int, Verdict]] = {  # if the words are about a model
    403: Verdict.MODEL,
    404: Verdict.REQUEST,
    405: Verdict.REQUEST,
    410: Verdict.REQUEST,
}
# Where an answer of a status of success has what was asked for.
_RESULTS: Final = ("data", "images", "generations", "results", "estimate", "id", "generation_id")
_MODEL_WORDS: Final = re.compile(r"\b(?:models?|deployment|tier|plan)\b", re.IGNORECASE)

# Phrases in lower case, where neither code nor status decides. The first match counts.
_PHRASES: Final[tuple[tuple[re.Pattern[str], Verdict], ...]] = tuple(
    (re.compile(pattern), verdict)
    for pattern, verdict in (
        (r"client error: [a-z ]{1,40} for url", Verdict.REFERENCE),
        (r"insufficient (?:credits?|balance|funds|quota)", Verdict.CREDIT),
        (r"unauthenticated|api key not valid|(?:invalid|incorrect) api key", Verdict.ACCOUNT),
        (r"model not found|model .{1,120}(?:does not exist|not found)", Verdict.REQUEST),
        (r"safety system|safety filter|safety checker|responsible ai|nsfw|usage polic", Verdict.CONTENT),
        (r"content[ _-](?:management |moderation )?(?:polic|filter|moderation|rule|guideline)|moderation system", Verdict.CONTENT),
        (r"rate limit (?:reached|exceeded)|too many requests", Verdict.LIMITED),
        (r"\bcuda\b|out of memory|\binternal (?:server )?error|timed? ?out|traceback|unexpected error", Verdict.FAILED),
    )
)


def judge(answer: ApiResponse) -> Verdict:
    """What an answer without an image means. For a status of success the body holds an error, or marks of a content filter."""
    status = _status_inside(answer.body) or answer.status
    is_success = 200 <= answer.status < 300
    verdict = _by_code(answer.body) or _by_status(answer, status) or judge_words(answer.words)
    if verdict is Verdict.FAILED:
        return Verdict.FAILED if status in _REFUSALS or (is_success and status < 500) else Verdict.UNCERTAIN
    if verdict is Verdict.LIMITED and status >= 500 and _by_code(answer.body) is None:
        return Verdict.UNCERTAIN
    if verdict is not None:
        return verdict
    return Verdict.REQUEST if status in _REFUSALS or (is_success and status < 400) else Verdict.UNCERTAIN


def judge_words(text: str) -> Verdict | None:
    """What an API's words about a failure mean, by documented phrases."""
    text = text[:2_000].casefold()
    return next((verdict for pattern, verdict in _PHRASES if pattern.search(text)), None)


def has_error(body: Mapping[str, Any]) -> bool:
    """Whether an answer of status 200 says that there is no image, in place of one."""
    return is_filtered(body) or (not any(body.get(name) for name in _RESULTS) and bool(error_text(body)))


# --- by code ---------------------------------------------------------------------------------------------------------


def _by_code(body: object) -> Verdict | None:
    if isinstance(body, Mapping) and is_filtered(body):
        return Verdict.CONTENT
    parts = list(error_parts(body))
    codes = (each.get(name) for name in ("code", "type", "name", "status", "reason") for each in parts)
    return next((_CODES[code] for each in codes if (code := _plain(each)) in _CODES), None)


def _plain(code: object) -> str:
    return re.sub(r"[^a-z]", "", code.casefold()) if isinstance(code, str) and len(code) < 100 else ""


def _status_inside(body: object) -> int | None:
    """A status in the body, which gateways wrap in one of their own."""
    for part in error_parts(body):
        for name in ("code", "status", "status_code", "statusCode", "http_status"):
            value = part.get(name)
            if isinstance(value, int | str) and re.fullmatch("[45][0-9][0-9]", str(value)):
                return int(value)
    return None


# --- by status -------------------------------------------------------------------------------------------------------


def _by_status(answer: ApiResponse, status: int) -> Verdict | None:
    if status == 403 and answer.is_page:
        return Verdict.PROXY
    if status in _OF_MODELS and _is_about_a_model(answer):
        return _OF_MODELS[status]
    return _STATUSES.get(status)


def _is_about_a_model(answer: ApiResponse) -> bool:
    if answer.body is None:
        return False
    parts = list(error_parts(answer.body))
    words = [answer.words, *(code for part in parts if isinstance(code := part.get("code"), str))]
    return any(part.get("param") == "model" for part in parts) or any(map(_MODEL_WORDS.search, words))


# --- content filters -------------------------------------------------------------------------------------------------

_DEPTH: Final = 8
_VALUES: Final = 2_000
_FLAGS: Final = frozenset(  # true if an image is withheld or blackened
    {
        "has_nsfw_concepts",
        "has_nsfw_concept",
        "has_nsfw_content",
        "nsfw_content_detected",
        "nsfw_detected",
        "nsfw_filtered",
        "censored",
        "is_censored",
        "filtered",
        "content_filtered",
        "safety_filtered",
    }
)
_PASSES: Final = frozenset({"respect_moderation", "passed_moderation", "moderation_passed"})  # false if it is
_REASONS: Final = frozenset({"flagged_input", "raifilteredreason", "blockreason", "block_reason", "moderation_reasons"})
_FINISHES: Final = frozenset({"status", "finish_reason", "finishreason", "finish_reasons", "finishreasons", "stop_reason"})


def is_filtered(body: Mapping[str, Any]) -> bool:
    """Whether a content filter withheld the image: documented marks, beside no image or beside a black one."""
    return any(_is_mark(name, value) for name, value in _named_values(body))


def _is_mark(name: str, value: object) -> bool:
    if name in _PASSES:
        return value is False
    if name in _FLAGS:
        return value is True
    if name in _FINISHES:
        return _CODES.get(_plain(value)) is Verdict.CONTENT
    return name in _REASONS and bool(value)


def _named_values(body: object) -> Iterator[tuple[str, object]]:
    """The names and plain values of nested objects; a list counts as its items."""
    left, todo = _VALUES, [("", body, _DEPTH)]
    while todo and left:
        name, value, depth = todo.pop()
        left -= 1
        if isinstance(value, Mapping) and depth:
            todo += [(str(key).casefold(), each, depth - 1) for key, each in list(value.items())[:100]]
        elif isinstance(value, list) and depth:
            todo += [(name, each, depth - 1) for each in value[:100]]
        else:
            yield name, value
