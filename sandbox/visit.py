"""The smoke test of `make demo-once`: a visitor generates and edits an image with each image API, then checks the charges."""

from __future__ import annotations

import asyncio
import io
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import aiohttp
from PIL import Image

from sandbox.person import Message, Person

_CHANNEL = "studio"
_IMAGE_TIMEOUT_S = 60.0  # for one image, on a slow machine
_DEFAULT_MODEL = "FLUX.2 Klein 4B"
_CREDIT_USD = Decimal("0.01")  # the bot's default for CREDIT_USD
_OXLO_CREDITS = Decimal(2)  # the bot's default for OXLO_PRICE_CREDITS
_CHARGES = re.compile(r"\*\*([\d.,]+)\*\* of ([\d.,]+) left · ([\d.,]+) reserved · ([\d.,]+) spent")


@dataclass(frozen=True, kw_only=True)
class _VisitStep:
    """An image that is generated and then edited: the options of the two commands, and a prefix for the file names."""

    make: Mapping[str, object]
    edit: Mapping[str, object]
    name: str = ""  # prefix of the file names


_STEPS = (
    _VisitStep(
        make={"prompt": "a lighthouse on a cliff above the sea at dusk", "aspect_ratio": "16:9", "seed": 7},
        edit={"prompt": "the same place in deep winter, with snow"},
    ),
    _VisitStep(
        name="oxlo-",
        make={"prompt": "a small harbour with fishing boats", "model": "Stable Diffusion 1.5"},
        edit={"prompt": "the same harbour in the fog", "model": "Stable Diffusion 1.5", "strength": "0.6"},
    ),
)


@dataclass(frozen=True, kw_only=True)
class _ReceivedImage:
    """An image as it was received, decoded to verify it."""

    content: bytes
    width_px: int
    height_px: int
    format: str  # Pillow's name
    pixels: bytes  # a small version, to compare

    @property
    def ending(self) -> str:
        return {"JPEG": "jpg"}.get(self.format, self.format.lower())

    def __str__(self) -> str:
        return f"{self.width_px}×{self.height_px} {self.format}, {len(self.content) / 1000:.0f} KB"


@dataclass(frozen=True, kw_only=True)
class _TimedLog:
    """Reports progress with the seconds since the start."""

    say: Callable[[str], None]
    began: float

    def note(self, text: str) -> None:
        self.say(f"{time.monotonic() - self.began:6.2f} s  {text}")


async def main_job(addresses: Mapping[str, str], *, out: Path, say: Callable[[str], None]) -> None:
    """Generate, edit, check the charges, and write the images to `out`. `addresses` is what `python -m sandbox` prints.

    Raises `AssertionError` with a sentence if anything is wrong.
    """
    log = _TimedLog(say=say, began=time.monotonic())
    async with Person.connect(addresses["page"], "Ada") as ada:
        await _until_offered(ada, _DEFAULT_MODEL)
        for step in _STEPS:
            await _run_step(step, ada, log, out)
        await _check_charges(ada, log, addresses)
    log.note("Everything is as it should be.")


async def _until_offered(ada: Person, model: str) -> None:
    """Wait until the bot has read the list with this model: on its first start it may connect to Discord earlier."""
    try:
        async with asyncio.timeout(_IMAGE_TIMEOUT_S):
            while not await ada.autocomplete("generate", "model", _CHANNEL, model=model):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"The bot does not offer {model}.") from None


async def _run_step(step: _VisitStep, ada: Person, log: _TimedLog, out: Path) -> None:
    first = await _run_command(ada, log, "generate", **step.make)
    await _save(first, out, f"{step.name}generate", log)
    second = await _run_command(ada, log, "edit", **step.edit, image=ada.upload(f"generated.{first.ending}", first.content))
    await _save(second, out, f"{step.name}edit", log)
    _check(first.pixels != second.pixels, "The edited image is the same as the original.")


async def _run_command(ada: Person, log: _TimedLog, command: str, /, **options: object) -> _ReceivedImage:
    """Run a command and wait for its image."""
    known = {message.id for message in ada.messages(_CHANNEL)}

    def is_new(message: Message) -> bool:
        return message.id not in known and not message.waiting

    words = " ".join(f"{name}: {getattr(value, 'filename', value)}" for name, value in options.items())
    log.note(f"Ada uses /{command} {words}")
    await ada.slash(command, _CHANNEL, **options)
    answer = await ada.message(is_new, _CHANNEL)
    log.note(f"the bot answers: {_one_line(answer)}")
    done = await ada.message(lambda message: message.id == answer.id and not _is_open(message), _CHANNEL, _IMAGE_TIMEOUT_S)
    _check(len(done.attachments) == 1, f"One image was expected: {done}")
    image = await asyncio.to_thread(_decode, await ada.fetch(done.attachments[0]["url"]))
    log.note(f"the image appears: {image}, with the buttons {', '.join(done.buttons)}")
    return image


async def _save(image: _ReceivedImage, out: Path, name: str, log: _TimedLog) -> None:
    path = out / f"{name}.{image.ending}"
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(path.write_bytes, image.content)
    log.note(f"written to {path}")


async def _check_charges(ada: Person, log: _TimedLog, addresses: Mapping[str, str]) -> None:
    """Check that the bot charged what the image APIs were paid: two images each, each once."""
    known = {message.id for message in ada.messages(_CHANNEL)}
    await ada.slash("quota", _CHANNEL)
    answer = await ada.message(lambda message: message.id not in known and bool(message.text), _CHANNEL)
    found = _CHARGES.search(answer.text)
    if found is None:
        raise AssertionError(f"/quota does not say what is left, reserved and spent: {answer}")
    left, size, reserved, spent = (Decimal(amount.replace(",", "")) for amount in found.groups())
    log.note(f"/quota says: {left} of {size} credits left, {reserved} reserved, {spent} spent")
    due = await _oxen_cost(addresses) + await _oxlo_cost(addresses)
    _check(spent == due, f"{spent} credits were charged instead of {due}.")
    _check(reserved == 0, f"{reserved} credits are still reserved.")
    _check(0 <= left - (size - spent) < Decimal("0.1"), f"{left} credits are left, which does not fit.")  # the balance refills slowly


async def _oxen_cost(addresses: Mapping[str, str]) -> Decimal:
    """The cost of the images made at Oxen, in credits."""
    headers = {"Authorization": f"Bearer {addresses['images_key']}"}
    async with aiohttp.ClientSession(addresses["images_url"], headers=headers, raise_for_status=True) as session:
        async with session.get("/sandbox/generations") as response:
            made = [row["model_name"] for row in (await response.json())["generations"]]
        async with session.get("/api/ai/models") as response:
            models = json.loads(await response.text(), parse_float=Decimal)["data"]
    _check(len(made) == 2, f"Oxen was asked for {len(made)} images instead of 2.")
    costs = {model["id"]: model["pricing"].get("cost_per_image") for model in models}
    return sum((costs[name] for name in made), Decimal(0)) / _CREDIT_USD


async def _oxlo_cost(addresses: Mapping[str, str]) -> Decimal:
    """The cost of the images made at Oxlo, in credits. Oxlo counts images; the operator sets the price of one."""
    url = f"{addresses['images_url']}/sandbox/openai/calls"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as response:
        paid = int((await response.json())["paid"])
    _check(paid == 2, f"Oxlo was paid for {paid} images instead of 2.")
    return paid * _OXLO_CREDITS


def _decode(content: bytes) -> _ReceivedImage:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            small = image.convert("RGB").resize((64, 64)).tobytes()
            return _ReceivedImage(content=content, width_px=image.width, height_px=image.height, format=str(image.format), pixels=small)
    except OSError as error:
        raise AssertionError(f"What arrived is not an image ({error}).") from error


def _is_open(message: Message) -> bool:
    return "Cancel" in message.buttons


def _one_line(message: Message) -> str:
    return " · ".join(line.removeprefix("-# ") for line in message.text.splitlines())


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise AssertionError(otherwise)
