"""The services behind commands, buttons and reactions, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from bot.services.admin import Admin
from bot.services.admission import Admissions
from bot.services.gallery import Gallery
from bot.services.guilds import Guilds
from bot.services.history import History
from bot.services.lineage import Family
from bot.services.members import Members
from bot.services.moderation.case_posts import Casebook
from bot.services.moderation.cases import Cases
from bot.services.moderation.conduct import Conduct
from bot.services.money.accounts import Money
from bot.services.money.pricing import Pricing
from bot.services.orders import Orders
from bot.services.pipeline.results import Results
from bot.services.privacy import Privacy
from bot.services.reactions import Reactions


@dataclass(frozen=True, kw_only=True)
class Services:
    """Built once, by the composition root."""

    admissions: Admissions
    casebook: Casebook
    cases: Cases
    conduct: Conduct
    family: Family
    gallery: Gallery
    history: History
    admin: Admin
    members: Members
    money: Money
    privacy: Privacy
    reactions: Reactions
    results: Results
    guilds: Guilds
    orders: Orders
    pricing: Pricing
