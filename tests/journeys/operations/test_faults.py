"""Every named fault of Discord and the image API, and what a member sees of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from bot.app import App
from bot.core.clock import system
from bot.domain.job import JobState
from bot.store.money import ledger
from sandbox.answers import ANSWERS
from sandbox.faults import FAULTS
from sandbox.images.odd_results import ODD_RESULTS
from sandbox.person import Message, Person
from tests.env.app import Env, has_image, person_in, statement_of
from tests.env.job_steps import in_state
from tests.env.timing import BRISK
from tests.journeys.images.test_commands import image_bytes

PRICE = 1_400_000  # microcredits of FLUX.2 Klein 4B


@dataclass(kw_only=True)
class AheadClock:
    """The system's clock, which a test can advance."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return system() + self.ahead_ms


@dataclass(frozen=True, kw_only=True)
class FaultCase:
    """One fault, how often it occurs, and how a request ends under it."""

    fault: str
    times: int | None = None
    says: str = ""  # in the finished message; empty if the image is delivered without a remark
    spent: int = PRICE
    enqueued: int = 1


UNSEEN = [
    *[
        FaultCase(fault=name)
        for name in (
            "rows-rewritten",
            "body-refused",
            "size-ignored",
            "content-hidden",
            "events-early",
            "events-lost",
            "events-doubled",
            "events-strangers",
            "events-other-types",
            "events-garbled",
            "events-huge",
            "events-cut",
            "events-silent",
            "events-refused",
            "result-locked",
            "result-compressed",
            "result-long-header",
            "result-odd-link",
            "rows-fail",
            "rows-huge",
            "status-odd",
            "token-expired",
            "server-unavailable",
            "server-unread",
            "event-unreadable",
            "interactions-doubled",
        )
    ],
    *[
        FaultCase(fault=name, times=1)
        for name in (
            "enqueue-answer-lost",
            "enqueue-cut",
            "images-rate-limited",
            "images-error",
            "result-expired",
            "result-cut",
            "result-short",
            "result-late",
            "result-busy",
            "result-not-image",
            "result-huge",
            "result-elsewhere",
            "result-link-missing",
            "discord-rate-limited",
            "discord-error",
            "discord-answer-lost",
            "discord-answer-502",
            "discord-answer-closed",
            "first-answer-lost",
            "upload-refused",
            "socket-dropped",
            "gateway-doubled",
        )
    ],
]
TOLD = [
    FaultCase(fault="enqueue-empty", says="No image", spent=0, enqueued=0),
    FaultCase(fault="out-of-credit", says="The bot's operator has been told", spent=0, enqueued=0),
    FaultCase(fault="key-refused", says="The bot's operator has been told", spent=0, enqueued=0),
    FaultCase(fault="generation-fails", says="No image", spent=0),
    FaultCase(fault="generation-cancelled", says="The image service cancelled this image.", spent=0),
    FaultCase(fault="result-bomb", says="Open it here: <http"),
]
ELSEWHERE = {  # they have tests of their own: below, and with `doctor --live`
    "charge-doubled",
    "cancel-charged",
    "generation-stuck",
    "models-down",
    "oxen-down",
    "oxlo-down",
    "result-wrapped",
    "reference-unread",
    *ODD_RESULTS.keys() - {"result-bomb"},  # tests/journeys/images/test_result_kinds.py
    "random-answers",  # tests/services/pipeline/test_random_answers.py
    "session-lost",
    "gateway-replayed",  # test_once.py
    "channel-closed",
    "message-gone",
    "dms-closed",
    "cdn-gone",
    "dms-too-fast",
    "words-refused",  # in test_refused.py, as the next four
    "texts-refused",
    "words-refused-automod",
    "images-refused",
    "gallery-edits-refused",
    *(
        "token-refused",
        "shard-refused",
        "shards-wanted",
        "identify-limited",
        "version-refused",
        "intents-unknown",
        "intents-refused",
    ),  # in test_connection.py
    *("commands-refused", "commands-forbidden", "commands-down"),
    "deletions-unheard",  # tests/journeys/admin/test_gone.py
    "gateway-late",
    *ANSWERS,  # in test_answers.py, as the next three
    "answer-events",
    "clock-behind",
    "rows-lean",
    "charges-down",
}


def test_every_fault_has_a_case() -> None:
    assert {case.fault for case in (*UNSEEN, *TOLD)} | ELSEWHERE == {fault.name for fault in FAULTS}


def finished(message: Message) -> bool:
    return "More" in message.buttons


@pytest.mark.parametrize("case", [*UNSEEN, *TOLD], ids=lambda case: case.fault)
async def test_a_request_ends_correctly_under_every_fault(env: Env, app: App, ada: Person, case: FaultCase) -> None:
    env.switchboard.turn_on(case.fault, times=case.times)
    await ada.slash("generate", prompt="a red fox")
    message = await ada.message(finished)
    statement = await statement_of(app, int(ada.id))
    assert len([m for m in ada.messages() if finished(m)]) == 1
    assert has_image(message) is not bool(case.says)
    assert case.says in message.content
    assert (statement.held, statement.spent) == (0, case.spent)
    assert len(await env.generations()) == case.enqueued
    assert await app.store.read(ledger.audit) == []


async def test_a_generation_that_never_ends_is_cancelled_and_refunded(env: Env) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with env.app(MAX_GENERATION_MINUTES="0.005") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert "took too long" in (await ada.message(finished)).content
        assert (await statement_of(app, int(ada.id))).held == 0


@pytest.mark.parametrize("fault", ["rows-fail", "status-odd", "rows-huge"])
async def test_a_generation_ends_however_its_row_is_answered(env: Env, fault: str) -> None:
    for name in ("generation-stuck", "events-lost", fault):
        env.switchboard.turn_on(name)
    async with env.app(MAX_GENERATION_MINUTES="0.005") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert "took too long" in (await ada.message(finished)).content
        assert (await statement_of(app, int(ada.id))).held == 0


@pytest.mark.faults("rows-fail")
async def test_a_cancelled_image_ends_although_its_row_cannot_be_read(env: Env) -> None:
    env.switchboard.turn_on("generation-stuck")
    async with env.app(MAX_GENERATION_MINUTES="0.02") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        await ada.click(await ada.message(lambda m: "Cancel" in m.buttons), "Cancel")
        assert "✋ Cancelled" in (await ada.message(finished)).content
        assert (await statement_of(app, int(ada.id))).held == 0


@pytest.mark.faults("reference-unread")
@pytest.mark.parametrize("mode", ["events", "poll", "sync"])
async def test_a_reference_whose_link_cannot_be_read_is_sent_inline_once(env: Env, mode: str) -> None:
    async with env.app(OXEN_MODE=mode, REFERENCE_MODE="link") as app, person_in(env, "Ada") as ada:
        await ada.slash("edit", prompt="brighter", image=ada.upload("a.png", image_bytes()), count=2)
        assert len((await ada.message(finished)).attachments) == 2
        sent = [request.json["input_image"][0] for request in env.images.received("POST", "/api/ai/") if "input_image" in request.json]
        assert sorted(each.startswith("data:") for each in sent) == [False, False, True, True]
        assert (await statement_of(app, int(ada.id))).spent == 2 * PRICE


@pytest.mark.faults("result-wrapped")
async def test_wrapped_base64_is_read(env: Env) -> None:
    async with env.app(settings=env.oxlo, OXEN_API_KEY=""), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert has_image(await ada.message(finished))


@pytest.mark.faults("result-not-image")
async def test_a_member_reads_that_a_finished_image_is_on_its_way(env: Env) -> None:
    clock = AheadClock()
    async with env.app(clock=clock) as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        while not await app.store.read(in_state, JobState.DELIVERABLE):
            pass
        clock.ahead_ms = 10_000
        await ada.message(lambda m: "ready but can't be loaded yet" in m.content)
        env.switchboard.turn_off("result-not-image")
        assert has_image(await ada.message(finished))


@pytest.mark.faults("models-down")
async def test_a_request_before_the_first_model_list_is_refused(env: Env) -> None:
    async with env.app(await_models=False), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        assert "list of models has not been read yet" in (await ada.message(lambda m: m.ephemeral)).content


async def test_members_reach_a_new_bot_once_it_has_read_its_first_list_of_models(env: Env) -> None:
    async with env.app(await_models=False, timing=replace(BRISK, first_list_s=60)) as app:
        assert app.models.offered


async def test_the_model_list_survives_a_restart_without_the_image_api(env: Env) -> None:
    async with env.app():
        pass
    env.switchboard.turn_on("models-down")
    async with env.app(), person_in(env, "Ada") as ada:
        assert await ada.autocomplete("generate", "model", prompt="x", model="klein")


async def test_a_private_image_is_sent_by_direct_message_once_its_token_has_expired(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("token-expired")
    await ada.slash("generate", prompt="a red fox", private=True)
    assert has_image(await ada.message(finished, "dm"))
    assert not any(finished(m) for m in ada.messages())


async def test_a_deleted_waiting_message_is_replaced_by_a_new_one(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("message-gone", times=1)
    await ada.slash("generate", prompt="a red fox")
    assert has_image(await ada.message(finished))
    assert len(ada.messages()) == 1


async def test_without_access_to_the_channel_the_image_is_sent_by_direct_message(env: Env, ada: Person) -> None:
    for name in ("token-expired", "message-gone", "channel-closed"):
        env.switchboard.turn_on(name)
    await ada.slash("generate", prompt="a red fox")
    assert has_image(await ada.message(finished, "dm"))


async def test_an_undeliverable_image_is_kept_until_it_can_be_delivered(env: Env, app: App, ada: Person) -> None:
    closed = ("token-expired", "message-gone", "channel-closed", "dms-closed")
    for name in closed:
        env.switchboard.turn_on(name)
    await ada.slash("generate", prompt="a red fox")
    while not await app.store.read(in_state, JobState.STRANDED):
        pass
    for name in closed:
        env.switchboard.turn_off(name)
    assert has_image(await ada.message(finished))


@pytest.mark.parametrize("lost", ["channel", "dm"])
async def test_a_new_message_whose_response_was_lost_is_not_sent_twice(env: Env, ada: Person, lost: str) -> None:
    for name in ("token-expired", "message-gone", *(["channel-closed"] if lost == "dm" else [])):
        env.switchboard.turn_on(name)
    env.images.switchboard.turn_on("generation-stuck")
    await ada.slash("generate", prompt="a red fox")
    env.switchboard.turn_on("discord-answer-lost", times=1)
    env.images.switchboard.turn_off("generation-stuck")
    where = "dm" if lost == "dm" else "studio"
    await ada.message(finished, where)
    await ada.slash("quota")
    await ada.message(lambda m: "0 reserved" in m.text)
    assert len([m for m in ada.messages(where) if finished(m)]) == 1


@pytest.mark.faults("first-answer-lost", times=1)
async def test_a_waiting_message_of_unknown_id_is_found_once_its_token_has_expired(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("token-expired")
    await ada.slash("generate", prompt="a red fox")
    assert has_image(await ada.message(finished))
    assert len(ada.messages()) == 1


@pytest.mark.faults("token-expired")
async def test_an_expired_token_is_used_once(env: Env, ada: Person) -> None:
    env.switchboard.turn_on("discord-answer-lost", times=2)  # so that delivery is tried three times
    await ada.slash("generate", prompt="a red fox")
    await ada.message(finished)
    await ada.until(lambda: not env.switchboard.is_on("discord-answer-lost") or None)
    assert [each.status for each in env.discord.refused] == [401]


@pytest.mark.faults("message-gone")
async def test_a_deleted_message_is_edited_once(env: Env, ada: Person) -> None:
    await ada.slash("generate", prompt="a red fox")
    await ada.message(finished)
    assert [each.status for each in env.discord.refused] == [404]


async def test_a_lost_session_loses_no_image(env: Env, app: App, ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_shard: int | None, *, initial: bool = False) -> None:
        """discord.py waits five seconds here to spare the real gateway."""

    monkeypatch.setattr(app.client, "before_identify_hook", at_once)
    await ada.slash("generate", prompt="a red fox")
    env.switchboard.turn_on("session-lost")
    assert has_image(await ada.message(finished))
    await ada.until(lambda: ada.bot_online or None)
    await ada.slash("ping")
    await ada.message(lambda m: "Online" in m.content)


@pytest.mark.faults("cdn-gone")
async def test_a_reference_that_cannot_be_fetched_is_refused(ada: Person) -> None:
    await ada.slash("edit", prompt="brighter", image=ada.upload("a.png", image_bytes()))
    assert "a.png:" in (await ada.message(lambda m: m.content.startswith("🚫"))).content


@pytest.mark.parametrize("mode", ["poll", "sync"])
async def test_the_other_modes_deliver_as_well(env: Env, mode: str) -> None:
    async with env.app(OXEN_MODE=mode) as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox", count=2)
        assert len((await ada.message(finished)).attachments) == 2
        assert (await statement_of(app, int(ada.id))).spent == 2 * PRICE


async def test_in_sync_mode_a_lost_response_is_not_paid_twice(env: Env) -> None:
    env.switchboard.turn_on("enqueue-answer-lost")
    async with env.app(OXEN_MODE="sync") as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        message = await ada.message(finished)
        calls = env.images.received("POST", "/api/ai/images")
        assert (len(calls), has_image(message) or "answer got lost" in message.content) == (1, True)
        assert (await statement_of(app, int(ada.id))).held == 0
