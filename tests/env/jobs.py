"""Builders of jobs, generations and requests, with defaults for everything that a test does not set."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any, Protocol

from bot.domain.actor import Actor
from bot.domain.guild.document import Policy
from bot.domain.guild.settings import GuildSettings
from bot.domain.job import Generation, GenerationState, Job, JobKind, JobState, Outcome, Reference, ReplyTarget
from bot.domain.money.quota import MICRO, Bucket
from bot.domain.order import Order
from bot.domain.preferences import Preferences
from bot.domain.request import Channel, Request
from bot.services.guilds import Guilds
from bot.store import documents

TEN = Bucket(size=10 * MICRO, refill_per_day=0)
SUCCEEDED = Outcome(state=GenerationState.SUCCEEDED, result_url="https://example.com/fox.png")
FAILED = Outcome(state=GenerationState.FAILED, error="The model ran out of memory.")
CANCELLED = Outcome(state=GenerationState.CANCELLED)
REFERENCE = Reference(content=b"png", content_type="image/png", width_px=3, height_px=2, url="https://example.com/a.png", url_expires_at=9)

_numbers = count()


def new_job(*, member: int = 7, images: int = 1, price: int = MICRO, now: int = 1000, place: ReplyTarget | None = None, **more: Any) -> Job:
    """An open job with waiting generations; `price` of each in microcredits."""
    values = {"id": f"job{next(_numbers):09d}", "kind": JobKind.GENERATE, "model": "klein", "prompt": "a red fox", "params": {"steps": 4}}
    job = Job(
        **{**values, **more}, place=place or ReplyTarget(user_id=member, channel_id=5, guild_id=1), state=JobState.OPEN, created_at=now
    )
    first = generation(
        job_id=job.id, user_id=job.place.user_id, guild_id=job.place.guild_id, price=price, cost=price, created_at=now, seed=100
    )
    first = replace(first, model=job.model, prompt=job.prompt, params=job.params)
    return replace(job, generations=tuple(replace(first, n=n, seed=100 + n) for n in range(images)))


def request_by(actor: Actor, *, guild_id: int | None = 1, channel_id: int = 5, policy: Policy | None = None) -> Request:
    """A request by a member without preferences, under these rules."""
    return Request(
        actor=actor,
        channel=Channel(guild_id=guild_id, channel_id=channel_id),
        reply_to=ReplyTarget(user_id=actor.user_id, channel_id=channel_id, guild_id=guild_id),
        settings=GuildSettings(policy=policy or Policy()),
        preferences=Preferences(),
    )


class HasGuilds(Protocol):
    """The services, or a fixture with the same attribute."""

    @property
    def guilds(self) -> Guilds: ...


async def request(at: HasGuilds, place: ReplyTarget, *, actor: Actor | None = None, channel: Channel | None = None) -> Request:
    """A request whose response belongs to `place`, under the guild's current rules."""
    settings = await at.guilds.settings(place.guild_id)
    preferences = await at.guilds.store.read(documents.preferences, place.user_id)
    return Request(
        actor=actor or Actor(user_id=place.user_id),
        channel=channel or Channel(guild_id=place.guild_id, channel_id=place.channel_id),
        reply_to=place,
        settings=settings,
        preferences=preferences,
    )


async def order_of(
    at: HasGuilds, prompt: str, place: ReplyTarget, *, actor: Actor | None = None, channel: Channel | None = None, **more: Any
) -> Order:
    """An order with such a request."""
    return Order(request=await request(at, place, actor=actor, channel=channel), prompt=prompt, **more)


def generation(**more: Any) -> Generation:
    """A waiting generation of member 7 in guild 1."""
    values: dict[str, Any] = {
        "job_id": "job", "n": 0, "model": "klein", "prompt": "a red fox", "seed": 100, "params": {}, "price": MICRO, "cost": MICRO,
        "state": GenerationState.WAITING, "user_id": 7, "guild_id": 1, "created_at": 1000,
        "provider": "oxen", "api_model": "klein",
    }  # fmt: skip
    return Generation(**{**values, **more})
