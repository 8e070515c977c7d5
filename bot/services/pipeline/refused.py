"""What is shown of a job whose images Discord refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from bot.core.errors import Refused
from bot.core.i18n import N_, _
from bot.domain.job import Failure
from bot.services.pipeline.routes import ResultMessage
from bot.services.pipeline.screening import behind_spoiler

REASONS: Mapping[Refused, str] = {
    Refused.EXPLICIT: N_("Discord's filter refused it as explicit."),
    Refused.SIZE: N_("It's too large for Discord."),
    Refused.WORDS: N_("Discord's filter refused its message."),
    Refused.OTHER: N_("Discord refused to show it."),
}


def versions(message: ResultMessage, reason: Refused) -> Iterator[tuple[ResultMessage, Collection[int]]]:
    """The message with less in it each time, and the numbers of the images that are left out.

    Behind a spoiler, if images are refused for what they show; without a text, if its words are; then without one image of several; then
    without all; at last without a text too.
    """
    shown, hidden = [image.n for image in message.images], tuple(map(behind_spoiler, message.images))
    if reason is Refused.EXPLICIT and hidden != message.images:
        yield replace(message, images=hidden, notes=(*message.notes, _("Discord accepts this only behind a spoiler."))), ()
    if reason is Refused.WORDS and shown:
        yield replace(message, bare=True, notes=(_("Discord's filter refused the text of this message."),)), ()
    if len(shown) > 1 and reason in (Refused.EXPLICIT, Refused.OTHER):
        yield from ((_without(message, [n], reason), [n]) for n in shown)
    if shown:
        yield _without(message, shown, reason), shown
    yield replace(_without(message, shown, reason), bare=True), shown


def _without(message: ResultMessage, numbers: Collection[int], reason: Refused) -> ResultMessage:
    """The message without these images, and with the job as it will be recorded."""
    job, why = message.job, notes(numbers, _(REASONS[reason]))
    generations = (replace(g, failure=Failure.UNUSABLE, refunded_at=job.created_at) if g.n in numbers else g for g in job.generations)
    kept = tuple(image for image in message.images if image.n not in numbers)
    return replace(message, job=replace(job, generations=tuple(generations)), images=kept, notes=(*message.notes, *why))


def notes(numbers: Collection[int], reason: str) -> Iterator[str]:
    """Why these images of a message are not shown; `reason` is safe to show."""
    template = _("Image {number} couldn't be used. {reason} You were refunded.")
    return (template.format(number=n + 1, reason=reason) for n in numbers)
