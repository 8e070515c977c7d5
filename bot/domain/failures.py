"""How each failure of a generation is handled: the sentence for the member, and whether a retry is offered.

A failed generation costs the member nothing: a hold is released, a settled price is refunded. Refusals by our own rules happen before
a job exists; an image that cannot be posted is kept and its delivery is retried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.errors import AnswerLost, ContentRefused, ProviderAccount, ProviderError, ProviderRefused, ResultTooLarge
from bot.core.i18n import N_
from bot.domain.job import Failure, GenerationState, Outcome


@dataclass(frozen=True, kw_only=True)
class Handling:
    """The sentence for a failure, and whether the same request may succeed later."""

    wording: str  # {reason}: the image API's explanation, a sentence
    retry: bool
    change: bool = False  # whether other words or options may succeed
    unknown: str = N_("The image service couldn't create this image and gave no reason.")  # the reason where there is none


CONTENT_RULES = N_("The image service refused this because of its content rules. Try a different prompt.")
UNAVAILABLE = N_("The image service isn't available right now. The bot's operator has been told.")
LOST = N_("The image service's answer got lost, so there's no image to show.")

HANDLING: Mapping[Failure, Handling] = {
    Failure.CONTENT: Handling(wording=CONTENT_RULES, retry=False, change=True),
    Failure.PARAMETER: Handling(wording="{reason}", retry=False, change=True),
    Failure.ACCOUNT: Handling(wording="{reason}", retry=True, unknown=UNAVAILABLE),
    Failure.FAULT: Handling(wording="{reason}", retry=True),
    Failure.TIMEOUT: Handling(wording=N_("The image service took too long."), retry=True),
    Failure.UNCERTAIN: Handling(wording="{reason}", retry=True, unknown=LOST),
    Failure.UNUSABLE: Handling(wording=N_("The image that came back can't be used. {reason}"), retry=True),
}


def failed(failure: Failure, reason: str = "") -> Outcome:
    """The outcome of a generation that ends with this failure."""
    handling = HANDLING[failure]
    sentence = handling.wording.format(reason=reason or handling.unknown)
    return Outcome(state=GenerationState.FAILED, failure=failure, error=sentence)


def failure_of(error: ProviderError) -> Failure:
    """The failure that corresponds to a provider error."""
    if isinstance(error, ContentRefused):
        return Failure.CONTENT
    if isinstance(error, ResultTooLarge):
        return Failure.UNUSABLE
    if isinstance(error, ProviderRefused):
        return Failure.PARAMETER
    if isinstance(error, AnswerLost):
        return Failure.UNCERTAIN
    return Failure.ACCOUNT if isinstance(error, ProviderAccount) else Failure.FAULT


def is_worth_retrying(failures: list[Failure | None]) -> bool:
    """Whether the same request may succeed later. An unknown failure (None) counts as retryable."""
    return any(failure is None or HANDLING[failure].retry for failure in failures)


def may_be_changed(failures: list[Failure | None]) -> bool:
    """Whether another prompt, option or model may succeed where this request failed."""
    return any(failure is not None and HANDLING[failure].change for failure in failures)
