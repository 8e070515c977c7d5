"""What is shown of a job whose images Discord refuses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from bot.core.errors import Refused
from bot.core.i18n import N_, _
from bot.domain.job import Failure
from bot.services.pipeline.delivery.links import ResultLink
from bot.services.pipeline.delivery.routes import ResultMessage
from bot.services.pipeline.screening import behind_spoiler

REASONS: Mapping[Refused, str] = {
    Refused.EXPLICIT: N_("Discord's filter refused it as explicit."),
    Refused.SIZE: N_("It's too large for Discord."),
    Refused.WORDS: N_("Discord's filter refused its message."),
    Refused.OTHER: N_("Discord refused to show it."),
}


LINKED = frozenset({Refused.SIZE, Refused.OTHER})
"""Reasons for which an image may be shown as a link instead; what Discord's filters refuse may not."""


def versions(message: ResultMessage, reason: Refused, links: Mapping[int, ResultLink]) -> Iterator[tuple[ResultMessage, Collection[int]]]:
    """The message with less in it each time, and the numbers of the images that are left out.

    Behind a spoiler, if images are refused for what they show; without a text, if its words are; then without one image of several; then
    without all; at last without a text too. An image with one of `links` is not left out, but linked, until that is refused too.
    """
    shown, hidden, why = message.shown, tuple(map(behind_spoiler, message.images)), _(REASONS[reason])
    if reason is Refused.EXPLICIT and hidden != message.images:
        yield replace(message, images=hidden, notes=(*message.notes, _("Discord accepts this only behind a spoiler."))), ()
    if reason is Refused.WORDS and shown:
        yield replace(message, bare=True, notes=(_("Discord's filter refused the text of this message."),)), ()
    if len(shown) > 1 and reason in (Refused.EXPLICIT, Refused.OTHER):
        yield from (_with_links(message, [n], why, links) for n in sorted(shown))
    if links:
        yield _with_links(message, sorted(shown), why, links)
    without_all = without(message, dict.fromkeys(sorted(shown), why))
    if shown:
        yield without_all, shown
    yield replace(without_all, bare=True), shown


def _with_links(
    message: ResultMessage, numbers: Collection[int], why: str, links: Mapping[int, ResultLink]
) -> tuple[ResultMessage, Collection[int]]:
    """The message with links in place of these images, without those that have none, and the numbers of the latter."""
    left_out = [n for n in numbers if n not in links]
    rest = without(message, dict.fromkeys(left_out, why))
    linked = [links[n] for n in numbers if n in links]
    images = tuple(image for image in rest.images if image.n not in numbers)
    return replace(rest, images=images, links=(*(link for link in rest.links if link.n not in links), *linked)), left_out


def without(message: ResultMessage, reasons: Mapping[int, str]) -> ResultMessage:
    """The message without these images, and with the job as it will be recorded. `reasons` are sentences, by the images' numbers."""
    job = message.job
    generations = (replace(g, failure=Failure.UNUSABLE, refunded_at=job.created_at) if g.n in reasons else g for g in job.generations)
    why = (note for n, reason in reasons.items() for note in notes([n], reason))
    return replace(
        message,
        job=replace(job, generations=tuple(generations)),
        images=tuple(image for image in message.images if image.n not in reasons),
        links=tuple(link for link in message.links if link.n not in reasons),
        notes=(*message.notes, *why),
    )


def notes(numbers: Collection[int], reason: str) -> Iterator[str]:
    """Why these images of a message are not shown; `reason` is safe to show."""
    template = _("Image {number} couldn't be used. {reason} You were refunded.")
    return (template.format(number=n + 1, reason=reason) for n in numbers)
