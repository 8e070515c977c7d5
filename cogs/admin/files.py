"""Export and import of a guild's settings. An import first shows what would change; a button applies it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import InvalidRequest
from bot.core.i18n import _, pgettext
from bot.domain.guild.differences import Difference, differences
from bot.domain.guild.document import DOCUMENT_MAX, Policy, document, read, read_file, write_file
from bot.domain.guild.ids import NamedId, without
from bot.domain.permissions import Action, Target, check
from bot.domain.request import Request
from bot.services.guilds import fingerprint
from bot.store import kv
from cogs.admin import panel_texts, posted
from cogs.admin.changing import after_change, consequences, new_foreign_ids
from cogs.admin.settings_texts import Titles
from cogs.kit import answers, panels
from cogs.kit.panels import button, panel, row, text
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router, matching
from cogs.kit.texts import PANEL_MAX

router = Router()

_SEEN = matching(r"[0-9a-f]{16}")  # the first digits of the settings' fingerprint
_APPLY = CustomId("admin:apply:{kept}:{seen}", kept=DISCORD_ID, seen=_SEEN)
_LEAVE = CustomId("admin:leave:{kept}:{seen}", kept=DISCORD_ID, seen=_SEEN)


class Files(commands.Cog):
    """/imageadmin export and import."""

    @app_commands.command(description="Download this server's settings as a file")
    async def export(self, interaction: Interaction) -> None:
        await send(await request_of(interaction), interaction)

    @app_commands.command(name="import", description="Load settings from a file (shows a preview first)")
    @app_commands.describe(file="File from /imageadmin export. Anything missing is reset to its default")
    async def import_settings(self, interaction: Interaction, file: discord.Attachment) -> None:
        request = await request_of(interaction)
        if file.size > DOCUMENT_MAX:
            raise InvalidRequest(
                _("That file is too large. A settings file can have up to {limit} KiB.").format(limit=DOCUMENT_MAX // 1024)
            )
        await answers.defer(interaction)
        services, content = services_of(interaction), await file.read()
        wanted = await services.managing.run(request.guild_id, read_file, content)
        unknown = await new_foreign_ids(request, interaction, wanted)
        wanted = without(wanted, unknown)
        kept = {"user_id": request.actor.user_id, "policy": document(wanted)}
        await services.orders.keep(f"form:{interaction.id}", kept)
        await panels.show(interaction, await _preview(request, interaction, interaction.id, wanted, unknown=unknown))


async def send(request: Request, interaction: Interaction) -> None:
    """Send the settings as a private file."""
    content = io.BytesIO(await services_of(interaction).managing.run(request.guild_id, write_file, request.policy))
    attached = discord.File(content, filename=f"easel-settings-{request.guild_id}.json")
    sentence = _("📄 This server's settings. Use /imageadmin import to load them here or on another server.")
    await answers.send(interaction, content=sentence, files=[attached])


@router.press(_APPLY)
async def apply(request: Request, interaction: Interaction, *, kept: int, seen: str) -> None:
    """Apply the file, if the settings still have the fingerprint that the preview was made from; else show a new preview."""
    check(request, Action.MANAGE)
    wanted, now = await _stored_policy(request, interaction, kept), request.policy
    lost = await new_foreign_ids(request, interaction, wanted)  # since the preview
    wanted = without(wanted, lost)
    found, current = await _compared(request, interaction, wanted)
    if not current.startswith(seen):
        note = _("⚠️ The settings changed in the meantime. The file would now change this:")
        await panels.redraw(interaction, await _preview(request, interaction, kept, wanted, note=note, unknown=lost))
        return
    guilds, guild_id = services_of(interaction).guilds, request.required_guild_id
    after = await guilds.replace_policy(guild_id, wanted, instead_of=current, actor_id=request.actor.user_id)
    await after_change(replace(request, settings=after), interaction, before=now)
    said = await consequences(replace(request, settings=after), interaction, before=now)
    done = panel_texts.applied(found, panel_texts.named(lost), _title_of(interaction))
    await panels.redraw(interaction, panel(text(panel_texts.cut("\n".join([*said, done]), PANEL_MAX))))


@router.press(_LEAVE)
async def leave(_request: Request, interaction: Interaction, **_file: Any) -> None:
    """Close the preview without a change."""
    await panels.redraw(interaction, panel(text(_("## Settings file"), _("Nothing was changed."))))


def _title_of(interaction: Interaction) -> Titles:
    return services_of(interaction).orders.models.title


async def _stored_policy(request: Request, interaction: Interaction, form_id: int) -> Policy:
    """The imported file. Raises `NotAllowed` if another member imported it, or if it has expired."""
    kept = await services_of(interaction).reader.read(kv.get, f"form:{form_id}") or {}
    check(request, Action.SEND, Target(guild_id=request.guild_id, owner_id=kept.get("user_id")))
    return await services_of(interaction).managing.run(request.guild_id, read, kept["policy"])


async def _compared(request: Request, interaction: Interaction, wanted: Policy) -> tuple[tuple[Difference, ...], str]:
    """What the file would change, and the fingerprint of the current settings."""

    def compare() -> tuple[tuple[Difference, ...], str]:
        return differences(document(request.policy), document(wanted)), fingerprint(request.policy)

    return await services_of(interaction).managing.run(request.guild_id, compare)


async def _preview(
    request: Request, interaction: Interaction, form_id: int, wanted: Policy, *, note: str = "", unknown: Sequence[NamedId] = ()
) -> discord.ui.LayoutView:
    found, current = await _compared(request, interaction, wanted)
    readers = posted.warnings(interaction.guild, wanted, posted.changed(request.policy, wanted))
    preview = panel_texts.file(found, panel_texts.named(unknown), _title_of(interaction))
    shown = text(panel_texts.cut("\n".join(filter(None, [note, *readers, preview])), PANEL_MAX - 200))
    if not found:
        return panel(shown)
    seen = current[:16]
    apply_button = button(pgettext("button", "Apply"), _APPLY(kept=form_id, seen=seen), emoji="✅", style=discord.ButtonStyle.primary)
    leave_button = button(pgettext("button", "Don't apply"), _LEAVE(kept=form_id, seen=seen))
    return panel(shown, row(apply_button, leave_button))
