"""What image APIs charged: recorded once for each image, and corrected in the accounts that count costs.

At the order the highest possible cost is held there. The charge differs if a price rose behind the list of models, if the image API
charges less than the most, or if it charges for what it had begun before it failed or was cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, select, update

from bot.domain.job import ENDED, GenerationState
from bot.store import usage
from bot.store.engine.statements import Prepared
from bot.store.money import ledger
from bot.store.tables import generations

_COUNTED = case((generations.c.state == GenerationState.SUCCEEDED, generations.c.cost), else_=0)  # until the charge is known

_UNBILLED = Prepared(
    select(*(generations.c[name] for name in ("job_id", "n", "state", "cost", "budget", "operator", *usage.COUNTED))).where(
        generations.c.provider_id == bindparam("id"), generations.c.provider == bindparam("at"), generations.c.billed.is_(None)
    )
)
_BILL = Prepared(
    update(generations)
    .where(generations.c.job_id == bindparam("of_job"), generations.c.n == bindparam("of_n"))
    .values(billed=bindparam("amount"))
)


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What an image API charged for an image, in microcredits."""

    model: str  # id
    counted: int  # before the charge was known
    billed: int


def record(conn: Connection, provider: str, charges: Mapping[str, int], now: int) -> list[Correction]:
    """Record charges (microcredits by the image API's id) of ended images, each once. Returns the new ones."""
    recorded = []
    for provider_id, billed in charges.items():
        row = _UNBILLED.one_or_none(conn, {"at": provider, "id": provider_id})
        if row is None or row["state"] not in ENDED:
            continue  # unknown, or read again once it has ended
        job_id, n = row["job_id"], row["n"]
        counted = row["cost"] if row["state"] == GenerationState.SUCCEEDED else 0
        _BILL.run(conn, {"of_job": job_id, "of_n": n, "amount": billed})
        accounts = [name for name in (row["budget"], row["operator"]) if name is not None]
        ledger.correct(conn, accounts, job_id=job_id, n=n, amount=billed - counted, now=now)
        if billed != counted:
            usage.add(conn, row, cost=billed - counted, corrected=billed - counted)
        recorded.append(Correction(model=row["model"], counted=counted, billed=billed))
    return recorded


def counted(conn: Connection, provider: str, *, since: int) -> int:
    """Microcredits that are counted for an image API's images ordered since then (Unix ms): their charges, else the most."""
    g = generations.c
    total = select(func.coalesce(func.sum(func.coalesce(g.billed, _COUNTED)), 0)).where(g.provider == provider, g.created_at >= since)
    return int(conn.scalar(total) or 0)
