"""/generate, /edit and /upscale, and the autocomplete of their options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import discord
from discord import app_commands
from discord.ext import commands

from bot.domain.catalog.ideas import Idea
from bot.domain.job import JobKind
from bot.domain.order import COUNT_MAX, PROMPT_MAX, Order
from bot.domain.preferences import STYLE_NAME_MAX
from bot.domain.request import Request
from cogs.images import retry
from cogs.kit import answers, autocomplete, interactions
from cogs.kit.answers import UNDEFERRED
from cogs.kit.panels import everywhere
from cogs.kit.request import Interaction, request_of, services_of

Text = app_commands.Range[str, 1, 100]
Prompt = app_commands.Range[str, 1, PROMPT_MAX]
Count = app_commands.Range[int, 1, COUNT_MAX]
Saved = app_commands.Range[str, 1, STYLE_NAME_MAX]
Command = TypeVar("Command", bound=Callable[..., Any])

_IMAGES = ("image", "image1", "image2", "image3", "image4")
_CHOSEN = tuple(idea for idea in Idea if idea not in (Idea.SEED, Idea.SCALE))  # options that are typed or chosen as text
_DESCRIPTIONS = {
    "prompt": "Describe the image",
    "model": "Model to use",
    "style": "One of your saved styles",
    "aspect_ratio": "Aspect ratio, such as 16:9",
    "count": "How many images, 1 to 4",
    "seed": "The same seed and prompt give the same image",
    "steps": "Number of steps. More takes longer",
    "guidance": "How closely to follow the prompt",
    "quality": "Image quality",
    "format": "File format",
    "resolution": "Image size",
    "strength": "How much to change, from 0 (nothing) to 1 (everything)",
    "more": "More options of the model, as name=value",
    "private": "Only you can see it. Default: your /settings",
    "spoiler": "Hide the image behind a spoiler. Default: your /settings",
    "image": "Image to edit. Without one: your tray, or your latest here",
    "mask": "Where to change it: white is changed, black is kept",
    **dict.fromkeys(_IMAGES[1:], "Reference image"),
}


def with_descriptions(*names: str, **own: str) -> Callable[[Command], Command]:
    """Decorator that sets the descriptions of a command's options, `own` instead of the shared ones, and autocompletes."""

    def apply(command: Command) -> Command:
        completions = {str(idea): autocomplete.idea(idea, JobKind.GENERATE) for idea in _CHOSEN}
        described = app_commands.describe(**{name: text for name, text in _DESCRIPTIONS.items() if name in names}, **own)(command)
        return app_commands.autocomplete(model=autocomplete.model, style=autocomplete.style, **completions)(described)

    return apply


class Create(commands.Cog):
    """The commands /generate, /edit and /upscale. `_order` reads the options of all."""

    @app_commands.command(description="Create an image from a prompt", extras=UNDEFERRED)
    @everywhere
    @with_descriptions(*(name for name in _DESCRIPTIONS if name not in ("image", "mask")))
    async def generate(
        self,
        interaction: Interaction,
        prompt: Prompt,
        model: Text | None = None,
        style: Saved | None = None,
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
        private: bool | None = None,
        spoiler: bool | None = None,
    ) -> None:
        private = _is_private(interaction)
        async with answers.deferring(interaction, private=private):
            wanted = _order(await request_of(interaction), interaction, JobKind.GENERATE, private=private)
            await retry.order(interaction, wanted)

    @app_commands.command(description="Edit an image with a prompt", extras=UNDEFERRED)
    @everywhere
    @with_descriptions(*(name for name in _DESCRIPTIONS if name not in ("image1", "prompt")), prompt="What should change?")
    async def edit(
        self,
        interaction: Interaction,
        prompt: Prompt,
        image: discord.Attachment | None = None,
        model: Text | None = None,
        style: Saved | None = None,
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
        mask: discord.Attachment | None = None,
        image2: discord.Attachment | None = None,
        image3: discord.Attachment | None = None,
        image4: discord.Attachment | None = None,
        private: bool | None = None,
        spoiler: bool | None = None,
    ) -> None:
        await _from_image(interaction, JobKind.EDIT)

    @app_commands.command(description="Make an image larger and sharper", extras=UNDEFERRED)
    @everywhere
    @app_commands.describe(
        **{name: text for name, text in _DESCRIPTIONS.items() if name in ("format", "more", "private", "spoiler")},
        image="Image to upscale. Without one: your tray, or your latest here",
        model="Model to use. Leave out for the cheapest",
        scale="How many times larger",
        prompt="What the image shows, for models that use it",
    )
    @app_commands.autocomplete(
        model=autocomplete.upscaler, scale=autocomplete.scale, format=autocomplete.idea(Idea.FORMAT, JobKind.UPSCALE)
    )
    async def upscale(
        self,
        interaction: Interaction,
        image: discord.Attachment | None = None,
        model: Text | None = None,
        scale: Text | None = None,
        format: Text | None = None,  # noqa: A002  the option's name in Discord
        more: app_commands.Range[str, 1, 500] | None = None,
        prompt: Prompt | None = None,
        private: bool | None = None,
        spoiler: bool | None = None,
    ) -> None:
        await _from_image(interaction, JobKind.UPSCALE)


async def _from_image(interaction: Interaction, kind: JobKind) -> None:
    """Order an edit or an upscale of the attached images and of those in the tray, else of the member's latest image here.

    An upscale uses the tray if none is attached.
    """
    private = _is_private(interaction)
    async with answers.deferring(interaction, private=private):
        await retry.order(interaction, _order(await request_of(interaction), interaction, kind, private=private))


def _is_private(interaction: Interaction) -> bool:
    """Whether only the member sees the answer: as the option says, else as they chose. Decided before anything is read."""
    given: bool | None = interaction.namespace.private
    return services_of(interaction).members.chose_private(interaction.user.id) if given is None else given


def _order(request: Request, interaction: Interaction, kind: JobKind, *, private: bool) -> Order:
    """The order in the options. The member's settings apply to options that were left out."""
    given: Mapping[str, Any] = vars(interaction.namespace)
    spoiler = given.get("spoiler")
    attachments = [interactions.attachment_of(given[name]) for name in _IMAGES if given.get(name) is not None]
    return Order(
        request=request.answered(private=private),
        kind=kind,
        prompt=given.get("prompt") or "",
        model=given.get("model"),
        style=given.get("style"),
        options={idea: given.get(str(idea)) for idea in (*_CHOSEN, Idea.SCALE)},
        more=given.get("more") or "",
        count=given.get("count") or 1,
        seed=given.get("seed"),
        attachments=attachments,
        mask=None if given.get("mask") is None else interactions.attachment_of(given["mask"]),
        from_tray=kind is JobKind.EDIT or (kind is JobKind.UPSCALE and not attachments),
        spoiler=request.preferences.spoiler if spoiler is None else spoiler,
    )
