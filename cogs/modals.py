"""The modal that asks for an edit. What it needs is in its id or in the store, so a restart between opening and sending loses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import discord
from discord.ext import commands

from bot.errors import NotFound
from bot.images.catalog import ModelInfo
from bot.jobs.job import Job, Kind
from bot.jobs.order import PROMPT_MAX, Attachment, Order
from cogs import look, reply
from cogs.reply import Interaction, studio_of

_JOB = re.compile(r"v1:edit-job:(?P<job>[0-9a-z]{12})")  # of pictures in the message whose button was pressed
_TRAY = re.compile(r"v1:edit-tray:(?P<tray>[0-9]{1,20})")  # of pictures in a message that was picked by its menu
_MAX_OPTIONS = 25  # of a select; Discord shows no more
_LIFE_S = 3600  # discord.py's own bookkeeping of open modals; ours needs none


async def ask_for_edit(interaction: Interaction, job: Job) -> None:
    """Open the modal for the pictures of the message that the pressed button belongs to."""
    shown = _pictures(interaction.message.attachments if interaction.message else [])
    if not shown:
        raise NotFound("There is no picture left in this message to edit.")
    modal = _modal(f"v1:edit-job:{job.id}", shown, studio_of(interaction).models.offered, chosen=job.model)
    await interaction.response.send_modal(modal)


async def ask_for_edit_of(interaction: Interaction, message: discord.Message) -> None:
    """Open the modal for the pictures of any message; they are kept meanwhile, since they cannot be read again later."""
    shown = _pictures(message.attachments)
    if not shown:
        raise NotFound("This message has no attached picture to edit (PNG, JPEG, WebP or GIF).")
    tray = [{"url": a.url, "filename": a.filename, "size_bytes": a.size} for a in shown]
    studio = studio_of(interaction)
    await studio.keep(f"tray:{interaction.id}", tray)
    modal = _modal(f"v1:edit-tray:{interaction.id}", shown, studio.models.offered, chosen=studio.default_model)
    await interaction.response.send_modal(modal)


class Modals(commands.Cog):
    """Takes what modals send back."""

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        data: Mapping[str, Any] = interaction.data or {}
        custom_id = str(data.get("custom_id", ""))
        job, tray = _JOB.fullmatch(custom_id), _TRAY.fullmatch(custom_id)
        try:
            if job:
                attachments = interaction.message.attachments if interaction.message else []
                shown = [reply.attachment_of(a) for a in _pictures(attachments)]
                await _order_edit(interaction, shown, dict(_fields(data)), parent_id=job["job"])
            elif tray:
                kept = await studio_of(interaction).kept(f"tray:{tray['tray']}")
                shown = [Attachment(**one) for one in kept or ()]
                await _order_edit(interaction, shown, dict(_fields(data)), parent_id=None)
        except Exception as error:  # noqa: BLE001  the error sorter: no modal ends without an answer
            await reply.sort_error(interaction, error)


async def _order_edit(interaction: Interaction, shown: Sequence[Attachment], fields: Mapping[str, Any], *, parent_id: str | None) -> None:
    picked = int((fields.get("picture") or ["0"])[0])
    if picked >= len(shown):
        raise NotFound("The picture to edit is no longer there; please start again.")
    private = interaction.message is not None and interaction.message.flags.ephemeral
    more = fields.get("references") or []
    wanted = Order(
        kind=Kind.EDIT,
        prompt=str(fields.get("prompt", "")),
        model=(fields.get("model") or [None])[0],
        attachments=[shown[picked], *more],
        parent_id=parent_id,
        place=reply.place_of(interaction, private=private),
    )
    await reply.order(interaction, studio_of(interaction).order(wanted), private=private)


def _modal(custom_id: str, shown: Sequence[discord.Attachment], models: Sequence[ModelInfo], *, chosen: str) -> discord.ui.Modal:
    modal = discord.ui.Modal(title="Edit with Easel", custom_id=custom_id, timeout=_LIFE_S)
    if len(shown) > 1:
        options = [discord.SelectOption(label=f"Picture {n + 1}", value=str(n), default=n == 0) for n in range(len(shown))]
        modal.add_item(discord.ui.Label(text="Which picture", component=discord.ui.Select(custom_id="picture", options=options)))
    prompt = discord.ui.TextInput[Any](
        custom_id="prompt", style=discord.TextStyle.paragraph, max_length=PROMPT_MAX, placeholder="Make it night, with a full moon"
    )
    modal.add_item(discord.ui.Label(text="What should change", component=prompt))
    references = discord.ui.FileUpload[Any](custom_id="references", required=False, min_values=0, max_values=3)
    modal.add_item(discord.ui.Label(text="More references", description="Up to three further pictures.", component=references))
    able = [model for model in models if model.takes_references][:_MAX_OPTIONS]
    if able:
        offers = [
            discord.SelectOption(label=model.title[:100], value=model.id, description=look.basics.price(model), default=model.id == chosen)
            for model in able
        ]
        modal.add_item(discord.ui.Label(text="Model", component=discord.ui.Select(custom_id="model", options=offers, required=False)))
    return modal


def _pictures(attachments: Sequence[discord.Attachment]) -> list[discord.Attachment]:
    """Those that claim to be pictures; whether they are is seen when they are read."""
    return [
        a for a in attachments if (a.content_type or "").startswith("image/") or a.filename.lower().endswith(look.basics.PICTURE_ENDINGS)
    ]


def _fields(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What was filled in, by custom id: text, values, or attachments."""
    resolved = (data.get("resolved") or {}).get("attachments") or {}
    for label in data.get("components", ()):
        item = label.get("component") or {}
        values = item.get("values")
        if item.get("type") == discord.ComponentType.file_upload.value:
            given = [resolved[value] for value in values or () if value in resolved]
            yield item["custom_id"], [Attachment(url=a["url"], filename=a["filename"], size_bytes=int(a["size"])) for a in given]
        elif "custom_id" in item:
            yield item["custom_id"], values if values is not None else item.get("value")
