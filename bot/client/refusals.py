"""Discord's errors as `DeliveryError`: one table of its codes.

Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json-json-error-codes
"""

from __future__ import annotations

from collections.abc import Mapping

import discord

from bot.core.errors import DeliveryError, MessageRefused, Refused, RouteClosed, TooLarge, TryLater
from bot.core.i18n import N_, _

_CONTENT: Mapping[int, Refused] = {
    240000: Refused.WORDS,  # a link that Discord blocks
    200000: Refused.WORDS,  # the server's AutoMod
    200001: Refused.WORDS,  # AutoMod, of a title
    20009: Refused.EXPLICIT,
    50035: Refused.OTHER,  # invalid form body, for instance one component
    50006: Refused.OTHER,  # empty message
    50109: Refused.OTHER,  # invalid JSON
    50046: Refused.OTHER,  # invalid file
}
_TOO_LARGE = (40005, 50045)
_NOT_NOW: Mapping[int, float] = {  # seconds until it is worth another try; some of these come as 403
    40003: 600.0,  # opening DMs too fast
    20026: 3600.0,  # flagged as spam: no new DMs
    40006: 60.0,  # feature disabled for the moment
    130000: 60.0,  # overloaded
}
_BUSY = (408, 429)  # 408: a proxy has not waited for Discord's answer
_DM_CLOSED = (
    50007,  # the member does not accept DMs
    50278,  # no server in common
    50033,  # invalid recipient: a deleted account
)
_ROUTE_400 = (40060, 50003, 50008, 50021, 50024, 50033, 50083)  # an answered interaction, channels without messages, archived threads
_SENTENCES: Mapping[Refused, str] = {
    Refused.WORDS: N_("Discord's filter refused this message for words in it."),
    Refused.EXPLICIT: N_("Discord's filter refused this image as explicit."),
    Refused.SIZE: N_("This is too large for Discord."),
    Refused.OTHER: N_("Discord refused this message."),
}


def refused(reason: Refused) -> MessageRefused:
    return MessageRefused(_(_SENTENCES[reason]), reason=reason)


def reason_of(error: discord.HTTPException) -> Refused | None:
    """What Discord refuses of the message; None if the error says nothing of its content."""
    if error.code in _TOO_LARGE or error.status == 413:
        return Refused.SIZE
    if error.status == 400 and error.code not in _ROUTE_400:
        return _CONTENT.get(error.code, Refused.OTHER)
    return _CONTENT.get(error.code)


def is_dm_closed(error: discord.HTTPException) -> bool:
    """Whether this member gets no DMs from the bot."""
    return error.code in _DM_CLOSED


def delivery_error(error: discord.HTTPException) -> DeliveryError:
    """What an error means for a message: the same again later, another route, or another message."""
    answer, reason = f"status {error.status}, code {error.code}", reason_of(error)
    if reason is not None:
        return TooLarge("Discord refuses an upload of this size.") if reason is Refused.SIZE else refused(reason)
    if error.code in _NOT_NOW:
        return TryLater(f"Discord doesn't allow this now ({answer}).", retry_after_s=_NOT_NOW[error.code])
    if error.status in _BUSY or error.status >= 500:
        return TryLater(f"Discord is busy ({answer}).")
    return RouteClosed(f"Discord refused the request ({answer}).")
