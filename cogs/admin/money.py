"""Settings of budget, pool and prices, and credits that a manager grants."""

from __future__ import annotations

import discord
from discord import app_commands
from discord.ext import commands

from bot.domain.money import quota
from cogs.admin import settings_texts
from cogs.admin.changing import bucket, change_and_answer, given, within
from cogs.kit import autocomplete, interactions
from cogs.kit.request import Interaction, as_actor, request_of, services_of

_CREDITS_MAX = 1_000_000


class MoneyCommands(commands.Cog):
    """/imageadmin budget, pool, price and grant."""

    @app_commands.command(description="What this server may spend in a month")
    @app_commands.describe(dollars="US dollars; nothing is made beyond it", off="No budget any more")
    async def budget(
        self, interaction: Interaction, dollars: app_commands.Range[float, 0, 1_000_000] | None = None, off: bool = False
    ) -> None:
        patch = {"usd_per_month": None} if off else given(usd_per_month=dollars)
        pricing = services_of(interaction).pricing
        await change_and_answer(interaction, patch, lambda policy: settings_texts.budget(pricing.usd_per_month(policy)))

    @app_commands.command(description="Credits that members without a role of yours share")
    @app_commands.describe(
        size="Credits it holds",
        refill="Credits that flow back a day",
        slow_lane="Serve those out of credit last, from the pool",
        share="Percent of the pool for that",
        off="No pool any more",
    )
    async def pool(
        self,
        interaction: Interaction,
        size: app_commands.Range[float, 0, _CREDITS_MAX] | None = None,
        refill: app_commands.Range[float, 0, _CREDITS_MAX] | None = None,
        slow_lane: bool | None = None,
        share: app_commands.Range[int, 0, 100] | None = None,
        off: bool = False,
    ) -> None:
        shared = {"pool": None} if off else within("pool", bucket(size, refill))
        lane = within("slow_lane", given(on=slow_lane, share_percent=share))
        await change_and_answer(interaction, {**shared, **lane}, settings_texts.pool)

    @app_commands.command(description="What a picture costs here instead of its listed price")
    @app_commands.describe(model="Which model", credits="Credits a picture; as listed if you leave this out")
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

    @app_commands.command(description="Give a member credits, or the pool")
    @app_commands.describe(credits="How many", member="Who; the shared pool if you leave this out", note="Why; the audit log keeps it")
    async def grant(
        self,
        interaction: Interaction,
        credits: app_commands.Range[float, 0.01, 1_000_000.0],  # noqa: A002  the option's name
        member: discord.User | discord.Member | None = None,
        note: app_commands.Range[str, 1, 200] | None = None,
    ) -> None:
        amount = quota.microcredits(credits)
        request, receiver = await request_of(interaction), None if member is None else as_actor(member)
        await services_of(interaction).admin.grant(request, to=receiver, amount=amount, note=note, key=f"grant:{interaction.id}")
        await interactions.say(interaction, settings_texts.granted(None if member is None else member.id, amount, note))
