"""Intake: turns an order into a job. Applies every check that can refuse it, and fetches its references; writes nothing.

First model, prompt and options are checked, then all facts for the rules are read at once, and the rules are applied
(`bot.domain.admission`, which has their order). Nothing is downloaded or decoded before that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import InvalidRequest, NotFound, OutOfCredit
from bot.core.i18n import N_, _
from bot.core.markdown import escaped
from bot.core.numbers import number
from bot.core.running.machine import Disk
from bot.core.sealing import Sealer
from bot.domain import permissions, visibility
from bot.domain.admission import Admission, Facts, check_megapixels
from bot.domain.allowance import merge
from bot.domain.catalog import image_properties
from bot.domain.catalog.chosen import chosen_in
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.params import build_edit_params, build_params, check_mask, check_prompt, check_references, check_seed, repeat
from bot.domain.catalog.purposes import check_purpose, serves
from bot.domain.catalog.shapes.edit_shape import SourceShape, repeated_shape
from bot.domain.catalog.shapes.sizes import MEGA
from bot.domain.job import Generation, GenerationState, Job, JobKind, JobState, Reference, ReferenceRole, Source, new_job_id
from bot.domain.order import COUNT_MAX, PROMPT_MAX, RESULT_MAX_PIXELS, OperatorLimits, Order, Sides, TrayItem
from bot.domain.permissions import Action
from bot.domain.request import Request
from bot.domain.visibility import Audience, Border, Origin
from bot.services.admission import Admissions, with_stored_facts
from bot.services.catalog import Models
from bot.services.money.estimates import Estimates
from bot.services.money.pricing import Pricing
from bot.services.money.upscalers import upscaler
from bot.services.pipeline.affordable import affordable, with_affordable
from bot.services.pipeline.classifier import Classifier
from bot.services.pipeline.references import References
from bot.store import jobs, messages, tray
from bot.store.engine.base import Store

# What is said if there is no image to work on.
_NO_SOURCE: Final = {
    JobKind.EDIT: N_("Attach an image to edit, reply to one and mention Easel, or right-click (or hold) its message > Apps."),
    JobKind.UPSCALE: N_("Attach an image to upscale, or right-click (or hold) its message > Apps > Upscale with Easel."),
}

Borders = Mapping[str, tuple[bool, bool]]  # by job id: whether it is private, and whether it is from an age-restricted channel
Prepared = tuple[Job, tuple[Reference, ...], Admission]  # a job that is ready to be written


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Every method raises a `Refusal` if the order cannot be taken, and `MachineTrouble` while the disk has no space for it."""

    store: Store
    models: Models
    admissions: Admissions
    pricing: Pricing
    estimates: Estimates
    classifier: Classifier
    references: References
    limits: OperatorLimits
    disk: Disk
    sealer: Sealer
    clock: Clock

    async def prepare(self, order: Order) -> Prepared:
        """Prepare a job for an order."""
        await self.disk.check()
        order = self._with_preferences(order)
        model = self.models.catalog.get(order.model or self.limits.default_model)
        check_purpose(model, order.kind)
        prompt = check_prompt(model, order.prompt, max_length=PROMPT_MAX)
        sides = await self._declared_sides(order)
        params, shape = _chosen_params(order, model, sides)
        if not 1 <= order.count <= COUNT_MAX:
            allowed = _("You can create 1 to {most} images at a time, not {given}.")
            raise InvalidRequest(allowed.format(most=COUNT_MAX, given=order.count))
        given = params.pop(model.seed_field, None) if model.seed_field else None
        seed = _seed(model, None if given is None else int(given), order.count)
        admission, facts, tray_items, borders = await self._admit(order, model, prompt, params)
        sources = [a.source for a in order.attachments] + [item.source for item in tray_items]
        origins = [None if source is None else _origin(order, source, borders) for source in sources]
        audience = replace(visibility.audience_of(order.request), has_seen=True)
        for origin in filter(None, origins):
            visibility.check(origin, audience)
        if order.kind in _NO_SOURCE and not sources:
            raise InvalidRequest(_(_NO_SOURCE[order.kind]))
        check_references(model, len(sources), params)
        attached_masks = [order.mask] if order.mask is not None else []
        others = self.pricing.offers(self.models.offered, order.request) if attached_masks else ()
        check_mask(model, given=bool(attached_masks), others=others)
        _check_upscale(facts, model, params, [each.sides_px for each in order.attachments if each.sides_px is not None])
        fetched = await self.references.take([*order.attachments, *attached_masks], order.request)
        fetched, given_masks = fetched[: len(order.attachments)], fetched[len(order.attachments) :]
        references = (*fetched, *(item.reference for item in tray_items))
        if references and (real := (references[0].width_px, references[0].height_px)) != sides:
            declared, (params, shape) = params, _chosen_params(order, model, real, without_seed=True)
            if params != declared:  # what is priced and admitted is what is sent
                admission, facts, *_others = await self._admit(order, model, prompt, params)
        _check_upscale(facts, model, params, _sizes_of(references))
        job = _with_origin(sources, self._new_job(order, admission, model, prompt, params, seed))
        job = replace(_bounded(job, [origin for origin in origins if origin is not None], audience), source_shape=shape)
        masks = [await self.references.mask(each, references[0], order.request) for each in given_masks]
        return job, (*references, *masks), admission

    async def prepare_again(self, old: Job, request: Request, *, origin: Origin, reaction: str | None = None) -> Prepared:
        """Prepare a job that repeats `old`, which is shown at `origin`, for the request's actor, with new seeds."""
        audience = visibility.audience_of(request)
        is_readable = visibility.border(origin, audience) is not Border.READERS
        permissions.check(request, Action.AGAIN, permissions.image_of(old, is_readable=is_readable))
        visibility.check(origin, audience)
        await self.disk.check()
        model, count = self.models.catalog.get(old.model), len(old.generations)
        order = Order(
            request=request,
            prompt=old.prompt,
            kind=old.kind,
            count=count,
            parent_id=old.id,
            reaction=reaction,
        )
        params, shape = repeat(old.params, model), old.source_shape
        if shape is not None:
            shape = _limited(shape, request)
            params = repeated_shape(model, params, shape)
        model = await self.estimates.complete(model, old.prompt, params)
        facts = self.admissions.facts(request, model, old.prompt, params, count=count)
        facts, references, is_hidden = await self.store.read(_facts_of_repeat, facts, old)
        try:
            admission = await self.admissions.admit(facts)
        except OutOfCredit as error:
            options, more = chosen_in(old.params, model, source=shape)
            sizes, has_mask = _sizes_of(references), any(each.role is ReferenceRole.MASK for each in references)
            images, sides, order = len(sizes) - has_mask, next(iter(sizes), None), replace(order, options=options, more=more)
            raise self._naming_affordable(error, order, facts, images=images, sides=sides, has_mask=has_mask) from error
        if old.kind in _NO_SOURCE and not references:
            raise NotFound(_("The reference images for this are no longer stored. Use Edit on an image instead."))
        _check_upscale(facts, model, params, _sizes_of(references))
        check_mask(model, given=any(each.role is ReferenceRole.MASK for each in references))
        job = self._new_job(replace(order, spoiler=is_hidden), admission, model, old.prompt, params, _seed(model, None, count))
        linked_in = () if old.place.private else origin.channels  # there the link was followed before
        source = Origin(channels=(order.channel_of(old.origin_channel_id or 0), *linked_in))
        job = replace(job, origin_channel_id=old.origin_channel_id, origin_message_id=old.origin_message_id, source_shape=shape)
        return _bounded(job, [source, origin], audience), references, admission

    # --- parts -----------------------------------------------------------------------------------------------------

    def _with_preferences(self, order: Order) -> Order:
        """The order with the member's saved style and defaults for everything that it leaves open."""
        chosen = order.request.preferences
        if order.style:
            style = chosen.style(order.style)
            if style is None:
                raise InvalidRequest(
                    _("You have no style called {name}. Use `/style list` to see yours.").format(name=escaped(order.style))
                )
            given = {idea: value for idea, value in order.options.items() if value is not None}
            saved = {Idea(name): value for name, value in style.options.items() if name in set(Idea)}
            order = replace(order, prompt=style.around(order.prompt), model=order.model or style.model, options={**saved, **given})
        if not order.model:
            order = replace(order, model=self._usual_model(order, chosen.default_model))
        if chosen.aspect_ratio and order.kind is JobKind.GENERATE and order.options.get(Idea.ASPECT_RATIO) is None:
            model = self.models.catalog.get(order.model or self.limits.default_model)
            if chosen.aspect_ratio in {choice.value for choice in model.choices(Idea.ASPECT_RATIO, chosen.aspect_ratio)}:
                order = replace(order, options={**order.options, Idea.ASPECT_RATIO: chosen.aspect_ratio})
        return order

    def _usual_model(self, order: Order, own: str | None) -> str | None:
        """The default model: the member's, else the operator's, else the first that is open to them here; of upscalers the cheapest.

        None: the operator's, which says why it can't be used. Raises `InvalidRequest` if no model here upscales.
        """
        offers = self.pricing.offers(self.models.offered, order.request)
        if order.kind is JobKind.UPSCALE:
            return upscaler(self.pricing, offers, order.request, order.options, usual=(own, self.limits.default_model))
        opened = {name for model in offers if not model.upscales for name in (model.id, model.title)}
        usual = next((name for name in (own, self.limits.default_model) if name in opened), None)
        fitting = (m.id for m in offers if m.price_microcredits is not None and serves(m, order.kind))
        return usual or next(fitting, None)

    async def _admit(
        self, order: Order, model: ModelInfo, prompt: str, params: Mapping[str, Any]
    ) -> tuple[Admission, Facts, list[TrayItem], Borders]:
        """The terms of an order with these params, the facts that they follow from, the tray, and the borders of the sources' jobs."""
        model = await self.estimates.complete(model, prompt, params)
        facts = self.admissions.facts(order.request, model, prompt, params, count=order.count)
        facts, tray_items, borders = await self.store.read(_facts_of_order, facts, order)
        try:
            return await self.admissions.admit(facts), facts, tray_items, borders
        except OutOfCredit as error:
            sides = await self._declared_sides(order)
            raise self._naming_affordable(error, order, facts, images=len(order.attachments) + len(tray_items), sides=sides) from error

    def _naming_affordable(
        self, error: OutOfCredit, order: Order, facts: Facts, *, images: int, sides: Sides | None, has_mask: bool = False
    ) -> OutOfCredit:
        """The refusal, with a model that the member can pay for, if there is one."""
        offers = self.pricing.offers(self.models.offered, order.request)
        found = affordable(
            self.admissions,
            offers,
            order,
            facts,
            images=images,
            has_mask=has_mask or order.mask is not None,
            params_of=lambda model: _chosen_params(order, model, sides, without_seed=True)[0],
        )
        return with_affordable(error, found)

    async def _declared_sides(self, order: Order) -> Sides | None:
        """The size of the first reference image as Discord or the tray says; None: not known before it is read."""
        if order.attachments:
            return order.attachments[0].sides_px
        return await self.store.read(tray.first_sides, order.request.actor.user_id) if order.from_tray else None

    def _new_job(
        self, order: Order, admission: Admission, model: ModelInfo, prompt: str, params: Mapping[str, Any], seed: int | None
    ) -> Job:
        now, request, job_id = self.clock(), order.request, new_job_id()
        token = request.reply_to.token
        job = Job(
            id=job_id,
            kind=order.kind,
            model=model.id,
            prompt=prompt,
            params=params,
            place=replace(request.reply_to, token=None if token is None else self.sealer.seal(token, about=job_id)),
            state=JobState.OPEN,
            created_at=now,
            spoiler=order.spoiler or admission.must_spoiler,
            parent_id=order.parent_id,
            reaction=order.reaction,
            flagged=admission.flagged,
            needs_check=self.classifier.wants_prompts(request.policy),
            age_restricted=request.channel.age_restricted,
        )
        generation = Generation(
            job_id=job.id,
            n=0,
            model=model.id,
            prompt=prompt,
            seed=seed,
            params=params,
            price=admission.price,
            cost=admission.cost,
            state=GenerationState.WAITING,
            user_id=request.actor.user_id,
            guild_id=request.guild_id,
            created_at=now,
            provider=model.provider,
            api_model=model.api_id,
            running_limit=admission.running,
        )
        each = [replace(generation, n=n, seed=None if seed is None else seed + n) for n in range(order.count)]
        return replace(job, generations=tuple(each))


# --- reads -----------------------------------------------------------------------------------------------------------


def _facts_of_order(conn: Connection, facts: Facts, order: Order) -> tuple[Facts, list[TrayItem], Borders]:
    """The complete facts of an order, the tray that it uses, and the borders of the jobs among its sources."""
    tray_items = tray.of(conn, facts.request.actor.user_id) if order.from_tray else []
    sources = [*(attachment.source for attachment in order.attachments), *(item.source for item in tray_items)]
    borders = jobs.borders_of(conn, {source.job_id for source in sources if source is not None and source.job_id is not None})
    owner_ids = [source.owner_id for source in sources if source is not None]
    return with_stored_facts(conn, facts, owner_ids=owner_ids), tray_items, borders


def _facts_of_repeat(conn: Connection, facts: Facts, old: Job) -> tuple[Facts, tuple[Reference, ...], bool]:
    """The complete facts of a repeated job, its references, and whether it is behind a spoiler in this guild.

    Uploads belong to the first author, so the consent rule applies if another member repeats the job.
    """
    kept = jobs.references_of(conn, old.id)
    references = tuple(replace(each, owner_id=each.owner_id or old.place.user_id) for each in kept)
    facts = with_stored_facts(conn, facts, owner_ids=[each.owner_id for each in references])
    return facts, references, messages.is_hidden_in(conn, old, facts.request.guild_id)


# --- parts -----------------------------------------------------------------------------------------------------------


def _chosen_params(
    order: Order, model: ModelInfo, sides: Sides | None, *, without_seed: bool = False
) -> tuple[dict[str, Any], SourceShape | None]:
    """The order's params, and what their shape was chosen after: the first image of an edit, with these `sides`, if none was chosen."""
    options = {**order.options, Idea.SEED: order.seed}
    if order.kind is not JobKind.EDIT or sides is None:
        params, source = build_params(model, options, order.more), None
    else:
        source = _limited(SourceShape(width_px=sides[0], height_px=sides[1]), order.request)
        params, is_kept = build_edit_params(model, options, order.more, source)
        source = source if is_kept else None
    if without_seed and model.seed_field:
        params.pop(model.seed_field, None)
    return params, source


def _seed(model: ModelInfo, seed: int | None, count: int) -> int | None:
    """The first generation's seed. It is always explicit: results are reproducible, and lost generations can be found by seed."""
    if seed is not None:
        check_seed(model, seed, count=count)
        return seed
    if model.seed_field is None:
        return None
    low, high = model.seed_range
    return random.randint(low, max(low, high - (count - 1)))


def _limited(source: SourceShape, request: Request) -> SourceShape:
    """The source of a shape, with the limits of the actor's roles here."""
    allowed = merge(request.policy, request.actor.role_ids)
    ratios = None if allowed.aspect_ratios is None else tuple(sorted(allowed.aspect_ratios))
    return replace(source, ratios=ratios, max_megapixels=allowed.max_megapixels)


def _sizes_of(references: Iterable[Reference]) -> list[Sides]:
    return [(each.width_px, each.height_px) for each in references]


def _check_upscale(facts: Facts, model: ModelInfo, params: Mapping[str, Any], sizes: Sequence[Sides]) -> None:
    """Raise `InvalidRequest` if an upscale of images of these sizes would be too large.

    Checked with what Discord says before the images are fetched, and again with what they are.
    """
    given = image_properties.upscaled_megapixels(model, params, sizes)
    if given is None:
        return
    check_megapixels(replace(facts, megapixels=given))
    if given * MEGA > RESULT_MAX_PIXELS:
        raise InvalidRequest(
            _("The result would have {given} MP, and Easel can show up to {limit} MP. Choose a smaller scale or a smaller image.").format(
                given=number(given, decimals=0), limit=number(RESULT_MAX_PIXELS / MEGA)
            )
        )


def _with_origin(sources: Sequence[Source | None], job: Job) -> Job:
    """The job with its lineage: an edit descends from its first source image."""
    first = sources[0] if sources else None
    if first is None:
        return job
    parent_id = first.job_id or job.parent_id
    return replace(job, parent_id=parent_id, parent_n=first.n, origin_channel_id=first.channel_id, origin_message_id=first.message_id)


def _origin(order: Order, source: Source, borders: Borders) -> Origin:
    """Where a reference image is from."""
    private, restricted = borders.get(source.job_id or "", (False, False))
    channels = (order.channel_of(source.channel_id),)
    return Origin(channels=channels, owner_id=source.owner_id, private=private, age_restricted=restricted)


def _bounded(job: Job, origins: Sequence[Origin], audience: Audience) -> Job:
    """The job with the age restriction of what it is made from, and with a link to the first of these only for those who may see it."""
    is_restricted = job.age_restricted or any(map(visibility.is_restricted, origins))
    is_linked = bool(origins) and visibility.border(origins[0], replace(audience, shown_by=None)) is None
    return replace(job, age_restricted=is_restricted, origin_message_id=job.origin_message_id if is_linked else None)
