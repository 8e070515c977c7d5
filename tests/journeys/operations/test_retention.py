"""What members see of images that are older than the bot keeps, and that their rows are gone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot.app import App
from bot.core.clock import system
from bot.domain.money.quota import DAY_MS
from bot.domain.preferences import Consent
from bot.store import jobs
from bot.store.money import audit
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import job_id_of, written_down
from tests.journeys.result_steps import delete, press
from tests.services.conftest import eventually

GONE = "This image is older than the bot keeps"
YEARS = 500 * DAY_MS


@dataclass(frozen=True, kw_only=True)
class Later:
    """A bot that was started again, long after Ada's image."""

    app: App
    ada: Person
    ben: Person
    image: Message

    async def refused(self, person: Person, times: int = 1, sentence: str = GONE) -> None:
        await person.until(lambda: sum(m.ephemeral and sentence in m.text for m in person.messages()) == times or None)


@asynccontextmanager
async def later(env: Env, *, by_reaction: bool = False) -> AsyncIterator[Later]:
    async with env.app() as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox in the snow")
        image = first = await ada.message(has_image)
        if by_reaction:
            await ada.react(first, "🔁")
            image = await ada.message(lambda m: has_image(m) and m.id != first.id)
        await written_down(app, image)
    async with env.app(clock=lambda: system() + YEARS) as app, person_in(env, "Ada") as ada, person_in(env, "Ben") as ben:

        async def is_deleted() -> bool:
            return await app.store.read(jobs.get, job_id_of(image)) is None

        await eventually(is_deleted)
        yield Later(app=app, ada=ada, ben=ben, image=image)


async def test_buttons_of_an_old_image_say_that_it_is_no_longer_kept(env: Env) -> None:
    async with later(env) as at:
        await at.ben.click(at.image, "More")
        await at.refused(at.ben)
        await at.ben.click(at.image, "Again")
        await at.refused(at.ben, 2)
        await at.ben.menu("Image details", at.image)
        await at.refused(at.ben, 3)
        assert (await at.app.store.read(audit.prove)).wrong == ()


async def test_its_author_can_still_edit_and_delete_it(env: Env) -> None:
    async with later(env) as at:
        await at.ada.click(at.image, "Edit")
        await at.ada.submit(await at.ada.modal(), prompt="at night")
        await at.ada.message(lambda m: has_image(m) and m.id != at.image.id)
        await press(at.ada, at.image, "Delete")
        await at.ada.until(lambda: at.image.id not in {m.id for m in at.ada.messages()} or None)


async def test_an_author_s_refusal_of_edits_outlives_the_image(env: Env) -> None:
    async with later(env) as at:
        await at.app.services.members.change(int(at.ada.id), lambda chosen: chosen.model_copy(update={"consent": Consent.NOBODY}))
        await at.ben.click(at.image, "Edit")
        await at.refused(at.ben, sentence="doesn't let you edit their images")
        await at.ben.menu("Use as reference", at.image)
        await at.refused(at.ben, 2, sentence="doesn't let you edit their images")


async def test_an_old_image_of_nobody_knows_whom_cannot_be_edited(env: Env) -> None:
    """One that a reaction ordered: its message answers no command."""
    async with later(env, by_reaction=True) as at:
        await at.ben.click(at.image, "Edit")
        await at.refused(at.ben)
        await at.ben.react(at.image, "❌")
        await at.ben.message(lambda m: "no longer knows who created this image" in m.text, "dm")


async def test_history_and_links_say_that_nothing_is_left(env: Env) -> None:
    async with later(env) as at, person_in(env, "Mo") as mo:
        await at.ada.slash("history")
        await at.ada.message(lambda m: m.ephemeral and "Your history" in m.text and "red fox" not in m.text)
        await mo.slash("imagemod delete", image=at.image.id)
        await at.refused(mo, sentence="or it's older than the bot keeps")
        await delete(mo, at.image)  # without the job it is only a message
        await mo.until(lambda: at.image.id not in {m.id for m in mo.messages()} or None)
