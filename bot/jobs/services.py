"""The services behind commands, buttons and reactions, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from bot.jobs.admission import Admissions
from bot.jobs.casebook import Casebook
from bot.jobs.cases import Cases
from bot.jobs.conduct import Conduct
from bot.jobs.family import Family
from bot.jobs.gallery import Gallery
from bot.jobs.history import History
from bot.jobs.managing import Managing
from bot.jobs.members import Members
from bot.jobs.money import Money
from bot.jobs.privacy import Privacy
from bot.jobs.reactions import Reactions
from bot.jobs.results import Results
from bot.jobs.servers import Servers
from bot.jobs.studio import Studio
from bot.jobs.till import Till


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
    managing: Managing
    members: Members
    money: Money
    privacy: Privacy
    reactions: Reactions
    results: Results
    servers: Servers
    studio: Studio
    till: Till
