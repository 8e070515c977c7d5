"""Texts of /imagemod: cases, blocks, members and the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.guild.sections import Offence, Strikes
from bot.domain.job import message_url
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Case, Decision
from bot.domain.moderation.conduct import BlockRow, MemberConduct
from cogs.admin.panel_texts import change_lines, cut
from cogs.admin.settings_texts import OFFENCES, Titles
from cogs.kit.texts import amount_of, quoted
from cogs.moderation.case_texts import decided

_WORDS = 160  # characters of a member's text
_CHANGES = 3  # in a line of the audit log
_CASES = 5  # of a member


# --- cases -----------------------------------------------------------------------------------------------------------


def case_list(waiting: int, shown: Sequence[str], note: str = "") -> str:
    """The heading of the open cases."""
    if not waiting:
        return "\n".join(filter(None, [_("## 🛡️ Cases"), note, _("No cases need a decision.")]))
    count = ngettext("{count} case needs a decision.", "{count} cases need a decision.", waiting).format(count=waiting)
    oldest = "-# " + _("Oldest first.") if waiting > len(shown) else ""
    return "\n".join(filter(None, [_("## 🛡️ Cases"), note, count, oldest]))


def judged(case: Case) -> str:
    """The answer after a moderator decided about an image by command."""
    return _("⚖️ Case {number}: **{decision}**. The author will be told and can appeal once.").format(
        number=case.id, decision=decided(case.decision)
    )


def refunded(amount: int) -> str:
    if not amount:
        return _("This was already refunded, or it cost nothing.")
    return _("💰 Refunded {amount}. The image stays.").format(amount=amount_of(amount))


# --- blocks ----------------------------------------------------------------------------------------------------------


def blocked(row: BlockRow) -> str:
    """The answer after a member was blocked."""
    member = f"<@{row.user_id}>"
    if row.until is None:
        return _("⛔ {member} can't create images here until you unblock them. They'll get a DM.").format(member=member)
    return _("⛔ {member} can't create images here until {when}. They'll get a DM.").format(member=member, when=_at(row.until))


def unblocked(user_id: int) -> str:
    return _("✅ {member} can create images here again.").format(member=f"<@{user_id}>")


def block_line(row: BlockRow) -> str:
    """One block in a list."""
    end = _("until a moderator unblocks them") if row.until is None else _("until {when}").format(when=_at(row.until))
    reason = quoted(_(row.reason), limit=_WORDS) or _("no reason given")
    return f"<@{row.user_id}> · {end}\n-# {_actor(row.by_id)} · <t:{row.at // 1000}:R> · {reason}"


# --- a member --------------------------------------------------------------------------------------------------------


def member(user_id: int, conduct: MemberConduct, rules: Strikes, usage: str) -> str:
    """Strikes, block and latest cases of a member, followed by the text `usage`."""
    return "\n".join([_("## {member}").format(member=f"<@{user_id}>"), *_conduct(conduct, rules), usage])


def _conduct(conduct: MemberConduct, rules: Strikes) -> Iterator[str]:
    count = ngettext("{count} strike", "{count} strikes", conduct.strikes).format(count=conduct.strikes)
    yield _("⚖️ {strikes} · {points} points today").format(strikes=count, points=number(conduct.points))
    step = next((each for each in rules.steps if each.points > conduct.points), None)
    if step is not None:
        yield "-# " + _("At {points} points, a member is blocked for {hours} h.").format(points=number(step.points), hours=step.hours)
    yield f"⛔ {block_line(conduct.block)}" if conduct.block else _("✅ Not blocked.")
    yield from (_case_line(case) for case in reversed(conduct.cases[-_CASES:]))


def _case_line(case: Case) -> str:
    state = decided(case.decision) if case.decision else _("needs a decision")
    link = "" if case.message_id is None else f" · {message_url(case.guild_id, case.channel_id, case.message_id)}"
    return "- " + _("Case {number}, {when}: {state}").format(number=case.id, when=f"<t:{case.at // 1000}:R>", state=state) + link


def purge(user_id: int, images: int) -> str:
    """The question before all images of a member are deleted."""
    count = ngettext("{count} image", "{count} images", images).format(count=images)
    question = _("Delete everything {member} created here ({images}) and the messages that show it? This can't be undone.")
    return "\n".join([_("## 🧹 Purge"), question.format(member=f"<@{user_id}>", images=count)])


def purged(user_id: int, requests: int, *, cancelled: int) -> str:
    done = ngettext("🧹 Deleted {count} request by {member}.", "🧹 Deleted {count} requests by {member}.", requests)
    unfinished = ngettext(
        "Cancelled {count} unfinished request. An image that is already being generated may still arrive.",
        "Cancelled {count} unfinished requests. Images that are already being generated may still arrive.",
        cancelled,
    )
    lines = [
        _("## 🧹 Purge"),
        done.format(count=requests, member=f"<@{user_id}>"),
        *([unfinished.format(count=cancelled)] * bool(cancelled)),
    ]
    return "\n".join(lines)


# --- the audit log ---------------------------------------------------------------------------------------------------


def audit(lines: Sequence[AuditLine], title_of: Titles, *, links: Mapping[str, str], target_id: int | None, limit: int) -> str:
    """A page of the audit log, newest line first, in at most `limit` characters. `links` lead to the images of jobs."""
    about = _("## 📜 Audit log") if target_id is None else _("## 📜 Audit log for {member}").format(member=f"<@{target_id}>")
    shown = [_audit_line(line, title_of, links.get(line.job_id or "")) for line in lines] or [_("Nothing here yet.")]
    return cut("\n".join([about, *shown]), limit)


def _audit_line(line: AuditLine, title_of: Titles, link: str | None) -> str:
    notes = " · ".join([*_notes(line), *([link] if link else [])])
    found = line.details.get("changes") or [] if line.action is AuditAction.SETTINGS else []
    changes = change_lines(found, title_of, limit=_CHANGES)
    below = [*([notes] if notes else []), *(each.removeprefix("- ") for each in changes)]
    return "\n".join([f"<t:{line.at // 1000}:R> {_action(line)}", *(f"-# {each}" for each in below)])


def _action(line: AuditLine) -> str:
    return _ACTION_TEXTS[line.action]().format(
        actor=_actor(line.actor_id),
        member=_("someone") if line.target_id is None else _person(line.target_id),
        number=line.case_id or "-",
        decision=decided(Decision(line.details["decision"])) if "decision" in line.details else "",
        offence=_(OFFENCES[Offence(line.details["offence"])]) if "offence" in line.details else "",
        amount=amount_of(int(line.details.get("amount") or 0)),
    )


_ACTION_TEXTS: Mapping[AuditAction, Callable[[], str]] = {
    AuditAction.BLOCKED: lambda: _("⛔ {actor} blocked {member}"),
    AuditAction.UNBLOCKED: lambda: _("✅ {actor} unblocked {member}"),
    AuditAction.STRUCK: lambda: _("⚖️ {actor} gave {member} a strike: {offence}"),
    AuditAction.PARDONED: lambda: _("⚖️ {actor} removed strikes from {member}"),
    AuditAction.CASE_OPENED: lambda: _("🚩 {actor} opened case {number} about an image by {member}"),
    AuditAction.CASE_DECIDED: lambda: _("⚖️ {actor} decided case {number} about {member}: {decision}"),
    AuditAction.APPEALED: lambda: _("⚖️ {member} appealed case {number}"),
    AuditAction.DELETED: lambda: _("🗑️ {actor} deleted an image by {member}"),
    AuditAction.DELETED_OWN: lambda: _("🗑️ {actor} deleted their own image"),
    AuditAction.SPOILERED_OWN: lambda: _("🙈 {actor} put their own image behind a spoiler"),
    AuditAction.UNCOVERED: lambda: _("👁️ {actor} removed the spoiler from an image by {member}"),
    AuditAction.CANCELLED: lambda: _("🚫 {actor} cancelled an image by {member}"),
    AuditAction.SPOILERED: lambda: _("🙈 {actor} put an image by {member} behind a spoiler"),
    AuditAction.REFUNDED: lambda: _("💰 {actor} refunded {member} {amount}"),
    AuditAction.PURGED: lambda: _("🧹 {actor} deleted all images by {member}"),
    AuditAction.TOO_SLOW: lambda: _("⏱️ {actor} refused a prompt by {member} because checking it took too long"),
    AuditAction.WITHHELD: lambda: _("🚫 {actor} withheld an image by {member}"),
    AuditAction.SETTINGS: lambda: _("⚙️ {actor} changed the settings"),
    AuditAction.SETTINGS_GONE: lambda: _("⚙️ Channels or roles that the settings name were deleted"),
    AuditAction.GRANTED: lambda: _("🎁 {actor} granted {member} {amount}"),
    AuditAction.GIFTED: lambda: _("🎁 {actor} gave {member} {amount}"),
    AuditAction.SPONSORED: lambda: _("🎪 {actor} sponsored {amount} for everyone in a channel"),
    AuditAction.SPONSOR_STOPPED: lambda: _("🎪 {actor} ended {member}'s sponsorship and returned {amount}"),
    AuditAction.REWARDED: lambda: _("⭐ {member} got {amount} for an image in the gallery"),
    AuditAction.ERASED: lambda: _("🧽 {member} erased their data"),
}


_NAMES_ITS_CASE = frozenset({AuditAction.CASE_OPENED, AuditAction.CASE_DECIDED, AuditAction.APPEALED})


def _notes(line: AuditLine) -> Iterator[str]:
    """The case, the channel, how many, the end of a block, and the reason."""
    details = line.details
    if line.case_id is not None and line.action not in _NAMES_ITS_CASE:
        yield _("case {number}").format(number=line.case_id)
    if details.get("channel"):
        yield f"<#{int(details['channel'])}>"
    if details.get("pictures"):
        yield ngettext("{count} request", "{count} requests", int(details["pictures"])).format(count=number(int(details["pictures"])))
    if details.get("until"):
        yield _("until {when}").format(when=_at(int(details["until"])))
    for text in (str(details.get(name) or "") for name in ("reason", "note", "category")):
        if text:
            yield quoted(_(text), limit=_WORDS)


def _actor(user_id: int | None) -> str:
    return _("Easel") if user_id is None else _person(user_id)


def _person(user_id: int) -> str:
    """A mention; no name for a negative id, the pseudonym of a member who erased their data."""
    return f"<@{user_id}>" if user_id > 0 else _("someone")


def _at(ms: int) -> str:
    return f"<t:{ms // 1000}:f>"
