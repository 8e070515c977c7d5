"""/quota and /cancel."""

from __future__ import annotations

from collections.abc import Sequence

from discord import app_commands
from discord.ext import commands

from bot.core.clock import system
from bot.core.errors import NotFound
from bot.core.i18n import _
from bot.domain.job import Job, message_id_in
from cogs.kit import autocomplete, interactions, job_texts, panels
from cogs.kit.panels import everywhere
from cogs.kit.request import Interaction, request_of, services_of
from cogs.members import cancel as cancelling
from cogs.money import money_texts


class AccountCog(commands.Cog):
    """The commands /quota and /cancel."""

    @app_commands.command(description="See your credits, refills and prices")
    @everywhere
    async def quota(self, interaction: Interaction) -> None:
        request, services = await request_of(interaction), services_of(interaction)
        balances = await services.money.balances(request)
        models = services.pricing.offers(services.orders.models.offered, request)
        await panels.show(interaction, money_texts.quota(balances, models, system()))

    @app_commands.command(description="Cancel an unfinished image")
    @app_commands.describe(image="Image to cancel. Leave out to choose by buttons")
    @app_commands.autocomplete(image=autocomplete.open_job)
    @everywhere
    async def cancel(self, interaction: Interaction, image: app_commands.Range[str, 1, 100] | None = None) -> None:
        request, services = await request_of(interaction), services_of(interaction)
        found = await cancelling.unfinished(request, interaction)
        if image is None and len(found) > 1:
            await cancelling.ask(interaction, found)
            return
        job = _picked(found, image)
        await interactions.say(interaction, job_texts.cancelled(await services.orders.cancel(request, job.id)))


def _picked(jobs: Sequence[Job], image: str | None) -> Job:
    if not jobs:
        raise NotFound(_("You have no unfinished images."))
    wanted = None if image is None else autocomplete.chosen(autocomplete.named_jobs(jobs), image)
    message_id = None if image is None else message_id_in(image)
    found = [job for job in jobs if wanted in (None, job.id) or (message_id is not None and job.place.message_id == message_id)]
    if not found:
        raise NotFound(_("That one is finished or isn't yours. Choose one from the list."))
    return found[0]
