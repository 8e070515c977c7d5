"""Texts of /history: the list and single requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.domain.job import GenerationState, HistoryPage, Job, JobState, message_url
from cogs.kit.texts import amount_of, quoted, subject

_STATES = {
    JobState.OPEN: N_("🎨 Generating."),
    JobState.DELIVERABLE: N_("📦 Finished. It arrives in a moment."),
    JobState.STRANDED: N_("📪 Finished, but it couldn't be posted. Use **Post here** to show it in this channel."),
}
_PROMPT_IN_LIST = 160  # characters
_PROMPT_ALONE = 900


def heading(page: HistoryPage) -> str:
    """The heading of the list, with the search words and the number of requests."""
    if page.words:
        head = "## " + _("Your history: “{words}”").format(words=quoted(page.words))
        none = _("No image matches that search.")
    else:
        head = "## " + _("Your history")
        none = _("Nothing here yet. Use /generate to create your first image.")
    count = ngettext("{count} request", "{count} requests", page.total).format(count=number(page.total))
    return f"{head}\n-# {count}" if page.total else f"{head}\n{none}"


def in_list(number: int, job: Job, title_of: Callable[[str], str], *, left_out: int) -> str:
    """One request in the list; `left_out` of its images are not shown."""
    more = ngettext("{count} more image", "{count} more images", left_out).format(count=left_out) if left_out else ""
    return "\n".join(_lines(job, title_of, head=f"**{number}.** {_prompt(job, _PROMPT_IN_LIST)}", more=more))


def alone(job: Job, title_of: Callable[[str], str]) -> str:
    """One request by itself."""
    return "\n".join(_lines(job, title_of, head=f"### {_prompt(job, _PROMPT_ALONE)}", more=""))


def deleted(job: Job, *, is_member: bool) -> str:
    """The answer after a request was deleted; whether its message was deleted too depends on its channel."""
    if job.place.private:
        sentence = _("Deleted. Use **Dismiss message** to clear messages that only you can see.")
    elif not is_member:
        sentence = _("Deleted. Its message stays, because Easel is no longer on that server.")
    else:
        sentence = _("Deleted, along with its message.")
    return f"🗑️ {sentence}"


def _lines(job: Job, title_of: Callable[[str], str], *, head: str, more: str) -> Sequence[str]:
    facts = [quoted(title_of(job.model)), _count(job), _cost(job), f"<t:{job.created_at // 1000}:R>", _link(job), more]
    state = _state(job)
    return [head, *([state] if state else []), f"-# {' · '.join(filter(None, facts))}"]


def _prompt(job: Job, limit: int) -> str:
    words = quoted(subject(job), limit=limit)
    return f"||{words}||" if job.spoiler else words


def _state(job: Job) -> str:
    if job.state is JobState.OPEN and all(generation.state is GenerationState.WAITING for generation in job.open):
        return _("⏳ Queued.")
    if job.state in _STATES:
        return _("✋ Cancelling.") if job.state is JobState.OPEN and job.cancel_requested_at else _(_STATES[job.state])
    return "" if job.succeeded else _("🚫 No image was created.")


def _cost(job: Job) -> str:
    """The price paid, or the price held while it is open."""
    if not job.open:
        return amount_of(job.spent)
    return _("{price} reserved").format(price=amount_of(sum(generation.price for generation in job.open)))


def _count(job: Job) -> str:
    count = len(job.generations)
    return ngettext("{count} image", "{count} images", count).format(count=count)


def _link(job: Job) -> str:
    place = job.place
    if place.message_id is None or place.private:
        return _("only you can see it") if place.private else ""
    return _("[message]({link})").format(link=message_url(place.guild_id, place.channel_id, place.message_id))
