"""For moderators: /usage, what this server used as text, chart and file; and the menu of a member.

The panel keeps nothing: what it shows stands in the ids of its buttons.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.domain.request import Request
from bot.errors import NotAllowed
from bot.i18n import _, pgettext
from bot.images import chart
from bot.store.usage import By
from cogs import look, panels
from cogs.kit.request import Interaction, actor_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router, one_of, optional
from cogs.panels import Part, button, panel, row, text

router = Router()

_RANGES = (7, 30, 90)  # days
_PRESS = CustomId(
    "usage:{deed}:{days}:{by}:{member}",
    deed=one_of("span", "kind", "csv"),
    days=one_of(*_RANGES),
    by=one_of(*By),
    member=optional(DISCORD_ID),
)
_PICTURE = "usage.png"


@dataclass(frozen=True, kw_only=True)
class _View:
    """What is looked at."""

    days: int = 30
    by: By = By.MEMBER
    member_id: int | None = None  # None: everyone

    def id(self, deed: str) -> str:
        return _PRESS(deed=deed, days=self.days, by=self.by, member=self.member_id)


class Usage(commands.Cog):
    """The command."""

    @app_commands.command(description="What this server used: pictures, credits and money")
    @app_commands.describe(days="How many days back", by="Told apart by what", member="One member alone")
    @app_commands.guild_only()
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_messages=True)
    async def usage(
        self,
        interaction: Interaction,
        days: Literal[7, 30, 90] = 30,
        by: Literal["member", "model", "day"] = "member",
        member: discord.User | discord.Member | None = None,
    ) -> None:
        view = _View(days=days, by=By[by.upper()], member_id=member.id if member else None)
        guild_id = await _check_moderator(interaction)
        await interaction.response.defer(thinking=True, ephemeral=True)
        await _show(interaction, guild_id, view)


@router.press(_PRESS)
async def press(_request: Request, interaction: Interaction, *, deed: str, days: int, by: By, member: int | None) -> None:
    """In the panel, of this run or of any earlier one."""
    guild_id = await _check_moderator(interaction)
    await (_export if deed == "csv" else _turn)(interaction, guild_id, _View(days=days, by=by, member_id=member))


async def _check_moderator(interaction: Interaction) -> int:
    """The server's id. Raise `NotAllowed` for whoever is no moderator here, whatever Discord showed them."""
    policy = (await services_of(interaction).servers.settings(interaction.guild_id)).policy
    if interaction.guild_id is None or not policy.is_moderator(actor_of(interaction)):
        raise NotAllowed(_("This is for this server's moderators."))
    return interaction.guild_id


async def _turn(interaction: Interaction, guild_id: int, view: _View) -> None:
    await interaction.response.defer()
    await _show(interaction, guild_id, view)


async def _show(interaction: Interaction, guild_id: int, view: _View) -> None:
    title_of = services_of(interaction).studio.models.title
    report = await services_of(interaction).money.report(guild_id, days=view.days, by=view.by, user_id=view.member_id)
    names = await _names(interaction, (each.user_id for each in report.rows[: chart.SERIES_MAX]))
    picture = await asyncio.to_thread(chart.draw, look.usage.chart(report, title_of, names))
    shown = discord.MediaGalleryItem(f"attachment://{_PICTURE}", description=look.usage.alt(report))
    parts: list[Part] = [
        text(look.usage.heading(report, member_id=view.member_id)),
        discord.ui.MediaGallery(shown),
        text(look.usage.rows(report, title_of)),
        discord.ui.Separator(),
        *_choices(view),
    ]
    await panels.redraw(interaction, panel(*parts), [discord.File(io.BytesIO(picture), filename=_PICTURE)])


async def _export(interaction: Interaction, guild_id: int, view: _View) -> None:
    await interaction.response.defer(thinking=True, ephemeral=True)
    table = await services_of(interaction).money.table(guild_id, days=view.days, user_id=view.member_id)
    content = io.BytesIO(table.encode("utf-8-sig"))  # spreadsheets know UTF-8 by the mark
    file = discord.File(content, filename=f"usage-{view.days}-days.csv")
    await interaction.edit_original_response(attachments=[file])


async def _names(interaction: Interaction, user_ids: Iterable[int | None]) -> dict[int, str]:
    """What these members are called here, as far as Discord tells."""
    wanted = [user_id for user_id in user_ids if user_id is not None]
    found = await asyncio.gather(*(_name(interaction.guild, user_id) for user_id in wanted))
    return dict(zip(wanted, found, strict=True))


async def _name(guild: discord.Guild | None, user_id: int) -> str:
    if guild is None:
        return ""
    try:
        member = guild.get_member(user_id) or await guild.fetch_member(user_id)
    except discord.HTTPException:  # gone, or Discord does not tell now
        return ""
    return member.display_name


def _choices(view: _View) -> list[Part]:
    """Ranges, kinds and the file. What is shown already cannot be pressed."""
    ranges = {
        7: pgettext("button", "7 days"),
        30: pgettext("button", "30 days"),
        90: pgettext("button", "90 days"),
    }
    kinds = {
        By.MEMBER: (pgettext("button", "By member"), "👤"),
        By.MODEL: (pgettext("button", "By model"), "🎨"),
        By.DAY: (pgettext("button", "By day"), "📅"),
    }
    spans = [button(ranges[days], replace(view, days=days).id("span"), disabled=days == view.days) for days in _RANGES]
    told = [button(label, replace(view, by=by).id("kind"), emoji=emoji, disabled=by is view.by) for by, (label, emoji) in kinds.items()]
    return [row(*spans), row(*told, button(pgettext("button", "CSV file"), view.id("csv"), emoji="📄"))]


# --- the menu of a member --------------------------------------------------------------------------------------------


@app_commands.context_menu(name="Image usage")
@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_messages=True)
async def image_usage(interaction: Interaction, user: discord.User | discord.Member) -> None:
    """What a member made here and what was reported; also of one who has left."""
    guild_id = await _check_moderator(interaction)
    record = await services_of(interaction).conduct.record(user.id, guild_id)
    await panels.show(interaction, look.conduct.usage(user.id, record, services_of(interaction).studio.models.title))


MENUS = (image_usage,)
