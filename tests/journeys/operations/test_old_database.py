"""Buttons that were posted before custom ids were declared still work, with a database of that version.

`golden/database.sql` is that database, at schema 0005: three images of Ada's of which Mo reported two, a block of Ben, and a
sponsorship. It must not be regenerated.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.moderation.cases import DECISIONS, FINAL, CaseState, CaseSubject, Decision
from bot.store.moderation import cases
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask
from tests.journeys.images.test_commands import image_bytes
from tests.journeys.images.test_presses import Posted, answers, posted, press_one_of_every_family, used
from tests.services.conftest import eventually

JOB, CASE, SPONSORSHIP = "ymfzcd7jz7tf", 2, "y0wkmz1agzeq"
MADE_AT = 1_795_707_430_000  # Unix milliseconds: just after


def restore(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript((Path(__file__).parent.parent / "golden" / "database.sql").read_text("utf-8"))


@pytest.fixture
async def app(env: Env) -> AsyncIterator[App]:
    """A bot with that database, whose clock shows the day of the dump."""
    await asyncio.to_thread(restore, env.folder / "easel.sqlite3")
    begun = system()
    async with env.app(clock=lambda: MADE_AT + system() - begun) as app:
        yield app


async def test_one_button_of_every_kind_works(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    about = Posted(job=JOB, case="1", ben=mo.person_id("Ben"), sponsorship=SPONSORSHIP)
    await press_one_of_every_family(app, ada, mo, await asked(), about)


@pytest.mark.parametrize("decision", DECISIONS[CaseSubject.IMAGE])
async def test_every_button_of_a_case_decides_it(app: App, mo: Person, decision: Decision) -> None:
    await used(app, mo, f"v1:case:{decision}:{CASE}")
    if decision in FINAL:
        await mo.submit(await mo.modal())

    async def is_decided() -> bool:
        case = await app.store.read(cases.get, CASE)
        return case is not None and (case.state, case.decision) == (CaseState.DECIDED, decision)

    await eventually(is_decided)


async def test_again_makes_another_of_an_image(app: App, ada: Person) -> None:
    await used(app, ada, f"v1:again:{JOB}:0")
    assert "a lighthouse at dusk" in (await ada.message(has_image)).content


@pytest.mark.parametrize(("button", "form"), [("edit", "form"), ("report", "report-form")])
async def test_edit_and_report_open_their_forms(app: App, mo: Person, button: str, form: str) -> None:
    await mo.click(await posted(app, mo, f"v1:{button}:{JOB}:0", image=image_bytes()), "Press")
    assert (await mo.modal()).custom_id.startswith(f"v1:{form}:")


async def test_details_describes_an_image(app: App, ada: Person) -> None:
    await used(app, ada, f"v1:details:{JOB}:0")
    assert [text for text in answers(ada) if "a lighthouse at dusk" in text] != []


async def test_delete_deletes_a_message(app: App, ada: Person) -> None:
    message = await posted(app, ada, f"v1:delete:{JOB}:0", image=image_bytes())
    await ada.click(message, "Press")
    await ada.until(lambda: message.id not in {m.id for m in ada.messages()} or None)
