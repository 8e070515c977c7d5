"""The form of Change and try again: what it offers for an order that was refused, and the order that it becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import discord

from bot.core.errors import EaselError, InvalidRequest
from bot.core.i18n import N_, _, ngettext, pgettext
from bot.domain.allowance import merge
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.params import MAX_MORE, check_seed
from bot.domain.catalog.purposes import serves
from bot.domain.job import JobKind
from bot.domain.order import COUNT_MAX, Order
from bot.domain.request import Request
from cogs.images.forms import choices, rows
from cogs.images.forms.choices import OptionMenus
from cogs.images.forms.kept_order import KeptOrder
from cogs.kit import texts
from cogs.kit.request import services_of

if TYPE_CHECKING:
    from bot.client.easel import Easel

_MENUS_MAX: Final = 2  # menus of options, beside those of what was chosen before
_QUESTIONS: Final[Mapping[JobKind, str]] = {
    JobKind.GENERATE: N_("Describe the image"),
    JobKind.EDIT: N_("What should change?"),
    JobKind.UPSCALE: N_("What the image shows"),
}


@dataclass(frozen=True, kw_only=True)
class FilledForm:
    """A form with what was written, and what it offers."""

    written: KeptOrder
    models: Sequence[ModelInfo]
    menus: OptionMenus
    counts: int  # images that the member may order at a time
    left: int  # microcredits
    private: bool  # only the member will see it; False also if private images are not allowed here

    @property
    def model(self) -> ModelInfo:
        return self.menus.model

    @property
    def is_seed_refused(self) -> bool:
        """Whether the model has seeds, and not this one."""
        if self.written.seed is None or self.model.seed_field is None:
            return False
        try:
            check_seed(self.model, self.written.seed, count=min(self.written.count, self.counts))
        except InvalidRequest:
            return True
        return False


async def filled_form(client: Easel, request: Request, written: KeptOrder) -> FilledForm:
    """Raises `InvalidRequest` if no model here can do it any more."""
    pricing = services_of(client).pricing
    models = able_models(client, request, written)
    if not models:
        raise InvalidRequest(_("No model here can do this any more."))
    allowance = merge(request.policy, request.actor.role_ids)
    menus = OptionMenus(
        model=_preset(client, request, written, models),
        kind=written.kind,
        price_of=lambda model, params: pricing.price(model, request.policy, params),
        given=written.options,
        ratios=allowance.aspect_ratios,
    )
    left = await pricing.left(request)
    private, counts = written.private and allowance.private, min(COUNT_MAX, allowance.max_count)
    return FilledForm(written=written, models=models, menus=menus, counts=counts, left=left, private=private)


def able_models(client: Easel, request: Request, written: KeptOrder) -> Sequence[ModelInfo]:
    """The models for this kind of order; of these only those that take its images and its mask, if there are any."""
    services = services_of(client)
    offered = services.pricing.offers(services.orders.models.offered, request)
    found = [model for model in offered if serves(model, written.kind) and model.price_microcredits is not None]
    if written.images:
        found = [each for each in found if each.takes_references and written.images <= (each.max_references or written.images)] or found
    if written.mask is not None:
        found = [each for each in found if each.mask_option is not None] or found
    return sorted(found, key=lambda each: each.price_microcredits or 0) if written.kind is JobKind.UPSCALE else found


def _preset(client: Easel, request: Request, written: KeptOrder, models: Sequence[ModelInfo]) -> ModelInfo:
    """The model that was chosen, else the one that the member would get."""
    chosen, orders = request.preferences, services_of(client).orders
    style = chosen.style(written.style) if written.style else None
    wanted = (written.model, style.model if style else None, chosen.default_model, orders.default_model)
    ids = (_id_of(client, name) for name in wanted if name)
    return next((model for wanted_id in ids for model in models if model.id == wanted_id), models[0])


def _id_of(client: Easel, name: str) -> str | None:
    try:
        return services_of(client).orders.models.catalog.get(name).id
    except EaselError:
        return None


# --- rows ------------------------------------------------------------------------------------------------------------


def rows_of(filled: FilledForm) -> Iterator[rows.Row]:
    """What was refused comes first: Discord shows five rows."""
    written, model = filled.written, filled.model
    if model.takes_prompt:
        question, required = _(_QUESTIONS[written.kind]), model.prompt_required
        yield rows.prompt(question, written=written.prompt, note=" ".join(_notes(filled)) or None, required=required)
    yield rows.model(filled.models, model, command=f"/{written.kind}", left=filled.left)
    most = model.max_references or rows.REFERENCES_MAX + 1
    needs_images = not written.images and written.kind is not JobKind.GENERATE
    if written.images_refused or needs_images or written.images > most:
        yield rows.images_instead(min(most, rows.REFERENCES_MAX + 1), kept=0 if needs_images else written.images)
    menus = filled.menus.rows(most=_MENUS_MAX)
    refused = len([idea for idea in filled.menus.ideas(most=_MENUS_MAX) if idea in filled.menus.refused])
    yield from menus[:refused]
    if filled.is_seed_refused:
        yield _field("seed", pgettext("modal label", "Seed"), str(written.seed))
    if written.more:
        yield _field("options", pgettext("modal label", "More options"), written.more, note=_("As name=value, separated by spaces."))
    if written.count > 1 and filled.counts > 1:
        yield discord.ui.Label(text=pgettext("modal label", "How many images"), component=_counts(filled))
    yield from menus[refused:]


def _notes(filled: FilledForm) -> Iterator[str]:
    """What the form does not show."""
    written = filled.written
    if written.images and not written.images_refused:
        yield ngettext("Your image is kept.", "Your {count} images are kept.", written.images).format(count=written.images)
    if written.private and not filled.private:
        yield _("Everyone here will see it.")


def _field(custom_id: str, label: str, written: str, *, note: str | None = None) -> rows.Row:
    field = discord.ui.TextInput[Any](custom_id=custom_id, required=False, max_length=MAX_MORE, default=written)
    return discord.ui.Label(text=label, description=note and note[: choices.LABEL_MAX], component=field)


def _counts(filled: FilledForm) -> discord.ui.Select[Any]:
    price, preset = filled.model.price_microcredits or 0, min(filled.written.count, filled.counts)
    options = [
        discord.SelectOption(
            label=ngettext("{count} image", "{count} images", count).format(count=count),
            value=str(count),
            description=texts.amount_of(price * count) if not filled.model.price_varies else None,
            default=count == preset,
        )
        for count in range(1, filled.counts + 1)
    ]
    return discord.ui.Select(custom_id="count", options=options)


# --- the order -------------------------------------------------------------------------------------------------------


def changed(request: Request, filled: FilledForm, given: Mapping[str, Any]) -> Order:
    written = filled.written
    return Order(
        request=request.answered(private=filled.private),
        kind=written.kind,
        prompt=str(given.get("prompt", written.prompt) or ""),
        model=next(iter(given.get("model") or ()), filled.model.id),
        options=_options(filled, given),
        more=given.get("options", written.more) or "",
        count=int(next(iter(given.get("count") or ()), min(written.count, max(1, filled.counts)))),
        seed=_seed(filled, given),
        style=written.style,
        from_tray=written.from_tray,
        spoiler=written.spoiler,
        parent_id=written.parent_id,
        reaction=written.reaction,
    )


def _options(filled: FilledForm, given: Mapping[str, Any]) -> dict[Idea, str | int | float | None]:
    """What the menus say, and what was chosen before of the options that got none; what the model does not take is left out."""
    shown, model = choices.chosen(given), filled.model
    named = {option.name for idea in shown if (option := model.option(idea)) is not None}
    refused = filled.menus.refused
    kept = {
        idea: value
        for idea, value in filled.written.options.items()
        if idea not in refused and (option := model.option(idea)) is not None and option.name not in named
    }
    return {**kept, **shown}


def _seed(filled: FilledForm, given: Mapping[str, Any]) -> int | None:
    """Raises `InvalidRequest` for a text that is no number."""
    if filled.model.seed_field is None:
        return None
    typed = str(given.get("seed") or "").strip() if "seed" in given else None
    if typed is None:
        return filled.written.seed
    try:
        return int(typed) if typed else None
    except ValueError:
        raise InvalidRequest(_("The seed must be a whole number.")) from None
