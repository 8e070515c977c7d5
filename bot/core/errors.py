"""The exceptions. Each carries a sentence that may be shown to a person.

EaselError                  base class; `sentence` is safe to show
├── StartError              the bot cannot start: a setting, the database, the token
│   ├── DatabaseInUse       another process has this database open
│   ├── TakenOver           other processes have given this one up and do its work
│   ├── DatabaseDamaged     the database's file is damaged: nothing can be written safely
│   ├── NoSchema            the database has no tables of Easel yet
│   └── OtherSchema         its tables are those of another version of Easel
├── DatabaseAway            the database doesn't answer: nothing was written
│   └── MaybeSaved          it stopped answering during a commit: what was asked may have been written
├── MachineTrouble          this machine lacks something (files, disk, memory): do it later
├── Refusal                 a member's request is refused; nothing is held or charged
│   ├── InvalidRequest      a value is not allowed (names the field, what is allowed, what was given)
│   ├── BadReference        an attached image cannot be used
│   ├── OutOfCredit         the balance is below the price
│   ├── TooManyWaiting      the member has too many images in the queue
│   ├── Overloaded          too much work of this kind waits already: the same request may work in a minute
│   ├── NotKnownYet         Discord has not described the server yet, so no rule of it can be applied
│   ├── NotAllowed          the member lacks the permission
│   │   └── ChoiceNotAllowed  for what was chosen: another model, prompt or option may be allowed
│   └── NotFound            no such job, model or image
├── ImageError              the bytes are not a usable image, or the address may not be fetched
│   └── NotAnImage          the bytes are not of an image format that Easel reads
├── ProviderError           the image API did not do what was requested
│   ├── ProviderRefused     it rejected the request: a retry would change nothing
│   │   ├── ContentRefused  its content rules do not allow the image: another prompt may work
│   │   ├── ReferenceUnread it could not read the link of a reference image: the image itself may work
│   │   └── ResultTooLarge  the image in its answer is larger than the operator allows
│   ├── ProviderFailed      it tried and could not: the same request may work later
│   ├── ProviderBusy        it did not accept the request (overload, no connection): retry later
│   │   └── RateLimited     because of a rate limit: it works
│   ├── ProviderAccount     it refuses the operator's account (key, credit): members wait, the operator acts
│   │   ├── ModelLocked     the account's tier does not include this model: its other models still work
│   │   └── ProxyRefused    a proxy or firewall answers in its place
│   └── AnswerLost          the request may or may not have been accepted: look it up before sending it again
│       └── AnswerTooLarge  an answer came, and it is too large to be read
└── DeliveryError           Discord did not accept a message
    ├── RouteClosed         this route is closed permanently: try the next one
    ├── TooLarge            the upload is too large: make it smaller
    ├── MessageRefused      it refuses what the message holds: show less of it
    └── TryLater            Discord is busy or down: retry the same route later
"""

from __future__ import annotations

from enum import StrEnum


class EaselError(Exception):
    """Base class. `sentence` may be shown to people: it contains no secrets and is in the language current when it was raised."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class StartError(EaselError, RuntimeError):
    """The bot cannot start; the sentence says what to do."""


class DatabaseInUse(StartError):
    """Another process has this database open."""


class TakenOver(StartError):
    """Other processes have given this one up, and do its work."""


class DatabaseDamaged(StartError):
    """The database's file is damaged."""


class NoSchema(StartError):
    """The database has no tables of Easel yet."""


class OtherSchema(StartError):
    """The database's tables are those of another version of Easel."""


class DatabaseAway(EaselError):
    """The database didn't answer for as long as the caller waits; nothing was written."""


class MaybeSaved(DatabaseAway):
    """The database stopped answering during the commit; what was asked may have been written."""


class MachineTrouble(EaselError, OSError):
    """This machine lacks something; never the fault of an image, a member or an image API."""


class Refusal(EaselError):
    """The request is refused; nothing is held or charged."""


class InvalidRequest(Refusal, ValueError):
    """A value is not allowed."""


class BadReference(Refusal, ValueError):
    """An attached image cannot be used."""


class OutOfCredit(Refusal):
    """The balance is below the price. `reason` is the sentence without what happens later; `model` the id of one that can be paid."""

    def __init__(self, sentence: str, *, reason: str = "", model: str | None = None) -> None:
        super().__init__(sentence)
        self.reason = reason or sentence
        self.model = model


class TooManyWaiting(Refusal):
    """The member has too many images in the queue."""


class Overloaded(Refusal):
    """Too much work of this kind waits already, of this member or guild or of all."""


class NotKnownYet(Refusal):
    """Discord has not described the guild, the channel or the member yet."""


class NotAllowed(Refusal, PermissionError):
    """The member lacks the permission."""


class ChoiceNotAllowed(NotAllowed):
    """The member lacks the permission for this model, prompt or option; another may be allowed."""


class NotFound(Refusal, LookupError):
    """It does not exist, or not any more."""


class ImageError(EaselError, ValueError):
    """The bytes are not a usable image, or the address may not be fetched."""


class NotAnImage(ImageError):
    """The bytes are not of an image format that Easel reads. `type_name` is the name of their type, such as "TIFF", if it has one."""

    def __init__(self, sentence: str, *, type_name: str = "") -> None:
        super().__init__(sentence)
        self.type_name = type_name


class ProviderError(EaselError):
    """The image API did not do what was requested. `detail` is for the operator: status, redacted words, the service's request id."""

    def __init__(self, sentence: str, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.detail = detail


class ProviderRefused(ProviderError, ValueError):
    """The image API rejected the request."""


class ContentRefused(ProviderRefused):
    """The image API's content rules do not allow this image."""


class ReferenceUnread(ProviderRefused):
    """The image API could not read the link of a reference image."""


class ResultTooLarge(ProviderRefused):
    """The image in the image API's answer is larger than RESULT_MAX_MB."""


class ProviderFailed(ProviderError):
    """The image API tried and could not make the image."""


class ProviderBusy(ProviderError, ConnectionError):
    """The image API did not accept the request; `retry_after_s` is its Retry-After, if it sent one."""

    def __init__(self, sentence: str, *, retry_after_s: float | None = None, detail: str = "") -> None:
        super().__init__(sentence, detail=detail)
        self.retry_after_s = retry_after_s


class RateLimited(ProviderBusy):
    """The image API did not accept the request because of a rate limit."""


class ProviderAccount(ProviderError, PermissionError):
    """The image API refuses the operator's account: bad key or no credit."""


class ModelLocked(ProviderAccount):
    """The operator's account at the image API does not include this model; the sentence says so to the operator."""


class ProxyRefused(ProviderAccount):
    """A proxy or firewall between this machine and the image API answered in its place."""


class AnswerLost(ProviderError, ConnectionError):
    """The request was sent and no response came back."""


class AnswerTooLarge(AnswerLost):
    """The request was sent, and the response is larger than the limit."""


class DeliveryError(EaselError):
    """Discord did not accept a message."""


class RouteClosed(DeliveryError):
    """This route for a message is closed permanently."""


class TooLarge(DeliveryError):
    """Discord refuses an upload of this size."""


class Refused(StrEnum):
    """What Discord refuses of a message."""

    WORDS = "words"  # a link or a word
    EXPLICIT = "explicit"  # an image
    SIZE = "size"  # an image, however small it is made
    OTHER = "other"


class MessageRefused(DeliveryError):
    """Discord refuses what this message holds; a retry would change nothing."""

    def __init__(self, sentence: str, *, reason: Refused) -> None:
        super().__init__(sentence)
        self.reason = reason


class TryLater(DeliveryError, ConnectionError):
    """Discord is busy or down; `retry_after_s` is its Retry-After, if it sent one."""

    def __init__(self, sentence: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s
