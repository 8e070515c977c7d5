"""Shared by all /imageadmin commands: read options, change the settings once, answer with the current settings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.guild.document import Policy, changed
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId, named_ids
from bot.domain.request import Request
from cogs.admin import excess_texts, panel_texts, posted
from cogs.kit import answers, channels, texts
from cogs.kit.request import Interaction, client_of, request_of, services_of

Patch = Mapping[str, Any]  # a JSON merge patch of the settings
TextOf = Callable[[Policy], str]

ALL: Literal["all"] = "all"


async def change(request: Request, interaction: Interaction, patch: Patch | Callable[[Policy], Patch]) -> Request:
    """Change the settings; returns the request with the new ones. A function makes the patch from the settings inside the transaction.

    Raises `InvalidRequest` if the patch names a channel or role of another guild.
    """

    def patched(policy: Policy) -> Policy:
        return changed(policy, patch(policy) if callable(patch) else patch)

    if unknown := await new_foreign_ids(request, interaction, patched(request.policy)):
        raise InvalidRequest(_("⚠️ Not on this server: {ids}").format(ids=", ".join(panel_texts.named(unknown))))
    guilds = services_of(interaction).guilds
    settings = await guilds.change_policy(request.required_guild_id, patched, actor_id=request.actor.user_id)
    now = replace(request, settings=settings)
    await after_change(now, interaction, before=request.policy)
    return now


async def new_foreign_ids(request: Request, interaction: Interaction, wanted: Policy) -> list[NamedId]:
    """The channels and roles that these settings would add and that are not of this guild.

    Those that are in the settings already may be deleted by now. They are checked again when they are used. Raises `InvalidRequest` for
    a role that everyone or only a bot has, and for a channel to post in that is of another kind.
    """
    added = named_ids(wanted) - named_ids(request.policy)
    for each in added:
        if each.kind is IdKind.ROLE:
            channels.check_role(client_of(interaction), request.required_guild_id, each.id)
    for channel_id in _posted_in(wanted) - _posted_in(request.policy):
        channels.check_kind(client_of(interaction), request.required_guild_id, channel_id)
    return await channels.foreign(client_of(interaction), request.required_guild_id, added)


def _posted_in(policy: Policy) -> set[int]:
    named = (policy.log_channel_id, policy.cases_channel_id, policy.gallery.channel_id)
    return {each for each in named if each is not None}


async def after_change(now: Request, interaction: Interaction, *, before: Policy) -> None:
    """Apply what depends on the settings: stored flags may count now, and open cases may have a channel."""
    after = now.policy
    if before.flags != after.flags or before.cases_channel_id != after.cases_channel_id:
        await services_of(interaction).flagging.catch_up(now)


async def change_and_answer(interaction: Interaction, patch: Patch | Callable[[Policy], Patch] | None, text_of: TextOf) -> None:
    """Change the settings, if there is a patch, and answer with the current ones, and with what the change means at once."""
    request = await request_of(interaction)
    now = await change(request, interaction, patch) if patch else request
    said, text = await consequences(now, interaction, before=request.policy), text_of(now.policy)
    if (named := panel_texts.without_mentions(text, now.settings)) != text:
        text = "\n".join([named, _("⚠️ Choose another, or remove it with `/imageadmin deleted`.")])
    text = panel_texts.cut(text, texts.CONTENT_MAX - sum(len(line) + 1 for line in said))
    undo = posted.undo_buttons(request.policy, posted.risky(interaction.guild, request.policy, now.policy))
    await answers.send(interaction, content="\n".join([text, *said]), **posted.view_of(undo))


async def consequences(now: Request, interaction: Interaction, *, before: Policy) -> list[str]:
    """What a change means at once: limits that are exceeded already, and channels whose readers were not meant."""
    found = await services_of(interaction).admin.excesses.of(now, before=before)
    channels_changed = posted.changed(before, now.policy)
    return [*map(excess_texts.excess, found), *posted.warnings(interaction.guild, now.policy, channels_changed)]


async def remove_deleted(request: Request, interaction: Interaction, unwanted: Collection[int]) -> Request:
    """Remove these deleted channels and roles from the settings; returns the request with the new ones."""
    guilds = services_of(interaction).guilds
    settings = await guilds.remove_gone(request.required_guild_id, unwanted, actor_id=request.actor.user_id)
    now = replace(request, settings=settings)
    await after_change(now, interaction, before=request.policy)
    return now


def given(**values: Any) -> dict[str, Any]:
    """The options that were filled in."""
    return {name: value for name, value in values.items() if value is not None}


def within(section: str, values: Patch) -> Patch:
    """A patch of one section; empty without values."""
    return {section: values} if values else {}


def listed(ids: Sequence[int], *, add: Any = None, remove: Any = None) -> list[str]:
    """The ids with `add` and without `remove`, both objects with an `id`."""
    kept = [each for each in ids if remove is None or each != remove.id]
    return [str(each) for each in dict.fromkeys([*kept, *([add.id] if add is not None else [])])]


def aspect_ratios(text: str) -> str | list[str]:
    """ "all", or a comma-separated list of aspect ratios."""
    return ALL if text.strip().casefold() == ALL else _parts(text)


def models(interaction: Interaction, text: str) -> str | list[str]:
    """ "all", or a comma-separated list of model ids or titles. Raises `InvalidRequest` if a model is not offered."""
    if text.strip().casefold() == ALL:
        return ALL
    catalog = services_of(interaction).orders.models.catalog
    found = [catalog.get(part).id for part in _parts(text)]
    if not found:
        raise InvalidRequest(_("Choose at least one model, or `all`."))
    return list(dict.fromkeys(found))


def bucket(size: float | None, refill: float | None) -> Patch:
    """A patch of a bucket."""
    return given(size=size, refill_per_day=refill)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
