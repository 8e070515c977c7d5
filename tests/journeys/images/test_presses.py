"""Every button, menu and form that was ever posted is answered, also unknown ones."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import discord
import pytest

from bot.app import App
from bot.domain.job import Job
from bot.store.moderation import cases
from cogs.kit.router import CustomId, integer, matching
from cogs.moderation import report
from sandbox.person import Message, Person
from tests.cogs.test_golden import CUSTOM_IDS
from tests.env.app import has_image
from tests.env.providers import KLEIN_4B
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import grant, guild_of, private_reply
from tests.journeys.moderator_steps import case_post, with_moderators
from tests.journeys.result_steps import press
from tests.services.conftest import eventually

TOO_OLD = "This message is too old"
OUTDATED = [
    "v1:nothing:here",  # never declared
    "v0:details:k3x9a0b7zq1m:0",  # an older version
    "v1:case:hang:17",  # not a decision
    "v1:mod:decide:seventeen:keep:0",  # not a number
    "v1:mod:purge:99999999999999999999",  # not a Discord id
    "v1:details:K3X9:0",  # not a job's id
    "v1:settings:owner:on",  # not a switch
    "v1:settings:model",  # a menu's
    "hello",
]
PRESS, COMMAND = "discord.py: on_press", "CommandTree-invoker"


async def posted(
    app: App, person: Person, custom_id: str, *, menu: str = "", panel: bool = False, where: str = "studio", image: bytes = b""
) -> Message:
    """A message of the bot with this button, or with a menu of one value, as an earlier run may have posted it."""
    control: Any = discord.ui.Button(label="Press", custom_id=custom_id)
    if menu:
        control = discord.ui.Select(custom_id=custom_id, options=[discord.SelectOption(label="Choose", value=menu)])
    view: Any = discord.ui.LayoutView() if panel else discord.ui.View()
    view.add_item(discord.ui.ActionRow(control) if panel else control)
    files = [discord.File(BytesIO(image), "generated.png")] if image else []
    channel = app.client.get_partial_messageable(int(person.channel(where)))
    sent = await channel.send(view=view) if panel else await channel.send("Once upon a time", view=view, files=files)
    return await person.message(lambda m: m.id == str(sent.id), where)


async def used(app: App, person: Person, custom_id: str, *, menu: str = "", panel: bool = False) -> None:
    """Press it, or choose in it."""
    message = await posted(app, person, custom_id, menu=menu, panel=panel)
    await (person.select(message, custom_id, menu) if menu else person.click(message, custom_id))


def answers(person: Person) -> list[str]:
    return [m.text for m in person.messages() if m.ephemeral]


# --- what nobody declares ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("custom_id", OUTDATED)
async def test_an_unknown_press_is_answered_once_and_ephemerally(app: App, ada: Person, custom_id: str) -> None:
    await used(app, ada, custom_id)
    assert [TOO_OLD in text for text in answers(ada)] == [True]


async def test_an_unknown_select_menu_is_answered_once(app: App, ada: Person) -> None:
    await used(app, ada, "v1:history:choose:-:0:", menu="first")
    assert [TOO_OLD in text for text in answers(ada)] == [True]


async def test_an_unknown_form_is_answered_once(ada: Person, ben: Person, asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    message, number = await asked(), integer()
    monkeypatch.setattr(report, "FORM", CustomId("old:{message}:{author}:{job}", message=number, author=number, job=matching(".*")))
    await press(ben, await ben.message(lambda m: m.id == message.id), "Report")
    await ben.submit(await ben.modal(), reason="Too gory")
    assert len([text for text in answers(ben) if TOO_OLD in text]) == 1


# --- one of every family -----------------------------------------------------------------------------------------------


async def sent(person: Person, family: str, **fields: Any) -> None:
    """Check the kind of the open form and submit it."""
    modal = await person.modal()
    assert modal.custom_id.startswith(f"v1:{family}:")
    await person.submit(modal, **fields)


@dataclass(frozen=True, kw_only=True)
class Posted:
    """Ids that the custom ids contain."""

    job: str
    case: str
    ben: str  # is blocked
    sponsorship: str


async def another(app: App, person: Person) -> tuple[Job, Message]:
    """One more image of this member's."""
    known = {m.id for m in person.messages()}
    await person.slash("generate", prompt="another fox")
    message = await person.message(lambda m: has_image(m) and m.id not in known)
    return await written_down(app, message), message


async def withdraw_and_delete(app: App, ada: Person, mo: Person) -> None:
    """Withdraw a flag, and confirm decisions that open a form: about a case in the list of cases, and about an image in the log."""
    job, message = await another(app, ada)
    await mo.menu("Report image", await mo.message(lambda m: m.id == message.id))
    await sent(mo, "report-form", reason="Too gory")
    case = await eventually(lambda: app.store.read(cases.latest_about, job.id, guild_of(mo)))
    await used(app, mo, f"v1:mod:decide:{case.id}:delete:0", panel=True)
    await sent(mo, "mod:decide-form", reason="Not here")
    job, message = await another(app, ada)
    await mo.react(await mo.message(lambda m: m.id == message.id), "🚩")
    await mo.message(lambda m: message.id in m.content and "Withdraw" in m.buttons, "dm")
    await used(app, mo, f"v1:withdraw:{message.id}")
    await used(app, mo, f"v1:judge:delete:{job.id}")
    await sent(mo, "judge-form", reason="Nor this")


async def press_one_of_every_family(app: App, ada: Person, mo: Person, image: Message, about: Posted) -> None:
    """Press one button of every kind: none is refused, and the forms open and are accepted."""
    job, case = about.job, about.case
    await mo.menu("Report image", await mo.message(lambda m: m.id == image.id))
    await sent(mo, "report-form", reason="Too gory")

    messages = {"job": (ada, f"v1:details:{job}:0"), "judge": (mo, f"v1:judge:keep:{job}"), "case": (mo, f"v1:case:delete:{case}")}
    key = next(each for each in CUSTOM_IDS["models create"]).rpartition(":")[2]
    menus = {
        "models": (ada, "v1:models:choose", KLEIN_4B),
        "kin": (ada, f"v1:kin:{job}", job),
        "history": (ada, "v1:history:pick:-:0:", job),
    }
    panels = {
        "job panel": (ada, f"v1:more:{job}:0"),
        "result": (ada, f"v1:result:details:{job}:0:{image.id}"),
        "kin-back": (ada, f"v1:kin-back:{job}"),
        "cancel": (ada, "v1:cancel-all"),
        "settings": (ada, "v1:settings:leaderboard:off"),
        "usage": (mo, "v1:usage:span:30:model:-"),
        "sponsor": (ada, f"v1:sponsor:look:{about.sponsorship}"),
        "mydata": (ada, "v1:mydata:keep"),
        "models default": (ada, f"v1:models:default:{key}"),
        "privacy": (ada, "v1:privacy:stored"),
        "tray": (ada, "v1:tray:clear"),
        "admin panel": (mo, "v1:admin:refresh"),
        "setup": (mo, "v1:setup:show:panel:budget:-"),
        "admin file": (mo, "v1:admin:leave:1:0123456789abcdef"),
        "mod open": (mo, "v1:mod:open"),
        "mod cases": (mo, "v1:mod:cases:0:-"),
        "mod decide": (mo, f"v1:mod:decide:{case}:keep:0"),
        "mod audit": (mo, f"v1:mod:audit:{ada.id}:0"),
        "mod unblock": (mo, f"v1:mod:unblock:{about.ben}"),
        "mod purge": (mo, f"v1:mod:purge:{mo.id}"),
        "mod spare": (mo, "v1:mod:spare"),
    }
    for person, custom_id in messages.values():
        await used(app, person, custom_id)
    await sent(mo, "case-form", reason="Not here")
    for person, custom_id, value in menus.values():
        await used(app, person, custom_id, menu=value, panel=True)
    for person, custom_id in panels.values():
        await used(app, person, custom_id, panel=True)

    forms = {
        "models create": f"v1:models:create:{key}",
        "appeal": f"v1:appeal:{case}",
        "retry-job": f"v1:retry-job:{job}:{ada.id}:off",
        "describe": f"v1:describe:{image.channel_id}:{image.id}:{ada.id}",
    }
    await used(app, ada, forms["models create"])
    await sent(ada, "models-form", prompt="A fox")
    await used(app, ada, forms["appeal"])
    await sent(ada, "appeal-form", words="It is a fox")
    await used(app, ada, forms["retry-job"])
    await used(app, ada, f"v1:retry:{(await ada.modal()).interaction_id}")
    await sent(ada, "retry-form", prompt="At noon")
    await mo.slash("imagemod block", member=ada.id)
    notice = await ada.message(lambda m: "Appeal" in m.buttons and "You can't create images on" in m.content, "dm")
    await ada.click(notice, "Appeal")
    await sent(ada, "appeal-block-form", words="Please")
    await mo.slash("imagemod unblock", member=ada.id)
    await used(app, ada, forms["describe"])
    await sent(ada, "form", prompt="At night")
    await press(ada, image, "Upscale")
    await sent(ada, "upscale-form", offer=["0"])
    await withdraw_and_delete(app, ada, mo)
    appeals = {"appeal-form", "appeal-block", "appeal-block-form"}
    decisions = {"withdraw", "case-form", "mod decide-form", "judge-form"}
    sent_forms = {*appeals, *decisions, "report-form", "models-form", "retry", "retry-form", "form", "upscale-form"}
    assert {*messages, *menus, *panels, *forms, *sent_forms} == set(CUSTOM_IDS)
    assert [text for person in (ada, mo) for text in answers(person) if "🚫" in text] == []


async def test_one_button_of_every_kind_works(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    await with_moderators(app, ada)
    first, second = await asked(), await asked()
    await mo.menu("Report image", await mo.message(lambda m: m.id == first.id))
    await sent(mo, "report-form", reason="Too gory")
    case = (await case_post(mo)).buttons["Keep"]["custom_id"].rpartition(":")[2]
    await mo.slash("imagemod block", member=(ben := mo.person_id("Ben")))
    await grant(app, ada, 100)
    await ada.slash("sponsor start", credits=5)
    line = await ada.message(lambda m: "How much is left?" in m.buttons)
    sponsorship = line.buttons["How much is left?"]["custom_id"].rpartition(":")[2]
    job = (await written_down(app, second)).id
    await press_one_of_every_family(app, ada, mo, second, Posted(job=job, case=case, ben=ben, sponsorship=sponsorship))


# --- what an interaction costs -----------------------------------------------------------------------------------------


@contextmanager
def begun() -> Iterator[list[asyncio.Task[Any]]]:
    """Every task of this loop that starts inside the block."""
    tasks: list[asyncio.Task[Any]] = []

    def begin(loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> asyncio.Task[Any]:
        tasks.append(asyncio.Task(coro, loop=loop, **more))
        return tasks[-1]

    loop = asyncio.get_running_loop()
    loop.set_task_factory(begin)
    try:
        yield tasks
    finally:
        loop.set_task_factory(None)


async def tasks_of(doing: Coroutine[Any, Any, object]) -> list[str]:
    """Names of the tasks that discord.py starts for an interaction: one for the handler, one for each listener and view."""
    with begun() as tasks:
        await doing
    return [name for task in tasks if (name := task.get_name()).startswith(("discord", "CommandTree"))]


async def test_an_interaction_is_handled_in_one_task(ada: Person, asked: Ask) -> None:
    message = await asked()
    assert await tasks_of(ada.slash("settings")) == [COMMAND]
    assert await tasks_of(ada.autocomplete("generate", "model", prompt="a fox", model="f")) == [COMMAND]
    assert await tasks_of(ada.menu("Image details", message)) == [COMMAND]
    assert await tasks_of(ada.select(await private_reply(ada, "Your settings"), "v1:settings:consent", "nobody")) == [PRESS]
    assert await tasks_of(ada.click(message, "Edit")) == [PRESS]
    assert await tasks_of(ada.submit(await ada.modal(), prompt="At night")) == [PRESS]


async def test_stopping_waits_for_a_press(app: App, ada: Person) -> None:
    message, pressed = await posted(app, ada, "v1:settings:leaderboard:off", panel=True), asyncio.Event()

    async def on_press(_interaction: object) -> None:
        pressed.set()

    app.client.add_listener(on_press)
    with begun() as tasks:
        pressing = asyncio.create_task(ada.click(message, "Press"), name="Ada")
        await pressed.wait()
        await app.client.finish_events()
    assert [task for task in tasks if task.get_name() == PRESS and not task.done()] == []
    await pressing


async def test_the_library_keeps_no_view(app: App, asked: Ask) -> None:
    """discord.py would keep a view for every message as long as the bot runs, and start another task for each press."""
    await asked()
    assert list(app.client.persistent_views) == []
