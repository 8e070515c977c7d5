"""Bad files, events, model schemas, prompts, custom ids and emoji: each is refused with a sentence, or does no harm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import discord

from bot.app import App
from bot.core.errors import EaselError
from bot.domain.catalog.ideas import Idea
from bot.domain.job import JobKind, ReplyTarget
from bot.domain.order import PROMPT_MAX, Attachment, Order
from bot.media import codec, likeness
from bot.media.decoding import DecodingPool
from bot.providers.answers import _load
from bot.providers.oxen import Oxen
from cogs.kit import job_texts
from sandbox import images
from sandbox.person import Message, NotDoneError, Person
from tests.chaos.databases import EngineName
from tests.chaos.load import LogLine, errors_in, pipeline_without_loops, recorded_log, scene
from tests.chaos.mutations import TEXTS, mutated_json, mutated_text
from tests.chaos.table import Conditions, Result, Run
from tests.env.guild_rules import change_rules
from tests.env.jobs import request
from tests.journeys.conftest import job_id_of
from tests.media.cases.mutations import chosen, mutated, originals
from tests.services.conftest import Pipeline
from tests.services.pipeline.test_random_answers import weather

_LIMIT_S = 10.0  # for one input
_PLACE = ReplyTarget(user_id=7, channel_id=5, guild_id=1)
_OTHER_KIND = "components_v2 messages cannot contain"  # the press of a panel's control arrived from another kind of message
_CUSTOM_IDS = Path(__file__).parents[1] / "cogs" / "golden" / "custom_ids.json"
_MODELS = Path(images.__file__).with_name("models.json")
_MAX_PIXELS = 10_000_000
_IN_PROCESSES = ("AVIF", "HEIC")  # each is decoded in a process of its own, so a run would take hours


@dataclass(kw_only=True)
class Inputs:
    """What was given to the bot, and what it made of it."""

    taken: int = 0
    refused: int = 0
    wrong: dict[str, str] = field(default_factory=dict)  # by kind, with the first input

    async def give(self, name: str, given: object, work: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S):
                await work
        except EaselError:
            self.refused += 1
        except Exception as error:  # noqa: BLE001  what should not escape
            self.wrong.setdefault(f"{name}: {type(error).__name__}", f"{error!s:.300} for {given!r:.300}")
        else:
            self.taken += 1

    def result(self, log: Sequence[LogLine], *, expected: str | None = None) -> Result:
        wrong = [f"{kind}: {example}" for kind, example in self.wrong.items()]
        notes = (f"{self.taken + self.refused + len(wrong):,} inputs",)
        return Result(bad_inputs=self.refused, wrong=(*wrong, *errors_in(log, expected=expected)), notes=notes)


# --- images ----------------------------------------------------------------------------------------------------------


async def decoder(conditions: Conditions) -> Result:
    """Files as references, and as results."""
    dice, inputs = Random(conditions.seed), Inputs()
    files = {name: contents for name, contents in originals().items() if name not in _IN_PROCESSES}
    path = conditions.folder / "image"
    async with pipeline_without_loops(conditions) as (pipeline, log), DecodingPool("fuzz") as pool:
        asked = await request(pipeline, _PLACE)
        for _ in range(_count(conditions, 20_000)):
            content = mutated(chosen(files, dice), dice, chosen(files, dice))
            path.write_bytes(content)
            await inputs.give("reference", content, pipeline.orders.take_reference(_uploaded(content), asked))
            await inputs.give("result", content, _used_as_result(pool, path))
        return inputs.result(log)


def _uploaded(content: bytes) -> Attachment:
    async def read() -> tuple[str, bytes]:
        return "a.png", content

    return Attachment(url="", filename="a.png", size_bytes=len(content), read=read)


async def _used_as_result(pool: DecodingPool, path: Path) -> None:
    await pool.inspect(path, max_pixels=_MAX_PIXELS)
    await pool.run(codec.thumbnail, path, max_pixels=_MAX_PIXELS)
    await pool.run(codec.fit, path, 1024, max_pixels=_MAX_PIXELS)
    await pool.run(likeness.fingerprint, path, max_pixels=_MAX_PIXELS)


# --- image APIs ------------------------------------------------------------------------------------------------------


async def events(conditions: Conditions) -> Result:
    """The bytes of an event stream, cut anywhere, and what they say about a job that is running."""
    dice, inputs = Random(conditions.seed), Inputs()
    async with pipeline_without_loops(conditions) as (pipeline, log):
        job = await pipeline.order()
        for _ in range(_count(conditions, 20_000)):
            event = {"generation_id": job.id, "status": "succeeded", "media_type": "image", "model": "m", "url": "/a.png", "error": "none"}
            text = json.dumps(mutated_json(event, dice))
            content = f"event: media_generation_completed\ndata: {text}\n\n".encode()
            content = mutated(content, dice) if dice.random() < 0.3 else content
            await inputs.give("event", content, _heard(pipeline, content, dice))
        return inputs.result(log)


async def _heard(pipeline: Pipeline, content: bytes, dice: Random) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        at = dice.randrange(len(content) + 1)
        yield content[:at]
        yield content[at:]

    provider = pipeline.provider
    assert isinstance(provider, Oxen)
    heard = [event async for event in provider._events(chunks())]
    for event in heard:
        await pipeline.watch._handle(event)
    if not heard:
        raise EaselError("It was left out.")


async def schemas(conditions: Conditions) -> Result:
    """Lists of models, and orders with the models that remain."""
    dice, inputs = Random(conditions.seed), Inputs()
    originals = json.loads(_MODELS.read_text("utf-8"))
    listed: list[Mapping[str, Any]] = originals if isinstance(originals, list) else originals["data"]

    class Mutated(Oxen):
        async def models(self) -> Sequence[Mapping[str, Any]]:
            answer = list(_load(json.dumps([mutated_json(each, dice) for each in dice.sample(listed, 3)]).encode()) or [])
            return [each for each in answer if isinstance(each, dict)]

    async with pipeline_without_loops(conditions, client=Mutated) as (pipeline, log):
        for _ in range(_count(conditions, 2_000)):
            await inputs.give("list of models", "", pipeline.models.refresh("oxen"))
            for model in pipeline.models.offered:
                order = await _random_order(pipeline, dice, prompt="a red fox", model=model.id)
                await inputs.give("order", order, _ordered(pipeline, order))
        return inputs.result(log)


# --- members ---------------------------------------------------------------------------------------------------------


async def prompts(conditions: Conditions) -> Result:
    """Prompts and options, on a server with rules for prompts."""
    dice, inputs = Random(conditions.seed), Inputs()
    async with pipeline_without_loops(conditions) as (pipeline, log):
        await change_rules(pipeline.guilds, prompts={"block": {"words": ["dragon"], "patterns": ["gr[ae]y"]}})
        for _ in range(_count(conditions, 5_000)):
            prompt = mutated_text(dice.choice(("a red fox", "a dr4gon", *TEXTS)), dice)[:PROMPT_MAX]
            order = await _random_order(pipeline, dice, prompt=prompt)
            await inputs.give("order", order, _ordered(pipeline, order))
        return inputs.result(log)


async def _random_order(pipeline: Pipeline, dice: Random, *, prompt: str, model: str | None = None) -> Order:
    def rarely(usual: Any, *others: Any) -> Any:
        return usual if dice.random() < 0.9 else dice.choice(others)

    return Order(
        request=await request(pipeline, _PLACE),
        kind=rarely(JobKind.GENERATE, JobKind.EDIT),
        prompt=prompt,
        model=model or rarely(None, mutated_text("klein", dice)),
        options=rarely({}, *({idea: mutated_text(value, dice)} for idea in Idea for value in ("16:9", "4"))),
        more=rarely("", mutated_text("steps=4, seed=1", dice)),
        count=rarely(1, 4, 0, -1, 10**6),
        seed=rarely(None, 0, -1, 2**53, 2**63, 10**40),
    )


async def _ordered(pipeline: Pipeline, order: Order) -> None:
    """Take it in, show it, and end it, so that the next is not one too many."""
    receipt = await pipeline.orders.order(order)
    assert len(job_texts.waiting(receipt)) <= 2000
    await pipeline.cancel(receipt.job)


async def custom_ids(conditions: Conditions) -> Result:
    """Buttons, menus and forms whose custom id, values and fields were changed on the way from Discord."""
    dice, inputs = Random(conditions.seed), Inputs()
    examples = [each for family in json.loads(_CUSTOM_IDS.read_text("utf-8")).values() for each in family]
    async with scene(conditions) as at, at.env.app() as app, at.members():
        ada, message = at.people[0], await _image_of(at.people[0])
        mutated = _Mutated(app, "INTERACTION_CREATE", lambda payload: _mutate_press(payload, examples, job_id_of(message), dice))
        for _ in range(_count(conditions, 3_000)):
            await inputs.give("press", mutated, _pressed(ada, message, mutated))
            if message.id not in (each.id for each in ada.messages()):  # a press deleted it
                mutated.restore()
                message = await _image_of(ada)
                mutated.start()
        mutated.restore()
        return inputs.result(at.log, expected=_OTHER_KIND)


async def emoji(conditions: Conditions) -> Result:
    """Reactions with emoji that Discord does not have, on an image and on messages that do not exist."""
    dice, inputs = Random(conditions.seed), Inputs()
    async with scene(conditions) as at, at.env.app() as app, at.members():
        ada, message = at.people[0], await _image_of(at.people[0])
        names = ("🎨", "🔁", "🗑️", "🚩", "✋", "🔍", "❤️", "1️⃣")
        for event in ("MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"):
            mutated = _Mutated(app, event, lambda payload: _mutate_emoji(payload, names, dice))
            for _ in range(_count(conditions, 2_000) // 2):
                await inputs.give("reaction", mutated, _reacted(ada, message))
            mutated.restore()
        await ada.slash("ping")
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("discord.py: ")))
        return inputs.result(at.log) + Result(bad_inputs=inputs.taken)


async def _image_of(person: Person) -> Message:
    await person.slash("generate", prompt="a red fox")
    return await person.message(lambda m: "More" in m.buttons)


class _Mutated:
    """Changes the payload of one kind of gateway event before discord.py reads it."""

    def __init__(self, app: App, event: str, change: Callable[[dict[str, Any]], None]) -> None:
        self._parsers: dict[str, Callable[[Any], Any]] = app.client._connection.parsers
        self._event, self._original, self._change = event, self._parsers[event], change
        self.last: object = None
        self.start()

    def start(self) -> None:
        self._parsers[self._event] = self._parse

    def restore(self) -> None:
        self._parsers[self._event] = self._original

    def _parse(self, payload: Any) -> Any:
        self._change(payload)
        self.last = payload.get("data", payload.get("emoji"))
        return self._original(payload)

    def __repr__(self) -> str:
        return repr(self.last)


def _mutate_press(payload: dict[str, Any], examples: Sequence[str], job_id: str, dice: Random) -> None:
    custom_id = dice.choice(examples).replace("k3x9a0b7zq1m", dice.choice((job_id, "k3x9a0b7zq1m")))
    custom_id = mutated_text(custom_id, dice) if dice.random() < 0.5 else custom_id
    payload["data"]["custom_id"] = custom_id
    if dice.random() < 0.4:
        payload["data"] |= {"component_type": dice.choice((3, 5, 6, 7, 8)), "values": [mutated_text("1", dice)] * dice.randrange(3)}
    elif dice.random() < 0.4:
        fields = [{"type": 4, "custom_id": dice.choice(("prompt", "text", "reason", "")), "value": dice.choice(TEXTS)} for _ in range(3)]
        payload["type"] = discord.InteractionType.modal_submit.value
        payload["data"] = {"custom_id": custom_id, "components": [{"type": 18, "component": each} for each in fields]}


def _mutate_emoji(payload: dict[str, Any], names: Sequence[str], dice: Random) -> None:
    name = dice.choice((*names, *TEXTS))
    payload["emoji"] = {"name": mutated_text(name, dice) if dice.random() < 0.5 else name, "id": dice.choice((None, None, "1", str(2**63)))}
    if dice.random() < 0.1:
        payload["message_id"] = str(dice.choice((1, 2**63 - 1)))


async def _pressed(ada: Person, message: Message, mutated: _Mutated) -> None:
    """Press a button whose use arrives as another. Refused: the bot answers with a sentence; no answer at all is a fault."""
    answers = len(_refusals(ada))
    try:
        await ada.click(message, "More")
    except NotDoneError as error:
        is_there = message.id in (each.id for each in ada.messages())
        if "did not respond" in str(error) and is_there:  # a press that deletes the message of its own control cannot change it
            raise
    if len(_refusals(ada)) > answers:
        raise EaselError("It was refused.")


async def _reacted(ada: Person, message: Message) -> None:
    await ada.react(message, "🎨")
    await ada.unreact(message, "🎨")


def _refusals(person: Person) -> list[Message]:
    return [message for message in _all_messages(person) if message.text.startswith("🚫")]


def _all_messages(person: Person) -> list[Message]:
    return [message for channel in person.hello["channels"] for message in person.messages(channel["id"])]


# --- answers ---------------------------------------------------------------------------------------------------------


async def answers(conditions: Conditions) -> Result:
    """Answers of the image APIs, at random; some say that the operator is needed, and are told as that."""
    template = Path(conditions.new_database().removeprefix("sqlite:///"))
    with recorded_log() as log:
        jobs, count = await weather(
            conditions.folder, template, seed=conditions.seed, answers=_count(conditions, 4_000), orders=15 if conditions.short else 80
        )
        return Result(accepted=jobs, delivered=jobs, bad_inputs=count, wrong=tuple(errors_in(log, expected="needs its operator")))


# --- helpers ---------------------------------------------------------------------------------------------------------


def _count(conditions: Conditions, count: int) -> int:
    return max(count // 200, 10) if conditions.short else count


_BOTH = (EngineName.SQLITE, EngineName.POSTGRES)  # they differ in the texts and numbers that they store
_KINDS: Sequence[tuple[str, Callable[[Conditions], Awaitable[Result]], Sequence[EngineName], int]] = (
    ("fuzzed images", decoder, _BOTH[:1], 5_000),
    ("fuzzed events", events, _BOTH, 1_000),
    ("fuzzed model schemas", schemas, _BOTH, 500),
    ("fuzzed prompts", prompts, _BOTH, 1_000),
    ("fuzzed custom ids", custom_ids, _BOTH, 1_000),
    ("fuzzed emoji", emoji, _BOTH[:1], 1_000),
)
RUNS = (
    *(
        Run(name=name, engine=engine, work=work, accepted=0, delivered=0, bad_inputs=bad_inputs)
        for name, work, engines, bad_inputs in _KINDS
        for engine in engines
    ),
    Run(name="answers at random", engine=EngineName.SQLITE, work=answers, accepted=300, delivered=300, bad_inputs=1_000),
)
