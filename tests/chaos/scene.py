"""A small scene of what moves money and messages: an order with a reference, an edit by reaction, a cancel, a gift, a refund.

It is played while the bot is killed and started again. What nothing was heard of is not repeated, except the first order, which the rest
needs; a member would do so too, and if the first one was accepted, both must be delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, func, select

from bot.domain.guild.document import changed
from bot.domain.guild.settings import GuildSettings
from bot.domain.money.accounts import AccountRef, member_account
from bot.domain.money.ledger import Entry
from bot.domain.money.quota import EMPTY, MICRO
from bot.store import documents, tables
from bot.store.engine.base import Store
from bot.store.money import transfers
from sandbox.person import Message, Person
from tests.chaos.killable import Plan
from tests.chaos.table import Result
from tests.chaos.trial import Trial, trial
from tests.env.app import has_image
from tests.env.images import png
from tests.journeys.conftest import job_id_of

_GRANTED = 10  # credits, which Ada gives away
_LOG = "after-dark"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The steps, in order."""

    trial: Trial

    @property
    def ada(self) -> Person:
        return self.trial.people[0]

    @property
    def ben(self) -> Person:
        return self.trial.people[1]

    @property
    def mo(self) -> Person:
        return self.trial.people[2]

    async def play(self) -> Result:
        """Play it to its end, whatever happens to the bot, and check everything afterwards."""
        first = await self._until_accepted()
        await self._edit_by_reaction(first)
        await asyncio.gather(self._gift(), self._refund(first))
        await self._cancel()
        return await self._check()

    async def _until_accepted(self) -> Message:
        for _ in range(3):
            if (image := await self._order(count=2)) is not None:
                return image
        raise AssertionError("Three orders in a row were not accepted.")

    async def _order(self, *, count: int) -> Message | None:
        prompt, reference = self.trial.new_prompt(), self.ada.upload("fox.png", png(64, 48))
        return await self.trial.attempt(
            lambda: self.ada.slash("edit", prompt=prompt, count=count, image=reference),
            lambda: next((m for m in self.ada.messages() if prompt in m.content and has_image(m)), None),
            "the image of an order",
        )

    async def _edit_by_reaction(self, image: Message) -> None:
        await self.trial.attempt(
            lambda: self.ben.react(image, "🎨"),
            lambda: next((m for m in self.ben.messages() if has_image(m) and _replies_to(m, image)), None),
            "the edit that a reaction orders",
        )

    async def _gift(self) -> None:
        await self.trial.attempt(lambda: self.ada.slash("gift", member=self.ben.id, credits=2.5), self._gift_told, "the gift")

    def _gift_told(self) -> Message | None:
        return next((m for m in self.ben.messages() if "gave" in m.content), None)

    async def _refund(self, image: Message) -> None:
        await self.trial.attempt(lambda: self.mo.slash("imagemod refund", image=job_id_of(image)), self._refund_told, "the refund")

    def _refund_told(self) -> Message | None:
        return next((m for m in self.mo.messages() if m.ephemeral and "Refunded" in m.text), None)

    async def _cancel(self) -> None:
        """Cancel an order whose generation would take long. If the cancel was not heard, the image is made."""
        prompt, switchboard = self.trial.new_prompt(), self.trial.env.switchboard
        switchboard.turn_on("generation-stuck")
        try:
            waiting = await self.trial.attempt(
                lambda: self.ada.slash("generate", prompt=prompt),
                lambda: next((m for m in self.ada.messages() if prompt in m.content and "Cancel" in m.buttons), None),
                "the message of an order that waits",
                ends=False,
            )
            if waiting is not None:
                await self._press_cancel(waiting)
        finally:
            switchboard.turn_off("generation-stuck")

    async def _press_cancel(self, waiting: Message) -> None:
        await self.trial.attempt(
            lambda: self.ada.click(waiting, "Cancel"),
            lambda: next((m for m in self.ada.messages() if m.id == waiting.id and "Cancel" not in m.buttons), None),
            "the end of a cancelled order",
            ends=False,
        )

    # --- afterwards ---

    async def _check(self) -> Result:
        result = await self.trial.check()
        wrong = tuple(self._transfers_wrong(await self.trial.read(_moved)))
        return replace(result, overspent=result.overspent + len(wrong), wrong=(*result.wrong, *wrong))

    def _transfers_wrong(self, moved: dict[str, int]) -> Iterator[str]:
        """One gift has two lines, and one refund a line for each of the two images. Nobody is told of what was not booked."""
        for entry, told in ((Entry.GIFT, self._gift_told()), (Entry.REFUND, self._refund_told())):
            booked = moved.get(entry, 0)
            if booked not in ((2,) if told else (0, 2)):
                yield f"{booked} lines of kind {entry}, and a member was {'' if told else 'not '}told of it."


def _replies_to(message: Message, other: Message) -> bool:
    return (message.raw.get("message_reference") or {}).get("message_id") == other.id


def _moved(conn: Connection) -> dict[str, int]:
    lines = tables.ledger.c
    counts = select(lines.entry, func.count()).where(lines.entry.in_((Entry.GIFT, Entry.REFUND))).group_by(lines.entry)
    return {row[0]: row[1] for row in conn.execute(counts)}


# --- before ----------------------------------------------------------------------------------------------------------


def stage(url: str, folder: Path, plan: Plan) -> AbstractAsyncContextManager[Trial]:
    """The people of the scene, with a log channel, and credits that Ada may give away."""
    return trial(url, folder, plan, names=("Ada", "Ben", "Mo"), prepare=_prepare)


async def _prepare(store: Store, people: tuple[Person, ...]) -> None:
    ada = people[0]
    guild_id, log_id = int(ada.hello["guild"]["id"]), int(ada.channel(_LOG))
    account = AccountRef(name=member_account(guild_id, int(ada.id)), fills=EMPTY)
    await store.write(transfers.grant, to=account, amount=_GRANTED * MICRO, key="grant", now=0)

    def with_log(settings: GuildSettings) -> GuildSettings:
        return settings.model_copy(update={"policy": changed(settings.policy, {"log_channel_id": log_id})})

    await store.write(documents.change_guild_settings, guild_id, with_log, 0, actor_id=None)
