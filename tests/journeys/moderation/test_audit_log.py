"""No trace is missing: each way to delete, hide, refund, block or change something stands in /imagemod audit with who, what and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest

from bot.domain.guild.sections import Strikes
from bot.domain.moderation.audit import AuditLine
from bot.domain.moderation.cases import Decision
from bot.services.moderation.cases import DECIDED
from bot.store import tables
from bot.store.moderation import audit_log, record, verdicts
from cogs.moderation import audit_texts
from sandbox.person import Message
from tests.journeys.manager_steps import grant, guild_of
from tests.journeys.moderation.rights_steps import AUTHOR, MANAGER, MEMBER, MODERATOR, NAMED, Stage, cancelled, decided, stuck
from tests.journeys.moderator_steps import change_rules
from tests.services.conftest import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

Act = Callable[[Stage], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """An act, which may return the message it is about, and the lines that it leaves; `{link}` leads to that message."""

    act: Act
    lines: tuple[str, ...]


def link_to(stage: Stage, message: Message) -> str:
    return f"https://discord.com/channels/{guild_of(stage.author)}/{message.channel_id}/{message.id}"


def command(name: str, **options: str) -> Act:
    """A moderator's command about a new image."""

    async def act(stage: Stage) -> Message:
        _, message = await stage.image()
        await stage.people[MODERATOR].slash(f"imagemod {name}", image=link_to(stage, message), **options)
        return message

    return act


def gesture(emoji: str, who: str) -> Act:
    async def act(stage: Stage) -> Message:
        _, message = await stage.image()
        await stage.people[who].react(await stage.seen_by(who, message), emoji)
        return message

    return act


def on_member(name: str, **options: str) -> Act:
    async def act(stage: Stage) -> None:
        await stage.people[MODERATOR].slash(f"imagemod {name}", member=stage.people[MEMBER].id, **options)

    return act


def setting(name: str, **options: object) -> Act:
    async def act(stage: Stage) -> None:
        await stage.people[MANAGER].slash(f"imageadmin {name}", **options)

    return act


async def delete_own_in_the_history(stage: Stage) -> None:
    job, _ = await stage.image()
    await stage.forged(AUTHOR, f"v1:history:delete:{job.id}:0:", panel=True)


async def change_a_price(stage: Stage) -> None:
    model = stage.app.services.orders.default_model
    await stage.people[MANAGER].slash("imageadmin price", model=model, credits=3)
    await stage.people[MANAGER].slash("imageadmin price", model=model)


async def add_a_preset(stage: Stage) -> None:
    await stage.people[MANAGER].slash("presets add", emoji="🦊", name="Fox", prompt="as a fox")


async def cancel(stage: Stage) -> None:
    with stuck(stage):
        job, _ = await stage.waiting()
        await stage.forged(MODERATOR, f"v1:cancel:{job.id}:0")
        await eventually(cancelled(stage, job))


async def purge(stage: Stage) -> None:
    await stage.image(MEMBER)
    await stage.forged(MODERATOR, f"v1:mod:purge:{stage.people[MEMBER].id}", panel=True)


async def uncover(stage: Stage) -> Message:
    job, message = await stage.image()
    await stage.people[MODERATOR].react(await stage.seen_by(MODERATOR, message), "🙈")
    case = await eventually(decided(stage, job))
    await stage.app.store.write(verdicts.appeal, case.id, words="It is art", now=1)
    await stage.forged(NAMED, f"v1:case:keep:{case.id}")
    return message


async def delete_an_unknown_message(stage: Stage) -> None:
    job, _ = await stage.image()
    await stage.app.store.write(lambda conn: conn.execute(tables.job_messages.delete().where(tables.job_messages.c.job_id == job.id)))
    await stage.app.store.write(verdicts.decide_on_job, job.id, guild_of(stage.author), A_DELETION)
    await stage.forged(MODERATOR, f"v1:delete:{job.id}:0")


async def sponsor(stage: Stage) -> None:
    await grant(stage.app, stage.author, 1000)
    await stage.author.slash("sponsor start", credits=5)
    await stage.author.message(lambda m: "sponsors everyone here" in m.text)
    await stage.people[MODERATOR].slash("sponsor stop")


async def delete_a_named_channel(stage: Stage) -> None:
    await change_rules(stage.app, stage.author, log_channel_id=stage.author.channel("quiet"))
    await stage.people[MANAGER].delete_channel("quiet")


A_DELETION = verdicts.Ruling(decision=Decision.DELETE, by_id=1, strikes=Strikes(), now=1)
TRACES = {
    "delete by command": Trace(
        act=command("delete", reason="Too gory"), lines=("{max} decided case {case} about {ada}: Delete", "-# Too gory")
    ),
    "delete by reaction": Trace(act=gesture("❌", NAMED), lines=("{cleo} decided case {case} about {ada}: Delete",)),
    "delete one's own": Trace(act=gesture("❌", AUTHOR), lines=("{ada} deleted their own image",)),
    "delete one's own in the history": Trace(act=delete_own_in_the_history, lines=("{ada} deleted their own image",)),
    "delete what is not known to be shown": Trace(act=delete_an_unknown_message, lines=("{max} deleted an image by {ada}",)),
    "hide by command": Trace(
        act=command("spoiler", reason="Too bare"),
        lines=(
            "decided case {case} about {ada}: {hide}",
            "-# Too bare · {link}",
            "{max} put an image by {ada} behind a spoiler\n-# case {case} · {link}",
        ),
    ),
    "hide one's own": Trace(act=gesture("🙈", AUTHOR), lines=("{ada} put their own image behind a spoiler\n-# {link}",)),
    "show again": Trace(act=uncover, lines=("{cleo} removed the spoiler from an image by {ada}\n-# case {case} · {link}",)),
    "refund": Trace(act=command("refund", reason="It was broken"), lines=("{max} refunded {ada} 1.4 credits\n-# It was broken · {link}",)),
    "cancel": Trace(act=cancel, lines=("{max} cancelled an image by {ada}",)),
    "purge": Trace(act=purge, lines=("{max} deleted all images by {ben}\n-# ",)),
    "block": Trace(act=on_member("block", reason="Flooding"), lines=("{max} blocked {ben}\n-# Flooding",)),
    "unblock": Trace(act=on_member("unblock"), lines=("{max} unblocked {ben}",)),
    "end a sponsorship": Trace(
        act=sponsor,
        lines=(
            "{ada} sponsored 5 credits for everyone in a channel\n-# {studio} · until ",
            "{max} ended {ada}'s sponsorship and returned 5 credits\n-# {studio}",
        ),
    ),
    "grant": Trace(
        act=lambda stage: stage.people[MANAGER].slash("imageadmin grant", credits=5, member=stage.author.id, note="A prize"),
        lines=("{mo} granted {ada} 5 credits\n-# A prize",),
    ),
    "change a setting": Trace(act=setting("flags", needed=7), lines=("{mo} changed the settings\n-# Flags needed to hide an image: ",)),
    "change a price": Trace(act=change_a_price, lines=("{mo} changed the settings\n-# Price of “",)),
    "add a preset": Trace(act=add_a_preset, lines=("{mo} changed the settings\n-# ",)),
    "delete a channel of the settings": Trace(act=delete_a_named_channel, lines=("Channels or roles that the settings name were deleted",)),
}


@pytest.mark.parametrize("name", TRACES)
async def test_it_leaves_a_trace(stage: Stage, name: str) -> None:
    before = await newest(stage)
    message = await TRACES[name].act(stage)
    names = {person.name.lower(): f"<@{person.id}>" for person in stage.people.values()}
    places = {"studio": f"<#{stage.author.channel('studio')}>", "link": link_to(stage, message) if isinstance(message, Message) else ""}

    shown = ""

    async def missing() -> list[str]:
        nonlocal shown
        lines = [line for line in await stage.app.store.read(audit_log.latest, guild_of(stage.author)) if (line.id or 0) > before]
        case = next((line.case_id for line in lines if line.case_id is not None), None)
        shown = await text_of(stage, lines)
        known = {**names, **places, "case": case, "hide": DECIDED[Decision.SPOILER]}
        return [line for line in (line.format(**known) for line in TRACES[name].lines) if line not in shown]

    with suppress(TimeoutError):
        await eventually(lambda: no_more(missing))
    assert await missing() == [], shown


async def no_more(missing: Callable[[], Awaitable[list[str]]]) -> bool:
    return not await missing()


async def newest(stage: Stage) -> int:
    lines = await stage.app.store.read(audit_log.latest, guild_of(stage.author), limit=1)
    return lines[0].id or 0 if lines else 0


async def text_of(stage: Stage, lines: Sequence[AuditLine]) -> str:
    """The lines as /imagemod audit writes them."""
    links = await stage.app.store.read(record.links_of, guild_of(stage.author), lines)
    return audit_texts.audit(lines, str, links=links, target_id=None, limit=4000)


async def test_the_audit_log_links_to_the_image(stage: Stage) -> None:
    job, message = await stage.image()
    mod = stage.people[MODERATOR]
    await mod.react(await stage.seen_by(MODERATOR, message), "🙈")
    await eventually(decided(stage, job))
    await mod.slash("imagemod audit")
    await mod.message(lambda m: "Audit log" in m.text and link_to(stage, message) in m.text)
