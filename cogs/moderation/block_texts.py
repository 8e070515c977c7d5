"""Texts of the cases about blocks: what moderators read, and what the member is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.core.i18n import _, pgettext
from bot.domain.moderation.cases import Case, CaseState, Decision
from cogs.kit.texts import CONTENT_MAX, quoted

_WORDS = 300  # characters of a member's text

_LABELS: Mapping[Decision, Callable[[], str]] = {
    Decision.KEEP: lambda: pgettext("button", "Keep the block"),
    Decision.LIFT: lambda: pgettext("button", "Lift the block"),
}


def label(decision: Decision) -> str:
    """A decision about a block, as on its button."""
    return _LABELS[decision]()


def case(about: Case) -> str:
    """The moderators' message about an appeal against a block."""
    member = f"<@{about.author_id}>"
    reason = quoted(_(about.reason), limit=_WORDS) if about.reason else _("no reason given")
    lines = [
        _("⛔ **Case {number}** about the block of {member} ({reason})").format(number=about.id, member=member, reason=reason),
        _("⚖️ **Appeal** by {member}: {words}").format(member=member, words=quoted(about.appeal, limit=_WORDS)) if about.appeal else "",
        status(about),
    ]
    return "\n".join(filter(None, lines))[:CONTENT_MAX]


def status(about: Case) -> str:
    if about.state is not CaseState.DECIDED or about.decision is None:
        return _("-# Needs a decision.")
    decision, at = label(about.decision), f"<t:{(about.decided_at or 0) // 1000}:R>"
    return _("✅ **{decision}**, decided by {member} {at}.").format(decision=decision, member=f"<@{about.decided_by}>", at=at)


def notice(about: Case, guild_name: str) -> str:
    """Tells the member what was decided about their block."""
    if about.decision is Decision.LIFT:
        return _("✅ The moderators of {server} lifted your block. You can create images there again.").format(server=quoted(guild_name))
    return _("⚖️ The moderators of {server} reviewed your appeal and kept your block. This decision is final.").format(
        server=quoted(guild_name)
    )
