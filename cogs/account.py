"""A member's own affairs: /quota, /cancel, /models."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.clock import system
from bot.errors import InvalidRequest, NotFound
from bot.jobs.job import Job
from cogs import look, reply
from cogs.reply import Interaction, studio_of


async def suggest_job(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The member's own unfinished pictures."""
    jobs = await studio_of(interaction).open_jobs(interaction.user.id)
    named = [(" ".join(job.prompt.split())[:100], job.id) for job in jobs]
    return [app_commands.Choice(name=name, value=job_id) for name, job_id in named if typed.lower() in name.lower()][:25]


class Account(commands.Cog):
    """What is mine here."""

    @app_commands.command(description="Your credits: left, held, spent, when they flow back, and what models cost")
    async def quota(self, interaction: Interaction) -> None:
        studio = studio_of(interaction)
        statement = await studio.statement(interaction.user.id)
        await reply.show(interaction, look.account.quota(statement, studio.bucket, studio.models.offered, system()))

    @app_commands.command(description="Take back a picture that is not finished yet")
    @app_commands.describe(picture="Which one; your only one if you leave this out")
    @app_commands.autocomplete(picture=suggest_job)
    async def cancel(self, interaction: Interaction, picture: app_commands.Range[str, 1, 100] | None = None) -> None:
        studio = studio_of(interaction)
        job = _picked(await studio.open_jobs(interaction.user.id), picture)
        await reply.say(interaction, look.jobs.cancelled(await studio.cancel(job.id, user_id=interaction.user.id)))

    @app_commands.command(description="The models there are, what they cost and what they take")
    async def models(self, interaction: Interaction) -> None:
        studio = studio_of(interaction)
        await reply.show(interaction, look.account.model_list(studio.models.catalog.models, studio.default_model))


def _picked(jobs: list[Job], picture: str | None) -> Job:
    if not jobs:
        raise NotFound("You have nothing waiting or in the making.")
    if picture is None and len(jobs) > 1:
        raise InvalidRequest(f"You have {len(jobs)} unfinished requests; choose one from the list that `/cancel picture:` offers.")
    found = [job for job in jobs if picture in (None, job.id)]
    if not found:
        raise NotFound("That one is finished already, or is not yours; choose one from the list.")
    return found[0]
