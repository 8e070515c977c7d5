"""OpenAI's error bodies, `{"error": {"message", "type", "param", "code"}}`, and the exception that produces them."""

from __future__ import annotations

from enum import StrEnum

from aiohttp import web


class OpenAIErrorType(StrEnum):
    """The `type` of an error."""

    INVALID_REQUEST = "invalid_request_error"  # the request or its key is at fault
    PERMISSION = "permission_error"  # the key is valid, but not for this tier
    REQUESTS = "requests"  # too many requests
    QUOTA = "insufficient_quota"  # the account has no credit left
    SERVER = "server_error"  # the provider is at fault


class OpenAIApiError(Exception):
    """A call that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: OpenAIErrorType = OpenAIErrorType.INVALID_REQUEST,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}

    def answer(self) -> web.Response:
        return web.json_response(self.body, status=self.status, headers=self.headers)


def invalid(param: str | None, message: str, *, code: str = "invalid_value") -> OpenAIApiError:
    return OpenAIApiError(400, message, param=param, code=code)


def wrong_key() -> OpenAIApiError:
    return OpenAIApiError(401, "Incorrect API key provided. You can find your API key in your account's settings.", code="invalid_api_key")


def tier_too_low(model: str, tier: str) -> OpenAIApiError:
    sentence = f"The model `{model}` needs the {tier} tier. Please upgrade your plan."
    return OpenAIApiError(403, sentence, kind=OpenAIErrorType.PERMISSION, param="model", code="tier_too_low")


def unknown_model(model: str) -> OpenAIApiError:
    return OpenAIApiError(
        404, f"The model `{model}` does not exist or you do not have access to it.", param="model", code="model_not_found"
    )


def policy_violation() -> OpenAIApiError:
    sentence = "Your request was rejected by our safety system. Your prompt may contain text that is not allowed."
    return OpenAIApiError(400, sentence, param="prompt", code="content_policy_violation")


def too_many(retry_after_s: int) -> OpenAIApiError:
    return OpenAIApiError(
        429, "Rate limit reached for images.", kind=OpenAIErrorType.REQUESTS, code="rate_limit_exceeded", retry_after_s=retry_after_s
    )


def out_of_credit() -> OpenAIApiError:
    sentence = "You exceeded your current quota, please check your plan and billing details."
    return OpenAIApiError(429, sentence, kind=OpenAIErrorType.QUOTA, code="insufficient_quota")


def server_error(message: str = "The server had an error while processing your request.") -> OpenAIApiError:
    return OpenAIApiError(500, message, kind=OpenAIErrorType.SERVER)
