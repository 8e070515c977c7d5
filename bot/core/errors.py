"""What can go wrong, and the sentence that a person may see.

EaselError                  everything below; `sentence` is safe to show
├── StartError              the bot cannot open: a setting, the database, the token
│   └── InUse               another process has this database open
├── Refusal                 a member's request is not taken; nothing is held or charged
│   ├── InvalidRequest      a value is not allowed (names the field, what is allowed, what was given)
│   ├── BadReference        an attached image cannot be used
│   ├── OutOfCredit         the bucket holds less than the price
│   ├── TooManyWaiting      this member has enough in the queue
│   ├── NotAllowed          not this member's to touch
│   └── NotFound            no such job, model or image
├── ImageError            bytes that are no usable image, or an address that may not be fetched
├── ProviderError           the image API did not do what was asked
│   ├── ProviderRefused     it read the request and said no: asking again changes nothing
│   │   └── ContentRefused  its own content rules do not allow the image: other words may
│   ├── ProviderBusy        it did not take the request (rate limit, overload, no connection): ask again later
│   ├── ProviderAccount     it refuses the operator's account (key, credit): members wait, the operator acts
│   │   └── ModelLocked     the account's tier does not include this model: its other models still work
│   └── AnswerLost          the request may or may not have been taken: look before asking again
└── DeliveryError           Discord did not take a message
    ├── RouteClosed         this way of showing it is gone for good: take the next one
    ├── TooLarge            the upload is refused for its size: make it smaller
    └── TryLater            Discord is busy or away: the same way again, later
"""

from __future__ import annotations


class EaselError(Exception):
    """Base of all; `sentence` is what a person may read, without secrets, in the language that was spoken when it was raised."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class StartError(EaselError, RuntimeError):
    """The bot cannot start; the sentence says what to do."""


class DatabaseInUse(StartError):
    """Another process has this database open."""


class Refusal(EaselError):
    """The request is not taken; nothing is lost or charged."""


class InvalidRequest(Refusal, ValueError):
    """A value is not allowed."""


class BadReference(Refusal, ValueError):
    """An attached image cannot be used."""


class OutOfCredit(Refusal):
    """The bucket holds less than the price."""


class TooManyWaiting(Refusal):
    """This member has enough waiting."""


class NotAllowed(Refusal, PermissionError):
    """Not this member's to touch."""


class NotFound(Refusal, LookupError):
    """No such thing, or it is gone."""


class ImageError(EaselError, ValueError):
    """Bytes that are no usable image, or an address that may not be fetched."""


class ProviderError(EaselError):
    """The image API did not do what was asked."""


class ProviderRefused(ProviderError, ValueError):
    """The image API read the request and refused it."""


class ContentRefused(ProviderRefused):
    """The image API's own content rules do not allow this image."""


class ProviderBusy(ProviderError, ConnectionError):
    """The image API did not take the request; `retry_after_s` is its own wish, where it named one."""

    def __init__(self, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class ProviderAccount(ProviderError, PermissionError):
    """The image API refuses the operator's account: bad key or no credit."""


class ModelLocked(ProviderAccount):
    """The operator's account at the image API does not include this model; the sentence says so to the operator."""


class AnswerLost(ProviderError, ConnectionError):
    """The request was sent and no answer came back."""


class DeliveryError(EaselError):
    """Discord did not take a message."""


class RouteClosed(DeliveryError):
    """This way of showing a message is closed for good."""


class TooLarge(DeliveryError):
    """Discord refuses an upload of this size."""


class TryLater(DeliveryError, ConnectionError):
    """Discord is busy or away; `retry_after_s` where it said so."""

    def __init__(self, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
