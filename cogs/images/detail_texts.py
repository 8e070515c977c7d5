"""The details of a job and its relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from bot.core.i18n import _, ngettext, pgettext
from bot.core.markdown import code
from bot.domain.catalog.options import show
from bot.domain.job import Job, JobKind, message_url
from bot.domain.lineage import Aspect, Change, Lineage, changes
from cogs.kit.job_texts import kept_shape_of, price_of
from cogs.kit.texts import PANEL_MAX, duration, quoted, subject

_PROMPT_SHOWN = 900  # characters
_RELATIVE_SHOWN = 120  # characters of a relative's prompt
_LISTED = 4  # siblings or children; the select menu has more
_DETAILS_MAX = 2200  # characters; the rest of the panel is for the relatives
_LEFT_OUT_MAX = 150  # characters of the line about relatives that are not shown

TitleOf = Callable[[str], str]  # names a model by its id


def details(job: Job, title_of: TitleOf, *, style: str | None = None) -> str:
    """The details of a job. `style` is the name of the actor's style whose words are in the prompt."""
    rows = {
        _("Prompt"): quoted(job.prompt, limit=_PROMPT_SHOWN),
        _("Model"): ", ".join(f"{quoted(title_of(model))} ({code(model)})" for model in dict.fromkeys(g.model for g in job.generations)),
        _("Requested model"): quoted(title_of(job.model)) if any(g.model != job.model for g in job.generations) else "",
        _("Style"): quoted(style) if style else "",
        _("Seeds"): ", ".join(f"`{g.seed}`" for g in job.generations if g.seed is not None),
        _("Options"): _options(job),
        _("Aspect ratio"): kept_shape_of(job),
        _("Cost"): price_of(job, job.spent),
        _("Requested"): _("{when} by {member}").format(when=f"<t:{job.created_at // 1000}:f>", member=f"<@{job.place.user_id}>"),
        **_times(job),
        _made_from(job): _("[this image]({link})").format(link=job.origin_url) if job.origin_url else "",
        _("Reaction"): job.reaction or "",
        _("Support code"): f"`{job.id}`",  # the operator finds the job by it in the log
    }
    return "\n".join(f"**{name}** {value}" for name, value in rows.items() if value)[:_DETAILS_MAX]


def _made_from(job: Job) -> str:
    return _("Upscaled from") if job.kind is JobKind.UPSCALE else _("Edited from")


def _options(job: Job) -> str:
    return ", ".join(code(f"{name}={show(value)}") for name, value in job.params.items()) or _("the model's defaults")


def _times(job: Job) -> dict[str, str]:
    """The time in the queue, the time to make it, and when it was delivered."""
    started = min((g.submitted_at for g in job.generations if g.submitted_at), default=None)
    ended = max((g.ended_at for g in job.generations if g.ended_at), default=None)
    return {
        _("Queued for"): duration(started - job.created_at) if started else "",
        _("Generated in"): duration(ended - started) if started and ended else "",
        _("Delivered"): f"<t:{job.delivered_at // 1000}:f>" if job.delivered_at else "",
    }


def not_ours(owner_id: int, filenames: Sequence[str], link: str) -> str:
    """For a message whose images Easel did not make, or whose job was erased."""
    lines = [
        ngettext(
            "Easel didn't create this image, or no longer has its details. {member} posted it: {link}",
            "Easel didn't create these images, or no longer has their details. {member} posted them: {link}",
            len(filenames),
        ).format(member=f"<@{owner_id}>", link=link),
        *(f"-# {code(name)}" for name in filenames),
    ]
    return "\n".join(lines)


# --- relatives -------------------------------------------------------------------------------------------------------


def family(lineage: Lineage, title_of: TitleOf) -> str:
    """The relatives of a job and what changed between them, as many as fit beside the details; empty if there are none."""
    parts = list(_relatives(lineage, title_of))
    lines = [_("### Related images")] if parts or lineage.left_out else []
    for part in parts:
        if sum(map(len, (*lines, part))) > PANEL_MAX - _DETAILS_MAX - _LEFT_OUT_MAX:
            break
        lines.append(part)
    if lineage.left_out:
        sentence = ngettext(
            "-# {count} more is private, or in a channel you can't see from here.",
            "-# {count} more are private, or in channels you can't see from here.",
            lineage.left_out,
        )
        lines.append(sentence.format(count=lineage.left_out))
    return "\n".join(lines)


def _relatives(lineage: Lineage, title_of: TitleOf) -> Iterator[str]:
    if lineage.parent:
        yield f"⬆️ **{_made_from(lineage.job)}**"
        yield _relative(lineage.parent, changes(lineage.parent, lineage.job), title_of)
    if lineage.children:
        yield ngettext("⬇️ **{count} edit of this image**", "⬇️ **{count} edits of this image**", len(lineage.children)).format(
            count=len(lineage.children)
        )
        yield from (_relative(child, changes(lineage.job, child), title_of) for child in lineage.children[:_LISTED])
    if lineage.siblings:
        yield ngettext(
            "↔️ **{count} other edit of the same image**", "↔️ **{count} other edits of the same image**", len(lineage.siblings)
        ).format(count=len(lineage.siblings))
        yield from (_relative(sibling, (), title_of) for sibling in lineage.siblings[:_LISTED])


def _relative(job: Job, changed: Iterable[Change], title_of: TitleOf) -> str:
    prompt = quoted(subject(job), limit=_RELATIVE_SHOWN)
    prompt = f"||{prompt}||" if job.spoiler else prompt
    place = job.place
    url = None if place.private or place.message_id is None else message_url(place.guild_id, place.channel_id, place.message_id)
    head = _("“{prompt}” by {member}").format(prompt=prompt, member=f"<@{place.user_id}>")
    differences = " · ".join(_change(each, title_of) for each in changed)
    return "\n".join([head + (f" · {url}" if url else ""), *([f"-# {differences}"] if differences else [])])


def _change(change: Change, title_of: TitleOf) -> str:
    """One difference in a few words, without the prompts, which are shown anyway."""
    if change.aspect is Aspect.PROMPT:
        return _("prompt")
    what = {Aspect.MODEL: _("model"), Aspect.OPTION: code(change.name), Aspect.SEED: _("seed")}[change.aspect]
    name: Callable[[str], str] = partial(_quoted_title, title_of) if change.aspect is Aspect.MODEL else code
    before, after = ("–" if value is None else name(value) for value in (change.before, change.after))
    return f"{what} {before} → {after}"


def _quoted_title(title_of: TitleOf, model: str) -> str:
    return quoted(title_of(model))


def relation(lineage: Lineage, other: Job) -> tuple[str, str]:
    """An arrow and a label: how `other` is related to the job."""
    if lineage.parent is not None and other.id == lineage.parent.id:
        return "⬆️", _made_from(lineage.job)
    if other in lineage.children:
        upscale, edit = pgettext("select option", "Upscale of this image"), pgettext("select option", "Edit of this image")
        return "⬇️", upscale if other.kind is JobKind.UPSCALE else edit
    return "↔️", pgettext("select option", "Other edit of the same image")
