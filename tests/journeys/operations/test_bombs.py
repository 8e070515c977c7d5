"""Small files that announce enormous images: nothing is decoded for them, as references and as results, and nobody else waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bot.app import App
from bot.core.running.budget import ByteBudget
from bot.media.decoding import DecodingPool
from bot.media.reading import TooManyPixels
from sandbox.images.bombs import BOMBS
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.env.images import png, tiny_webp
from tests.journeys.operations.test_others_time import acknowledged_during

MB = 2**20
AT_ONCE = 6
MOST_BYTES = 64 * MB  # of memory for all of them, and not for each


def peak_bytes() -> int:
    """The most memory of this process since `peak_reset`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextmanager
def little_memory() -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # begins a new peak
    before = peak_bytes()
    yield
    assert peak_bytes() - before < MOST_BYTES


class Shares:
    """What was taken from a bot's budgets of memory."""

    def __init__(self) -> None:
        self.all: list[int] = []
        self.most_at_once = self._now = 0

    def watch(self, budget: ByteBudget) -> None:
        take = budget.taken

        @asynccontextmanager
        async def taken(size: int) -> AsyncIterator[None]:
            async with take(size):
                self.all.append(size)
                self._now += size
                self.most_at_once = max(self.most_at_once, self._now)
                try:
                    yield
                finally:
                    self._now -= size

        budget.taken = taken  # type: ignore[method-assign]


@pytest.fixture
def shares(app: App) -> Shares:
    shares, pool = Shares(), app.services.results.decoding
    shares.watch(pool._small.budget)
    shares.watch(pool._large.budget)
    return shares


def refused(message: Message) -> bool:
    return "The limit is" in message.content


def ended(message: Message) -> bool:
    return "More" in message.buttons


@pytest.mark.parametrize("name", BOMBS)
async def test_six_references_at_once(app: App, ada: Person, ben: Person, shares: Shares, name: str) -> None:
    content = BOMBS[name]()

    async def attack() -> None:
        await asyncio.gather(*(ada.slash("edit", prompt="at night", image=ada.upload(name, content)) for _ in range(AT_ONCE)))
        await ada.until(lambda: len([m for m in ada.messages() if refused(m)]) == AT_ONCE or None)

    with little_memory():
        await acknowledged_during(attack(), ben)
    assert [size for size in shares.all if size > 16 * MB] == []


async def test_four_bombs_in_one_order(app: App, ada: Person, shares: Shares) -> None:
    options = ("image", "image2", "image3", "image4")
    files = {option: ada.upload(name, content()) for option, (name, content) in zip(options, BOMBS.items(), strict=False)}
    with little_memory():
        await ada.slash("edit", prompt="at night", **files)
        await ada.message(refused)
    assert shares.all == []


@pytest.mark.parametrize("option", ["image", "image4"])
async def test_a_bomb_is_found_before_the_other_images_of_its_order_are_decoded(app: App, ada: Person, shares: Shares, option: str) -> None:
    others = {name: ada.upload("a.webp", tiny_webp(4000, 3000)) for name in ("image", "image2", "image3", "image4")}
    await ada.slash("edit", prompt="at night", **{**others, option: ada.upload("bomb.gif", BOMBS["bomb.gif"]())})
    await ada.message(refused)
    assert shares.all == []


@pytest.mark.parametrize("fault", ["result-bomb", "result-bomb-gif", "result-bomb-webp", "result-bomb-animation", "result-bomb-avif"])
async def test_six_results_at_once(env: Env, app: App, ada: Person, ben: Person, shares: Shares, fault: str) -> None:
    env.switchboard.turn_on(fault)

    async def attack() -> None:
        await asyncio.gather(*(ada.slash("generate", prompt="a red fox") for _ in range(AT_ONCE)))
        await ada.until(lambda: len([m for m in ada.messages() if ended(m)]) == AT_ONCE or None)

    with little_memory():
        await acknowledged_during(attack(), ben)
    assert [size for size in shares.all if size > 16 * MB] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
async def test_each_is_refused_in_a_tenth_of_a_second(name: str) -> None:
    content = BOMBS[name]()
    async with DecodingPool() as pool:
        await pool.check(png(8, 8), max_pixels=100)  # imports what is imported for the first image
        with little_memory():
            for _ in range(AT_ONCE):
                begun, begun_working = time.monotonic(), time.process_time()
                with pytest.raises(TooManyPixels):
                    await pool.clean(content, max_pixels=40_000_000)
                assert min(time.monotonic() - begun, time.process_time() - begun_working) < 0.1


async def test_four_large_images_in_one_order_are_decoded_one_after_the_other(app: App, ada: Person, ben: Person, shares: Shares) -> None:
    images = {name: ada.upload(f"{name}.webp", tiny_webp(8000, 5000)) for name in ("image", "image2", "image3", "image4")}

    async def attack() -> None:
        await ada.slash("edit", prompt="at night", **images)
        await ada.message(has_image, timeout_s=60)

    await acknowledged_during(attack(), ben)
    large = [size for size in shares.all if size > 100 * MB]
    assert (len(large), shares.most_at_once < 2 * large[0]) == (4, True)


async def test_orders_that_wait_are_bounded_for_each_member(app: App, ada: Person, ben: Person) -> None:
    """Eight wait at most; another member's is taken meanwhile."""
    pool = app.services.results.decoding
    async with pool.turn(int(ada.id)):
        orders = [asyncio.ensure_future(ada.slash("edit", prompt="at night", image=ada.upload("a.png", png(64, 64)))) for _ in range(9)]
        await ada.message(lambda m: "Easel is busy right now" in m.content)
        await ben.slash("edit", "elsewhere", prompt="at night", image=ben.upload("b.png", png(64, 64)))
        await ben.message(has_image, "elsewhere")
        assert not [m for m in ada.messages() if has_image(m)]
    await asyncio.gather(*orders)
