"""/generate and /edit, and the autocomplete of their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import EaselError
from bot.images.ideas import Idea
from bot.jobs.job import Kind
from bot.jobs.order import COUNT_MAX, PROMPT_MAX, Order
from cogs import look, reply
from cogs.reply import Interaction, studio_of

Text = app_commands.Range[str, 1, 100]
Prompt = app_commands.Range[str, 1, PROMPT_MAX]
Count = app_commands.Range[int, 1, COUNT_MAX]
Command = TypeVar("Command", bound=Callable[..., Any])

_IMAGES = ("image", "image1", "image2", "image3", "image4")
_CHOSEN = tuple(idea for idea in Idea if idea is not Idea.SEED)  # options that are typed or chosen as text
_DESCRIPTIONS = {
    "prompt": "What the picture should show, in words",
    "model": "Which model makes it",
    "aspect_ratio": "Its shape, such as 16:9",
    "count": "How many pictures",
    "seed": "The same seed and words give the same picture",
    "steps": "How long the model works on it",
    "guidance": "How closely it follows your words",
    "quality": "How good the file is",
    "format": "The file's type",
    "resolution": "How large it is",
    "strength": "How much an edit changes: 0 keeps it, 1 makes it anew",
    "more": "Anything else the model takes, as name=value",
    "private": "Only you see it",
    "spoiler": "Hidden until clicked",
    "image": "The picture to change",
    **dict.fromkeys(_IMAGES[1:], "A reference picture"),
}


async def suggest_model(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The models whose name contains what was typed, with their price."""
    try:
        models = studio_of(interaction).models.catalog.search(typed)
    except EaselError:
        return []
    return [app_commands.Choice(name=f"{model.title} · {look.basics.price(model)}"[:100], value=model.id) for model in models]


def suggest(idea: Idea) -> Callable[[Interaction, str], Any]:
    """What the chosen model allows for this idea, with its default."""

    async def suggestions(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        studio = studio_of(interaction)
        try:
            model = studio.models.catalog.get(getattr(interaction.namespace, "model", None) or studio.default_model)
        except EaselError:
            return []
        return [app_commands.Choice(name=choice.name, value=choice.value) for choice in model.choices(idea, typed)]

    return suggestions


def explained(*names: str) -> Callable[[Command], Command]:
    """Describe a command's options, and connect those that complete themselves."""

    def apply(command: Command) -> Command:
        completing = {str(idea): suggest(idea) for idea in _CHOSEN}
        described = app_commands.describe(**{name: text for name, text in _DESCRIPTIONS.items() if name in names})(command)
        return app_commands.autocomplete(model=suggest_model, **completing)(described)

    return apply


class Create(commands.Cog):
    """The two commands. Their options are declared by the signatures and read in one place, `_order`."""

    @app_commands.command(description="Make a picture from words, and from reference pictures if you like")
    @explained(*(name for name in _DESCRIPTIONS if name != "image"))
    async def generate(
        self,
        interaction: Interaction,
        prompt: Prompt,
        model: Text | None = None,
        aspect_ratio: Text | None = None,
        count: Count = 1,
        seed: int | None = None,
        steps: Text | None = None,
        guidance: Text | None = None,
        quality: Text | None = None,
        format: Text | None = None,  # noqa: A002  the option's name in Discord
        resolution: Text | None = None,
        strength: Text | None = None,
        more: app_commands.Range[str, 1, 500] | None = None,
        image1: discord.Attachment | None = None,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
        image4: discord.Attachment | None = None,
        private: bool = False,
        spoiler: bool = False,
    ) -> None:
        await _order(interaction, Kind.GENERATE)

    @app_commands.command(description="Change a picture in words")
    @explained(*(name for name in _DESCRIPTIONS if name != "image1"))
    async def edit(
        self,
        interaction: Interaction,
        prompt: Prompt,
        image: discord.Attachment,
        model: Text | None = None,
        aspect_ratio: Text | None = None,
        count: Count = 1,
        seed: int | None = None,
        steps: Text | None = None,
        guidance: Text | None = None,
        quality: Text | None = None,
        format: Text | None = None,  # noqa: A002  the option's name in Discord
        resolution: Text | None = None,
        strength: Text | None = None,
        more: app_commands.Range[str, 1, 500] | None = None,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
        image4: discord.Attachment | None = None,
        private: bool = False,
        spoiler: bool = False,
    ) -> None:
        await _order(interaction, Kind.EDIT)


async def _order(interaction: Interaction, kind: Kind) -> None:
    given = vars(interaction.namespace)
    private = bool(given.get("private"))
    wanted = Order(
        kind=kind,
        prompt=given["prompt"],
        model=given.get("model"),
        options={idea: given.get(str(idea)) for idea in _CHOSEN},
        more=given.get("more") or "",
        count=given.get("count") or 1,
        seed=given.get("seed"),
        attachments=[reply.attachment_of(given[name]) for name in _IMAGES if given.get(name) is not None],
        spoiler=bool(given.get("spoiler")),
        place=reply.place_of(interaction, private=private),
    )
    await reply.order(interaction, studio_of(interaction).order(wanted), private=private)
