"""What the operator has to know comes to them, by a webhook and by DM."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from bot.core import log
from bot.core.errors import DatabaseDamaged
from bot.store import claims
from bot.store.engine.base import Topic
from sandbox.person import Person
from tests.env.app import Env, person_in
from tests.env.scripted import Scripted, scripted
from tests.journeys.operations.test_faults import AheadClock
from tests.journeys.operations.test_loops import stopped
from tests.services.conftest import eventually

REFUSED = "Easel: image API needs its operator (oxen), since "


@pytest.fixture(autouse=True)
def real_logging() -> None:
    log.set_up(level="INFO", form="json", known_secrets=[])
    structlog.configure(cache_logger_on_first_use=False)  # loggers of modules outlive the test


@pytest.fixture
async def hook() -> AsyncIterator[Scripted]:
    async with scripted() as server:
        yield server


async def told(hook: Scripted, count: int = 1) -> list[str]:
    async def texts() -> list[str] | None:
        return [seen.json["content"] for seen in hook.seen] if len(hook.seen) >= count else None

    return await eventually(texts)


async def order_and_read(person: Person) -> None:
    await person.slash("generate", "studio", prompt="a red fox")
    await person.message(lambda message: "The bot's operator has been told" in message.content, "studio")


@pytest.mark.faults("out-of-credit")
async def test_an_account_without_credit_is_told_to_the_webhook_and_to_the_owner(env: Env, hook: Scripted) -> None:
    async with env.app(OPERATOR_WEBHOOK_URL=f"{hook.url}/hook"), person_in(env, "Ada") as ada, person_in(env, "Mo") as owner:
        await order_and_read(ada)
        by_dm = await owner.message(lambda message: message.content.startswith(REFUSED), "dm")
        (by_webhook,) = await told(hook)
        env.switchboard.turn_off("out-of-credit")
        await ada.slash("generate", "studio", prompt="a red fox")
        assert (await told(hook, 2))[1] == "Easel: image API needs its operator (oxen) is over."
    assert by_webhook == by_dm.content
    assert ("a red fox" in by_webhook, env.images.key in by_webhook) == (False, False)


@pytest.mark.faults("key-refused")
async def test_a_key_that_is_refused_before_any_order_is_told_too(env: Env, hook: Scripted) -> None:
    async with env.app(await_models=False, OPERATOR_WEBHOOK_URL=f"{hook.url}/hook"):
        (text,) = await told(hook)
    assert text.startswith("Easel: models not refreshed (oxen), since ")
    assert text.endswith("Check the key and the credit of the account there: `python -m bot doctor` says what is wrong.")


async def test_a_loop_that_does_not_work_is_told_and_so_is_its_end(env: Env, hook: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    clock = AheadClock()
    with monkeypatch.context() as patch:
        patch.setattr(claims, "to_submit", fail)
        async with env.app(clock=clock, may_fail={"dispatch"}, OPERATOR_WEBHOOK_URL=f"{hook.url}/hook", OPERATOR_DM="false") as app:
            clock.ahead_ms = 301_000
            (text,) = await told(hook)
            assert text.startswith("Easel: background loop not working (dispatch), since ")
            assert "ZeroDivisionError. It is tried again by itself." in text
            patch.undo()
            app.store.wake(Topic.QUEUE)
            assert (await told(hook, 2))[1] == "Easel: background loop not working (dispatch) is over."


@pytest.mark.faults("out-of-credit", "dms-closed")
async def test_an_owner_who_takes_no_dms_delays_nothing(env: Env, caplog: pytest.LogCaptureFixture) -> None:
    async with env.app(), person_in(env, "Ada") as ada:
        await order_and_read(ada)

        async def is_logged() -> bool | None:
            return "notice not sent" in caplog.text or None

        await eventually(is_logged)
        await ada.slash("ping", "dm")


async def test_what_ends_the_bot_is_told_before_it_ends(env: Env, hook: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object, **__: object) -> None:
        structlog.get_logger("bot.store").critical("database damaged", do="Restore a backup.")
        raise DatabaseDamaged("The database is damaged.")

    with pytest.raises(ExceptionGroup):  # noqa: PT012
        async with env.app(OPERATOR_WEBHOOK_URL=f"{hook.url}/hook") as app:
            monkeypatch.setattr(claims, "to_submit", damaged)
            app.store.wake(Topic.QUEUE)
            await stopped(app)
    assert [seen.json["content"].partition(",")[0] for seen in hook.seen] == ["Easel: database damaged"]
