"""From an order to a job: every check that can refuse it, its references fetched and cleaned, nothing of it written yet.

First what can be made at all, since the rules speak of that: model, words, options. Then the server's rules; then what else may be
wrong with it. Whether its member can pay is decided last, when it is written.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bot.clock import Clock
from bot.domain.actor import Actor
from bot.domain.request import Channel
from bot.errors import BadReference, InvalidRequest, NotAllowed, NotFound, PictureError, ProviderError
from bot.i18n import _
from bot.images import extent, pictures
from bot.images.catalog import ModelInfo
from bot.images.fetch import Fetcher
from bot.images.ideas import Idea
from bot.images.params import build_params, check_prompt, check_references, check_seed
from bot.jobs.checks import Checks
from bot.jobs.gate import Admitted, Gate
from bot.jobs.job import Generation, GenerationState, Job, JobState, Kind, Reference, ReplyTarget, Source, new_job_id
from bot.jobs.members import Members, owners
from bot.jobs.models import Models
from bot.jobs.order import COUNT_MAX, PROMPT_MAX, Attachment, Limits, Order
from bot.jobs.till import Terms, Till
from bot.moderation.gate import Wish


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A job that may be taken in as it is."""

    job: Job
    references: tuple[Reference, ...]
    terms: Terms
    empties_tray: bool = False  # its references are what the member had put by


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Makes drafts of orders. Every method raises a `Refusal` for what cannot be taken."""

    models: Models
    members: Members
    gate: Gate
    till: Till
    checks: Checks
    fetcher: Fetcher
    limits: Limits
    clock: Clock

    async def draft(self, order: Order) -> Draft:
        """A new job from a member's order."""
        order = await self._with_preferences(order)
        model = self.models.catalog.get(order.model or self.limits.default_model)
        prompt = check_prompt(model, order.prompt, max_length=PROMPT_MAX)
        params = build_params(model, {**order.options, Idea.SEED: order.seed}, order.more)
        admitted = await self.gate.admit(order.actor, order.spot, _wish(order, model, prompt, params))
        put_by = await self.members.put_by_so_far(order.actor.user_id) if order.from_tray else []
        sources = [a.source for a in order.attachments] + [put.source for put in put_by]
        await self.members.check_consent(order.actor, [source.owner_id for source in sources if source is not None])
        if order.kind is Kind.EDIT and not sources:
            raise InvalidRequest(_("Attach a picture to change, or put one by first: Apps, Use as reference in a message's menu."))
        check_references(model, len(sources), params)
        if not 1 <= order.count <= COUNT_MAX:
            allowed = _("count: a whole number from 1 to {most} is allowed, {given} was given.")
            raise InvalidRequest(allowed.format(most=COUNT_MAX, given=order.count))
        seed = _seed(model, _taken_out(params, model.seed_field), order.count)
        taken = await asyncio.gather(*(self.take_reference(attachment) for attachment in order.attachments))
        job = _from(sources, self._new_job(order, admitted, model, prompt, params, seed))
        references = (*taken, *(put.reference for put in put_by))
        return Draft(job=job, references=references, terms=self._terms(order, admitted), empties_tray=bool(put_by))

    async def draft_again(
        self, old: Job, refs: Sequence[Reference], place: ReplyTarget, *, actor: Actor, spot: Channel, reaction: str | None = None
    ) -> Draft:
        """The same request as `old` with its references `refs`, for whoever asks now, with fresh seeds."""
        if old.place.private and old.place.user_id != actor.user_id:
            raise NotAllowed(_("That picture was made in private; only its maker can ask for it again."))
        model = self.models.catalog.get(old.model)
        order = Order(
            prompt=old.prompt,
            place=place,
            actor=actor,
            spot=spot,
            kind=old.kind,
            count=len(old.generations),
            spoiler=old.spoiler,
            parent_id=old.id,
            reaction=reaction,
        )
        admitted = await self.gate.admit(actor, spot, _wish(order, model, old.prompt, old.params))
        if old.kind is Kind.EDIT and not refs:
            raise NotFound(_("The pictures that this one was made from are no longer kept. Use Edit on a picture instead."))
        # What its author uploaded is theirs: whoever asks again edits the author's picture.
        owned = tuple(replace(ref, owner_id=ref.owner_id or old.place.user_id) for ref in refs)
        await self.members.check_consent(actor, owners(owned))
        job = self._new_job(order, admitted, model, old.prompt, dict(old.params), _seed(model, None, order.count))
        job = replace(job, origin_channel_id=old.origin_channel_id, origin_message_id=old.origin_message_id)
        return Draft(job=job, references=owned, terms=self._terms(order, admitted))

    # --- parts -----------------------------------------------------------------------------------------------------

    def _terms(self, order: Order, admitted: Admitted) -> Terms:
        return self.till.terms(order.actor, order.spot, policy=admitted.policy, allowance=admitted.passed.allowance)

    async def _with_preferences(self, order: Order) -> Order:
        """The order with what the member saved as a style, and chose as defaults where the order says nothing."""
        chosen = await self.members.preferences(order.place.user_id)
        if order.style:
            style = chosen.style(order.style)
            if style is None:
                raise NotFound(_("You have no style called {name}; `/style list` shows yours.").format(name=order.style))
            given = {idea: value for idea, value in order.options.items() if value is not None}
            saved = {Idea(name): value for name, value in style.options.items() if name in set(Idea)}
            order = replace(order, prompt=style.around(order.prompt), model=order.model or style.model, options={**saved, **given})
        order = replace(order, model=order.model or await self._usual_model(order, chosen.default_model))
        if chosen.aspect_ratio and order.kind is Kind.GENERATE and order.options.get(Idea.ASPECT_RATIO) is None:
            model = self.models.catalog.get(order.model or self.limits.default_model)
            if chosen.aspect_ratio in {choice.value for choice in model.choices(Idea.ASPECT_RATIO, chosen.aspect_ratio)}:
                order = replace(order, options={**order.options, Idea.ASPECT_RATIO: chosen.aspect_ratio})
        return order

    async def _usual_model(self, order: Order, own: str | None) -> str | None:
        """Where an order names none: the member's own default, else the operator's, else the first that is open to them here."""
        offers = await self.till.offers(self.models.offered, order.actor, order.spot.guild_id)
        opened = {name for model in offers for name in (model.id, model.title)}
        usual = next((name for name in (own, self.limits.default_model) if name in opened), None)
        fitting = (m.id for m in offers if m.price_microcredits is not None and (m.takes_references or order.kind is Kind.GENERATE))
        return usual or next(fitting, None)

    async def take_reference(self, attachment: Attachment) -> Reference:
        """Fetch, check and clean a picture. Raise `BadReference`."""
        limit = self.limits.reference_max_bytes
        if attachment.size_bytes > limit:
            allowed = _("{name}: pictures of up to {limit} MB are taken; this one has {size} MB.")
            size = f"{attachment.size_bytes / 1e6:.1f}"
            raise BadReference(allowed.format(name=attachment.filename, limit=f"{limit / 1e6:g}", size=size))
        try:
            content = attachment.content or await self.fetcher.fetch_bytes(attachment.url, max_bytes=limit)
            clean = await asyncio.to_thread(pictures.clean_reference, content, max_pixels=self.limits.reference_max_pixels)
        except (PictureError, ProviderError) as error:
            raise BadReference(f"{attachment.filename}: {error.sentence}") from error
        return Reference(
            content=clean.content,
            content_type=clean.content_type,
            width_px=clean.width,
            height_px=clean.height,
            url=attachment.url or None,
            url_expires_at=_expiry(attachment.url),
            owner_id=attachment.source.owner_id if attachment.source else None,
        )

    def _new_job(self, order: Order, admitted: Admitted, model: ModelInfo, prompt: str, params: Mapping[str, Any], seed: int | None) -> Job:
        now, passed, rule = self.clock(), admitted.passed, admitted.passed.verdict.rule
        job = Job(
            id=new_job_id(),
            kind=order.kind,
            model=model.id,
            prompt=prompt,
            params=params,
            place=order.place,
            state=JobState.OPEN,
            created_at=now,
            spoiler=order.spoiler or passed.must_spoiler,
            parent_id=order.parent_id,
            reaction=order.reaction,
            flagged=rule.text if passed.flagged and rule is not None else None,
            needs_check=self.checks.wants_prompts(admitted.policy),
            age_restricted=order.spot.age_restricted,
        )
        generation = Generation(
            job_id=job.id,
            n=0,
            model=model.id,
            prompt=prompt,
            seed=seed,
            params=params,
            price=_price(self.till.priced(model, admitted.policy)),
            state=GenerationState.WAITING,
            user_id=order.place.user_id,
            guild_id=order.spot.guild_id,
            created_at=now,
            provider=model.provider,
            api_model=model.api_id,
            running_limit=passed.allowance.running,
        )
        each = [replace(generation, n=n, seed=None if seed is None else seed + n) for n in range(order.count)]
        return replace(job, generations=tuple(each))


def _wish(order: Order, model: ModelInfo, prompt: str, params: Mapping[str, Any]) -> Wish:
    """What the rules look at."""
    return Wish(
        model=model.id,
        prompt=extent.words(prompt, params, model),
        count=order.count,
        private=order.place.private,
        aspect_ratio=extent.aspect_ratio(model, params),
        megapixels=extent.megapixels(model, params),
        unsafe=extent.unchecked(model, params),
    )


def _seed(model: ModelInfo, seed: int | None, count: int) -> int | None:
    """An explicit seed for every generation: reproducible for the member, and the key to a lost answer."""
    if seed is not None:
        check_seed(model, seed, count=count)
        return seed
    if model.seed_field is None:
        return None
    low, high = model.seed_range
    return random.randint(low, max(low, high - (count - 1)))


def _taken_out(params: dict[str, Any], seed_field: str | None) -> int | None:
    """The seed that was given, as an option or among `more`: it travels apart from the other parameters."""
    given = params.pop(seed_field, None) if seed_field else None
    return None if given is None else int(given)


def _from(sources: Sequence[Source | None], job: Job) -> Job:
    """The job with its line of descent: an edit comes from its first picture."""
    first = sources[0] if sources else None
    if first is None:
        return job
    parent_id = first.job_id or job.parent_id
    return replace(job, parent_id=parent_id, parent_n=first.n, origin_channel_id=first.channel_id, origin_message_id=first.message_id)


def _price(model: ModelInfo) -> int:
    if model.price_microcredits is None:
        raise InvalidRequest(
            _("{model} has no price per picture yet. The operator can set one with MODEL_PRICES.").format(model=model.title)
        )
    return model.price_microcredits


def _expiry(url: str) -> int | None:
    """Discord's links carry their end as `ex`, in hexadecimal Unix seconds."""
    given = parse_qs(urlsplit(url).query).get("ex", [""])[0]
    try:
        return int(given, 16) * 1000
    except ValueError:
        return None
