"""`python -m bot doctor --bill` beside a running bot."""

from __future__ import annotations

from bot.app import App
from bot.ops.doctor_bill import examine_bill
from bot.ops.findings import Finding
from bot.store.tables import generations
from sandbox.person import Person
from tests.env.app import Env, has_image


async def bill(env: Env) -> str:
    found: list[Finding] = []
    await examine_bill(env.settings(), show=found.append)
    return "\n".join(map(str, found))


async def test_counted_costs_agree_with_what_was_charged(env: Env, app: App, ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox", count=2)
    await ada.message(has_image)
    assert (
        await bill(env) == "ok    bill: Oxen.ai charged $0.03 this month for images of this bot, and $0.00 for others; counted here: $0.03."
    )
    await app.bill.read("oxen")
    billed = await app.store.read(lambda conn: conn.scalars(generations.select().with_only_columns(generations.c.billed)).all())
    assert billed == [1_400_000, 1_400_000]


async def test_a_difference_is_shown(env: Env, app: App, ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox")
    await ada.message(has_image)
    await app.store.write(lambda conn: conn.execute(generations.update().values(cost=50_000_000)))
    assert "counted here: $0.50. Charges are read every hour" in await bill(env)
