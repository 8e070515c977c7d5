"""What answers of image APIs mean: the code decides, then the status, then the words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.retry_after import read_wait
from bot.providers.answers import ApiResponse, error_text
from bot.providers.redact import redacted
from bot.providers.verdicts import Verdict, has_error, is_filtered, judge


def error(message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


CASES: list[tuple[Verdict, int, Any]] = [
    # by code, at any status
    (Verdict.CONTENT, 500, error(code="content_policy_violation")),
    (Verdict.CONTENT, 403, error(code="moderation_blocked")),
    (Verdict.CONTENT, 403, {"name": "content_moderation", "errors": ["Your request was flagged."]}),
    (Verdict.CONTENT, 422, {"detail": [{"msg": "No.", "type": "content_policy_violation"}]}),
    (Verdict.CONTENT, 400, error(code="content_filter", innererror={"code": "ResponsibleAIPolicyViolation"})),
    (Verdict.CONTENT, 400, error(code="InputTextSensitiveContentDetected")),
    (Verdict.CONTENT, 403, error(code=403, metadata={"flagged_input": "an ox", "reasons": ["violence"]})),
    (Verdict.CREDIT, 429, error(code="insufficient_quota")),
    (Verdict.CREDIT, 400, error(code="billing_hard_limit_reached")),
    (Verdict.ACCOUNT, 400, error(code="invalid_api_key")),
    (Verdict.MODEL, 403, error(code="tier_too_low")),
    (Verdict.REQUEST, 404, error(code="model_not_found")),
    (Verdict.LIMITED, 400, error(code="rate_limit_exceeded")),
    # a status inside is the status
    (Verdict.LIMITED, 200, error("Rate limit exceeded, try again in 2 s", code=429)),
    (Verdict.LIMITED, 200, error(code="429")),
    (Verdict.BUSY, 200, error(status=503)),
    (Verdict.UNCERTAIN, 200, error(code=500)),
    (Verdict.UNCERTAIN, 200, error(code=408)),
    # by status
    (Verdict.ACCOUNT, 401, error("Rejected by our safety system.")),
    (Verdict.ACCOUNT, 403, error("We detected behavior that may violate our content policy.", code="Forbidden")),
    (Verdict.MODEL, 403, error("Your organization must be verified to use the model `gpt-image-1`.")),
    (Verdict.ADDRESS, 404, error("File Not Found")),
    (Verdict.REQUEST, 404, error("The model `sd` does not exist")),
    (Verdict.ADDRESS, 405, None),
    (Verdict.ADDRESS, 301, None),
    (Verdict.LIMITED, 429, error("Insufficient credits? No.")),
    (Verdict.BUSY, 503, error("cuda")),
    (Verdict.PROXY, 407, None),
    # by phrases
    (Verdict.CONTENT, 400, error("Your request was rejected as a result of our safety system.")),
    (Verdict.CONTENT, 500, error("Your request was rejected as a result of our safety system.")),
    (Verdict.CONTENT, 200, error("NSFW content detected in image")),
    (Verdict.CREDIT, 400, error("Insufficient credits")),
    (Verdict.ACCOUNT, 400, error("API key not valid. Please pass a valid API key.")),
    (Verdict.REFERENCE, 422, error("403 Client Error: Forbidden for url: https://x.test/a")),
    (Verdict.REFERENCE, 422, error("410 Client Error: Gone for url: https://x.test/a")),
    (Verdict.LIMITED, 200, error("Too many requests")),
    (Verdict.FAILED, 200, error("Internal server error")),
    (Verdict.FAILED, 200, error(type="server_error")),
    (Verdict.FAILED, 400, error("CUDA out of memory")),
    (Verdict.REQUEST, 400, error("Invalid size.")),
    (Verdict.REQUEST, 200, error("Bad luck.")),
    (Verdict.REQUEST, 422, [error("A list.")]),
    # may have been taken
    *[
        (Verdict.UNCERTAIN, status, error("Too many requests"))
        for status in (303, 304, 408, 409, 418, 425, 444, 499, 500, 501, 502, 504, 507, 520, 522, 524, 529, 599)
    ],
    *[(Verdict.UNCERTAIN, status, None) for status in (300, 408, 425, 460, 500, 502, 504, 521, 530, 598)],
]


@pytest.mark.parametrize(("verdict", "status", "body"), CASES)
def test_an_answer_is_judged(verdict: Verdict, status: int, body: Any) -> None:
    if verdict is Verdict.UNCERTAIN and status < 500 and body and "code" not in body["error"]:
        body = error("Try later")
    assert judge(ApiResponse(status=status, body=body)) is verdict


def test_a_page_with_403_is_a_proxy_s() -> None:
    assert judge(ApiResponse(status=403, body=None, is_page=True)) is Verdict.PROXY
    assert judge(ApiResponse(status=403, body=None)) is Verdict.ACCOUNT


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"url": "", "b64_json": None, "respect_moderation": False}]},
        {"data": [{"b64_json": "AAAA"}], "has_nsfw_concepts": [True], "censored": True},
        {"images": [{"url": "x"}], "has_nsfw_concepts": [False, True]},
        {"artifacts": [{"finishReason": "CONTENT_FILTERED", "base64": "AAAA"}]},
        {"finish_reasons": ["content_filter"], "images": ["AAAA"]},
        {"candidates": [{"finishReason": "IMAGE_SAFETY"}]},
        {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        {"predictions": [{"raiFilteredReason": "blocked"}]},
        {"status": "Content Moderated", "result": None},
        {"data": [{"b64_json": "AAAA", "is_censored": True}]},
        {"data": [{"url": "x", "passed_moderation": False}]},
        {"data": [{"content_filter_results": {"sexual": {"filtered": True}}}]},
    ],
)
def test_marks_of_a_content_filter_are_a_refusal(body: dict[str, Any]) -> None:
    assert has_error(body)
    assert judge(ApiResponse(status=200, body=body)) is Verdict.CONTENT


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"b64_json": "AAAA", "respect_moderation": True}]},
        {"data": [{"b64_json": "AAAA"}], "has_nsfw_concepts": [False], "censored": False},
        {"data": [{"b64_json": "AAAA", "content_filter_results": {"sexual": {"filtered": False}}}], "finish_reason": "stop"},
        {"data": [{"url": "x"}], "error": None, "message": "ok"},
        {"generations": [{"generation_id": "g"}], "error": {"message": "one of two"}},
    ],
)
def test_an_answer_with_an_image_is_none(body: dict[str, Any]) -> None:
    assert not has_error(body)


def test_a_hostile_body_is_read_to_a_limit() -> None:
    deep: Any = {"censored": True}
    for _ in range(900):
        deep = {"a": deep}
    assert not is_filtered({"deep": deep, "wide": [{"a": 1}] * 100_000})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"code": 20012, "message": "The reason"}, "The reason"),
        ({"detail": "The reason"}, "The reason"),
        ({"detail": [{"loc": ["body"], "msg": "The reason"}]}, "The reason"),
        ({"errors": [{"message": "The reason"}]}, "The reason"),
        ({"errors": ["The reason"]}, "The reason"),
        ({"errors": {"size": ["The reason"]}}, "The reason"),
        ({"error": ["The reason"]}, "The reason"),
        ({"error": [{"message": "The reason"}]}, "The reason"),
        ({"error": "The reason"}, "The reason"),
        ([{"error": {"message": "The reason"}}], "The reason"),
        ({"error": {"type": "x", "title": "The", "detail": "reason"}, "status_message": "x"}, "The: reason"),
        ({"status": "error", "status_message": "unauthenticated"}, "unauthenticated"),
        ({"error": {"message": {"deep": 1}}}, ""),
        ("text", ""),
        (None, ""),
    ],
)
def test_the_reason_is_found_in_every_form(body: Any, text: str) -> None:
    assert error_text(body) == text


NAMES = ("error", "errors", "message", "detail", "code", "type", "status", "data", "finish_reason", "censored", "retry_after", "innererror")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(status=st.integers(100, 599), body=JSON, text=st.text(max_size=100), is_page=st.booleans())
def test_any_answer_has_a_verdict(status: int, body: Any, text: str, is_page: bool) -> None:
    answer = ApiResponse(status=status, body=body, text=text, is_page=is_page)
    judge(answer)
    redacted(answer.words)
    assert (read_wait({}, body, answer.words) or 0) >= 0
    assert isinstance(body, dict) is False or has_error(body) in {True, False}
