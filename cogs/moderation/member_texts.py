"""The text of the member menu Image usage."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.job import Job, message_url
from bot.domain.moderation.cases import Report
from bot.domain.moderation.conduct import LATELY_DAYS, MemberRecord, UsageSum
from cogs.kit.texts import amount_of, quoted, subject

_REPORTS_SHOWN = 5
_PROMPT_SHOWN = 120  # characters
_REASON_SHOWN = 200  # characters


def usage(user_id: int, record: MemberRecord, title_of: Callable[[str], str], *, left_out: int = 0) -> str:
    """A member's usage, latest images and open reports. `left_out`: latest images that the moderator may not see."""
    return "\n".join(_usage(user_id, record, title_of, left_out))


def _usage(user_id: int, record: MemberRecord, title_of: Callable[[str], str], left_out: int) -> Iterator[str]:
    yield _("## Image usage: {member}").format(member=f"<@{user_id}>")
    yield _("**Last {days} days** {sum}").format(days=LATELY_DAYS, sum=_sum(record.lately))
    yield _("**All time here** {sum}").format(sum=_sum(record.ever))
    yield _("### Latest images")
    yield from (_job(job, title_of) for job in record.latest)
    if left_out:
        sentence = ngettext("-# {count} more is in a channel you can't see.", "-# {count} more are in channels you can't see.", left_out)
        yield sentence.format(count=left_out)
    elif not record.latest:
        yield _("None that others can see.")
    yield _("### Open reports")
    yield from map(_report, record.reports[:_REPORTS_SHOWN])
    if not record.reports:
        yield _("None.")
    if (more := len(record.reports) - _REPORTS_SHOWN) > 0:
        yield ngettext("-# {count} more", "-# {count} more", more).format(count=more)


def _sum(made: UsageSum) -> str:
    images = ngettext("{count} image", "{count} images", made.images).format(count=number(made.images))
    return f"{images} · {amount_of(made.spent)}"


def _job(job: Job, title_of: Callable[[str], str]) -> str:
    prompt = quoted(subject(job), limit=_PROMPT_SHOWN)
    place = job.place
    url = None if place.message_id is None else message_url(place.guild_id, place.channel_id, place.message_id)
    parts = (f"<t:{job.created_at // 1000}:R>", f"||{prompt}||" if job.spoiler else prompt, quoted(title_of(job.model)), url)
    return "- " + " · ".join(filter(None, parts))


def _report(report: Report) -> str:
    link = message_url(report.guild_id, report.channel_id, report.message_id)
    reason = quoted(report.reason, limit=_REASON_SHOWN) or _("no reason given")
    return f"- <t:{report.at // 1000}:R> · <@{report.user_id}> · {reason} · {link}"
