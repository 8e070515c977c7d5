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

_IMAGE = "The link to its message, or the job's id"


@app_commands.guild_only()
@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.default_permissions(manage_messages=True)
class ImageMod(commands.GroupCog, group_name="imagemod", group_description="Cases, blocks, and what was done"):
    """For moderators. Each command checks permissions, because Discord may show the group to others."""

    @app_commands.command(description="The cases that wait for a decision")
    async def cases(self, interaction: Interaction) -> None:
        await presses.show(interaction, await panels.cases(await request_of(interaction), interaction))

    @app_commands.command(description="A member cannot ask for pictures here any more; they are told")
    @app_commands.describe(member="Who", hours="For how long; until you lift it if you leave this out", reason="What they are told")
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

    @app_commands.command(description="A member can ask for pictures again")
    @app_commands.describe(member="Who")
    async def unblock(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        request = await request_of(interaction)
        await services_of(interaction).cases.unblock(request, member.id)
        await interactions.say(interaction, audit_texts.unblocked(member.id))

    @app_commands.command(description="Who is blocked here, until when and why")
    async def blocked(self, interaction: Interaction) -> None:
        await presses.show(interaction, await panels.blocked(await request_of(interaction), interaction))

    @app_commands.command(description="Take a picture away; its author gets a strike and is told")
    @app_commands.rename(image="picture")
    @app_commands.describe(image=_IMAGE, reason="Why; the audit log keeps it")
    async def delete(self, interaction: Interaction, image: Image, reason: Reason = "") -> None:
        request = await request_of(interaction)
        case = await services_of(interaction).cases.delete(request, image, reason=reason)
        await interactions.say(interaction, audit_texts.judged(case))

    @app_commands.command(description="Put a picture behind a spoiler; its author is told")
    @app_commands.rename(image="picture")
    @app_commands.describe(image=_IMAGE, reason="Why; the audit log keeps it")
    async def spoiler(self, interaction: Interaction, image: Image, reason: Reason = "") -> None:
        request = await request_of(interaction)
        case = await services_of(interaction).cases.spoiler(request, image, reason=reason)
        await interactions.say(interaction, audit_texts.judged(case))

    @app_commands.command(description="Give a picture's price back; the picture stays")
    @app_commands.rename(image="picture")
    @app_commands.describe(image=_IMAGE)
    async def refund(self, interaction: Interaction, image: Image) -> None:
        request = await request_of(interaction)
        back = await services_of(interaction).cases.refund(request, image)
        await interactions.say(interaction, audit_texts.refunded(back))

    @app_commands.command(description="Every decision and every change of a setting")
    @app_commands.describe(member="Only what is about this member")
    async def audit(self, interaction: Interaction, member: discord.User | discord.Member | None = None) -> None:
        target_id = None if member is None else member.id
        await presses.show(interaction, await panels.audit(await request_of(interaction), interaction, target_id))

    @app_commands.command(description="Take away all pictures of a member here; you are asked once")
    @app_commands.describe(member="Whose")
    async def purge(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        await presses.show(interaction, await panels.ask_to_purge(await request_of(interaction), interaction, member.id))

    @app_commands.command(description="What is known of a member: strikes, block, cases, pictures")
    @app_commands.describe(member="Who; also somebody who has left")
    async def member(self, interaction: Interaction, member: discord.User | discord.Member) -> None:
        await presses.show(interaction, await panels.member(await request_of(interaction), interaction, member.id))
