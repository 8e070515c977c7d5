"""The message of a job, from waiting to finished, and the notifications about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.domain.catalog.shapes.aspect_ratios import MATCHING
from bot.domain.catalog.shapes.edit_shape import AUTO, shape_in
from bot.domain.job import Generation, GenerationState, Job, JobKind, JobState, Lane, message_url
from bot.domain.money.accounts import is_pooled
from bot.domain.order import Receipt
from bot.domain.queueing.forecast import whole_seconds
from bot.services.pipeline.delivery.routes import BAR_STEPS, ResultMessage
from cogs.kit.texts import CONTENT_MAX, LINK_MARK, amount_of, duration, headline, quoted, subject

# --- waiting ---------------------------------------------------------------------------------------------------------


def waiting(receipt: Receipt, *, steps: int | None = None) -> str:
    """The message of an open job, with a progress bar of `steps` full blocks (no bar if None)."""
    job, images = receipt.job, len(receipt.job.generations)
    foot = ngettext("-# {model} · {count} image · {price} reserved", "-# {model} · {count} images · {price} reserved", images)
    lines = [
        f"**{headline(subject(job))}**",
        " ".join(_status(receipt, steps)),
        foot.format(model=quoted(receipt.model.title), count=images, price=price_of(job)),
        *(f"-# {line}" for line in _payer(receipt)),
    ]
    return "\n".join(lines)


def _payer(receipt: Receipt) -> Iterable[str]:
    """Who pays, if not the member from their own credit."""
    first = receipt.job.generations[0]
    if receipt.host_id is not None:
        yield _("{member} pays for this.").format(member=f"<@{receipt.host_id}>")
    elif first.lane is Lane.FREE:
        yield _("You're out of credits. This is free, and starts when nobody else is waiting.")
    elif is_pooled(first.account):
        yield _("This server's shared pool pays for this.")


def _status(receipt: Receipt, steps: int | None) -> Iterable[str]:
    job = receipt.job
    if job.state is JobState.DELIVERABLE:
        yield _("📦 Your image is ready but can't be loaded yet. Easel keeps trying for a day, then refunds you.")
        return
    if job.cancel_requested_at is not None:
        yield _("✋ Cancelling…")
        return
    has_started = any(g.state is not GenerationState.WAITING for g in job.generations)
    if job.check_is_late:
        yield _("⏳ Queued. The prompt check isn't responding right now.")
    elif receipt.outage is not None and receipt.outage.since is None:
        yield _("⏳ Queued. {provider} is busy right now.").format(provider=quoted(receipt.outage.title))
    elif receipt.outage is not None and receipt.outage.since is not None:
        since = f"<t:{receipt.outage.since // 1000}:t>"
        provider = quoted(receipt.outage.title)
        yield _("⏳ Queued. {provider} hasn't responded since {time}.").format(provider=provider, time=since)
    else:
        yield _("🎨 Generating.") if has_started else _("⏳ Queued.")
    if job.ping_promised:
        yield _ping_promise(job)
    elif receipt.outage is None and not job.check_is_late:
        yield from _progress(job, steps) if has_started else _queue_position(receipt)
        if receipt.is_slow:
            yield _("Taking longer than usual.")
        elif receipt.left_ms:
            yield _("Ready in about {time}.").format(time=duration(1000 * whole_seconds(receipt.left_ms)))


def _ping_promise(job: Job) -> str:
    if job.place.private:
        return _("This takes more than two minutes. You'll get a DM when it's ready.")
    return _("This takes more than two minutes. You'll be mentioned here when it's ready.")


def _queue_position(receipt: Receipt) -> Iterable[str]:
    ahead = receipt.ahead
    if receipt.waits_for_own:
        yield _("Waits for your other image.")
    elif ahead:
        yield ngettext("{count} image ahead of yours.", "{count} images ahead of yours.", ahead).format(count=number(ahead))
    elif receipt.is_next:
        yield _("You're next.")


def _progress(job: Job, steps: int | None) -> Iterable[str]:
    if steps is not None:
        yield "`" + "█" * steps + "░" * (BAR_STEPS - steps) + "`"
    images = len(job.generations)
    if images > 1:
        yield _("{done} of {count} done.").format(done=images - len(job.open), count=images)


# --- finished --------------------------------------------------------------------------------------------------------


def finished(answer: ResultMessage, title_of: Callable[[str], str]) -> str:
    """The message of a finished job. `title_of` returns a model's title by its id."""
    job = answer.job
    if answer.bare:
        none = "" if answer.shown else _("🚫 No image was created.")
        return "\n".join([f"<@{job.place.user_id}> {none}".rstrip(), *_links(answer), *(f"-# {note}" for note in answer.notes)])
    head = f"**{headline(subject(job))}**" if not job.spoiler else f"**||{headline(subject(job))}||**"
    lines = [head]
    if answer.shown:
        lines.append(f"-# {' · '.join(_facts(job, title_of))}")
    if failed := [g for g in job.generations if g.state is GenerationState.FAILED]:
        lines.append(_failure(job, failed))
    if cancelled := [g for g in job.generations if g.state is GenerationState.CANCELLED]:
        lines.append(_cancelled(len(cancelled), len(job.generations)))
    if any(g.uncertain for g in job.succeeded):
        lines.append(_("-# The first response was lost, so this was generated again. You pay once."))
    links = "".join(f"\n{line}" for line in _links(answer))  # last and whole: half a link opens nothing
    lines += [f"-# {note}" for note in answer.notes]
    return "\n".join(lines)[: CONTENT_MAX - len(links)] + links


def _links(answer: ResultMessage) -> Iterable[str]:
    """Links to images that are not uploaded, without a preview, which would show what is behind a spoiler."""
    for link in answer.links:
        opens = f"<{link.url}>"
        until = "" if link.until_ms is None else _(" The link works until {time}.").format(time=f"<t:{link.until_ms // 1000}:f>")
        sentence = _("Image {number}: {reason} Open it here: {link}").format(number=link.n + 1, reason=link.reason, link=opens)
        line = f"{LINK_MARK} {sentence}{until}"
        yield f"||{line}||" if answer.job.spoiler else line


def _facts(job: Job, title_of: Callable[[str], str]) -> Iterable[str]:
    yield _author(job)
    models = dict.fromkeys(g.model for g in job.succeeded)
    made = ", ".join(quoted(title_of(model)) for model in models)
    yield _("{made} instead of {asked}").format(made=made, asked=quoted(title_of(job.model))) if set(models) - {job.model} else made
    yield price_of(job, job.spent)
    if shape := kept_shape_of(job):
        yield shape


def kept_shape_of(job: Job) -> str:
    """The shape that was chosen after an edit's first reference image, in words; empty if it was not."""
    made = (*job.succeeded, *job.generations)[:1]  # a fallback model chooses anew
    shape = shape_in(made[0].params if made else job.params) if job.source_shape is not None else None
    if job.source_shape is None or shape is None:
        return ""
    if shape in MATCHING:
        return _("the original image's aspect ratio")
    if shape == AUTO:
        return _("aspect ratio chosen by the model")
    like = _("{ratio}, like the original image") if job.source_shape.is_like(shape) else _("{ratio}, the closest to the original image")
    return like.format(ratio=shape)


# Who asked for it, without and with a link to the original image.
_AUTHORS: Mapping[JobKind, tuple[str, str]] = {
    JobKind.GENERATE: ("{member}", N_("{member}, based on [this image]({link})")),
    JobKind.EDIT: (N_("edited by {member}"), N_("edited by {member} from [this image]({link})")),
    JobKind.UPSCALE: (N_("upscaled by {member}"), N_("upscaled by {member} from [this image]({link})")),
}


def _author(job: Job) -> str:
    alone, linked = _AUTHORS[job.kind]
    return _(alone if job.origin_url is None else linked).format(member=f"<@{job.place.user_id}>", link=job.origin_url)


def _failure(job: Job, failed: Sequence[Generation]) -> str:
    reasons = " ".join(dict.fromkeys(quoted(_(g.error) if g.error else "", limit=300) for g in failed))
    if len(failed) == len(job.generations):
        return _("⚠️ No image: {reasons} You weren't charged.").format(reasons=reasons)
    partly = _("⚠️ {count} of {all} images failed: {reasons} You weren't charged for them.")
    return partly.format(count=len(failed), all=len(job.generations), reasons=reasons)


def _cancelled(count: int, of: int) -> str:
    if count == of:
        return _("✋ Cancelled. You weren't charged.")
    return _("✋ {count} of {all} images cancelled. You weren't charged for them.").format(count=count, all=of)


def cancelled(job: Job) -> str:
    """The answer to a cancel request."""
    if job.open:
        return _("✋ Cancelling. Images that are already done will still arrive.")
    return _("✋ Cancelled. You weren't charged.")


def price_of(job: Job, micro: int | None = None) -> str:
    """The job's price in words, or `micro` microcredits if given."""
    return amount_of(sum(g.price for g in job.generations) if micro is None else micro)


# --- notifications ---------------------------------------------------------------------------------------------------


def ping(job: Job) -> str:
    """Mentions the member in the channel of a finished job."""
    member, link = f"<@{job.place.user_id}>", _link(job)
    if _has_image(job):
        return _("{member}, your image is ready: {link}").format(member=member, link=link)
    return _("{member}, your request ended without an image: {link}").format(member=member, link=link)


def direct_message(job: Job) -> str:
    """Direct message about a finished job."""
    sentence = _("✅ Your image is ready: {link}") if _has_image(job) else _("🚫 Your request ended without an image: {link}")
    return f"{sentence.format(link=_link(job))}\n-# {quoted(subject(job))}"


def _has_image(job: Job) -> bool:
    return any(generation.error is None for generation in job.succeeded)


def _link(job: Job) -> str:
    return message_url(job.place.guild_id, job.place.channel_id, job.place.message_id or 0)
