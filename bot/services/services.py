"""All services that commands, buttons and reactions use."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.clock import Clock
from bot.core.running.executors import BoundedExecutor
from bot.services.admin import Admin
from bot.services.admission import Admissions
from bot.services.gallery import Gallery
from bot.services.guilds import Guilds
from bot.services.history import History
from bot.services.members import Members
from bot.services.moderation.appeals import Appeals
from bot.services.moderation.cases import Cases
from bot.services.moderation.flagging import Flagging
from bot.services.moderation.posts import Posts
from bot.services.money.accounts import Money
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.pipeline.delivery.results import Results
from bot.services.privacy import Privacy
from bot.services.reactions import Reactions
from bot.services.reposts import Reposts
from bot.services.thumbnails import ThumbnailCache
from bot.store.engine.base import Reader


@dataclass(frozen=True, kw_only=True)
class Services:
    """Built once, by the composition root. Cogs run store queries with `reader` and change data with the services."""

    reader: Reader
    clock: Clock
    admin: Admin
    admissions: Admissions
    appeals: Appeals
    cases: Cases
    flagging: Flagging
    gallery: Gallery
    guilds: Guilds
    history: History
    managing: BoundedExecutor  # by guild: documents, imports and charts
    members: Members
    money: Money
    orders: Orders
    posts: Posts
    pricing: Pricing
    privacy: Privacy
    reactions: Reactions
    reposts: Reposts
    results: Results
    thumbnails: ThumbnailCache
