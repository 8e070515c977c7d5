"""For moderators: /usage with a chart and a CSV file, and the member menu Image usage.

The panel has no stored state: what it shows is in the custom ids of its buttons.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.i18n import pgettext
from bot.domain.money.usage import GroupBy, UsageRow, as_csv
from bot.domain.permissions import Action, check
from bot.domain.request import Request
from bot.domain.visibility import reader_of
from bot.media import chart
from bot.store.moderation import record
from cogs.kit import answers, panels
from cogs.kit.channels import KnownChannels
from cogs.kit.panels import Part, button, panel, row, text
from cogs.kit.request import Interaction, client_of, request_of, services_of
from cogs.kit.router import DISCORD_ID, CustomId, Router, one_of, optional
from cogs.moderation import member_texts
from cogs.money import usage_texts

router = Router()

_RANGES = (7, 30, 90)  # days
_DAYS_CHOICES = [
    app_commands.Choice(name="Last 7 days", value=7),
    app_commands.Choice(name="Last 30 days", value=30),
    app_commands.Choice(name="Last 90 days", value=90),
]
_BY_CHOICES = [
    app_commands.Choice(name="By member", value="member"),
    app_commands.Choice(name="By model", value="model"),
    app_commands.Choice(name="By day", value="day"),
]
_PRESS = CustomId(
    "usage:{action}:{days}:{by}:{member}",
    action=one_of("span", "kind", "csv"),
    days=one_of(*_RANGES),
    by=one_of(*GroupBy),
    member=optional(DISCORD_ID),
)
_IMAGE = "usage.png"


@dataclass(frozen=True, kw_only=True)
class _View:
    """What the panel shows."""

    days: int = 30
    by: GroupBy = GroupBy.MEMBER
    member_id: int | None = None  # None: everyone

    def id(self, action: str) -> str:
        return _PRESS(action=action, days=self.days, by=self.by, member=self.member_id)


class Usage(commands.Cog):
    """The command /usage."""

    @app_commands.command(description="See this server's images, credits and spending")
    @app_commands.describe(days="Days to include", by="How to group the numbers", member="Only this member")
    @app_commands.choices(days=_DAYS_CHOICES)
    @app_commands.choices(by=_BY_CHOICES)
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
        view = _View(days=days, by=GroupBy[by.upper()], member_id=member.id if member else None)
        request = await request_of(interaction)
        check(request, Action.MODERATE)
        await answers.defer(interaction)
        await _show(request, interaction, view)


@router.press(_PRESS)
async def press(request: Request, interaction: Interaction, *, action: str, days: int, by: GroupBy, member: int | None) -> None:
    """Handle a button of the panel."""
    check(request, Action.MODERATE)
    await (_export if action == "csv" else _turn)(request, interaction, _View(days=days, by=by, member_id=member))


async def _turn(request: Request, interaction: Interaction, view: _View) -> None:
    await answers.defer(interaction)
    await _show(request, interaction, view)


async def _show(request: Request, interaction: Interaction, view: _View) -> None:
    services = services_of(interaction)
    title_of = services.orders.models.title
    report = await services.money.report(request, days=view.days, by=view.by, user_id=view.member_id)
    names = await _names(interaction, (each.user_id for each in report.rows[: chart.SERIES_MAX]))
    image = await services.managing.run(request.guild_id, chart.draw, usage_texts.chart(report, title_of, names))
    shown = discord.MediaGalleryItem(f"attachment://{_IMAGE}", description=usage_texts.alt(report))
    parts: list[Part] = [
        text(usage_texts.heading(report, member_id=view.member_id)),
        discord.ui.MediaGallery(shown),
        text(usage_texts.rows(report, title_of)),
        discord.ui.Separator(),
        *_choices(view),
    ]
    await panels.redraw(interaction, panel(*parts), [discord.File(io.BytesIO(image), filename=_IMAGE)])


async def _export(request: Request, interaction: Interaction, view: _View) -> None:
    await answers.defer(interaction, thinking=True)
    services = services_of(interaction)
    rows = await services.money.table(request.required_guild_id, days=view.days, user_id=view.member_id)
    content = await services.managing.run(request.guild_id, _csv, rows, services.money.credit_usd)
    file = discord.File(io.BytesIO(content), filename=f"usage-{view.days}-days.csv")
    await answers.send(interaction, files=[file])


def _csv(rows: Sequence[UsageRow], credit_usd: float) -> bytes:
    return as_csv(rows, credit_usd=credit_usd).encode("utf-8-sig")  # spreadsheets recognise UTF-8 by the byte order mark


async def _names(interaction: Interaction, user_ids: Iterable[int | None]) -> dict[int, str]:
    """Names of these members; empty if Discord does not return them."""
    wanted = [user_id for user_id in user_ids if user_id]
    found = await asyncio.gather(*(_name(interaction.guild, user_id) for user_id in wanted))
    return dict(zip(wanted, found, strict=True))


async def _name(guild: discord.Guild | None, user_id: int) -> str:
    if guild is None:
        return ""
    try:
        member = guild.get_member(user_id) or await guild.fetch_member(user_id)
    except discord.HTTPException:  # left the guild, or Discord did not respond
        return ""
    return member.display_name


def _choices(view: _View) -> list[Part]:
    """Buttons for range, grouping and file. Those of the current view are disabled."""
    ranges = {
        7: pgettext("button", "7 days"),
        30: pgettext("button", "30 days"),
        90: pgettext("button", "90 days"),
    }
    labels = {
        GroupBy.MEMBER: (pgettext("button", "By member"), "👤"),
        GroupBy.MODEL: (pgettext("button", "By model"), "🎨"),
        GroupBy.DAY: (pgettext("button", "By day"), "📅"),
    }
    spans = [button(ranges[days], replace(view, days=days).id("span"), disabled=days == view.days) for days in _RANGES]
    groupings = [
        button(label, replace(view, by=by).id("kind"), emoji=emoji, disabled=by is view.by) for by, (label, emoji) in labels.items()
    ]
    return [row(*spans), row(*groupings, button(pgettext("button", "CSV file"), view.id("csv"), emoji="📄"))]


# --- the member menu -------------------------------------------------------------------------------------------------


@app_commands.context_menu(name="Image usage")
@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_messages=True)
async def image_usage(interaction: Interaction, user: discord.User | discord.Member) -> None:
    """A member's usage of the guild and the reports about them; also if they have left."""
    request = await request_of(interaction)
    check(request, Action.MODERATE)
    services = services_of(interaction)
    used = await services.reader.read(record.of_member, user.id, request.required_guild_id, now=services.clock())
    latest, left_out = KnownChannels(client_of(interaction)).seen_by(reader_of(request, moderates=True), used.latest)
    shown = replace(used, latest=latest)
    await panels.show(interaction, member_texts.usage(user.id, shown, services.orders.models.title, left_out=left_out))


MENUS = (image_usage,)
