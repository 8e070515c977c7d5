"""The panels of /imagemod and the handlers of their buttons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord
from discord.ui import Separator

from bot.core.i18n import _, pgettext
from bot.domain import permissions
from bot.domain.moderation.cases import FINAL, CaseFile, Decision
from bot.domain.permissions import Action
from bot.domain.request import Request
from bot.domain.visibility import border, origin_of_case, reader_of
from bot.services.moderation.cases import Decided
from bot.store.moderation import audit_log, conduct, record
from bot.store.moderation import cases as case_queries
from cogs.admin import panel_texts
from cogs.kit import answers, panels, texts
from cogs.kit.channels import KnownChannels
from cogs.kit.panels import Part, beside, button, panel, row, text
from cogs.kit.request import Interaction, client_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router, integer, one_of
from cogs.moderation import audit_texts, case_images, case_texts, confirmation, member_texts, views
from cogs.moderation.views import DECISION, DECISION_BUTTONS, OPEN_CASES, decisions_on, label

router = Router()

_PAGE = integer(most=999)
_CASES = CustomId("mod:cases:{page}", page=_PAGE)
_TURN = CustomId("mod:cases:{page}:{way}", page=_PAGE, way=one_of("-", "+"))  # `way` makes the ids unique in a message
_DECIDE = CustomId("mod:decide:{case}:{decision}:{page}", case=integer(), decision=DECISION, page=_PAGE)
_DECIDE_FORM = CustomId("mod:decide-form:{case}:{decision}:{page}", case=integer(), decision=DECISION, page=_PAGE)
_AUDIT = CustomId("mod:audit:{member}:{before}", member=DISCORD_ID, before=integer())  # 0: all members; the newest lines
_UNBLOCK = CustomId("mod:unblock:{member}", member=DISCORD_ID)
_PURGE = CustomId("mod:purge:{member}", member=DISCORD_ID)
_KEEP = CustomId("mod:spare")

CASES_SHOWN = 3  # a panel holds 40 components
_CASE_MAX = 700  # characters
_WAITING_MAX = 100
_BLOCKS_SHOWN = 10
_LINES = 10  # of the audit log
_AUDIT_MAX = 3600  # characters


# --- cases -----------------------------------------------------------------------------------------------------------


async def cases(
    request: Request, interaction: Interaction, page: int = 0, *, note: str = "", redraws: bool = True
) -> tuple[discord.ui.LayoutView, list[discord.File]]:
    """A page of the open cases, oldest first, each with its images behind spoilers and its buttons; and the panel's files.

    `redraws` the panel whose control was used, or is a new one.
    """
    guild_id = permissions.check_in_guild(request, Action.MODERATE)
    shown = await services_of(interaction).reader.read(case_queries.page, guild_id, page, size=CASES_SHOWN, counted=_WAITING_MAX)
    known, reader = KnownChannels(client_of(interaction)), reader_of(request, moderates=True)
    visible = {
        file.case.id for file in shown.files if border(origin_of_case(file, known.get(guild_id, file.case.channel_id)), reader) is None
    }
    images = await case_images.of(interaction, [file for file in shown.files if file.case.id in visible], redraws=redraws)
    parts: list[Part] = []
    for file in shown.files:
        left_out = "" if file.case.id in visible else case_texts.not_for_you()
        content = case_texts.case(file, services_of(interaction).orders.models.title, left_out=left_out)
        gallery = case_images.gallery(file, images) if file.case.id in visible else []
        parts += [Separator(), text(panel_texts.cut(content, _CASE_MAX)), *gallery, _decisions(file, shown.number)]
    head = audit_texts.case_list(shown.waiting, [str(file.case.id) for file in shown.files], note)
    return panel(text(head), *parts, _navigation(shown.number, shown.waiting)), case_images.uploads(images)


@router.press(OPEN_CASES)
async def open_cases(request: Request, interaction: Interaction) -> None:
    """Open the cases from another panel."""
    await panels.show(interaction, *await cases(request, interaction, redraws=False))


@router.press(_CASES)
@router.press(_TURN)
async def turn_cases(request: Request, interaction: Interaction, *, page: int, **_way: str) -> None:
    """Show a page of the cases."""
    await panels.redraw(interaction, *await cases(request, interaction, page))


@router.press(_DECIDE, defers=False)
async def decide(request: Request, interaction: Interaction, *, case: int, decision: Decision, page: int) -> None:
    """Decide a case; ask before what cannot be undone."""
    if decision not in FINAL:
        await answers.defer(interaction)
        await _decide(request, interaction, case=case, decision=decision, page=page)
        return
    try:
        about = await services_of(interaction).cases.undecided(request, case, decision)
    except Decided as earlier:
        await panels.redraw(interaction, *await cases(request, interaction, page, note=f"⚠️ {earlier.sentence}"))
        return
    file, form_id = await views.file_of(client_of(interaction), about), _DECIDE_FORM(case=case, decision=decision, page=page)
    await confirmation.ask(interaction, decision, author_id=about.author_id, job=file.job, form_id=form_id)


@router.form(_DECIDE_FORM, defers=False)
async def decide_as_asked(
    request: Request, interaction: Interaction, given: Mapping[str, Any], *, case: int, decision: Decision, page: int
) -> None:
    await answers.defer(interaction, thinking=False)
    await _decide(request, interaction, case=case, decision=decision, page=page, reason=confirmation.reason_in(given))


async def _decide(request: Request, interaction: Interaction, *, case: int, decision: Decision, page: int, reason: str = "") -> None:
    """Update the list. If the case is decided already, say by whom."""
    try:
        decided = await services_of(interaction).cases.decide(request, case, decision, reason=reason)
        note = _("Case {number}: {standing}").format(number=case, standing=case_texts.status(decided))
    except Decided as earlier:
        note = f"⚠️ {earlier.sentence}"
    await panels.redraw(interaction, *await cases(request, interaction, page, note=note))


def _decisions(file: CaseFile, page: int) -> Part:
    case, possible = file.case, decisions_on(file)
    return row(
        *(
            button(label(each, case), _DECIDE(case=case.id, decision=each, page=page), emoji=emoji, style=style)
            for each, (emoji, style) in DECISION_BUTTONS.items()
            if each in possible
        )
    )


def _navigation(page: int, waiting: int) -> Part:
    refresh = button(pgettext("button", "Refresh"), _CASES(page=page), emoji="🔄")
    if waiting <= CASES_SHOWN:
        return row(refresh)
    last = (waiting - 1) // CASES_SHOWN
    older = button(pgettext("button", "Back"), _TURN(page=max(page - 1, 0), way="-"), emoji="◀️", disabled=page == 0)
    newer = button(pgettext("button", "Next"), _TURN(page=min(page + 1, last), way="+"), emoji="▶️", disabled=page == last)
    return row(older, newer, refresh)


# --- blocks ----------------------------------------------------------------------------------------------------------


async def blocked(request: Request, interaction: Interaction, *, note: str = "") -> discord.ui.LayoutView:
    """The current blocks, newest first, each with a button to lift it."""
    guild_id = permissions.check_in_guild(request, Action.MODERATE)
    services = services_of(interaction)
    rows = await services.reader.read(conduct.blocked_now, guild_id, services.clock())
    lift = pgettext("button", "Unblock")
    parts: list[Part] = [beside(button(lift, _UNBLOCK(member=each.user_id)), audit_texts.block_line(each)) for each in rows[:_BLOCKS_SHOWN]]
    more = len(rows) - len(parts)
    rest = [text("-# " + _("{count} more. Use `/imagemod unblock` to find them by name.").format(count=more))] if more > 0 else []
    empty = "" if rows else _("No one is blocked.")
    return panel(text(_("## ⛔ Blocked"), note, empty), *parts, *rest)


@router.press(_UNBLOCK)
async def unblock(request: Request, interaction: Interaction, *, member: int) -> None:
    """Lift a block and update the list."""
    await services_of(interaction).cases.unblock(request, member)
    await panels.redraw(interaction, await blocked(request, interaction, note=audit_texts.unblocked(member)))


# --- the audit log ---------------------------------------------------------------------------------------------------


async def audit(
    request: Request, interaction: Interaction, target_id: int | None = None, before: int | None = None
) -> discord.ui.LayoutView:
    """A page of the audit log."""
    guild_id = permissions.check_in_guild(request, Action.MODERATE)
    lines = await services_of(interaction).reader.read(audit_log.latest, guild_id, target_id=target_id, before=before, limit=_LINES + 1)
    shown, about = lines[:_LINES], target_id or 0
    links = await services_of(interaction).reader.read(record.links_of, guild_id, shown)
    older = shown[-1].id if len(lines) > _LINES else None
    navigation = row(
        button(pgettext("button", "Newest"), _AUDIT(member=about, before=0), emoji="⏮️", disabled=before is None),
        button(pgettext("button", "Older"), _AUDIT(member=about, before=older or 1), emoji="▶️", disabled=older is None),
    )
    has_more = before is not None or older is not None
    title_of = services_of(interaction).orders.models.title
    content = audit_texts.audit(shown, title_of, links=links, target_id=target_id, limit=_AUDIT_MAX)
    return panel(text(content), *([navigation] if has_more else []))


@router.press(_AUDIT)
async def turn_audit(request: Request, interaction: Interaction, *, member: int, before: int) -> None:
    """Show older lines, or the newest."""
    await panels.redraw(interaction, await audit(request, interaction, member or None, before or None))


# --- a member --------------------------------------------------------------------------------------------------------


async def member(request: Request, interaction: Interaction, user_id: int) -> discord.ui.LayoutView:
    """A member's conduct and usage in this guild."""
    guild_id, strikes = permissions.check_in_guild(request, Action.MODERATE), request.policy.strikes
    services = services_of(interaction)
    now = services.clock()
    found = await services.reader.read(record.conduct_of, user_id, guild_id, rules=strikes, now=now)
    used = await services.reader.read(record.of_member, user_id, guild_id, now=now)
    latest, left_out = KnownChannels(client_of(interaction)).seen_by(reader_of(request, moderates=True), used.latest)
    usage = member_texts.usage(user_id, replace(used, latest=latest), services.orders.models.title, left_out=left_out)
    content = audit_texts.member(user_id, found, strikes, usage)
    history = button(pgettext("button", "Audit log"), _AUDIT(member=user_id, before=0), emoji="📜")
    return panel(text(panel_texts.cut(content, texts.PANEL_MAX)), row(history))


async def ask_to_purge(request: Request, interaction: Interaction, user_id: int) -> discord.ui.LayoutView:
    """Ask before all images of a member are deleted."""
    guild_id = permissions.check_in_guild(request, Action.MODERATE)
    services = services_of(interaction)
    used = await services.reader.read(record.of_member, user_id, guild_id, now=services.clock())
    purge_button = button(pgettext("button", "Delete all"), _PURGE(member=user_id), emoji="🧹", style=discord.ButtonStyle.danger)
    keep_button = button(pgettext("button", "Keep them"), _KEEP())
    return panel(text(audit_texts.purge(user_id, used.ever.images)), row(purge_button, keep_button))


@router.press(_PURGE)
async def purge(request: Request, interaction: Interaction, *, member: int) -> None:
    """Delete all images of a member. Deferred, since there may be hundreds."""
    await answers.defer(interaction)
    deleted, cancelled = await services_of(interaction).cases.purge(request, member)
    await panels.redraw(interaction, panel(text(audit_texts.purged(member, deleted, cancelled=cancelled))))


@router.press(_KEEP)
async def keep(_request: Request, interaction: Interaction) -> None:
    """Close the question without deleting."""
    await panels.redraw(interaction, panel(text(_("## 🧹 Purge"), _("Nothing was deleted."))))
