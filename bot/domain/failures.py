"""How each failure is handled: for each way in which a request ends without an image, one wording, one refund rule and one retry offer.

The refund rule is the same for all: the member pays nothing. A hold is released; what was settled already is refunded.
Refusals by our own rules come before a job exists and cost nothing; an image that cannot be posted is kept and tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.errors import ContentRefused, ProviderAccount, ProviderError, ProviderRefused
from bot.core.i18n import N_
from bot.domain.job import Failure, GenerationState, Outcome


@dataclass(frozen=True, kw_only=True)
class Handling:
    """How one failure is told, and whether asking again in the same words is worth offering."""

    wording: str  # {reason}: what the image API said, as a sentence
    again: bool


HANDLING: Mapping[Failure, Handling] = {
    Failure.CONTENT: Handling(wording=N_("The image service's own content rules do not allow this picture; other words may."), again=False),
    Failure.PARAMETER: Handling(wording="{reason}", again=False),
    Failure.ACCOUNT: Handling(
        wording=N_("The image service does not serve this bot's account at the moment; its operator has been told."), again=True
    ),
    Failure.FAULT: Handling(wording="{reason}", again=True),
    Failure.TIMEOUT: Handling(wording=N_("The image service did not finish this picture in time."), again=True),
    Failure.UNCERTAIN: Handling(
        wording=N_("The image service's answer was lost on the way, so the picture could not be kept."), again=True
    ),
    Failure.UNUSABLE: Handling(wording=N_("What the image service made could not be used ({reason})."), again=True),
}

_UNKNOWN = N_("The image service could not make this picture and gave no reason.")


def failed(failure: Failure, reason: str = "") -> Outcome:
    """The outcome of a generation that ends with this failure."""
    sentence = HANDLING[failure].wording.format(reason=reason or _UNKNOWN)
    return Outcome(state=GenerationState.FAILED, failure=failure, error=sentence)


def failure_of(error: ProviderError) -> Failure:
    """Which failure an image API's refusal is."""
    if isinstance(error, ContentRefused):
        return Failure.CONTENT
    if isinstance(error, ProviderRefused):
        return Failure.PARAMETER
    return Failure.ACCOUNT if isinstance(error, ProviderAccount) else Failure.FAULT


def worth_asking_again(failures: list[Failure | None]) -> bool:
    """Whether the same words may succeed another time. What failed for a reason not written down is given the chance."""
    return any(failure is None or HANDLING[failure].again for failure in failures)
