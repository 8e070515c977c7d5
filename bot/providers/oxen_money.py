"""Reading of Oxen's estimates and charges. Lenient: what cannot be read is unknown.

The estimate's shape is not documented beyond "exact, a rate, a range or unknown". Assumed is an object with a kind and amounts in US
dollars, at the top, in `estimate` or in `data`: `{"type": "exact", "cost"}`, `{"type": "range", "min_cost", "max_cost"}`. Only an exact
amount or the upper end of a range is a limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bot.domain.catalog.costs import amount_of
from bot.providers.oxen_wire import WireGeneration, read_generation
from bot.providers.provider import Billed

_KINDS: Final = ("type", "kind", "status", "estimate_type", "accuracy")
_NO_LIMIT: Final = frozenset({"rate", "unknown", "unavailable"})
_RANGES: Final = frozenset({"range", "bounds"})
_EXACT_KIND: Final = "exact"
_UPPER: Final = ("max_cost", "cost_max", "maximum_cost", "max", "maximum", "high", "upper", "upper_bound", "max_usd", "max_cost_usd", "to")
_EXACT: Final = ("cost", "estimated_cost", "total_cost", "cost_usd", "amount", "total", "usd", "price", "value", "exact", "estimate")
_INNER: Final = ("data", "estimate", "range", "exact", "cost")
_MAX_DEPTH: Final = 4


def read_estimate(body: object) -> Decimal | None:
    """The most that a request costs, in US dollars; None if the answer has no limit."""
    objects = list(_objects(body, _MAX_DEPTH))
    kinds = _texts(objects, _KINDS)
    if kinds & _NO_LIMIT or _texts(objects, ("currency",)) - {"usd"}:
        return None
    upper = _amounts(objects, _UPPER)
    if upper or kinds & _RANGES or (_EXACT_KIND not in kinds and any(map(_has_rates, objects))):
        return max(upper, default=None)
    return max(_amounts(objects, _EXACT), default=None)


@dataclass(frozen=True, kw_only=True)
class ChargesPage:
    """A page of the list of charges."""

    readable: list[WireGeneration]
    charged: list[Billed]  # those of the readable rows that were charged
    rows: int  # how many it has
    count: float  # how many there are on all pages; infinite: unknown
    newest: float  # Unix ms of its newest row; infinite: unknown
    is_list: bool  # False: the answer is none, so nothing is known


def read_charges(body: object) -> ChargesPage:
    """A page of `GET /api/ai/generations`."""
    answer = body if isinstance(body, Mapping) else {}
    listed = answer.get("generations")
    raw = listed if isinstance(listed, list) else []
    rows, count = [read_generation(each) for each in raw], answer.get("count")
    times = [math.inf if row is None or row.enqueued_at_ms is None else row.enqueued_at_ms for row in rows]
    return ChargesPage(
        readable=[row for row in rows if row is not None],
        charged=[charge for row in rows if row is not None and (charge := _charge(row)) is not None],
        rows=len(raw),
        count=count if isinstance(count, int) and not isinstance(count, bool) else math.inf,
        newest=max(times, default=math.inf),
        is_list=isinstance(listed, list),
    )


def _charge(row: WireGeneration) -> Billed | None:
    """None if it was not charged."""
    cost = amount_of((row.model_extra or {}).get("cost"))
    if cost is None:
        return None
    return Billed(provider_id=row.generation_id, cost_usd=cost, enqueued_at=row.enqueued_at_ms, model=row.model_name or row.model or "")


def _objects(body: object, depth: int) -> Iterator[Mapping[str, Any]]:
    if isinstance(body, Mapping) and depth:
        yield body
        for name in _INNER:
            yield from _objects(body.get(name), depth - 1)


def _texts(objects: list[Mapping[str, Any]], names: tuple[str, ...]) -> set[str]:
    return {each[name].casefold() for each in objects for name in names if isinstance(each.get(name), str)}


def _amounts(objects: list[Mapping[str, Any]], names: tuple[str, ...]) -> list[Decimal]:
    return [amount for each in objects for name in names if (amount := amount_of(each.get(name))) is not None]


def _has_rates(each: Mapping[str, Any]) -> bool:
    return any("rate" in str(name) or "_per_" in str(name) or str(name).startswith("min") for name in each)
