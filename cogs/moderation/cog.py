"""The command group /imagemod."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.clock import system
from bot.domain.guild.fields import HOUR_MS
from cogs.kit import interactions
from cogs.kit import panels as presses
from cogs.kit.request import Interaction, request_of, services_of
from cogs.moderation import audit_texts, panels

Reason = app_commands.Range[str, 1, 300]
Image = app_commands.Range[str, 1, 200]

_IMAGE = "Link to the image's message"


@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_messages=True)
class ImageMod(commands.GroupCog, group_name="imagemod", group_description="Moderate images: cases, blocks and the audit log"):
    """For moderators. Each command checks permissions, because Discord may show the group to others."""

    @app_commands.command(description="See cases that need a decision")
    async def cases(self, interaction: Interaction) -> None:
        await presses.show(interaction, *await panels.cases(await request_of(interaction), interaction, redraws=False))

    @app_commands.command(description="Block a member from creating images here (they get a DM)")
    @app_commands.describe(
        member="Member", hours="Hours. Leave out to block until you unblock them", reason="Reason. They read it, and it is in the audit log"
    )
    async def block(
        self,
        interaction: Interaction,
        member: discord.User | discord.Member,
        hours: app_commands.Range[int, 1, 8760] | None = None,
        reason: Reason = "",
    ) -> None:
        request = await request_of(interaction)
        until = None if hours is None else system() + hours * HOUR_MS
        is_member = isinstance(member, discord.Member)
        row = await services_of(interaction).cases.block(request, member.id, is_member=is_member, until=until, reason=reason)
        await interactions.say(interaction, audit_texts.blocked(row))

    @app_commands.command(description="Let a blocked member create images again")
    @app_commands.describe(member="Member")
    async def unblock(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        request = await request_of(interaction)
        await services_of(interaction).cases.unblock(request, member.id)
        await interactions.say(interaction, audit_texts.unblocked(member.id))

    @app_commands.command(description="See who is blocked here and why")
    async def blocked(self, interaction: Interaction) -> None:
        await presses.show(interaction, await panels.blocked(await request_of(interaction), interaction))

    @app_commands.command(description="Delete an image (its author gets a strike and a DM)")
    @app_commands.describe(image=_IMAGE, reason="Reason. The author reads it, and it is in the audit log")
    async def delete(self, interaction: Interaction, image: Image, reason: Reason = "") -> None:
        request = await request_of(interaction)
        case = await services_of(interaction).cases.delete(request, image, reason=reason)
        await interactions.say(interaction, audit_texts.judged(case))

    @app_commands.command(description="Put an image behind a spoiler (its author gets a DM)")
    @app_commands.describe(image=_IMAGE, reason="Reason. The author reads it, and it is in the audit log")
    async def spoiler(self, interaction: Interaction, image: Image, reason: Reason = "") -> None:
        request = await request_of(interaction)
        case = await services_of(interaction).cases.spoiler(request, image, reason=reason)
        await interactions.say(interaction, audit_texts.judged(case))

    @app_commands.command(description="Refund an image without deleting it")
    @app_commands.describe(image=_IMAGE, reason="Reason, shown in the audit log")
    async def refund(self, interaction: Interaction, image: Image, reason: Reason = "") -> None:
        request = await request_of(interaction)
        back = await services_of(interaction).cases.refund(request, image, reason=reason)
        await interactions.say(interaction, audit_texts.refunded(back))

    @app_commands.command(description="See every moderation decision and settings change")
    @app_commands.describe(member="Only entries about this member")
    async def audit(self, interaction: Interaction, member: discord.User | discord.Member | None = None) -> None:
        target_id = None if member is None else member.id
        await presses.show(interaction, await panels.audit(await request_of(interaction), interaction, target_id))

    @app_commands.command(description="Delete all of a member's images here (asks you to confirm)")
    @app_commands.describe(member="Member")
    async def purge(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        await presses.show(interaction, await panels.ask_to_purge(await request_of(interaction), interaction, member.id))

    @app_commands.command(description="See a member's strikes, blocks, cases and images")
    @app_commands.describe(member="Member, even one who left")
    async def member(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        await presses.show(interaction, await panels.member(await request_of(interaction), interaction, member.id))
