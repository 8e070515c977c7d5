"""Settings of checks, flags, strikes and the gallery, and the moderators' channels and roles."""

from __future__ import annotations

import re
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import Offence, OnDown
from cogs.admin import posted, settings_texts, suggestions
from cogs.admin.changing import Patch, change_and_answer, given, listed, within
from cogs.kit import channels, texts
from cogs.kit.request import Interaction

_STEP = re.compile(r"(?P<points>\d+(?:\.\d+)?)\s*:\s*(?P<hours>\d+)")


class _PostableChannel(app_commands.Transformer):
    """A channel that can be posted in: Discord offers no other kinds for the option."""

    type = discord.AppCommandOptionType.channel
    channel_types = list(channels.POSTABLE_TYPES)  # noqa: RUF012  as discord.py declares it

    async def transform(self, _interaction: Interaction, value: app_commands.AppCommandChannel, /) -> app_commands.AppCommandChannel:
        return value


PostableChannel = app_commands.Transform[app_commands.AppCommandChannel, _PostableChannel]
Score = app_commands.Range[float, 0, 1]


class ConductCommands(commands.Cog):
    """/imageadmin checks, flags, strikes, gallery, log, cases and moderators."""

    @app_commands.command(description="Set up automatic content checks")
    @app_commands.describe(
        prompts="Check prompts before they're sent",
        results="Check images before they're shown",
        flag_score="Score at which to flag, 0 to 1",
        block_score="Score at which to block, 0 to 1",
        category="Set the scores for this category only",
        if_unavailable="What to do when the check is unavailable",
    )
    @app_commands.choices(if_unavailable=suggestions.named(settings_texts.ON_DOWN_CHOICES))
    async def checks(
        self,
        interaction: Interaction,
        prompts: bool | None = None,
        results: bool | None = None,
        flag_score: Score | None = None,
        block_score: Score | None = None,
        category: app_commands.Range[str, 1, 60] | None = None,
        if_unavailable: OnDown | None = None,
    ) -> None:
        scores = given(flag=flag_score, block=block_score)
        if category is not None and not scores:
            raise InvalidRequest(_("Set the score for flagging or blocking this category."))
        thresholds = {"categories": {category: scores}} if category is not None else within("thresholds", scores)
        values = {**given(prompts=prompts, results=results, on_down=if_unavailable), **thresholds}
        await change_and_answer(interaction, within("checks", values), settings_texts.checks)

    @app_commands.command(description="Set how members' flags work")
    @app_commands.describe(
        on="Turn flags on or off",
        needed="Flags needed to hide an image and open a case",
        member_days="Days on this server before a member's flags count",
        add_role="Role whose flags count right away",
        remove_role="Role whose flags no longer count right away",
        locked="Store flags without effect, for example during a raid",
    )
    async def flags(
        self,
        interaction: Interaction,
        on: bool | None = None,
        needed: app_commands.Range[int, 1, 100] | None = None,
        member_days: app_commands.Range[int, 0, 3650] | None = None,
        add_role: discord.Role | None = None,
        remove_role: discord.Role | None = None,
        locked: bool | None = None,
    ) -> None:
        values = given(on=on, quorum=needed, after_days=member_days, locked=locked)

        def patch(policy: Policy) -> Patch:
            return {"flags": {**values, "role_ids": listed(policy.flags.role_ids, add=add_role, remove=remove_role)}}

        await change_and_answer(interaction, patch if values or add_role or remove_role else None, settings_texts.flags)

    @app_commands.command(description="Set strike points and how long members are blocked")
    @app_commands.describe(
        halve_after_days="Days until a strike counts half",
        offence="Offence to set points for",
        points="Points for the offence. 0 turns it off",
        lockouts="When members are blocked, as points:hours, such as 5:1, 8:24",
    )
    @app_commands.choices(offence=suggestions.named(settings_texts.OFFENCE_CHOICES))
    async def strikes(
        self,
        interaction: Interaction,
        halve_after_days: app_commands.Range[int, 1, 3650] | None = None,
        offence: Offence | None = None,
        points: app_commands.Range[float, 0, 100] | None = None,
        lockouts: app_commands.Range[str, 1, 200] | None = None,
    ) -> None:
        if (offence is None) != (points is None):
            raise InvalidRequest(_("Choose an offence and its points together."))
        values: dict[str, Any] = given(half_life_days=halve_after_days, ladder=None if lockouts is None else lockouts_of(lockouts))
        values |= {"weights": {offence: points}} if offence is not None else {}
        await change_and_answer(interaction, within("strikes", values), settings_texts.strikes)

    @app_commands.command(description="Show starred images in a gallery channel")
    @app_commands.describe(
        channel="Channel for the gallery",
        stars="Stars needed from other members",
        reward="Credits for the author",
        off="Turn the gallery off",
    )
    async def gallery(
        self,
        interaction: Interaction,
        channel: PostableChannel | None = None,
        stars: app_commands.Range[int, 1, 1000] | None = None,
        reward: app_commands.Range[float, 0, 1_000_000] | None = None,
        off: bool = False,
    ) -> None:
        values = given(
            channel_id=None if channel is None else posted.postable_id(interaction.guild, channel.id), stars=stars, reward=reward
        )
        await change_and_answer(interaction, {"gallery": None} if off else within("gallery", values), settings_texts.gallery)

    @app_commands.command(description="Log every image in a channel")
    @app_commands.describe(channel="Channel for the log", off="Turn the log off")
    async def log(self, interaction: Interaction, channel: PostableChannel | None = None, off: bool = False) -> None:
        await change_and_answer(interaction, _channel(interaction, "log_channel_id", channel, off=off), settings_texts.log)

    @app_commands.command(description="Choose the channel where cases are posted")
    @app_commands.describe(channel="Channel for cases", off="Stop posting cases (they stay in /imagemod cases)")
    async def cases(self, interaction: Interaction, channel: PostableChannel | None = None, off: bool = False) -> None:
        await change_and_answer(interaction, _channel(interaction, "cases_channel_id", channel, off=off), settings_texts.cases)

    @app_commands.command(description="Choose roles that can moderate images")
    @app_commands.describe(add="Role to add as moderators", remove="Role to remove from moderators")
    async def moderators(self, interaction: Interaction, add: discord.Role | None = None, remove: discord.Role | None = None) -> None:
        def patch(policy: Policy) -> Patch:
            return {"moderator_role_ids": listed(policy.moderator_role_ids, add=add, remove=remove)}

        await change_and_answer(interaction, patch if add or remove else None, settings_texts.moderators)


def lockouts_of(text: str) -> list[dict[str, float]]:
    """Points and hours, such as 5:1, 8:24. Raises `InvalidRequest`."""
    steps = [_STEP.fullmatch(part.strip()) for part in text.split(",") if part.strip()]
    if not all(steps):
        sentence = _("Lockouts must be written as points:hours, such as 5:1, 8:24; “{given}” isn't.")
        raise InvalidRequest(sentence.format(given=texts.quoted(text)))
    return [{"points": float(step["points"]), "hours": int(step["hours"])} for step in steps if step]


def _channel(interaction: Interaction, name: str, channel: app_commands.AppCommandChannel | None, *, off: bool) -> Patch:
    if off:
        return {name: None}
    return {} if channel is None else {name: posted.postable_id(interaction.guild, channel.id)}
