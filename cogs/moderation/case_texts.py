"""Texts of cases, of the log and gallery channels, and of the direct messages about decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.job import GalleryEntry, GenerationState, Job, JobState, message_url
from bot.domain.moderation.cases import Case, CaseFile, CaseState, CaseSubject, Cause, Decision, FlagSummary
from bot.services.moderation.cases import DECIDED
from cogs.kit.texts import CONTENT_MAX, amount_of, quoted, subject
from cogs.moderation import block_texts

_WORDS = 300  # characters of a member's text
_FLAGS_SHOWN = 5

TitleOf = Callable[[str], str]  # a model's title by its id


# --- cases -----------------------------------------------------------------------------------------------------------


def case(file: CaseFile, title_of: TitleOf, *, left_out: str = "", only_moderators: bool = True) -> str:
    """The moderators' message about a case. `left_out`: why it shows neither the image nor the prompt.

    `only_moderators`: nobody else reads it, so that it also shows images that a check withheld.
    """
    if file.case.cause is Cause.BLOCK:
        return block_texts.case(file.case)
    lines = [*_case(file, title_of, left_out), *_withheld(file, only_moderators=only_moderators)]
    return "\n".join(filter(None, [*lines, _status_of(file)]))[:CONTENT_MAX]


def not_for_all() -> str:
    return _("-# Not everyone here can see the image and its prompt. Moderators can open the message, or use `/imagemod cases`.")


def not_for_you() -> str:
    return _("-# You can't see the image and its prompt, because you can't read its channel.")


def _case(file: CaseFile, title_of: TitleOf, left_out: str) -> Iterator[str]:
    about, job = file.case, file.job
    member = f"<@{about.author_id}>"
    yield _("🚩 **Case {number}** about an image by {member}").format(number=about.id, member=member)
    if job is not None:
        yield left_out or f"**||{quoted(subject(job))}||**"
    yield _why(file)
    yield from _words(file)
    facts = [quoted(title_of(job.model)), amount_of(job.spent)] if job is not None else []
    if about.message_id is not None and _exists(job):
        url = message_url(about.guild_id, about.channel_id, about.message_id)
        facts.append(_("[message]({link})").format(link=url))
    yield f"-# {' · '.join(facts)}" if facts else ""
    if about.appeal is not None:
        yield _("⚖️ **Appeal** by {member}: {words}").format(member=member, words=quoted(about.appeal, limit=_WORDS))


def _withheld(file: CaseFile, *, only_moderators: bool) -> Iterator[str]:
    """What the decisions mean for images that a check withheld."""
    if not file.withheld or file.case.state is CaseState.DECIDED:
        return
    if not only_moderators:
        yield _("-# The withheld image isn't shown here, because not only moderators read this channel. Use `/imagemod cases`.")
    if file.subject is CaseSubject.WITHHELD:
        yield _("-# Nobody has seen it, and its price was refunded. **Keep** sends it to its author and removes the strike.")
    else:
        yield _("-# Some of the images were withheld and refunded. **Keep** sends them to their author too.")


def _status_of(file: CaseFile) -> str:
    job = file.job
    return status(file.case, hidden=job is not None and _exists(job) and job.spoiler)


def _exists(job: Job | None) -> bool:
    return job is None or job.state is not JobState.DELETED


def _why(file: CaseFile) -> str:
    about, flags = file.case, file.flags
    if about.cause is Cause.FLAGS:
        return _flags(flags)
    reason = quoted(about.reason, limit=_WORDS)
    if about.cause is Cause.PROMPT:
        return _("The prompt was flagged: {reason}").format(reason=reason)
    if about.cause is Cause.RESULT and file.job is not None and file.job.withheld:
        return _("A check withheld the image: {reason}").format(reason=reason)
    if about.cause is Cause.RESULT:
        return _("The image was flagged: {reason}").format(reason=reason)
    reporters = _reporters(flags)
    if reporters:
        who = f"<@{reporters[0].user_id}>"
        return ngettext("Reported by {who}:", "Reported by {count} members:", len(reporters)).format(who=who, count=len(reporters))
    if reason:
        return _("Opened by a moderator: {reason}").format(reason=reason)
    return _("Opened by a moderator.")


def _words(file: CaseFile) -> Iterator[str]:
    """What the reporters wrote. One whose name the line above gives is not named again."""
    reporters = _reporters(file.flags)
    is_named = file.case.cause is Cause.REPORT and len(reporters) == 1
    for each in reporters[:_FLAGS_SHOWN]:
        words = quoted(each.reason, limit=_WORDS)
        yield f"> {words}" if is_named else f"> <@{each.user_id}>: {words}"


def _reporters(flags: Sequence[FlagSummary]) -> list[FlagSummary]:
    return [each for each in flags if each.reason]


def _flags(flags: Sequence[FlagSummary]) -> str:
    counted = [each for each in flags if each.weight]
    if not counted:
        return _("Flagged by members whose flags don't count.")
    who = ", ".join(f"<@{each.user_id}> ({number(each.weight)})" for each in counted[:_FLAGS_SHOWN])
    sentence = ngettext(
        "Flagged by {count} member with a weight of {weight}: {who}",
        "Flagged by {count} members with a total weight of {weight}: {who}",
        len(counted),
    )
    return sentence.format(count=len(counted), weight=number(sum(each.weight for each in counted)), who=who)


def status(about: Case, *, hidden: bool = False) -> str:
    """The status of a case in one line. `hidden`: its image is behind a spoiler."""
    if about.cause is Cause.BLOCK:
        return block_texts.status(about)
    if about.state is CaseState.OPEN:
        return _("-# Needs a decision. The image is hidden until then.") if hidden else _("-# Needs a decision.")
    decision, at = decided(about.decision), f"<t:{(about.decided_at or 0) // 1000}:R>"
    if about.state is CaseState.APPEALED:
        line = _("-# First decision: {decision}, by {member} {at}. The next decision is final.")
        return line.format(decision=decision, member=f"<@{about.decided_by}>", at=at)
    line = _("✅ **{decision}**, decided by {member} {at}.").format(decision=decision, member=f"<@{about.decided_by}>", at=at)
    return f"{line}\n> {quoted(about.decision_reason, limit=_WORDS)}" if about.decision_reason else line


def decided(decision: Decision | None) -> str:
    """A decision as on its button; empty for None."""
    return "" if decision is None else _(DECIDED[decision])


# --- the log channel -------------------------------------------------------------------------------------------------


def log_entry(job: Job, title_of: TitleOf, latest: Case | None, *, is_shown: bool = True) -> str:
    """A job in the log channel; `latest` is the latest case about it. `is_shown`: all who read the channel may see the prompt."""
    return "\n".join(filter(None, _log_entry(job, title_of, latest, is_shown)))[:CONTENT_MAX]


def _log_entry(job: Job, title_of: TitleOf, latest: Case | None, is_shown: bool) -> Iterator[str]:
    place, prompt = job.place, quoted(subject(job))
    where = _("private") if place.private else f"<#{place.channel_id}>"
    link = None
    if place.message_id is not None and not place.private and job.state is not JobState.DELETED:
        link = _("[message]({link})").format(link=message_url(place.guild_id, place.channel_id, place.message_id))
    yield " · ".join(filter(None, (f"<@{place.user_id}>", where, link)))
    if is_shown:
        yield f"**||{prompt}||**" if job.spoiler or job.flagged else f"**{prompt}**"
    else:
        yield _("-# Not everyone here can see this image and its prompt.")
    yield f"-# {' · '.join(filter(None, (quoted(title_of(job.model)), amount_of(job.spent), _outcome(job))))}"
    if job.flagged:
        yield _("-# The prompt was flagged: {reason}").format(reason=quoted(job.flagged, limit=_WORDS))
    if latest is not None and latest.decision is not None:
        yield status(latest)


def _outcome(job: Job) -> str:
    if job.state is JobState.DELETED:
        return _("deleted")
    if any(g.refunded_at is not None for g in job.generations):
        return _("refunded")
    made = len([g for g in job.succeeded if g.error is None])
    if made:
        return ngettext("{count} image", "{count} images", made).format(count=made)
    failed = next((g for g in job.generations if g.state is GenerationState.FAILED), None)
    return _("no image: {reason}").format(reason=quoted(failed.error or "", limit=_WORDS)) if failed else _("cancelled")


# --- the gallery -----------------------------------------------------------------------------------------------------


def gallery(job: Job, shown: GalleryEntry, channel_id: int, title_of: TitleOf) -> str:
    """An image in the gallery, with its author, model, stars and a link to the message that got them, in this channel."""
    link = message_url(shown.guild_id, channel_id, shown.message_id)
    credit = _("by {member} · {model} · [original]({link})")
    foot = credit.format(member=f"<@{shown.author_id}>", model=quoted(title_of(job.model)), link=link)
    return f"**{quoted(subject(job))}**\n-# ⭐ {shown.stars} · {foot}"[:CONTENT_MAX]


# --- direct messages -------------------------------------------------------------------------------------------------


def author_notice(about: Case, job: Job | None, guild_name: str, *, are_sent: bool = False) -> str:
    """Tells an author what was decided about their image or their block, or about their appeal.

    `are_sent`: with images that a check had withheld.
    """
    if about.cause is Cause.BLOCK:
        return block_texts.notice(about, guild_name)
    lines = [
        _("⚖️ Your appeal was reviewed. This decision is final.") if about.appealed_at is not None else "",
        _sentence(about, job, are_sent=are_sent).format(server=quoted(guild_name)),
        f"**||{quoted(subject(job))}||**" if job is not None else "",
        _("Reason: {reason}").format(reason=quoted(about.decision_reason, limit=_WORDS)) if about.decision_reason else "",
        _("-# If you think this is wrong, you can appeal once. The moderators will review it again.") if about.may_be_appealed else "",
    ]
    return "\n".join(filter(None, lines))[:CONTENT_MAX]


def _sentence(about: Case, job: Job | None, *, are_sent: bool) -> str:
    decision = about.decision or Decision.KEEP
    if job is None or not job.is_withheld or decision not in _ON_WITHHELD:
        return _SENTENCES[decision]()
    if decision is Decision.KEEP and not are_sent:
        return _(
            "The moderators of {server} found nothing wrong with your image, but it can't be loaded any more. You got no strike for it."
        )
    return _ON_WITHHELD[decision]()


_ON_WITHHELD: dict[Decision, Callable[[], str]] = {
    Decision.KEEP: lambda: _(
        "The moderators of {server} found nothing wrong with the image that a check had withheld. Here it is, free of charge."
        " Any strike for it was removed."
    ),
    Decision.DELETE: lambda: _("A moderator of {server} reviewed the image that a check had withheld and agreed with the check."),
}
_SENTENCES: dict[Decision, Callable[[], str]] = {
    Decision.KEEP: lambda: _("The moderators of {server} reviewed your image and kept it. Any strike for it was removed."),
    Decision.SPOILER: lambda: _("A moderator of {server} put your image behind a spoiler. You got no strike for it."),
    Decision.DELETE: lambda: _("A moderator of {server} deleted your image, and you got a strike. Strikes fade over time."),
    Decision.BLOCK: lambda: _(
        "A moderator of {server} deleted your image and blocked you from creating images there for 24 hours. You also got a strike."
    ),
    Decision.REFUND: lambda: _("A moderator of {server} deleted your image and refunded you. You got no strike for it."),
}


def hidden_notice(about: Case, job: Job | None, guild_name: str) -> str:
    """Tells an author that flags hide their image."""
    sentence = _("🙈 Members of {server} reported your image, so it's hidden until a moderator decides. You got no strike for it.")
    lines = [
        sentence.format(server=quoted(guild_name)),
        f"**||{quoted(subject(job))}||**" if job is not None else "",
        f"-# {message_url(about.guild_id, about.channel_id, about.message_id)}" if about.message_id is not None else "",
        _("-# If the moderators keep it, it's shown again. Otherwise you'll get a DM with their decision."),
    ]
    return "\n".join(filter(None, lines))[:CONTENT_MAX]


def block_notice(guild_name: str, until: int | None, reason: str) -> str:
    """Tells a member that they are blocked in a guild; `until` in Unix ms."""
    if until is None:
        sentence = _("⛔ You can't create images on {server} until a moderator unblocks you.").format(server=quoted(guild_name))
    else:
        sentence = _("⛔ You can't create images on {server} until <t:{at}:f>.").format(server=quoted(guild_name), at=until // 1000)
    why = quoted(_(reason), limit=_WORDS) if reason else ""
    return f"{sentence}\n> {why}" if why else sentence
