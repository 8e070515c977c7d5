"""Settings of budget, pool and prices, and credits that a manager grants."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.domain.money import quota
from cogs.admin import panel_texts, settings_texts
from cogs.admin.changing import bucket, change, change_and_answer, given, within
from cogs.kit import autocomplete, interactions
from cogs.kit.request import Interaction, request_of, services_of
from cogs.money.cog import receiver_of

_CREDITS_MAX = 1_000_000


class MoneyCommands(commands.Cog):
    """/imageadmin budget, pool, price and grant."""

    @app_commands.command(description="Set this server's monthly budget")
    @app_commands.describe(dollars="US dollars per month. Image creation stops when they're used up", off="Remove the budget")
    async def budget(
        self, interaction: Interaction, dollars: app_commands.Range[float, 0, 1_000_000] | None = None, off: bool = False
    ) -> None:
        patch = {"usd_per_month": None} if off else given(usd_per_month=dollars)
        request = await request_of(interaction)
        now = await change(request, interaction, patch) if patch else request
        await interactions.say(interaction, panel_texts.budget(await services_of(interaction).admin.overview(now)))

    @app_commands.command(description="Set up a shared pool of credits")
    @app_commands.describe(
        size="Most credits in the pool",
        refill_per_day="Credits refilled per day",
        slow_lane="Let members without credits use spare credits, after everyone else",
        slow_lane_percent="Percent of the pool the slow lane can use",
        off="Remove the pool",
    )
    async def pool(
        self,
        interaction: Interaction,
        size: app_commands.Range[float, 0, _CREDITS_MAX] | None = None,
        refill_per_day: app_commands.Range[float, 0, _CREDITS_MAX] | None = None,
        slow_lane: bool | None = None,
        slow_lane_percent: app_commands.Range[int, 0, 100] | None = None,
        off: bool = False,
    ) -> None:
        shared = {"pool": None} if off else within("pool", bucket(size, refill_per_day))
        lane = within("slow_lane", given(on=slow_lane, share_percent=slow_lane_percent))
        await change_and_answer(interaction, {**shared, **lane}, settings_texts.pool)

    @app_commands.command(description="Set what an image costs with a model")
    @app_commands.describe(model="Model", credits="Credits per image. Leave out for the normal price")
    @app_commands.autocomplete(model=autocomplete.model)
    async def price(
        self,
        interaction: Interaction,
        model: app_commands.Range[str, 1, 100],
        credits: app_commands.Range[float, 0, _CREDITS_MAX] | None = None,  # noqa: A002  the option's name
    ) -> None:
        info = services_of(interaction).orders.models.catalog.get(model)
        await change_and_answer(
            interaction, {"prices": {info.id: credits}}, lambda policy: settings_texts.price(policy, info.id, info.title)
        )

    @app_commands.command(description="Grant credits to a member or the shared pool")
    @app_commands.describe(
        credits="Number of credits", member="Member. Leave out for the shared pool", note=("Reason, shown in the audit log")
    )
    async def grant(
        self,
        interaction: Interaction,
        credits: app_commands.Range[float, 0.01, 1_000_000.0],  # noqa: A002  the option's name
        member: discord.User | discord.Member | None = None,
        note: app_commands.Range[str, 1, 200] | None = None,
    ) -> None:
        amount = quota.microcredits(credits)
        request, receiver = await request_of(interaction), None if member is None else receiver_of(interaction, member)
        await services_of(interaction).admin.grant(request, to=receiver, amount=amount, note=note, key=request.key)
        await interactions.say(interaction, settings_texts.granted(None if member is None else member.id, amount, note))
