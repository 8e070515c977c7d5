"""Oxen's estimates and charges, in every form that is imaginable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given

from bot.core.errors import ProviderError
from bot.providers.oxen import Oxen
from bot.providers.oxen_money import read_charges, read_estimate
from tests.domain.catalog.test_models import JSON
from tests.env.providers import MakeOxen
from tests.providers.test_oxen_answers import answering


@pytest.mark.parametrize(
    ("body", "most"),
    [
        ({"estimate": {"type": "exact", "cost": "0.42"}}, "0.42"),
        ({"type": "exact", "cost_usd": 0.42, "cost_per_image": 0.21}, "0.42"),
        ({"data": {"kind": "exact", "amount": 0.42}}, "0.42"),
        ({"exact": {"cost": 0.42}}, "0.42"),
        ({"estimate": 0.42, "currency": "usd"}, "0.42"),
        ({"estimate": {"type": "range", "min_cost": 0.1, "max_cost": "0.3"}}, "0.3"),
        ({"type": "range", "cost": {"min": 0.1, "max": 0.3}}, "0.3"),
        ({"range": {"low": 0.1, "high": 0.3}}, "0.3"),
        ({"type": "range", "min_cost": 0.1, "cost": 0.2}, None),
        ({"min": 0.1, "cost": 0.2}, None),
        ({"estimate": {"type": "rate", "cost_per_second": 0.05, "cost": 0.05}}, None),
        ({"cost_per_second": 0.05, "cost": 0.05}, None),
        ({"type": "unknown", "cost": 0}, None),
        ({"type": "exact", "cost": -1}, None),
        ({"type": "exact", "cost": True}, None),
        ({"type": "exact", "cost": 1, "currency": "EUR"}, None),
        ({}, None),
        ([], None),
        ("0.42", None),
    ],
)
def test_only_an_exact_cost_or_the_upper_end_of_a_range_is_a_limit(body: object, most: str | None) -> None:
    assert read_estimate(body) == (None if most is None else Decimal(most))


@given(body=JSON)
def test_any_answer_is_read(body: object) -> None:
    read_estimate(body)
    read_charges({"generations": [body], "count": body})


def row(number: int, **more: Any) -> dict[str, Any]:
    return {"generation_id": f"g{number}", "cost": "0.01", "enqueued_at": 1_000 + number, "model_name": "m", **more}


async def ids_of(oxen: Oxen, *, since: int = 0) -> list[str]:
    return [charge.provider_id async for charge in oxen.billed(since=since)]


async def test_rows_that_were_not_charged_or_cannot_be_read_are_left_out() -> None:
    rows = [row(5), row(4, cost=None), row(3, cost="x"), {"cost": "1"}, "x", row(2, cost=0.02, enqueued_at="soon"), row(1, cost="0")]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"generations": rows, "count": len(rows)})

    async with answering(answer) as oxen:
        charges = [charge async for charge in oxen.billed()]
    assert [(charge.provider_id, charge.cost_usd) for charge in charges] == [("g5", Decimal("0.01")), ("g2", Decimal("0.02")), ("g1", 0)]


@pytest.mark.parametrize("counts", [{"count": 150}, {}])
async def test_every_page_is_read_and_older_ones_are_not(counts: dict[str, int]) -> None:
    pages: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        page, size = int(request.query["page"]), min(50, int(request.query["page_size"]))  # a server may shorten pages
        pages.append(request.query["page"])
        return web.json_response({"generations": [row(n) for n in range(150, 0, -1)][(page - 1) * size : page * size], **counts})

    async with answering(answer) as oxen:
        assert await ids_of(oxen) == [f"g{n}" for n in range(150, 0, -1)]
        pages.clear()
        assert await ids_of(oxen, since=1_120_500) == [f"g{n}" for n in range(150, 119, -1)]
        assert pages == ["1", "2"]


async def test_a_page_that_is_too_large_is_read_in_smaller_ones() -> None:
    async def answer(request: web.Request) -> web.Response:
        page, size = int(request.query["page"]), int(request.query["page_size"])
        rows = [row(n) for n in range(20, 0, -1)][(page - 1) * size : page * size]
        return web.Response(status=500) if len(rows) > 8 else web.json_response({"generations": rows, "count": 20})

    async with answering(answer) as oxen:
        assert await ids_of(oxen) == [f"g{n}" for n in range(20, 0, -1)]


@pytest.mark.faults("images-error")
async def test_charges_that_cannot_be_read_raise_an_error(make_oxen: MakeOxen) -> None:
    with pytest.raises(ProviderError):
        await ids_of(make_oxen(attempts=1))
