"""`python -m bot doctor --bill`: compare what Oxen.ai charged this month with what was counted for its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

from sqlalchemy import Connection

from bot.core.clock import system
from bot.core.config import Settings
from bot.core.errors import EaselError
from bot.core.settings.endpoints import OxenSettings
from bot.domain.money import quota
from bot.ops.doctor_images import oxen_of
from bot.ops.findings import Finding, Severity, bad, ok, warn
from bot.providers.http import open_session
from bot.store import jobs
from bot.store.engine.opening import read_once
from bot.store.money import bill

Show = Callable[[Finding], object]

_IDS = 500  # in one query
_TOLERANCE_USD = Decimal("0.01")  # an image that was ordered just before the month may be charged in it


async def examine_bill(settings: Settings, *, show: Show) -> bool:
    """Show how charges and counted costs compare, and return whether they agree. It works beside a running bot. Raises `StartError`."""
    findings = [await _compare(settings, each) for each in settings.providers if isinstance(each, OxenSettings)]
    for finding in findings or [warn("no image API in use reports its charges.")]:
        show(replace(finding, check="bill"))
    return all(finding.severity is Severity.OK for finding in findings)


async def _compare(settings: Settings, oxen: OxenSettings) -> Finding:
    since = quota.this_month(system())
    try:
        async with open_session() as session:
            charges = {charge.provider_id: charge.cost_usd async for charge in oxen_of(settings, oxen, session).billed(since=since)}
    except EaselError as error:
        return bad(error.sentence)
    ours = await read_once(settings.database, partial(_of_this_bot, provider=oxen.name, charges=charges))
    counted = quota.in_usd(await read_once(settings.database, partial(bill.counted, provider=oxen.name, since=since)), settings.credit_usd)
    others = sum(charges.values(), Decimal(0)) - ours
    told = (
        f"{oxen.title} charged ${ours:.2f} this month for images of this bot, and ${others:.2f} for others; counted here: ${counted:.2f}."
    )
    if abs(ours - counted) <= _TOLERANCE_USD:
        return ok(told)
    return warn(f"{told} Charges are read every hour; until then the highest possible cost is counted.")


def _of_this_bot(conn: Connection, *, provider: str, charges: Mapping[str, Decimal]) -> Decimal:
    """The charges of images that this database knows, in US dollars."""
    ids = list(charges)
    known = [jobs.claimed(conn, provider, ids[first : first + _IDS]) for first in range(0, len(ids), _IDS)]
    return sum((charges[each] for some in known for each in some), Decimal(0))
