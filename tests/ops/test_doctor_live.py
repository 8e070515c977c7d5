"""`doctor --live` against the local services: each line once good and once bad, what it asks first, and what it leaves behind."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import __main__ as command_line
from bot.core.errors import EaselError
from bot.media.codec import clean_reference
from bot.ops import doctor_live
from bot.ops.findings import Finding, Severity
from bot.ops.live_images import LiveTiming, small_image
from sandbox import discord, images
from sandbox.faults import Switchboard
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.env.command import run
from tests.env.images import png

QUICK = LiveTiming(poll_s=0.01, image_s=10, event_s=0.5, charge_s=0.2)
GOOD = [
    "Discord, post: an image was posted in #studio.",
    "Discord, edit: a message with a panel was edited, and shows the image that was added.",
    "Discord, attachments: the bot's own messages and those of others come with their attachments.",
    "Oxen.ai, queue: FLUX.2 Klein 4B created an image.",
    "Oxen.ai, event: an event reported the end of the generation.",
    "Oxen.ai, link: the image's link opens without the key.",
    "Oxen.ai, link with key: the image's link opens with the key.",
    "Oxen.ai, row: the row repeats the prompt and the seed.",
    "Oxen.ai, reference: it reads Discord's link to a reference image.",
    "Oxen.ai, large body: it accepts a request with a reference image of 1.9 MB.",
    "Oxen.ai, charge: it charged $0.014, as much as Easel reserves.",
    "Oxlo.ai, image: Flux.1 Schnell created it, and it opens.",
    "Oxlo.ai, size: the image has 1024x1024 pixels, as asked.",
]


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Env]:
    """An application with the message content intent, and both image APIs."""
    switchboard = Switchboard()
    async with (
        images.serve(switchboard=switchboard, timing=images.FAST, draft=True) as image_server,
        discord.serve(switchboard=switchboard, privileged_intents=frozenset({"message_content"})) as discord_server,
    ):
        env = Env(switchboard=switchboard, images=image_server, discord=discord_server, folder=tmp_path)
        env.overrides = {**env.oxlo, "MESSAGE_CONTENT_INTENT": "true", "REFERENCE_MAX_MB": "2"}
        yield env


@pytest.fixture
async def eve(live: Env) -> AsyncIterator[Person]:
    """Someone else, who has posted an image in the channel."""
    async with Person.connect(live.discord.url, "Ada") as person:
        await person.say("a fox", files=(person.upload("fox.png", png(32, 24)),))
        yield person


async def examine(env: Env, person: Person, **overrides: str) -> list[str]:
    """The lines; the return value must agree with them, and nothing may be left in the channel or in the queue."""
    found: list[Finding] = []
    before = [message.id for message in person.messages()]
    plan = await doctor_live.plan_of(env.settings(**overrides), int(person.channel("studio")))
    fine = await doctor_live.examine_live(plan, show=found.append, timing=QUICK)
    await person.until(lambda: [message.id for message in person.messages()] == before or None)
    assert fine is not any(finding.severity is Severity.BAD for finding in found)
    assert {each["status"] for each in await env.generations()} <= {"succeeded", "failed", "cancelled"}
    return list(map(str, found))


async def test_every_line_is_good(live: Env, eve: Person) -> None:
    assert await examine(live, eve) == [f"ok    {line}" for line in GOOD]
    assert list(live.folder.iterdir()) == []  # it opens no database


BAD = [
    ("upload-refused", "Discord, post: no image could be posted in #studio"),
    ("channel-closed", "Discord, post: no image could be posted in #studio"),
    ("message-gone", "Discord, edit: it failed: Discord refused it (status 404, code 10008)"),
    ("content-hidden", "Discord, attachments: messages of others come without their attachments; turn on the message content intent"),
    ("enqueue-empty", "Oxen.ai, queue: it didn't accept an image: "),
    ("out-of-credit", "Oxen.ai, queue: it didn't accept an image: "),
    ("generation-fails", "Oxen.ai, queue: the generation ended without an image"),
    ("generation-cancelled", "Oxen.ai, queue: the generation ended without an image"),
    ("events-lost", "Oxen.ai, event: no event arrived; look for a proxy that delays answers"),
    ("events-refused", "Oxen.ai, event: "),
    ("result-not-image", "Oxen.ai, link: the image's link doesn't open without the key"),
    ("result-not-image", "Oxen.ai, link with key: the image's link returns no image with the key"),
    ("result-short", "Oxen.ai, link: the image's link doesn't open without the key"),
    ("rows-lean", "Oxen.ai, row: the row doesn't repeat the prompt and the seed"),
    ("reference-unread", "Oxen.ai, reference: it can't use Discord's link to a reference image"),
    ("result-bomb", "Oxen.ai, link: the image's link doesn't open without the key"),
    ("result-cut", "Oxen.ai, link with key: the image's link doesn't answer with the key"),
    ("rows-rewritten", "Oxen.ai, row: the row doesn't repeat the prompt"),
    ("cdn-gone", "Oxen.ai, reference: it can't use Discord's link to a reference image"),
    ("body-refused", "Oxen.ai, large body: it refuses a request with a reference image of 1.9 MB"),
    ("charge-doubled", "Oxen.ai, charge: it charged $0.028, more than the $0.014 that Easel reserves"),
    ("result-not-image", "Oxlo.ai, image: it was created, but can't be opened"),
    ("generation-fails", "Oxlo.ai, image: none was created"),
    ("size-ignored", "Oxlo.ai, size: 1024x1024 pixels were asked for, and the image has 512x512"),
    ("result-huge", "Oxen.ai, link with key: the image's link returns no image with the key: The image is larger than RESULT_MAX_MB"),
    ("models-down", "Oxen.ai, models: they can't be read"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "line"), BAD)
async def test_every_line_is_bad_under_its_fault(live: Env, eve: Person, fault: str, line: str) -> None:
    live.switchboard.turn_on(fault)
    assert [said for said in await examine(live, eve) if said.startswith(f"bad   {line}")]


def test_every_line_is_once_good_and_once_bad() -> None:
    assert {line.partition(":")[0] for line in GOOD} <= {line.partition(":")[0] for _fault, line in BAD}


async def test_a_link_that_needs_the_key_is_a_warning(live: Env, eve: Person) -> None:
    live.switchboard.turn_on("result-locked")
    lines = await examine(live, eve)
    assert "warn  Oxen.ai, link: the image's link opens only with the key, which Easel then sends." in lines
    assert "ok    Oxen.ai, link with key: the image's link opens with the key." in lines


async def test_a_message_that_stays_is_named(live: Env, eve: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("discord.Message.delete", refuse)
    found: list[Finding] = []
    plan = await doctor_live.plan_of(live.settings(), int(eve.channel("studio")))
    assert not await doctor_live.examine_live(plan, show=found.append, timing=QUICK)
    assert str(found[-1]) == "bad   Discord, clean-up: 2 of the doctor's messages in #studio couldn't be deleted; delete them there."


async def test_what_the_settings_leave_out_is_skipped(live: Env, eve: Person) -> None:
    skipped = [line for line in await examine(live, eve, OXEN_MODE="poll", REFERENCE_MODE="inline") if line.startswith("skip")]
    assert [line.partition(":")[0] for line in skipped] == ["skip  Oxen.ai, event", "skip  Oxen.ai, reference"]


async def test_hidden_messages_are_no_fault_without_the_intent(live: Env, eve: Person) -> None:
    live.switchboard.turn_on("content-hidden")
    told = "ok    Discord, attachments: the bot's own messages have theirs; those of others are hidden, as they are without"
    assert [line for line in await examine(live, eve, MESSAGE_CONTENT_INTENT="false") if line.startswith(told)]


async def test_a_synchronous_image_is_opened(live: Env, eve: Person) -> None:
    assert "ok    Oxen.ai, image: FLUX.2 Klein 4B created it, and it opens." in await examine(live, eve, OXEN_MODE="sync")


async def test_an_image_that_never_ends_is_cancelled(live: Env, eve: Person) -> None:
    live.switchboard.turn_on("generation-stuck")
    plan = await doctor_live.plan_of(live.settings(OXLO_API_KEY=""), int(eve.channel("studio")))
    assert not await doctor_live.examine_live(plan, show=lambda _: None, timing=LiveTiming(poll_s=0.01, image_s=0.3, event_s=0.1))
    assert {each["status"] for each in await live.generations()} == {"cancelled"}


async def test_the_plan_names_the_channel_and_the_cost_and_costs_nothing(live: Env, eve: Person) -> None:
    plan = str(await doctor_live.plan_of(live.settings(), int(eve.channel("studio"))))
    assert "in #studio" in plan
    assert "Oxen.ai: one image of FLUX.2 Klein 4B, about $0.014; one more is cancelled at once" in plan
    assert "Oxlo.ai: one image of Flux.1 Schnell, about $0.02." in plan
    assert await live.generations() == []


async def test_an_unknown_channel_is_refused(live: Env) -> None:
    with pytest.raises(EaselError, match="check the channel's id"):
        await doctor_live.plan_of(live.settings(), 1)


# --- the command ---------------------------------------------------------------------------------------------------------


async def test_the_command_works_beside_a_running_bot(live: Env, folder: Path, eve: Person) -> None:
    async with live.app():
        await eve.slash("generate", prompt="a red fox")
        await eve.message(has_image)
        ran = await run("doctor", "--live", "--channel", eve.channel("studio"), "--yes", folder=folder, environ=live.environment())
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.splitlines()[-len(GOOD) :] == [f"ok    {line}" for line in GOOD]
        await eve.slash("generate", prompt="a blue fox")
        await eve.message(lambda message: has_image(message) and "blue" in message.content)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--live"], "doctor --live posts in a channel: add --channel and its id."),
        (["--live", "--channel", "5"], "doctor --live asks before it spends money, and there is no terminal to ask at. Nothing was done;"),
        (["--yes"], "--channel and --yes belong to `doctor --live`."),
        (["--live", "--channel", "studio"], "a channel is given by its id"),
    ],
)
async def test_without_a_channel_or_agreement_nothing_is_done(live: Env, folder: Path, options: list[str], sentence: str) -> None:
    ran = await run("doctor", *options, folder=folder, environ=live.environment())
    assert (ran.code, ran.out) == (2, "")
    assert sentence in ran.err
    assert list(live.images.requests) == []


@pytest.mark.parametrize(("answer", "code", "created"), [("", 1, 0), ("n\n", 1, 0), ("y\n", 0, 2)])
async def test_it_asks_first(live: Env, eve: Person, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, created: int) -> None:
    for name, value in live.environment().items():
        monkeypatch.setenv(name, value)
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    ended = await asyncio.to_thread(command_line.main, ["doctor", "--live", "--channel", eve.channel("studio")])
    assert (ended, len([each for each in await live.generations() if each["in_queue"]])) == (code, created)


def test_the_doctor_s_own_reference_image_has_nothing_to_clean() -> None:
    assert clean_reference(small_image(), max_pixels=1_000_000).was_bare
